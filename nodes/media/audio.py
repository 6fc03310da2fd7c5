"""Sound: loading, saving, cutting, mixing. Samples are float32 in -1..1 everywhere."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Context, FileName, node
from graphflow.values import Audio, SavedFile

from .embed import provenance_text
from .files import content_hash, save, source_file, still_stands
from .hearing import Passage, decode_audio
from .soundtrack import AAC, FLAC, WAV, check_audio, encode_audio, sound_of

Seconds = Annotated[float, Field(ge=0, le=1_000_000)]

_CHANNELS = {"keep": None, "mono": 1, "stereo": 2}
_TYPES = {"wav": "audio/wav", "flac": "audio/flac", "m4a": "audio/mp4"}


def _file_fingerprint(*, path: str, **settings: object) -> str:
    return content_hash(path)


@node(
    "media/load_audio",
    fingerprint=_file_fingerprint,
    depends=(".containers", ".decode", ".files", ".hearing", ".soundtrack"),
)
def load_audio(
    ctx: Context,
    *,
    path: str,
    start: Seconds = 0.0,
    end: Annotated[float, Field(gt=0)] | None = None,
    rate: Annotated[int, Field(ge=1000, le=384_000)] | None = None,
    channels: Literal["keep", "mono", "stereo"] = "keep",
    max_seconds: Annotated[float, Field(gt=0, le=86_400)] = 600.0,
    incomplete: Literal["refuse", "keep"] = "refuse",
) -> Audio:
    """Sound from a file: wav, flac, mp3, ogg, m4a, or the sound of a video; recognised by content.

    start, end: seconds; an empty end is the end. In a video second 0 is its first frame.
    rate: samples a second; empty keeps the file's. max_seconds: more is refused.
    incomplete: what to do with a cut off or damaged file.
    Returns float32 samples, (channels, samples), -1..1.
    Raises StorageError, naming the file, for anything that cannot be read within the limits.
    """
    passage = Passage(start, end, rate, _CHANNELS[channels], max_seconds, incomplete == "keep")
    samples, rate = decode_audio(source_file(path), passage, ctx.progress)
    return Audio(samples=samples, rate=rate)


@node(
    "media/save_audio",
    cache=False,
    effect=still_stands,
    depends=(".containers", ".embed", ".files", ".soundtrack"),
)
def save_audio(
    audio: Audio,
    ctx: Context,
    *,
    name: FileName = "audio",
    format: Literal["wav", "flac", "m4a"] = "wav",
    bits: Literal[16, 24, 32] = 16,
    kbps: Annotated[int, Field(ge=16, le=512)] = 192,
    embed_workflow: bool = True,
) -> SavedFile:
    """Save sound: wav, flac (small, loses nothing) or m4a (AAC), with the workflow inside.

    bits: of each sample of wav and flac; 32, for wav alone, keeps float32 exactly. kbps: kilobits a second
    of m4a. embed_workflow: False leaves prompts and settings out of the file; it cannot be replayed then.
    Equal sound and settings give equal bytes.
    Raises NodeError for sound without samples, or 32 bits in flac; StorageError if it cannot be written.
    """
    if format == "flac" and bits == 32:
        raise NodeError("flac has at most 24 bits", where="bits", hint="use 24, or format wav")
    sound = sound_of(audio, bit_rate=kbps * 1000)
    codec = AAC if format == "m4a" else (WAV if format == "wav" else FLAC)[bits]
    muxer = "mp4" if format == "m4a" else format
    text = provenance_text(ctx.provenance, whole=embed_workflow)
    return save(
        ctx,
        name,
        f".{format}",
        _TYPES[format],
        lambda path: encode_audio(path, muxer, codec, sound, text=text, report=ctx.progress),
    )


@node("media/trim_audio", depends=(".soundtrack",))
def trim_audio(
    audio: Audio, *, start: Seconds = 0.0, end: Annotated[float, Field(gt=0)] | None = None
) -> Audio:
    """The sound from second `start` to before second `end`; an empty end is the end.

    Raises NodeError if nothing is left.
    """
    check_audio(audio)
    stop = None if end is None else round(end * audio.rate)
    samples = audio.samples[:, round(start * audio.rate) : stop]
    if not samples.shape[1]:
        raise NodeError(
            f"nothing lies between {start:g} s and {'the end' if end is None else f'{end:g} s'}",
            hint=f"the sound is {audio.samples.shape[1] / audio.rate:.2f} s long",
        )
    return Audio(samples=samples.clone(), rate=audio.rate)


@node("media/mix_audio", depends=(".soundtrack",))
def mix_audio(
    first: Audio, second: Audio, *, at: Seconds = 0.0, gain: Annotated[float, Field(ge=-60, le=24)] = 0.0
) -> Audio:
    """Two sounds at once, such as speech and music; as long as the longer of them.

    at: second of `first` at which `second` begins. gain: of `second`, in decibels; -6 is about half as loud.
    Mono joins stereo in the middle. What would be too loud is cut off at -1 and 1.
    Raises ValueMismatch for other differences in channels, or in rate.
    """
    import torch

    for audio in (first, second):
        check_audio(audio)
    if first.rate != second.rate:
        raise ValueMismatch(
            f"the first sound has {first.rate} samples a second, the second {second.rate}",
            hint="load one with the other's rate",
        )
    counts = {len(first.samples), len(second.samples)}
    if len(counts) > 1 and min(counts) > 1:
        raise ValueMismatch(
            f"the first sound has {len(first.samples)} channels, the second {len(second.samples)}",
            hint="load both as stereo",
        )
    begin = round(at * first.rate)
    mixed = torch.zeros(
        max(counts), max(first.samples.shape[1], begin + second.samples.shape[1]), dtype=torch.float32
    )
    mixed[:, : first.samples.shape[1]] += first.samples
    mixed[:, begin : begin + second.samples.shape[1]] += second.samples * 10 ** (gain / 20)
    return Audio(samples=mixed.clamp_(-1, 1), rate=first.rate)
