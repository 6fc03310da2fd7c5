"""Captions for training: a trigger word in front, empty phrases off."""

from __future__ import annotations

from typing import Annotated

from graphflow_nodes.dataset.values import Clip
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import rows

OPENINGS = (
    "The video shows ", "This video shows ", "In this video, ", "In the video, ", "The video features ",
    "The video depicts ", "The video captures ", "The clip shows ", "The scene shows ", "We see ",
    "The image shows ", "The footage shows ",
)  # fmt: skip
"""Words with which captioning models begin and that say nothing."""


PARTS = ("{trigger}", "{caption}")
Trigger = Annotated[str, Field(max_length=100)]


def _lacking(template: str) -> str:
    """What is missing in a template."""
    return next((f"the template lacks {part}" for part in PARTS if part not in template), "")


def _whole(template: str) -> str:
    """What would fail when all clips have been cut is refused with the settings."""
    if lacking := _lacking(template):
        raise PydanticCustomError("template", "{reason}", {"reason": lacking})
    return template


Template = Annotated[str, Field(max_length=1000), AfterValidator(_whole)]


@node("training/trigger_caption", fold=True)
def trigger_caption(
    caption: str,
    *,
    trigger: Trigger = "",
    template: Template = "{trigger} {caption}",
    strip: bool = True,
) -> str:
    """A caption with the word that is to call an effect.

    trigger: best a word that means nothing yet, such as PIKA_CAKEIFY; empty gives the caption alone.
    template: how the two are put together; more words may tell of the effect. strip: take away openings of
        captioning models, such as "The video shows".
    Raises NodeError for a template that lacks one of the two.
    """
    if lacking := _lacking(template):
        raise NodeError(lacking, where="template", hint="such as '{trigger} {caption}'")
    text = caption.strip()
    if strip:
        opening = next((one for one in OPENINGS if text.lower().startswith(one.lower())), "")
        text = text[len(opening) :]
        text = text[:1].upper() + text[1:] if opening else text
    if not trigger:
        return text
    return template.replace("{caption}", text).replace("{trigger}", trigger).strip()


@node("training/trigger_clips", depends=("graphflow_nodes.dataset.values",))
def trigger_clips(
    clips: list[Clip],
    *,
    trigger: Trigger = "",
    template: Template = "{trigger} {caption}",
    strip: bool = True,
) -> list[Clip]:
    """Put the word that is to call an effect into the captions of clips, as `training/trigger_caption` does.

    Refused clips stay as they are. Raises NodeError for a template that lacks one of the two.
    """
    return rows(
        clip
        if clip.rejected
        else clip.model_copy(
            update={"caption": trigger_caption(clip.caption, trigger=trigger, template=template, strip=strip)}
        )
        for clip in clips
    )
