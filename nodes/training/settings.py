"""How to train, as one value: a preset of what was used for real, with any setting changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node

from .values import Optimiser, Sampling, Schedule, TrainSettings, Weighting

PRESETS = Path(__file__).with_name("presets.json")
"""Figures of published trainings; `about` says which."""

Preset = Literal["none", "wan", "wan_image", "wan_shifted", "ltx", "ltx_crush", "cogvideox", "hunyuan", "toy"]
Noise = Annotated[float, Field(ge=0, le=1)]


def preset_of(name: str) -> TrainSettings:
    """The settings of a preset; `none` are the defaults."""
    if name == "none":
        return TrainSettings()
    found: dict[str, Any] = json.loads(PRESETS.read_text("utf-8"))[name]
    found.pop("about")
    lists = {key: tuple(value) for key, value in found.items() if isinstance(value, list)}
    return TrainSettings.model_validate({**found, **lists})


@node(
    "training/settings", fold=True, depends=(".values",), fingerprint=lambda **_: PRESETS.read_text("utf-8")
)
def settings(
    *,
    preset: Preset = "none",
    steps: Annotated[int, Field(ge=1, le=1_000_000)] | None = None,
    batch: Annotated[int, Field(ge=1, le=1024)] | None = None,
    accumulate: Annotated[int, Field(ge=1, le=1024)] | None = None,
    rate: Annotated[float, Field(gt=0, le=1)] | None = None,
    schedule: Schedule | None = None,
    warmup: Annotated[int, Field(ge=0)] | None = None,
    optimiser: Optimiser | None = None,
    weight_decay: Annotated[float, Field(ge=0, le=1)] | None = None,
    sampling: Sampling | None = None,
    shift: Annotated[float, Field(gt=0, le=1000)] | None = None,
    weighting: Weighting | None = None,
    lowest: Noise | None = None,
    highest: Noise | None = None,
    first_frame: Noise | None = None,
    focus: Annotated[float, Field(ge=1, le=1000)] | None = None,
    prior: Annotated[float, Field(ge=0, le=100)] | None = None,
    twins: bool | None = None,
    checkpointing: bool | None = None,
    rank: Annotated[int, Field(ge=1, le=1024)] | None = None,
    alpha: Annotated[float, Field(gt=0)] | None = None,
    targets: list[str] | None = None,
) -> TrainSettings:
    """How to train: a preset of published figures, each of which may be changed.

    preset: of which model and training. What is left empty is the preset's own.
    steps: of the optimiser. batch: clips at once; accumulate: batches for one step. rate: highest learning
        rate; schedule: after the warm-up it stays or falls to 0.
    sampling, shift, weighting: which noise levels are trained and how much each counts. lowest, highest: only
        these levels (0..1), such as those of one expert.
    first_frame: how often the first frame is given, so that the model learns to begin with an image.
    focus: how much more the loss counts inside masks. prior: how much clips count that must stay as they are.
    twins: whether the i-th of these is clip i without the effect; both then stand in one batch under the same
        noise, which makes clear what the trigger calls.
    checkpointing: less memory, about a third more time. rank, alpha, targets: of LoRAs.
    Raises NodeError if no noise level is left.
    """
    given = {
        "steps": steps, "batch": batch, "accumulate": accumulate, "rate": rate, "schedule": schedule,
        "warmup": warmup, "optimiser": optimiser, "weight_decay": weight_decay, "sampling": sampling,
        "shift": shift, "weighting": weighting, "lowest": lowest, "highest": highest,
        "first_frame": first_frame, "focus": focus, "prior": prior, "twins": twins,
        "checkpointing": checkpointing, "rank": rank, "alpha": alpha,
        "targets": None if targets is None else tuple(targets),
    }  # fmt: skip
    if rank is not None and alpha is None:
        given["alpha"] = float(rank)
    usual = preset_of(preset)
    chosen = usual.model_copy(update={name: value for name, value in given.items() if value is not None})
    if chosen.lowest >= chosen.highest:
        raise NodeError(
            f"there are no noise levels from {chosen.lowest:g} to {chosen.highest:g}",
            where="lowest",
            hint="lowest must be less than highest",
        )
    return chosen
