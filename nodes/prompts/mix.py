"""Training captions: most of them structured, some derived, and fields left out now and then.

SkyReels-V2's released caption code deletes appearance and position (of each subject) and lighting with a
probability of 0.1 each; mixing two kinds of captions nine to one is the other reading of the same rule. Both
are settings here.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import Seed

from .fields import filled, with_subject, without
from .render import PARTS, fitted, written
from .styles import StyleName
from .values import Lighting, StructuredPrompt, Task

Probability = Annotated[float, Field(ge=0, le=1)]
Derived = Literal["short", "dense", "subset", "other"]


class MixedCaption(NamedTuple):
    """A training caption, where it came from (`structured` or the derived kind), and its prompt."""

    text: str
    source: str
    prompt: StructuredPrompt


class MixReport(NamedTuple):
    """How captions were mixed: the share of structured ones, 0..1, and all shares in words."""

    structured: float
    text: str


@node("prompts/caption_mix", fold=True, depends=(*PARTS, ".render"))
def caption_mix(
    prompt: StructuredPrompt,
    other: str | None = None,
    *,
    style: StyleName = "skyreels",
    task: Task = "text_to_video",
    structured: Probability = 0.9,
    derived: Derived = "short",
    drop_appearance: Probability = 0.1,
    drop_position: Probability = 0.1,
    drop_lighting: Probability = 0.1,
    seed: Seed = 0,
    sample: str = "",
    epoch: Annotated[int, Field(ge=0)] = 0,
) -> MixedCaption:
    """A caption for training: with probability `structured` the rendered prompt, else a derived one.

    derived: `short` (who does what), `dense` (plain prose without a limit), `subset` (each part kept by a
    coin), or `other` (the text wired to the port, such as another captioner's).
    drop_*: how often a structured caption loses that field, for each subject by itself.
    The choice depends on seed, sample and epoch alone, so runs and caches agree; an empty `sample` is the
    prompt's own content.
    Raises NodeError if `other` is chosen and nothing is wired.
    """
    if derived == "other" and other is None:
        raise NodeError("nothing is wired to `other`", hint="wire a text, or choose another kind of derived")
    draw = _Draw(f"{seed}\0{sample or prompt.model_dump_json()}\0{epoch}\0")
    if not draw.chance("structured", structured):
        told = _derived(prompt, derived, draw)
        if derived == "other":
            return MixedCaption(other or "", derived, prompt)
        kind: StyleName = "plain" if derived == "dense" else style
        text = written(told, kind, task) if derived == "dense" else fitted(told, kind, task)[0]
        return MixedCaption(text, derived, told)
    for index in range(len(prompt.subjects)):
        if draw.chance(f"appearance {index}", drop_appearance):
            prompt = with_subject(prompt, index, appearance="")
        if draw.chance(f"position {index}", drop_position):
            prompt = with_subject(prompt, index, position="")
    if draw.chance("lighting", drop_lighting):
        prompt = prompt.model_copy(update={"lighting": Lighting()})
    return MixedCaption(fitted(prompt, style, task)[0], "structured", prompt)


@node("prompts/mix_report", fold=True)
def mix_report(sources: list[str]) -> MixReport:
    """The shares that `prompts/caption_mix` really gave, from the sources of its captions.

    Raises NodeError if there are no captions.
    """
    if not sources:
        raise NodeError("there are no captions", hint="wire the sources of prompts/caption_mix")
    counts = Counter(sources).most_common()
    words = ", ".join(f"{name} {count} ({count / len(sources):.1%})" for name, count in counts)
    return MixReport(sources.count("structured") / len(sources), f"{len(sources)} captions: {words}")


class _Draw:
    """Random numbers by name: each depends on the name and the state alone, never on the order of calls."""

    def __init__(self, state: str) -> None:
        self.state = state

    def chance(self, name: str, probability: float) -> bool:
        digest = hashlib.sha256((self.state + name).encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:7], "big") < probability * 2**56


def _derived(prompt: StructuredPrompt, kind: Derived, draw: _Draw) -> StructuredPrompt:
    if kind in ("dense", "other"):
        return prompt
    parts = filled(prompt)
    if kind == "subset":
        kept = {part for part in parts if draw.chance(f"part {part}", 0.5)}
    else:
        kept = {"description", "action", "events"}
    gone = [part for part in parts if part not in kept]
    for part in gone if len(gone) < len(parts) else []:  # a caption says at least something
        prompt = without(prompt, part)
    return prompt
