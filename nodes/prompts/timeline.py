"""Prompts over time: events from a text, and stretches of a long video with a prompt each."""

from __future__ import annotations

import itertools
import re
from typing import Annotated, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node

from .build import checked
from .fields import with_motion
from .render import PARTS, fitted
from .styles import StyleName
from .values import MAX_EVENTS, Event, Segment, StructuredPrompt, Task

_LINE = re.compile(r"(\d+(?:\.\d*)?)\s*(?:s\s*)?-\s*(\d+(?:\.\d*)?)\s*s?\s*:\s*(.*\S)\s*")

MAX_FRAMES = 1_000_000


class Timeline(NamedTuple):
    """Stretches of a video in order, and the same as lists that belong together.

    Frames `starts[i]` to before `ends[i]` show `texts[i]`; together they are the whole video.
    """

    segments: list[Segment]
    texts: list[str]
    starts: list[int]
    ends: list[int]


class Windows(NamedTuple):
    """Prompts for a model that makes a long video window by window, as lists that belong together.

    `texts[i]` holds from window `first_windows[i]` on, counted from 0.
    """

    texts: list[str]
    first_windows: list[int]


@node("prompts/events", fold=True, depends=(".values", ".words", ".build"))
def events(*, text: str = "") -> list[Event]:
    """Events from a text, one a line, such as `0-2.5: the door opens`; seconds.

    Raises NodeError, naming the line, for one that is not written so.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > MAX_EVENTS:
        raise NodeError(f"{len(lines)} events are too many", hint=f"at most {MAX_EVENTS}")
    return [_event(line, number) for number, line in enumerate(lines, 1)]


@node("prompts/segments", fold=True, depends=(*PARTS, ".render", ".build"))
def segments(
    prompt: StructuredPrompt,
    *,
    style: StyleName = "plain",
    task: Task = "text_to_video",
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None,
    frames: Annotated[int, Field(ge=1, le=MAX_FRAMES)] | None = None,
) -> Timeline:
    """A prompt with events as stretches of video, each with the text for what happens in it.

    A stretch begins where an event begins or ends; without an event the rest of the prompt stands alone.
    fps, frames: empty are the prompt's own rate and duration. An event takes at least one frame.
    Raises NodeError if rate or length are known from neither.
    """
    rate = fps or prompt.fps
    if rate is None:
        raise NodeError("the frame rate is not known", hint="set fps here or in prompts/structured")
    length = frames or (round(prompt.duration * rate) if prompt.duration else None)
    if not length or length > MAX_FRAMES:
        text = "the number of frames is not known" if not length else f"{length} frames are too many"
        raise NodeError(text, hint="set frames here, or the duration in prompts/structured")
    spans = [(event, *_frames(event, rate)) for event in prompt.motion.events]
    places = {place for _, start, end in spans for place in (start, end) if 0 < place < length}
    bounds = [0, *sorted(places), length]
    found: list[Segment] = []
    for start, end in itertools.pairwise(bounds):
        now = tuple(event for event, first, last in spans if first <= start < last)
        text, _ = fitted(with_motion(prompt, events=now), style, task)
        if found and found[-1].text == text:
            start = found.pop().start
        found.append(Segment(start=start, end=end, text=text))
    return Timeline(found, [s.text for s in found], [s.start for s in found], [s.end for s in found])


@node("prompts/windows", fold=True, depends=(".values",))
def windows(
    segments: list[Segment],
    *,
    window: Annotated[int, Field(ge=1, le=100_000)] = 80,
    overlap: Annotated[int, Field(ge=0, le=100_000)] = 24,
) -> Windows:
    """Which prompt each window of a long video has: that of the stretch in the middle of its new frames.

    window, overlap: frames, as in the node that makes the video, such as `diffusion/denoise_long`.
    A stretch that is shorter than the step from one window to the next may have none.
    Raises NodeError if there are no stretches or the overlap is not smaller than the window.
    """
    if not segments:
        raise NodeError("there are no stretches", hint="wire the segments of prompts/segments")
    if overlap >= window:
        raise NodeError(f"an overlap of {overlap} fills a window of {window}", hint="lower overlap")
    last, step = segments[-1].end, window - overlap
    texts: list[str] = []
    firsts: list[int] = []
    for number in range(1 + max(0, -(-(last - window) // step))):
        start = number * step + (overlap if number else 0)  # what the window before has not made
        middle = (start + min(number * step + window, last)) // 2
        text = next(s.text for s in reversed(segments) if s.start <= middle)
        if not texts or texts[-1] != text:
            texts.append(text)
            firsts.append(number)
    return Windows(texts, firsts)


def _event(line: str, number: int) -> Event:
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise NodeError(
            f"line {number} is no event: {line.strip()[:80]!r}", hint="write it as '0-2.5: the door opens'"
        )
    return checked(Event, start=float(match[1]), end=float(match[2]), text=match[3])


def _frames(event: Event, rate: float) -> tuple[int, int]:
    start = round(event.start * rate)
    return start, max(start + 1, round(event.end * rate))
