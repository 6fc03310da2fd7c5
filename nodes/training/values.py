"""What the training nodes pass on: settings, trained weights and how the loss went."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graphflow.values import Tensor, Value

Expert = Literal["only", "first", "second"]
"""Which transformer is trained: the only one, or of a model with two the one for high or low noise."""

Sampling = Literal["uniform", "logit_normal", "shifted_logit_normal", "mode"]
"""How noise levels are drawn. `shifted_logit_normal` moves to high noise with the number of tokens, as the
trainer of LTX-Video does; `mode` is that of Stable Diffusion 3."""

Weighting = Literal["none", "sigma_sqrt", "cosmap"]
"""How much a noise level counts; the names are those of diffusers' training scripts."""

Optimiser = Literal["adamw", "adamw_8bit"]
Schedule = Literal["constant", "linear", "cosine"]
"""Of the learning rate after its warm-up: as it is, or falling to 0."""


class TrainSettings(Value):
    """How to train. Rank, alpha and targets are for LoRAs alone."""

    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    batch: Annotated[int, Field(ge=1, le=1024)] = 1
    accumulate: Annotated[int, Field(ge=1, le=1024)] = 1
    """Batches for one step."""
    rate: Annotated[float, Field(gt=0, le=1)] = 1e-4
    schedule: Schedule = "constant"
    warmup: Annotated[int, Field(ge=0)] = 0
    """Steps in which the learning rate rises from 0."""
    optimiser: Optimiser = "adamw"
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-4
    clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of a gradient."""
    sampling: Sampling = "logit_normal"
    logit_mean: float = 0.0
    logit_std: Annotated[float, Field(gt=0)] = 1.0
    shift: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Moves noise levels up: s to shift * s / (1 + (shift - 1) * s)."""
    weighting: Weighting = "none"
    lowest: Annotated[float, Field(ge=0, lt=1)] = 0.0
    highest: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Noise levels outside are not trained."""
    first_frame: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How often the first frame is given without noise, as for image to video."""
    focus: Annotated[float, Field(ge=1, le=1000)] = 1.0
    """How much more the loss counts inside the masks."""
    prior: Annotated[float, Field(ge=0, le=100)] = 1.0
    """How much the clips count that must stay as they are."""
    twins: bool = False
    """Whether clip i and the i-th of those that must stay show the same without the effect. They then
    stand in one batch under the same noise, so that what differs is what the trigger calls."""
    checkpointing: bool = False
    """Compute activations twice to save memory."""
    rank: Annotated[int, Field(ge=1, le=1024)] = 32
    alpha: Annotated[float, Field(gt=0)] | None = None
    """Scale of a LoRA times its rank; empty is the rank, so that the scale is 1."""
    targets: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0")
    """Ends of the names of the layers that get a LoRA."""


class Losses(Value):
    """The mean loss of each step."""

    values: tuple[float, ...]


class LoRAWeights(Value):
    """A trained LoRA that lies in no file yet.

    tensors: by layer of the transformer, `<layer>.lora_A.weight` (rank, columns) and `.lora_B.weight`
    (rows, rank), float32. Their product times alpha / rank is added to the layer.
    """

    family: str
    base: str
    """The model that it was trained on, as the user named it."""
    base_identity: str
    expert: Expert
    rank: int
    alpha: float
    targets: tuple[str, ...]
    tensors: dict[str, Tensor]
    trigger: str = ""
    steps: int = 0


class ModelWeights(Value):
    """All weights of a trained transformer, by name, in the dtype they were trained in."""

    family: str
    base: str
    base_identity: str
    expert: Expert
    tensors: dict[str, Tensor]
    steps: int = 0
