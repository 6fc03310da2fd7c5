"""Decoding sound from files anywhere into float32 samples, as careful as `decode.py` is with frames."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphflow.errors import StorageError
from graphflow.limited import Fields, asked
from graphflow.values import Tensor

from .containers import opened
from .decode import DECODERS, KEEP_HINT, MAX_BYTES, Report
from .soundtrack import LAYOUTS

if TYPE_CHECKING:
    from av.container import InputContainer

MAX_RATE = 768_000
"""Most samples a second read."""

MAX_DELAY = 3600.0
"""Seconds; sound that claims to begin further from its video begins with it."""

SLACK = 0.1
"""Seconds that a whole file may be shorter than it promises: codecs work in blocks."""


@dataclass(frozen=True)
class Passage:
    """Which part of a sound is wanted, and in what form."""

    start: float = 0.0
    """Seconds."""
    end: float | None = None
    """Seconds; None is the end of the sound."""
    rate: int | None = None
    """Samples a second; None keeps the file's."""
    channels: int | None = None
    """None keeps the file's."""
    max_seconds: float = 600.0
    keep_incomplete: bool = False


def decode_audio(path: Path, passage: Passage, report: Report) -> tuple[Tensor, int]:
    """The samples of a sound that `passage` asks for, (channels, samples) in -1..1, and their rate.

    In a video, second 0 is that of its first frame: sound that begins later begins with silence.
    report: called with the seconds done and expected; may raise to cancel.
    Raises StorageError for what has no sound, is broken, cut off (unless `passage` keeps it) or over the
    limits.
    """
    import numpy
    import torch

    parts: list[Any] = []
    rate, channels, size = 0, 1, 0
    fields = {"path": os.path.abspath(path), **asdict(passage)}
    state = (0, 0)
    with asked(
        f"{__name__}:heard", fields, needs=DECODERS, where=str(path), idle=lambda: report(*state)
    ) as answers:
        for answer in answers:
            rate, channels = int(answer.fields["rate"]), int(answer.fields["channels"])
            size += answer.size
            if size > MAX_BYTES or not (0 < rate <= MAX_RATE and 0 < channels <= len(LAYOUTS)):
                raise StorageError("the sound is too large", where=str(path), hint="set start and end")
            done, total = answer.fields["done"]
            state = int(done), int(total)
            report(*state)
            part = numpy.empty((channels, answer.size // 4 // channels), "float32")
            answer.into(part)
            parts.append(part)
        samples = torch.from_numpy(numpy.concatenate(parts, axis=1))
    return samples.nan_to_num_().clamp_(-1, 1), rate


def heard(fields: Fields, data: bytes) -> Iterator[tuple[Fields, Any]]:
    """In the child: the samples of a passage, part by part; raises as `decode_audio` does."""
    import numpy

    path, passage = Path(fields["path"]), Passage(**{one: fields[one] for one in asdict(Passage())})
    position, kept, damaged = 0, 0, False
    with opened(path, "audio") as (container, stream):
        rate, channels = _form(stream, passage, path)
        promised = _promised(container, stream)
        if promised is not None:
            _check_length(min(promised, passage.end or promised) - passage.start, passage, path)
        first = round(passage.start * rate)
        stop = None if passage.end is None else round(passage.end * rate)
        for block in _blocks(container, stream, rate, channels):
            if block is None:
                damaged = True
                break
            part = block[:, max(0, first - position) : None if stop is None else max(0, stop - position)]
            done = position // rate, max(position // rate, int(promised or 0))
            position, kept = position + block.shape[1], kept + part.shape[1]
            _check_length(kept / rate, passage, path)
            yield {"rate": rate, "channels": channels, "done": done}, numpy.ascontiguousarray(part)
            if stop is not None and position >= stop:
                break
    seconds = position / rate
    short = seconds + SLACK < (promised or 0.0) or _wav_is_short(path)
    if (stop is None or position < stop) and (damaged or short):
        _refuse_damaged(seconds, promised, passage, path)
    if not kept:
        raise StorageError(
            f"nothing lies between {passage.start:g} s and {min(passage.end or seconds, seconds):g} s",
            where=str(path),
            hint=f"the sound is {seconds:.2f} s long",
        )


def _form(stream: Any, passage: Passage, path: Path) -> tuple[int, int]:
    """Rate and channels of the result."""
    context = stream.codec_context
    rate, channels = context.sample_rate, passage.channels or context.layout.nb_channels
    if not (0 < rate <= MAX_RATE and 0 < channels <= len(LAYOUTS)):
        raise StorageError(
            f"sound with {channels} channels of {rate} samples a second is outside the limits",
            where=str(path),
            hint="set channels to 'stereo'" if rate else "get a whole copy of the file",
        )
    return passage.rate or rate, channels


def _blocks(container: InputContainer, stream: Any, rate: int, channels: int) -> Iterator[Any]:
    """Decoded blocks, float32 (channels, samples), from second 0 on; None for what cannot be decoded."""
    import numpy
    from av import AudioResampler, FFmpegError

    resampler = AudioResampler(format="fltp", layout=LAYOUTS[channels - 1], rate=rate)
    unheard: int | None = None
    """Samples before second 0 that are still to be left out."""

    def converted(frame: Any) -> Iterator[Any]:
        nonlocal unheard
        for part in resampler.resample(frame):
            block = part.to_ndarray()
            skipped = min(unheard or 0, block.shape[1])
            unheard = (unheard or 0) - skipped
            yield block[:, skipped:]

    try:
        for frame in container.decode(stream):
            if unheard is None:
                delay = round(_delay(container, frame) * rate)
                unheard = max(0, -delay)
                yield numpy.zeros((channels, max(0, delay)), "float32")
            frame.pts = None  # otherwise the resampler fills gaps by its own rules
            yield from converted(frame)
        if unheard is not None:
            yield from converted(None)
    except (FFmpegError, ValueError):
        yield None


def _delay(container: InputContainer, frame: Any) -> float:
    """Seconds from the first frame of a video to the first sound; 0 where there is no video."""
    video = next(iter(container.streams.video), None)
    if video is None or video.start_time is None or video.time_base is None or frame.time is None:
        return 0.0
    delay = float(frame.time - video.start_time * video.time_base)
    return delay if abs(delay) < MAX_DELAY else 0.0


def _promised(container: InputContainer, stream: Any) -> float | None:
    """Seconds that the header tells; None if it tells nothing about this stream."""
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return float(container.duration / 1e6)
    return None


def _wav_is_short(path: Path) -> bool:
    """Whether a wav lacks bytes that its header promises; the demuxer goes by the file's own length."""
    with path.open("rb") as file:
        head = file.read(8)
    told = int.from_bytes(head[4:8], "little")
    return head[:4] == b"RIFF" and told != 0xFFFFFFFF and told + 8 > path.stat().st_size


def _check_length(seconds: float, passage: Passage, path: Path) -> None:
    if seconds > passage.max_seconds:
        raise StorageError(
            f"the sound is longer than the limit of {passage.max_seconds:g} s",
            where=str(path),
            hint="raise max_seconds, or set start and end",
        )


def _refuse_damaged(seconds: float, promised: float | None, passage: Passage, path: Path) -> None:
    if passage.keep_incomplete and seconds:
        return
    of = f" of {promised:.2f}" if promised is not None and promised > seconds + SLACK else ""
    raise StorageError(
        f"the sound is cut off or damaged: it ends after {seconds:.2f}{of} s",
        where=str(path),
        hint=KEEP_HINT if seconds else "get a whole copy of the file",
    )
