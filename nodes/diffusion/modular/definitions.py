"""What diffusers' modular pipelines are made of, read from `blocks.json` so that nobody waits for diffusers.

`python -m graphflow_nodes.diffusion.modular` writes that file from the definitions themselves.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

BLOCKS = Path(__file__).with_name("blocks.json")

PipelineName = Literal["minimax-h3", "ltx2.5", "wan-animate-2", "helios", "helios-pyramid", "cosmos3-omni"]
"""By their names in diffusers: models of which there are only blocks, or which blocks can do more with."""

PIPELINES: tuple[str, ...] = get_args(PipelineName)

Kind = Literal["text", "int", "float", "bool", "ints", "floats", "image", "video", "seed", "hidden"]
"""What an input is in a graph. `hidden` is for tensors, which travel in the state, and for classes of one
pipeline, which do not travel at all."""

PORTS = ("image", "video")
"""Kinds that are wired; the others are settings."""


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Plain):
    """One input of a phase."""

    name: str
    kind: Kind
    type: str
    """As the definition writes it."""
    default: Any = None
    required: bool = False
    doc: str = ""


class Phase(_Plain):
    """One block of a pipeline's first level: what becomes a node."""

    name: str
    doc: str
    optional: bool
    """True if the pipeline leaves it out when none of its inputs is given."""
    inputs: tuple[Input, ...]
    bundles: tuple[str, ...] = ()
    """Names of groups of values that it takes as a whole, such as `denoiser_input_fields`."""
    outputs: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    guiders: tuple[str, ...] = ()
    """Of its components, those that say how closely to follow the prompt."""

    def settles(self) -> set[str]:
        """Names of the values that are as they are once it has run."""
        return {each.name for each in self.inputs} | set(self.outputs)


class Definition(_Plain):
    """One modular pipeline."""

    name: str
    pipeline: str
    """Its class in diffusers."""
    blocks: str
    """The class of its blocks."""
    phases: tuple[Phase, ...]
    loaded: dict[str, str]
    """Components that come from a model folder, with the class that the definition asks for."""
    kept: dict[str, tuple[str, ...]] = {}
    """By component: parts of its weights' names that stay float32 in a half-precision model."""
    configs: tuple[str, ...] = ()
    """Settings of the pipeline that a model's index may hold."""

    @property
    def slug(self) -> str:
        """The name as a part of node ids."""
        return re.sub(r"\W", "_", self.name)

    def phase(self, name: str) -> Phase:
        return next(each for each in self.phases if each.name == name)

    def before(self, phase: Phase) -> tuple[Phase, ...]:
        return self.phases[: self.phases.index(phase)]

    def after(self, phase: Phase) -> tuple[Phase, ...]:
        return self.phases[self.phases.index(phase) + 1 :]

    def shown(self, phase: Phase) -> tuple[Input, ...]:
        """Inputs for people: not those that a phase before it, which always runs, has settled, nor lists that
        one has made."""
        before = self.before(phase)
        settled = {name for each in before if not each.optional for name in each.settles()}
        made = {name for each in before for name in each.outputs}
        return tuple(
            one
            for one in phase.inputs
            if one.kind != "hidden"
            and one.name not in settled
            and not (one.kind in ("ints", "floats") and one.name in made)
        )

    def guided(self, phase: Phase) -> tuple[str, ...]:
        """Guiders that are set at this phase: those that no phase before it, which always runs, has."""
        certain = [name for each in self.before(phase) if not each.optional for name in each.guiders]
        return tuple(name for name in phase.guiders if name not in certain)


@functools.cache
def kept_in_float32(class_name: str) -> frozenset[str]:
    """Parts of names of the weights that a class of diffusers keeps in float32, if a pipeline asks for it."""
    return frozenset(
        name
        for each in definitions().values()
        for component, names in each.kept.items()
        if each.loaded[component] == class_name
        for name in names
    )


@functools.cache
def definitions() -> dict[str, Definition]:
    """Every known modular pipeline by its name."""
    raw = json.loads(BLOCKS.read_bytes())
    return {each["name"]: Definition.model_validate(each) for each in raw}
