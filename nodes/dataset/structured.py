"""Captions of clips taken apart, and captions from elsewhere put back on their clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from graphflow_nodes.prompts.sky import from_skycaptioner
from graphflow_nodes.prompts.values import Camera, Motion, StructuredPrompt

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import node

from .values import Clip, kept

if TYPE_CHECKING:
    from graphflow_nodes.prompts.words import CameraMove

CAMERA: dict[str, CameraMove] = {
    "static": "static",
    "pan_left": "pan_left",
    "pan_right": "pan_right",
    "tilt_up": "tilt_up",
    "tilt_down": "tilt_down",
    "zoom_in": "zoom_in",
    "zoom_out": "zoom_out",
    "shake": "handheld",
}
"""What was measured of the camera, as a prompt says it; of what is not here a prompt says nothing."""


class Structured(NamedTuple):
    """Prompts, and the id of the clip that each is of."""

    prompts: list[StructuredPrompt]
    ids: list[str]


@node("dataset/structured_captions", depends=(".values", "graphflow_nodes.prompts.sky"))
def structured_captions(clips: list[Clip]) -> Structured:
    """The captions of the clips that no filter refused, taken apart.

    A caption that is SkyCaptioner's JSON becomes its fields. Of any other, what follows the first `;` is how
    the subjects move, the rest the description. The camera is the measured one, column `camera`, where the
    caption says nothing of it.
    Raises NodeError, naming the clip, for JSON that is not SkyCaptioner's.
    """
    good = kept(clips)
    return Structured([_apart(clip) for clip in good], [clip.id for clip in good])


@node("dataset/with_captions", depends=(".values",))
def with_captions(clips: list[Clip], captions: list[str]) -> list[Clip]:
    """The clips with other captions: one for each that no filter refused, in order.

    Raises ValueMismatch if there are more or fewer.
    """
    good = kept(clips)
    if len(captions) != len(good):
        raise ValueMismatch(f"{len(captions)} captions for {len(good)} clips", where="captions")
    rest = iter(captions)
    return [
        clip if clip.rejected else clip.model_copy(update={"caption": " ".join(next(rest).split())})
        for clip in clips
    ]


def _apart(clip: Clip) -> StructuredPrompt:
    if clip.caption.startswith("{"):
        try:
            found = from_skycaptioner(text=clip.caption)
        except NodeError as error:
            raise NodeError(f"the caption of clip {clip.id}: {error.message}", hint=error.hint) from None
    else:
        still, _, moving = clip.caption.partition(";")
        found = StructuredPrompt(description=still.strip(), motion=Motion(subjects=moving.strip()))
    measured = CAMERA.get(str(clip.scores.get("camera")))
    if measured and found.camera == Camera():
        found = found.model_copy(update={"camera": Camera(move=measured)})
    return found
