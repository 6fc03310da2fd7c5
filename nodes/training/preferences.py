"""Pairs of clips of which one is better: judged by a metric, alike in others, written for training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from graphflow_nodes.diffusion.values import Latents, PromptEmbeds
from graphflow_nodes.evaluation.values import Scores
from graphflow_nodes.media.files import save, still_stands
from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Context, node
from graphflow.values import SavedFile, Value

Metric = Annotated[str, Field(min_length=1, max_length=100)]


class Preference(Value):
    """Two clips of one prompt and which is better. rejected_for: why the pair is not used; empty if it is."""

    prompt: str
    first_better: bool
    metric: str
    better: float
    worse: float
    rejected_for: str = ""


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
    alike: metrics, such as those of image quality, that may differ by at most `tolerance`, as a share of the
        larger value.
    Raises NodeError if a metric was not measured.
    """
    one, two = (_value(scores, metric) for scores in (first, second))
    first_better = (one < two) if lower else (one > two)
    reasons = [] if abs(one - two) > margin else [f"{metric} differs by {abs(one - two):.3g} only"]
    for name in alike or []:
        a, b = (_value(scores, name) for scores in (first, second))
        if abs(a - b) > tolerance * max(abs(a), abs(b)):
            reasons.append(f"{name} is {a:.3g} and {b:.3g}")
    return Preference(
        prompt=prompt,
        first_better=first_better,
        metric=metric,
        better=one if first_better else two,
        worse=two if first_better else one,
        rejected_for="; ".join(reasons),
    )


def _value(scores: Scores, metric: str) -> float:
    found = scores.named(metric)
    if found is None:
        names = ", ".join(one.metric for one in scores.measurements) or "none"
        raise NodeError(f"{metric} was not measured", where="metric", hint=f"there are: {names}")
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
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^/\\\x00-\x1f]+$")] = "preferences",
    unused: bool = False,
) -> SavedFile:
    """Write pairs as JSON lines: prompt, the better and the worse file (by name, beside this file), scores.

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
        line = {
            "prompt": one.prompt,
            "chosen": Path(better.path).name,
            "rejected": Path(worse.path).name,
            "metric": one.metric,
            "chosen_score": one.better,
            "rejected_score": one.worse,
        }
        lines.append(json.dumps(line | ({"unused": one.rejected_for} if one.rejected_for else {})))
    text = "".join(f"{line}\n" for line in lines)
    saved: SavedFile = save(
        ctx, name, ".jsonl", "application/jsonl", lambda path: path.write_text(text, "utf-8") and None
    )
    return saved
