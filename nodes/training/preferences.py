"""Pairs of clips of which one is better: judged by a metric, alike in others, written for training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from graphflow_nodes.diffusion.values import Latents, PromptEmbeds
from graphflow_nodes.evaluation.values import Measurement, Missing, Scores
from graphflow_nodes.media.files import save, still_stands
from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Context, FileName, node
from graphflow.values import SavedFile, Value

Metric = Annotated[str, Field(min_length=1, max_length=100)]


class Likeness(Value):
    """A metric in which both clips of a pair are to be alike."""

    metric: str
    better: float
    """Of the clip that is better, in the metric that judges."""
    worse: float

    @property
    def difference(self) -> float:
        """Of the better from the worse one, as a share of the larger value; 0 if both are 0."""
        return (self.better - self.worse) / (max(abs(self.better), abs(self.worse)) or 1.0)


class Preference(Value):
    """Two clips of one prompt and which is better. rejected_for: why the pair is not used; empty if it is."""

    prompt: str
    first_better: bool
    metric: str
    better: float
    worse: float
    rejected_for: str = ""
    alike: tuple[Likeness, ...] = ()


class PreferenceSets(NamedTuple):
    """Aligned lists of the pairs that are used."""

    preferred: list[Latents]
    rejected: list[Latents]
    prompts: list[PromptEmbeds]


@node("training/prefer", fold=True, depends=("graphflow_nodes.evaluation.values",))
def prefer(
    first: Scores,
    second: Scores,
    *,
    prompt: str = "",
    metric: Metric = "motion",
    lower: bool = False,
    margin: Annotated[float, Field(ge=0)] = 0.0,
    alike: list[str] | None = None,
    tolerance: Annotated[float, Field(ge=0)] = 0.2,
) -> Preference:
    """Judge two clips of one prompt by a metric; pairs that differ in something else are not used.

    metric: the better clip has more of it, or less if `lower`. margin: least difference.
    alike: metrics, such as those of text and image quality, that may differ by at most `tolerance`, as a
        share of the larger value; the result holds them.
    Raises NodeError if a metric was not measured.
    """
    one, two = (_value(scores, metric) for scores in (first, second))
    first_better = (one < two) if lower else (one > two)
    reasons = [] if abs(one - two) > margin else [f"{metric} differs by {abs(one - two):.3g} only"]
    likenesses = []
    for name in alike or []:
        a, b = (_value(scores, name) for scores in (first, second))
        better, worse = (a, b) if first_better else (b, a)
        likenesses.append(Likeness(metric=name, better=better, worse=worse))
        if abs(likenesses[-1].difference) > tolerance:
            reasons.append(f"{name} is {a:.3g} and {b:.3g}")
    return Preference(
        prompt=prompt,
        first_better=first_better,
        metric=metric,
        better=one if first_better else two,
        worse=two if first_better else one,
        rejected_for="; ".join(reasons),
        alike=tuple(likenesses),
    )


@node("training/preference_label", fold=True)
def preference_label(preference: Preference) -> str:
    """A pair in one line, for a sheet: the prompt, which clip is better by what, and what is alike in both.

    Of a pair that is not used it tells why.
    """
    if preference.rejected_for:
        return f"{preference.prompt}; not used: {preference.rejected_for}"
    place = "first" if preference.first_better else "second"
    judged = f"{place} is better, {preference.metric} {preference.better:.3g} over {preference.worse:.3g}"
    alike = [f"{one.metric} {one.better:.3g} and {one.worse:.3g}" for one in preference.alike]
    return "; ".join([preference.prompt, judged, *alike])


@node("training/check_preferences", fold=True, depends=("graphflow_nodes.evaluation.values",))
def check_preferences(preferences: list[Preference]) -> Scores:
    """How alike the clips of the pairs that are used are in all that they are not judged by.

    Gives pairs_used (a share of all) and, for each metric that was to be alike, NAME_apart, the greatest
    difference in a pair, and NAME_lean, the mean of better minus worse: one far from 0 means that training on
    the pairs also teaches this. Both are shares of the larger value. They are missing if no pair is used.
    Raises NodeError if there are no pairs at all.
    """
    if not preferences:
        raise NodeError("there are no pairs to check", hint="wire training/prefer")
    used = [one for one in preferences if not one.rejected_for]
    found = [
        Measurement(
            metric="pairs_used",
            value=len(used) / len(preferences),
            direction="higher",
            unit="0..1",
            claims="pairs that differ too little, or in something else",
        )
    ]
    missing = []
    for name in dict.fromkeys(like.metric for one in preferences for like in one.alike):
        apart = [like.difference for one in used for like in one.alike if like.metric == name]
        if not apart:
            reason = f"no pair is used: {preferences[0].rejected_for}"
            missing += [Missing(metric=f"{name}_{what}", reason=reason) for what in ("apart", "lean")]
            continue
        values = {"apart": max(map(abs, apart)), "lean": sum(apart) / len(apart)}
        found += [
            Measurement(
                metric=f"{name}_{what}",
                value=value,
                direction="lower" if what == "apart" else "none",
                unit="share",
                claims=f"pairs of which the better clip differs in {name} too",
            )
            for what, value in values.items()
        ]
    return Scores(measurements=tuple(found), missing=tuple(missing))


def _value(scores: Scores, metric: str) -> float:
    found = scores.named(metric)
    if found is None:
        reason = next((f": {one.reason}" for one in scores.missing if one.metric == metric), "")
        names = ", ".join(one.metric for one in scores.measurements) or "none"
        raise NodeError(f"{metric} was not measured{reason}", where="metric", hint=f"there are: {names}")
    return float(found.value)


@node("training/preference_sets", depends=("graphflow_nodes.diffusion.values",))
def preference_sets(
    preferences: list[Preference],
    firsts: list[Latents],
    seconds: list[Latents],
    prompts: list[PromptEmbeds],
) -> PreferenceSets:
    """The better and the worse clips of the pairs that are used, for training/dpo_lora.

    Raises ValueMismatch if the lists differ in length, NodeError if no pair is used, with the first reason.
    """
    lengths = {len(preferences), len(firsts), len(seconds), len(prompts)}
    if len(lengths) > 1:
        raise ValueMismatch(f"the lists have {', '.join(map(str, sorted(lengths)))} items")
    used = [place for place, one in enumerate(preferences) if not one.rejected_for]
    if not used:
        reason = preferences[0].rejected_for if preferences else "there are none"
        raise NodeError(f"no pair can be used: {reason}", hint="lower the margin, or make more pairs")
    ordered = [
        (firsts[i], seconds[i]) if preferences[i].first_better else (seconds[i], firsts[i]) for i in used
    ]
    return PreferenceSets([a for a, _ in ordered], [b for _, b in ordered], [prompts[i] for i in used])


def _stands(outputs: Mapping[str, Any]) -> bool:
    return bool(still_stands(outputs))


@node(
    "training/save_preferences",
    cache=False,
    effect=_stands,
    depends=("graphflow_nodes.media.files",),
)
def save_preferences(
    preferences: list[Preference],
    firsts: list[SavedFile],
    seconds: list[SavedFile],
    ctx: Context,
    *,
    name: FileName = "preferences",
    unused: bool = False,
) -> SavedFile:
    """Write pairs as JSON lines: prompt, the better and the worse file (by name, beside this file), scores.

    `alike` holds what was to be alike, of the better and of the worse.

    firsts, seconds: the saved clips of each pair. unused: also write pairs that are not used, with the
    reason.
    Raises ValueMismatch if the lists differ in length, StorageError if it cannot be written.
    """
    if not len(preferences) == len(firsts) == len(seconds):
        raise ValueMismatch(f"{len(preferences)} pairs, {len(firsts)} first and {len(seconds)} second files")
    lines = []
    for one, *files in zip(preferences, firsts, seconds, strict=True):
        if one.rejected_for and not unused:
            continue
        better, worse = files if one.first_better else reversed(files)
        line: dict[str, Any] = {
            "prompt": one.prompt,
            "chosen": Path(better.path).name,
            "rejected": Path(worse.path).name,
            "metric": one.metric,
            "chosen_score": one.better,
            "rejected_score": one.worse,
        }
        if one.alike:
            line["alike"] = {like.metric: [like.better, like.worse] for like in one.alike}
        lines.append(json.dumps(line | ({"unused": one.rejected_for} if one.rejected_for else {})))
    text = "".join(f"{line}\n" for line in lines)
    saved: SavedFile = save(
        ctx, name, ".jsonl", "application/jsonl", lambda path: path.write_text(text, "utf-8") and None
    )
    return saved
