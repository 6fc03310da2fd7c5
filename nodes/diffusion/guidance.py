"""Ways to follow a prompt that need more than one number: one kind of value each, told apart by `kind`."""

from __future__ import annotations

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


Guide = StreamGuidance | RescaledGuidance
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
