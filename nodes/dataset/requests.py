"""Edits to ask a video model for: an instruction, and the same as something that happens in a clip.

An image-to-video model told "the red ball moves to the right" makes clips whose ends are an edit pair; what
it did not do is refused afterwards, by what is seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node

Task = Literal["move", "remove", "recolor", "resize", "camera_zoom", "camera_move"]

TASKS: Mapping[str, Sequence[tuple[str, str]]] = MappingProxyType(
    {
        "move": tuple(
            (f"move {{subject}} {way}", f"{{subject}} moves {way}")
            for way in ("to the right", "to the left", "up", "down")
        ),
        "remove": (("remove {subject}", "{subject} fades away until it is gone"),),
        "recolor": tuple(
            (f"make {{subject}} {color}", f"{{subject}} slowly turns {color}")
            for color in ("red", "green", "blue", "yellow", "purple", "white")
        ),
        "resize": (
            ("make {subject} larger", "{subject} slowly grows"),
            ("make {subject} smaller", "{subject} slowly shrinks"),
        ),
        "camera_zoom": (
            ("zoom in on {subject}", "the camera slowly zooms in on {subject}"),
            ("zoom out", "the camera slowly zooms out, {subject} stays still"),
        ),
        "camera_move": (
            ("turn the camera to the right", "the camera pans to the right, {subject} stays still"),
            ("turn the camera to the left", "the camera pans to the left, {subject} stays still"),
        ),
    }
)
"""Instruction and what happens in the clip, by task. Everything else is asked to stay as it is."""


class Requests(NamedTuple):
    """Lists that belong together, an entry for each subject."""

    instruction: list[str]
    """What an editor would be told."""
    prompt: list[str]
    """What the video model is told."""
    edit_type: list[str]


@node("dataset/edit_requests", fold=True)
def edit_requests(
    subjects: list[str],
    *,
    tasks: Annotated[list[Task], Field(min_length=1)] = ["move"],  # noqa: B006
    seed: int = 0,
    suffix: str = "",
) -> Requests:
    """An edit for each subject, such as "the red ball": what to tell an editor, and a video model.

    tasks: kinds of edits to draw from: move, remove, recolor, resize, camera_zoom, camera_move. The draw
    depends on the seed, the subject and its place. suffix: put after each prompt, such as "the background
    stays still". Raises NodeError for an empty subject.
    """
    made = []
    for place, subject in enumerate(subjects):
        if not subject.strip():
            raise NodeError(f"subject {place} is empty", where="subjects", hint="name what is in the picture")
        digest = hashlib.sha256(f"{seed}:{place}:{subject}".encode()).digest()
        task = tasks[digest[0] % len(tasks)]
        told, happens = TASKS[task][int.from_bytes(digest[1:5], "big") % len(TASKS[task])]
        prompt = ", ".join(text for text in (happens.format(subject=subject.strip()), suffix.strip()) if text)
        made.append((told.format(subject=subject.strip()), prompt, task))
    return Requests([m[0] for m in made], [m[1] for m in made], [m[2] for m in made])
