"""Ways to follow a prompt that need more than one number: one kind of value each, told apart by `kind`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import Value

Scale = Annotated[float, Field(ge=0, le=100)]
Part = Annotated[float, Field(ge=0, le=1)]


class Strengths(Value):
    """How strongly one stream of a clip, its frames or its sound, is guided."""

    scale: Scale
    """Away from the negative prompt; 1 is not at all."""
    stg: Scale
    """Away from what the model says with some layers disturbed; 0 is not at all."""
    modality: Scale
    """Away from what it says when frames and sound do not know of each other; 1 is not at all."""
    rescale: Part
    """How far contrast goes back to what it is without guidance."""


class StreamGuidance(Value):
    """For models that make frames and sound together."""

    kind: Literal["streams"] = "streams"
    frames: Strengths
    sound: Strengths
    blocks: tuple[Annotated[int, Field(ge=0)], ...]
    """The denoiser's blocks that are disturbed for `stg`."""

    def arguments(self) -> dict[str, Any]:
        """By the argument names of diffusers' LTX-2 pipelines; they take 0 of the sound for the frames'."""
        found: dict[str, Any] = {"spatio_temporal_guidance_blocks": list(self.blocks) or None}
        for prefix, strengths in (("", self.frames), ("audio_", self.sound)):
            found[f"{prefix}guidance_scale"] = strengths.scale
            found[f"{prefix}stg_scale"] = strengths.stg
            found[f"{prefix}modality_scale"] = strengths.modality
            found[f"{prefix}guidance_rescale"] = strengths.rescale
        return found


class RescaledGuidance(Value):
    """Classifier-free guidance with a cure for glaring colours."""

    kind: Literal["rescaled"] = "rescaled"
    scale: Scale
    rescale: Part

    def arguments(self) -> dict[str, Any]:
        """By the argument names of diffusers' pipelines."""
        return {"guidance_scale": self.scale, "guidance_rescale": self.rescale}


class ComponentGuidance(Value):
    """For pipelines that have a guider among their components."""

    kind: Literal["component"] = "component"
    class_name: str
    """Of diffusers."""
    settings: dict[str, float | int | None]
    """What it is made with."""

    def arguments(self) -> dict[str, Any]:
        """A pipeline with a guider takes nothing of it in its call."""
        return {}


class TrueGuidance(Value):
    """Classifier-free guidance of models that have learnt to do without: a second pass for the negative
    prompt, beside the guidance that is one of their inputs."""

    kind: Literal["true_cfg"] = "true_cfg"
    scale: Scale
    embedded: Scale | None = None
    """What the model is told; None is its own."""

    def arguments(self) -> dict[str, Any]:
        """By the argument names of diffusers' HunyuanVideo pipelines."""
        told = {} if self.embedded is None else {"guidance_scale": self.embedded}
        return {"true_cfg_scale": self.scale, **told}


class ScheduledGuidance(Value):
    """Classifier-free guidance that is another at every step; at 1 or less a step leaves it out."""

    kind: Literal["schedule"] = "schedule"
    scales: tuple[Scale, ...] = ()
    """One for each step; if there are none, the fields below count."""
    scale: Scale = 1.0
    scale_2: Scale | None = None
    """For the low-noise expert of a model with two, or for the sound; None is `scale`."""
    start: Part = 0.0
    stop: Part = 1.0
    """Part of the steps before which, and from which on, there is no guidance; whole steps, rounded down."""

    def at(self, index: int, steps: int, second: bool = False) -> float:
        """The scale of step `index`, from 0; `second` for the second expert."""
        if self.scales:
            return self.scales[index]
        if not int(self.start * steps) <= index < int(self.stop * steps):
            return 1.0
        return self.scale_2 if second and self.scale_2 is not None else self.scale

    def check(self, steps: int) -> None:
        """Raises NodeError unless it is for so many steps."""
        if self.scales and len(self.scales) != steps:
            raise NodeError(
                f"the guidance schedule is for {len(self.scales)} steps, not {steps}",
                where="guide",
                hint=f"give {steps} scales, or set steps to {len(self.scales)}",
            )


Guide = StreamGuidance | RescaledGuidance | ComponentGuidance | TrueGuidance | ScheduledGuidance
"""All kinds. A family says which of them its pipelines know."""


@node("diffusion/guide_streams", fold=True)
def guide_streams(
    *,
    guidance: Annotated[float, Field(ge=1, le=100)] = 3.0,
    stg: Scale = 1.0,
    modality: Annotated[float, Field(ge=1, le=100)] = 3.0,
    rescale: Part = 0.7,
    sound_guidance: Annotated[float, Field(ge=1, le=100)] = 7.0,
    sound_stg: Scale = 1.0,
    sound_modality: Annotated[float, Field(ge=1, le=100)] = 3.0,
    sound_rescale: Part = 0.7,
    blocks: list[Annotated[int, Field(ge=0)]] = [28],  # noqa: B006 - never written to
) -> StreamGuidance:
    """How frames and sound follow the prompt, for models that make both, such as LTX-2.

    guidance: away from the negative prompt; 1 is not at all. Distilled models want 1, and 0, 1, 0 for the
        others.
    stg: away from what the model says with some of its blocks disturbed; 0 is not at all. blocks: which;
        29 for LTX-2.0, 28 for 2.3. modality: away from what it says when frames and sound do not know of
        each other; 1 is not at all. Each of the three costs more work at every step.
    rescale: how far contrast goes back to what it is without guidance, 0 to 1.
    sound_...: the same for the sound.
    Raises NodeError for numbers that the pipelines cannot tell from others.
    """
    for name, mine, other in (("stg", stg, sound_stg), ("rescale", rescale, sound_rescale)):
        if other == 0 < mine:  # the pipelines take it for "the same as the frames"
            raise NodeError(
                f"{name} of the sound cannot be 0 while that of the frames is not",
                where=f"sound_{name}",
                hint="use a small number, such as 0.001",
            )
    if (stg or sound_stg) and not blocks:
        raise NodeError(
            "stg needs to know which blocks to disturb", where="blocks", hint="use 28, or set stg to 0"
        )
    return StreamGuidance(
        frames=Strengths(scale=guidance, stg=stg, modality=modality, rescale=rescale),
        sound=Strengths(scale=sound_guidance, stg=sound_stg, modality=sound_modality, rescale=sound_rescale),
        blocks=tuple(blocks),
    )


@node("diffusion/guide_rescaled", fold=True)
def guide_rescaled(
    *, guidance: Annotated[float, Field(ge=1, le=100)] = 3.0, rescale: Part = 0.7
) -> RescaledGuidance:
    """Follow the prompt closely without glaring colours, for models such as LTX-Video.

    guidance: away from the negative prompt; 1 is not at all. rescale: how far contrast goes back to what it
        is without guidance, 0 to 1; see https://huggingface.co/papers/2305.08891, section 3.4.
    """
    return RescaledGuidance(scale=guidance, rescale=rescale)


@node("diffusion/guide_true_cfg", fold=True)
def guide_true_cfg(
    *,
    guidance: Annotated[float, Field(gt=1, le=100)] = 6.0,
    embedded: Annotated[float, Field(ge=0, le=100)] | None = None,
) -> TrueGuidance:
    """Keep away from a negative prompt with a model that has learnt to do without one: HunyuanVideo 1.0 and
    FramePack. Doubles the work.

    guidance: away from the negative prompt, which encode_prompt must be given. embedded: the guidance that
        the model is told; empty is its own.
    """
    return TrueGuidance(scale=guidance, embedded=embedded)


@node("diffusion/guide_by_step", fold=True)
def guide_by_step(
    *,
    guidance: Annotated[float, Field(ge=1, le=100)] = 5.0,
    guidance_2: Annotated[float, Field(ge=1, le=100)] | None = None,
    start: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    stop: Part = 1.0,
    scales: list[Scale] | None = None,
) -> ScheduledGuidance:
    """Follow the prompt more closely at some steps than at others, or only at a part of them.

    guidance: away from the negative prompt, between start and stop; guidance_2: the same for the low-noise
        expert of a model with two, or for the sound of one that makes it; empty is `guidance`.
    start, stop: part of the steps before which, and from which on, the prompt is not guided: half the work.
        0.2 and 0.8 of 50 steps guide steps 10 to 39; see https://huggingface.co/papers/2404.07724.
    scales: one number for each step, in place of all the others; 1 or less is no guidance. For steps that a
        refinement or a video's strength leaves out there is a number too. A clip that is made window by
        window has the same for each.
    Raises NodeError for nothing between start and stop, or for scales beside them.
    """
    if stop <= start:
        raise NodeError("nothing lies between start and stop", where="stop", hint="stop must be the larger")
    if scales is None:
        return ScheduledGuidance(scale=guidance, scale_2=guidance_2, start=start, stop=stop)
    if not scales:
        raise NodeError(
            "there are no scales", where="scales", hint="give one for each step, or leave it empty"
        )
    if (start, stop) != (0.0, 1.0) or guidance_2 is not None:
        raise NodeError(
            "scales say all for every step",
            where="scales",
            hint="leave start, stop and guidance_2 as they are",
        )
    return ScheduledGuidance(scales=tuple(scales))


Method = Literal["classifier_free", "zero_star", "adaptive_projected", "tangential"]

_GUIDERS: Mapping[Method, str] = {
    "classifier_free": "ClassifierFreeGuidance",
    "zero_star": "ClassifierFreeZeroStarGuidance",
    "adaptive_projected": "AdaptiveProjectedGuidance",
    "tangential": "TangentialClassifierFreeGuidance",
}


@node("diffusion/guide_by_component", fold=True)
def guide_by_component(
    *,
    method: Method = "classifier_free",
    guidance: Annotated[float, Field(ge=1, le=100)] = 6.0,
    rescale: Part = 0.0,
    start: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    stop: Part = 1.0,
    zero_steps: Annotated[int, Field(ge=0, le=100)] | None = None,
    momentum: Annotated[float, Field(ge=-1, le=1)] | None = None,
    eta: Part | None = None,
    limit: Annotated[float, Field(ge=0, le=1000)] | None = None,
) -> ComponentGuidance:
    """Another way to follow the prompt, for models with a guider, such as HunyuanVideo 1.5.

    method: `zero_star` fits the negative prompt to the other at each step and begins with steps of nothing
        (https://huggingface.co/papers/2503.18886); `adaptive_projected` takes out what makes colours glare
        (https://huggingface.co/papers/2410.02416); `tangential` keeps to the model's own directions
        (https://huggingface.co/papers/2503.18137).
    guidance: away from the negative prompt; 1 is not at all. rescale: how far contrast goes back.
    start, stop: part of the steps before which, and from which on, the prompt is not guided: less work.
    zero_steps: of zero_star, 1 if empty. momentum, eta, limit: of adaptive_projected: how much of earlier
        steps stays, how much of what glares stays, and the largest change; empty is none, 1 and 15.
    Raises NodeError for a setting of another method, or nothing between start and stop.
    """
    if stop <= start:
        raise NodeError("nothing lies between start and stop", where="stop", hint="stop must be the larger")
    own: dict[Method, dict[str, tuple[str, float | int | None]]] = {
        "zero_star": {"zero_steps": ("zero_init_steps", zero_steps)},
        "adaptive_projected": {
            "momentum": ("adaptive_projected_guidance_momentum", momentum),
            "eta": ("eta", eta),
            "limit": ("adaptive_projected_guidance_rescale", limit),
        },
    }
    settings: dict[str, float | int | None] = {
        "guidance_scale": guidance,
        "guidance_rescale": rescale,
        "start": start,
        "stop": stop,
    }
    for owner, names in own.items():
        for name, (argument, value) in names.items():
            if value is not None and owner != method:
                raise NodeError(f"{name} is a setting of {owner}", where=name, hint="leave it empty")
            if value is not None:
                settings[argument] = value
    return ComponentGuidance(class_name=_GUIDERS[method], settings=settings)
