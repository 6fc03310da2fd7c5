"""Encoding sound: a file of its own, or the track beside a video's frames; equal sound gives equal bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphflow.errors import NodeError
from graphflow.values import Audio

from .containers import written
from .embed import KEY

if TYPE_CHECKING:
    from av.container import OutputContainer

LAYOUTS = ("mono", "stereo", "2.1", "quad", "5.0", "5.1")
"""Where the speakers of 1 to 6 channels stand."""

BLOCK = 4096
"""Samples handed to an encoder at once."""


@dataclass(frozen=True)
class AudioCodec:
    """How one kind of sound is written."""

    encoder: str
    form: str | None
    """Sample format of the encoder, by FFmpeg's name; None is its only one."""
    rates: tuple[int, ...] = ()
    """Sample rates it can write; empty is any."""

    def rate(self, wanted: int) -> int:
        """The nearest rate that loses nothing, or the highest there is."""
        if not self.rates or wanted in self.rates:
            return wanted
        return min((rate for rate in self.rates if rate > wanted), default=max(self.rates))


AAC = AudioCodec(
    "aac",
    "fltp",
    (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350),
)
OPUS = AudioCodec("libopus", "flt", (48000, 24000, 16000, 12000, 8000))
WAV = {
    16: AudioCodec("pcm_s16le", "s16"),
    24: AudioCodec("pcm_s24le", "s32"),
    32: AudioCodec("pcm_f32le", "flt"),
}
"""By bits a sample; 32 are floating point and exact."""
FLAC = {16: AudioCodec("flac", "s16"), 24: AudioCodec("flac", "s32")}


@dataclass(frozen=True)
class Sound:
    """Samples as a float32 numpy array, (channels, samples), and samples a second."""

    samples: Any
    rate: int
    bit_rate: int = 192_000
    """Of codecs that lose something, in bits a second."""


def check_audio(audio: Audio) -> None:
    """Raise NodeError unless samples are float32, (channels, samples), 1 to 6 channels and not empty."""
    import torch

    samples = audio.samples
    if samples.dtype != torch.float32 or samples.ndim != 2 or not samples.numel():
        raise NodeError(
            f"the sound is {samples.dtype} {tuple(samples.shape)}, not float32 (channels, samples)",
            hint="sound needs at least one channel and one sample",
        )
    if len(samples) > len(LAYOUTS):
        raise NodeError(
            f"the sound has {len(samples)} channels; at most {len(LAYOUTS)} are known",
            hint="channels come first: (channels, samples)",
        )


def sound_of(audio: Audio, *, bit_rate: int = 192_000) -> Sound:
    """What the encoders take. Raises NodeError for what is no sound, or holds numbers that are none."""
    check_audio(audio)
    samples = audio.samples.detach().cpu()
    if not samples.isfinite().all():
        raise NodeError("the sound holds infinite numbers or none at all", hint="check the node that made it")
    return Sound(samples.contiguous().numpy(), audio.rate, bit_rate)


class Track:
    """The sound of a container that is being written, block by block."""

    def __init__(self, container: OutputContainer, codec: AudioCodec, sound: Sound) -> None:
        self._container, self._sound, self._done = container, sound, 0
        self._layout = LAYOUTS[len(sound.samples) - 1]
        stream: Any = container.add_stream(codec.encoder, codec.rate(sound.rate))
        stream.layout, stream.bit_rate = self._layout, sound.bit_rate
        if codec.form is not None:
            stream.format = codec.form
        self._stream = stream

    def write(self, *, until: Fraction | float) -> None:
        """Encode all sound before this moment, in seconds."""
        stop = min(self._sound.samples.shape[1], int(until * self._sound.rate))
        while self._done < stop:
            self._block(min(stop, self._done + BLOCK))

    def close(self) -> None:
        """Nothing follows."""
        self._container.mux(self._stream.encode(None))

    def _block(self, stop: int) -> None:
        import numpy
        from av import AudioFrame

        samples = numpy.ascontiguousarray(self._sound.samples[:, self._done : stop])
        frame = AudioFrame.from_ndarray(samples, format="fltp", layout=self._layout)
        frame.rate, frame.pts, frame.time_base = self._sound.rate, self._done, Fraction(1, self._sound.rate)
        self._container.mux(self._stream.encode(frame))
        self._done = stop


def encode_audio(
    path: Path, muxer: str, codec: AudioCodec, sound: Sound, *, text: str, report: Callable[[int, int], None]
) -> None:
    """Write a file of sound alone, with `text` as its provenance.

    report: called with the samples done and in all; may raise to cancel. Raises StorageError if the encoder
    or the disk refuses.
    """
    total = sound.samples.shape[1]
    options = {"movflags": "use_metadata_tags+faststart"} if muxer == "mp4" else {}
    with written(path, muxer, options, "sound") as container:
        if muxer == "wav":  # knows no names of its own
            container.metadata["comment"] = f"{KEY}:{text}"
        else:
            container.metadata[KEY] = text
        track = Track(container, codec, sound)
        for done in range(0, total, BLOCK):
            report(done, total)
            track.write(until=Fraction(min(total, done + BLOCK), sound.rate))
        track.close()
