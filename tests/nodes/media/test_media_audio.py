"""Sound: round trips, sound beside frames, cut-off and hostile files, cutting and mixing."""

from __future__ import annotations

import random
import struct
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from graphflow_nodes.media import (
    hearing,
    load_audio,
    load_video,
    mix_audio,
    save_audio,
    save_video,
    trim_audio,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from graphflow.errors import Cancelled, GraphflowError, NodeError, StorageError, ValueMismatch
from graphflow.node import spec_of
from graphflow.provenance import read_provenance
from graphflow.testing import LocalContext, run_node
from graphflow.values import Audio, Video

FORMATS = ("wav", "flac", "m4a")


def tone(seconds: float = 1.0, rate: int = 24_000, channels: int = 2, hertz: float = 440.0) -> Audio:
    """A steady tone, an octave higher in each further channel."""
    time = torch.arange(round(seconds * rate)) / rate
    waves = [0.5 * torch.sin(2 * torch.pi * hertz * (channel + 1) * time) for channel in range(channels)]
    return Audio(samples=torch.stack(waves), rate=rate)


def pitch(samples: torch.Tensor, rate: int) -> float:
    """The strongest frequency of one channel, in hertz."""
    spectrum = torch.fft.rfft(samples * torch.hann_window(len(samples))).abs()
    return float(spectrum.argmax()) * rate / len(samples)


@pytest.mark.parametrize(
    ("format", "channels"), [*((f, n) for f in FORMATS for n in (1, 2)), ("wav", 6), ("flac", 5)]
)
def test_sound_comes_back(ctx: LocalContext, format: str, channels: int) -> None:
    audio = tone(channels=channels, hertz=300)
    saved = run_node(save_audio, audio, context=ctx, format=format)
    loaded = run_node(load_audio, path=saved.path)
    assert loaded.rate == 24_000 and loaded.samples.dtype == torch.float32
    assert loaded.samples.shape[0] == channels
    assert loaded.samples.shape[1] == pytest.approx(24_000, abs=0 if format != "m4a" else 1024)
    error = (loaded.samples[:, 2000:22_000] - audio.samples[:, 2000:22_000]).abs().max().item()
    assert error < (0.08 if format == "m4a" else 1e-4)
    assert read_provenance(saved.path) == ctx.provenance
    assert run_node(save_audio, audio, context=ctx, format=format) == saved


@pytest.mark.parametrize(
    ("format", "bits", "step"), [("wav", 16, 2**-15), ("wav", 24, 2**-23), ("flac", 24, 2**-23)]
)
def test_whole_numbers_of_bits_are_as_exact_as_they_can_be(
    ctx: LocalContext, format: str, bits: int, step: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = Audio(samples=torch.rand(2, 5000, generator=generator) * 2 - 1, rate=48_000)
    path = run_node(save_audio, noise, context=ctx, format=format, bits=bits).path
    loaded = run_node(load_audio, path=path)
    assert (loaded.samples - noise.samples).abs().max() <= step


def test_32_bits_are_the_samples_themselves(ctx: LocalContext) -> None:
    audio = tone(0.1, channels=1)
    loaded = run_node(load_audio, path=run_node(save_audio, audio, context=ctx, bits=32).path)
    assert torch.equal(loaded.samples, audio.samples) and loaded.rate == audio.rate
    with pytest.raises(NodeError, match="at most 24 bits"):
        run_node(save_audio, audio, context=ctx, format="flac", bits=32)


def test_a_part_at_another_rate_and_with_other_channels(ctx: LocalContext) -> None:
    path = run_node(save_audio, tone(2.0, hertz=500), context=ctx).path
    whole = run_node(load_audio, path=path)
    part = run_node(load_audio, path=path, start=0.5, end=1.25)
    assert torch.equal(part.samples, whole.samples[:, 12_000:30_000])
    assert run_node(load_audio, path=path, start=1.5).samples.shape == (2, 12_000)
    half = run_node(load_audio, path=path, rate=12_000, channels="mono")
    assert (half.rate, len(half.samples)) == (12_000, 1)
    assert half.samples.shape[1] == pytest.approx(24_000, abs=50)
    assert pitch(half.samples[0], 12_000) in (pytest.approx(500, abs=2), pytest.approx(1000, abs=2))
    with pytest.raises(StorageError, match=r"nothing lies between 3 s and 2 s") as caught:
        run_node(load_audio, path=path, start=3.0)
    assert "2.00 s long" in caught.value.hint


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_a_video_with_sound(clip: Video, ctx: LocalContext, format: str) -> None:
    sound = tone(1.5, hertz=400, channels=1)
    saved = run_node(save_video, clip, sound, context=ctx, format=format)
    frames, heard = run_node(load_video, path=saved.path), run_node(load_audio, path=saved.path)
    silent = run_node(save_video, clip, context=ctx, format=format, name="silent")
    assert torch.equal(frames.frames, run_node(load_video, path=silent.path).frames)
    assert heard.samples.shape[1] / heard.rate == pytest.approx(1.5, abs=0.06)
    middle = heard.samples[0, heard.rate // 4 : heard.rate]
    assert pitch(middle, heard.rate) == pytest.approx(400, abs=3)
    assert middle.abs().max() == pytest.approx(0.5, abs=0.06)
    assert read_provenance(saved.path) == ctx.provenance
    assert run_node(save_video, clip, sound, context=ctx, format=format) == saved
    with pytest.raises(StorageError, match="no audio") as caught:
        run_node(load_audio, path=silent.path)
    assert "sound" in caught.value.hint


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_sound_and_frames_keep_time(ctx: LocalContext, format: str) -> None:
    """A flash and a click in the same moment are still together."""
    frames = torch.zeros(20, 32, 32, 3, dtype=torch.uint8)
    frames[10] = 255
    click = torch.zeros(1, 48_000)
    click[:, 24_000:24_200] = 0.9
    sound, video = Audio(samples=click, rate=24_000), Video(frames=frames, fps=10.0)
    path = run_node(save_video, video, sound, context=ctx, format=format).path
    heard = run_node(load_audio, path=path)
    assert int(heard.samples[0].abs().argmax()) / heard.rate == pytest.approx(1.0, abs=0.02)
    assert int(run_node(load_video, path=path).frames.float().mean((1, 2, 3)).argmax()) == 10


def test_sound_longer_than_the_video_is_cut(clip: Video, ctx: LocalContext) -> None:
    path = run_node(save_video, clip, tone(9.0), context=ctx).path
    heard = run_node(load_audio, path=path)
    assert heard.samples.shape[1] / heard.rate == pytest.approx(1.5, abs=0.06)


def test_sound_that_begins_later_than_its_video(clip: Video, ctx: LocalContext, tmp_path: Path) -> None:
    import av

    source = run_node(save_video, clip, tone(1.5, rate=48_000), context=ctx, format="webm").path
    late = tmp_path / "late.webm"
    with av.open(source) as old, av.open(str(late), "w") as new:
        streams = {s.index: new.add_stream_from_template(s) for s in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                shift = 300 if packet.stream.type == "audio" else 0  # milliseconds
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    heard = run_node(load_audio, path=str(late))
    loud = (heard.samples[0].abs() > 0.05).nonzero()[0].item() / heard.rate
    assert loud == pytest.approx(0.3, abs=0.03)


def test_no_sound_in_a_gif(clip: Video, ctx: LocalContext) -> None:
    with pytest.raises(NodeError, match="a gif has no sound") as caught:
        run_node(save_video, clip, tone(), context=ctx, format="gif")
    assert caught.value.where == "audio"


@pytest.mark.parametrize("rate", [7_000, 22_050, 44_100, 192_000])
@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_rates_that_a_codec_does_not_know(clip: Video, ctx: LocalContext, rate: int, format: str) -> None:
    path = run_node(save_video, clip, tone(1.5, rate=rate, hertz=600), context=ctx, format=format).path
    heard = run_node(load_audio, path=path)
    assert heard.samples.shape[1] / heard.rate == pytest.approx(1.5, abs=0.06)
    assert pitch(heard.samples[0, heard.rate // 4 : heard.rate], heard.rate) == pytest.approx(600, abs=4)


@pytest.mark.parametrize("format", FORMATS)
def test_cut_off_sound_is_refused_or_kept(ctx: LocalContext, format: str, tmp_path: Path) -> None:
    path = run_node(save_audio, tone(3.0), context=ctx, format=format).path
    data = Path(path).read_bytes()
    cut = tmp_path / f"cut.{format}"
    cut.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(StorageError, match="cut off or damaged") as caught:
        run_node(load_audio, path=str(cut))
    assert "keep" in caught.value.hint and caught.value.where == str(cut)
    kept = run_node(load_audio, path=str(cut), incomplete="keep")
    assert 1.5 < kept.samples.shape[1] / kept.rate < 2.5
    assert run_node(load_audio, path=str(cut), end=0.5).samples.shape[1] == 12_000


def test_long_sound_is_refused_with_advice(ctx: LocalContext, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run_node(save_audio, tone(3.0), context=ctx).path
    with pytest.raises(StorageError, match="longer than the limit of 2 s") as caught:
        run_node(load_audio, path=path, max_seconds=2.0)
    assert "max_seconds" in caught.value.hint
    assert run_node(load_audio, path=path, start=1.5, max_seconds=2.0).samples.shape[1] == 36_000
    monkeypatch.setattr(hearing, "_promised", lambda container, stream: None)  # a header that tells nothing
    with pytest.raises(StorageError, match="longer than the limit of 2 s"):
        list(hearing.heard({"path": path, **asdict(hearing.Passage(max_seconds=2.0))}, b""))
    monkeypatch.setattr(hearing, "MAX_BYTES", 1000)
    with pytest.raises(StorageError, match="too large"):
        run_node(load_audio, path=path)


@pytest.mark.parametrize("format", [*FORMATS, "mp4", "webm"])
def test_changed_files_give_sound_or_a_clear_error(
    clip: Video, ctx: LocalContext, format: str, tmp_path: Path
) -> None:
    sound = tone(0.3)
    if format in FORMATS:
        path = run_node(save_audio, sound, context=ctx, format=format).path
    else:
        path = run_node(save_video, clip, sound, context=ctx, format=format).path
    data, rng, file = Path(path).read_bytes(), random.Random(0), tmp_path / "x"
    for turn in range(30):
        changed = bytearray(data[: rng.randrange(1, len(data))] if turn % 4 == 0 else data)
        for _ in range(rng.choice((1, 4, 20))):
            changed[rng.randrange(len(changed))] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
        file.write_bytes(changed)
        read_provenance(file)
        try:
            samples = run_node(load_audio, path=str(file)).samples
            assert samples.isfinite().all() and samples.abs().max() <= 1
        except GraphflowError as error:
            assert str(file) in error.where and error.message and error.hint


HOSTILE = {
    "empty": b"",
    "text": b"hello, this is no sound at all",
    "one byte": b"\xff",
    "playlist": b"#EXTM3U\nfile:///etc/passwd\n",
    "wav head": b"RIFF\xff\xff\xff\x7fWAVE",
    "wav of nothing": b"RIFF"
    + struct.pack("<I", 36)
    + b"WAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 0, 0, 0, 0, 0),
    "flac head": b"fLaC",
    "ogg head": b"OggS" + b"\0" * 60,
    "mp3 head": b"\xff\xfb\x90\x00" + b"\0" * 500,
    "id3 head": b"ID3\x04\0\0\x7f\x7f\x7f\x7f",
    "mp4 head": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "sound.wav"
    file.write_bytes(HOSTILE[name])
    with pytest.raises(StorageError) as caught:
        run_node(load_audio, path=str(file))
    assert str(file) in caught.value.where and caught.value.hint


def test_a_float_wav_may_hold_anything(ctx: LocalContext) -> None:
    """Numbers out of range, infinite ones and none at all become sound within -1 and 1."""
    path = Path(run_node(save_audio, tone(0.01, channels=1), context=ctx, bits=32).path)
    data = bytearray(path.read_bytes())
    for place, number in enumerate((float("nan"), float("inf"), float("-inf"), 7.5)):
        struct.pack_into("<f", data, data.index(b"data") + 8 + 4 * place, number)
    path.write_bytes(data)
    assert run_node(load_audio, path=str(path)).samples[0, :4].tolist() == [0, 1, -1, 1]


@pytest.mark.parametrize(
    "samples",
    [
        torch.zeros(2, 0),
        torch.zeros(0, 5),
        torch.zeros(5),
        torch.zeros(7, 5),
        torch.zeros(1, 5, dtype=torch.int16),
    ],
)
def test_what_is_no_sound_is_refused(clip: Video, ctx: LocalContext, samples: torch.Tensor) -> None:
    audio = Audio(samples=samples, rate=24_000)
    for arguments in ((save_audio, audio), (save_video, clip, audio), (trim_audio, audio)):
        with pytest.raises(NodeError) as caught:
            run_node(*arguments, context=ctx)
        assert caught.value.hint
    with pytest.raises(NodeError, match="infinite"):
        run_node(save_audio, Audio(samples=torch.full((1, 4), torch.nan), rate=8000), context=ctx)


def test_progress_is_reported_and_cancels(ctx: LocalContext) -> None:
    audio = tone(1.0)
    path = run_node(save_audio, audio, context=ctx).path
    assert ctx.progress_log[0] == (0, 24_000) and len(ctx.progress_log) == 6
    for node, ports, settings_ in ((save_audio, (audio,), {}), (load_audio, (), {"path": path})):
        with pytest.raises(Cancelled):
            run_node(node, *ports, context=LocalContext(cancel_after=2), **settings_)


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    spec = spec_of(load_audio)
    assert spec is not None and spec.fingerprint is not None
    file = tmp_path / "a.wav"
    file.write_bytes(b"1")
    before = spec.fingerprint(path=str(file))
    file.write_bytes(b"2")
    assert spec.fingerprint(path=str(file)) != before


def test_saved_sound_stands_only_while_it_is_untouched(ctx: LocalContext) -> None:
    spec = spec_of(save_audio)
    assert spec is not None and spec.effect is not None and not spec.cache
    saved = run_node(save_audio, tone(0.1), context=ctx)
    assert spec.effect({"out": saved})
    Path(saved.path).write_bytes(b"other")
    assert not spec.effect({"out": saved})


@given(cut=st.integers(1, 99))
@settings(max_examples=20, deadline=None)
def test_two_parts_are_one_whole(cut: int) -> None:
    audio = tone(1.0, rate=100)
    first, second = run_node(trim_audio, audio, end=cut / 100), run_node(trim_audio, audio, start=cut / 100)
    assert torch.equal(torch.cat([first.samples, second.samples], 1), audio.samples)


def test_mixing_adds_up() -> None:
    first, second = tone(1.0, channels=1), tone(0.5, channels=2, hertz=700)
    mixed = run_node(mix_audio, first, second, at=0.75, gain=-20.0)
    assert mixed.samples.shape == (2, 30_000)
    assert torch.equal(mixed.samples[:, :18_000], first.samples[:, :18_000].expand(2, -1))
    assert torch.allclose(mixed.samples[:, 24_000:], second.samples[:, 6000:] * 0.1)
    loud = run_node(mix_audio, first, first, gain=24.0)
    assert loud.samples.abs().max() == 1
    with pytest.raises(ValueMismatch, match="samples a second"):
        run_node(mix_audio, first, tone(rate=8000))
    with pytest.raises(ValueMismatch, match="channels"):
        run_node(mix_audio, tone(channels=3), second)
    with pytest.raises(NodeError, match="nothing lies between 2 s and the end"):
        run_node(trim_audio, first, start=2.0)


def test_many_channels_are_read_as_stereo(tmp_path: Path) -> None:
    samples = struct.pack("<8000h", *[1000] * 8000)
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 8, 8000, 128_000, 16, 16)
    body = b"WAVE" + head + b"data" + struct.pack("<I", len(samples)) + samples
    file = tmp_path / "surround.wav"
    file.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with pytest.raises(StorageError, match="8 channels") as caught:
        run_node(load_audio, path=str(file))
    assert "stereo" in caught.value.hint
    assert run_node(load_audio, path=str(file), channels="stereo").samples.shape == (2, 1000)
