"""Loading: what is asked for, and files that are broken, hostile or too large."""

from __future__ import annotations

import os
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.media import decode as decoding
from graphflow_nodes.media import load_frames, load_image, load_video, save_frames, save_image, save_video
from PIL import Image as Pillow

from graphflow.errors import Cancelled, GraphflowError, StorageError
from graphflow.node import Sketch, spec_of
from graphflow.testing import LocalContext, check_node, run_node
from graphflow.values import Image, Video

FORMATS = ("mp4", "webm", "gif")


def numbered(count: int) -> Video:
    """Frames whose grey tells their number: frame i is 10 * i."""
    grey = (torch.arange(count) * 10).to(torch.uint8)
    return Video(frames=grey[:, None, None, None].expand(count, 32, 48, 3), fps=10.0)


def numbers(video: Video) -> list[int]:
    return [round(frame.float().mean().item() / 10) for frame in video.frames]


@pytest.mark.parametrize("format", FORMATS)
def test_a_part_of_a_video(ctx: LocalContext, format: str) -> None:
    path = run_node(save_video, numbered(20), context=ctx, format=format).path
    assert numbers(run_node(load_video, path=path)) == list(range(20))
    assert numbers(run_node(load_video, path=path, start=0.5, end=0.8)) == [5, 6, 7]
    assert numbers(run_node(load_video, path=path, start=1.8)) == [18, 19]
    assert numbers(run_node(load_video, path=path, end=0.31, max_frames=4)) == [0, 1, 2, 3]


@pytest.mark.parametrize("format", FORMATS)
def test_another_rate(ctx: LocalContext, format: str) -> None:
    path = run_node(save_video, numbered(20), context=ctx, format=format).path
    half = run_node(load_video, path=path, fps=5.0)
    assert numbers(half) == list(range(0, 20, 2)) and half.fps == 5.0
    assert numbers(run_node(load_video, path=path, fps=20.0, end=0.3)) == [0, 0, 1, 1, 2, 2]


def test_loading_can_be_cancelled(ctx: LocalContext) -> None:
    path = run_node(save_video, numbered(20), context=ctx).path
    with pytest.raises(Cancelled):
        run_node(load_video, context=LocalContext(cancel_after=5), path=path)


def test_larger_frames_are_scaled_down(ctx: LocalContext) -> None:
    path = run_node(save_video, numbered(2), context=ctx).path
    assert run_node(load_video, path=path, max_side=24).frames.shape == (2, 16, 24, 3)
    assert run_node(load_video, path=path, max_side=480).frames.shape == (2, 32, 48, 3)


@pytest.mark.parametrize(("matrix", "corner"), [((0, 1, -1, 0), (0, -1)), ((-1, 0, 0, -1), (-1, -1))])
def test_a_phone_video_is_upright(
    ctx: LocalContext, matrix: tuple[int, ...], corner: tuple[int, int]
) -> None:
    frames = torch.zeros(2, 32, 48, 3, dtype=torch.uint8)
    frames[:, :8, :8] = 255
    path = Path(run_node(save_video, Video(frames=frames, fps=8.0), context=ctx).path)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44  # the matrix of the track header: a b u c d v x y w
    data[at : at + 20] = struct.pack(
        ">iiiii", *(n << 16 for n in matrix[:2]), 0, *(n << 16 for n in matrix[2:])
    )
    path.write_bytes(data)
    loaded = run_node(load_video, path=str(path)).frames
    assert loaded.shape[1:3] == ((48, 32) if matrix[0] == 0 else (32, 48))
    assert loaded[0, corner[0], corner[1]].min() > 200 and loaded.float().mean() < 40


def test_more_frames_than_the_limit_are_refused_with_advice(ctx: LocalContext) -> None:
    path = run_node(save_video, numbered(20), context=ctx).path
    with pytest.raises(StorageError, match="20 frames are more than the limit of 19") as caught:
        run_node(load_video, path=path, max_frames=19)
    assert "max_frames" in caught.value.hint and caught.value.where == path
    with pytest.raises(StorageError, match="nothing lies between"):
        run_node(load_video, path=path, start=5.0)


def test_sizes_are_checked_before_decoding(ctx: LocalContext, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run_node(save_video, numbered(3), context=ctx).path
    monkeypatch.setattr(decoding, "MAX_BYTES", 1000)
    with pytest.raises(StorageError, match="too much"):
        run_node(load_video, path=path)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1000)
    monkeypatch.setattr(decoding, "empty", None)
    with pytest.raises(StorageError, match="outside the limits"):
        run_node(load_video, path=path)


@pytest.mark.parametrize("format", FORMATS)
def test_a_cut_off_video_is_refused_or_kept(ctx: LocalContext, format: str, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (16, 64, 64, 3), dtype=torch.uint8, generator=generator)
    path = run_node(save_video, Video(frames=frames, fps=8.0), context=ctx, format=format).path
    data = Path(path).read_bytes()
    cut = tmp_path / f"cut.{format}"
    cut.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(StorageError) as caught:
        run_node(load_video, path=str(cut))
    assert "keep" in caught.value.hint
    kept = run_node(load_video, path=str(cut), incomplete="keep")
    assert 4 <= len(kept.frames) < 16


@pytest.mark.parametrize("format", FORMATS)
def test_changed_files_give_frames_or_a_clear_error(ctx: LocalContext, format: str, tmp_path: Path) -> None:
    path = run_node(save_video, numbered(6), context=ctx, format=format).path
    _mutate(Path(path).read_bytes(), tmp_path / "x", lambda file: run_node(load_video, path=str(file)), 30)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_changed_images_give_pixels_or_a_clear_error(ctx: LocalContext, format: str, tmp_path: Path) -> None:
    image = Image(pixels=numbered(6).frames[5])
    path = run_node(save_image, image, context=ctx, format=format).path
    _mutate(Path(path).read_bytes(), tmp_path / "x", lambda file: run_node(load_image, path=str(file)), 30)


def test_changed_zips_give_frames_or_a_clear_error(ctx: LocalContext, tmp_path: Path) -> None:
    path = run_node(save_frames, numbered(3), context=ctx).path
    _mutate(Path(path).read_bytes(), tmp_path / "x", lambda file: run_node(load_frames, path=str(file)), 20)


def _mutate(data: bytes, file: Path, load: object, times: int) -> None:
    """Flip, cut and overwrite; the only exception allowed is the engine's own."""
    rng = random.Random(0)
    for turn in range(times):
        changed = bytearray(data[: rng.randrange(len(data))] if turn % 4 == 0 else data)
        for _ in range(rng.choice((1, 4, 20))):
            if changed:
                changed[rng.randrange(len(changed))] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
        file.write_bytes(changed)
        try:
            assert load(file) is not None  # type: ignore[operator]
        except GraphflowError as error:
            assert str(file) in error.where and error.message and error.hint


HOSTILE = {
    "empty": b"",
    "text": b"hello, this is no video at all",
    "playlist": b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\nfile:///etc/passwd\n",
    "concat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\n",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    "mp4 head": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2",
    "webm head": b"\x1a\x45\xdf\xa3",
    "gif head": b"GIF89a",
    "huge gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b"," + b"\0" * 50,
    "huge png": b"\x89PNG\r\n\x1a\n"
    + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", 2**30, 2**30, 8, 2, 0, 0, 0, 0),
}


@pytest.mark.filterwarnings("default::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("node", [load_video, load_image, load_frames])
def test_hostile_files_are_refused(tmp_path: Path, name: str, node: object) -> None:
    file = tmp_path / "video.mp4"
    file.write_bytes(HOSTILE[name])
    with pytest.raises(StorageError) as caught:
        run_node(node, path=str(file))  # type: ignore[arg-type]
    assert str(file) in caught.value.where and caught.value.hint


@pytest.mark.parametrize("node", [load_video, load_image, load_frames])
def test_only_files_are_opened(tmp_path: Path, node: object) -> None:
    os.mkfifo(tmp_path / "pipe")
    places = [
        "",
        "a\0b",
        "/dev/zero",
        str(tmp_path / "none"),
        str(tmp_path / "pipe"),
        "http://localhost/x.mp4",
    ]
    for path in [*places, str(tmp_path)]:
        with pytest.raises(StorageError) as caught:
            run_node(node, path=path)  # type: ignore[arg-type]
        assert caught.value.hint


def test_too_many_pixels_are_an_error(ctx: LocalContext, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run_node(save_image, Image(pixels=numbered(1).frames[0]), context=ctx).path
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 48 * 32 - 1)
    with pytest.raises(StorageError, match="too large"):
        run_node(load_image, path=path)
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 48 * 32)
    assert run_node(load_image, path=path).pixels.shape == (32, 48, 3)


def test_images_of_other_modes_become_rgb(tmp_path: Path) -> None:
    for mode, colour in (("L", 200), ("RGBA", (200, 200, 200, 10)), ("P", 3), ("1", 1), ("I;16", 200 << 8)):
        file = tmp_path / "x.png"
        Pillow.new(mode, (5, 4), colour).save(file)  # type: ignore[arg-type]
        pixels = run_node(load_image, path=str(file)).pixels
        assert pixels.shape == (4, 5, 3) and pixels.dtype == torch.uint8
        assert mode in ("P", "1") or pixels[0, 0].tolist() == [200, 200, 200]


def test_an_image_is_turned_upright(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.new("RGB", (8, 4)).save(tmp_path / "x.jpg", exif=exif)
    assert run_node(load_image, path=str(tmp_path / "x.jpg")).pixels.shape == (8, 4, 3)


def test_frames_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for i in (10, 9, 2):
        Pillow.new("RGB", (4, 4), (i, i, i)).save(tmp_path / f"f{i}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    video = run_node(load_frames, path=str(tmp_path))
    assert video.frames[:, 0, 0, 0].tolist() == [2, 9, 10]
    with pytest.raises(StorageError, match="3 pictures"):
        run_node(load_frames, path=str(tmp_path), max_frames=2)
    Pillow.new("RGB", (4, 5)).save(tmp_path / "f11.png")
    with pytest.raises(StorageError, match=r"f11\.png is 4 x 5"):
        run_node(load_frames, path=str(tmp_path))


def test_a_zip_that_swells_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("f.png", bytes((256 << 20) + 1))
    with pytest.raises(StorageError, match="too large"):
        run_node(load_frames, path=str(tmp_path / "x.zip"))


@pytest.mark.parametrize("node", [load_video, load_image, load_frames])
def test_the_fingerprint_follows_the_content(tmp_path: Path, node: object) -> None:
    spec = spec_of(node)
    assert spec is not None and spec.fingerprint is not None
    file = tmp_path / "a.png"
    file.write_bytes(b"1")
    path = str(tmp_path if node is load_frames else file)
    before = spec.fingerprint(path=path)
    assert spec.fingerprint(path=path) == before
    file.write_bytes(b"2")
    assert spec.fingerprint(path=path) != before


def test_an_example_stands_in_until_a_path_is_set(tmp_path: Path) -> None:
    picture = Image(pixels=torch.full((4, 6, 3), 7, dtype=torch.uint8))
    assert run_node(load_image, picture) is picture
    path = tmp_path / "other.png"
    Pillow.new("RGB", (8, 8), (1, 2, 3)).save(path)
    assert run_node(load_image, picture, path=str(path)).pixels.shape == (8, 8, 3)
    with pytest.raises(StorageError, match="no image is chosen"):
        run_node(load_image)
    with pytest.raises(StorageError, match="no video is chosen"):
        run_node(load_video)


CUTS: list[dict[str, Any]] = [
    {},
    {"start": 0.5, "end": 0.8},
    {"fps": 5.0},
    {"fps": 20.0, "end": 0.3},
    {"max_side": 24},
]


@pytest.mark.parametrize("format", FORMATS)
def test_what_a_video_will_be_is_known_before_it_is_loaded(ctx: LocalContext, format: str) -> None:
    path = run_node(save_video, numbered(20), context=ctx, format=format).path
    for cut in CUTS:
        video = run_node(load_video, path=path, **cut)
        count, height, width, _ = video.frames.shape
        assert check_node(load_video, path=path, **cut) == {"out": Sketch(width, height, count, video.fps)}


def test_what_an_image_will_be_is_known_before_it_is_loaded(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    for orientation in (1, 3, 6):
        exif[0x0112] = orientation
        file = tmp_path / f"{orientation}.jpg"
        Pillow.new("RGB", (8, 4)).save(file, exif=exif)
        height, width = run_node(load_image, path=str(file)).pixels.shape[:2]
        assert check_node(load_image, path=str(file)) == {"out": Sketch(width, height)}
        Pillow.new("RGB", (16, 9)).save(file)  # the file changes
        assert check_node(load_image, path=str(file)) == {"out": Sketch(16, 9)}


def test_what_is_not_known_is_not_guessed(ctx: LocalContext, tmp_path: Path) -> None:
    """What is wrong with a file is told when it is loaded; an example is known if it was made before."""
    whole = Path(run_node(save_video, numbered(20), context=ctx, format="mp4").path)
    cut_off = tmp_path / "cut.mp4"
    cut_off.write_bytes(whole.read_bytes()[:-200])
    (tmp_path / "text.png").write_text("no picture")
    assert check_node(load_image, path=str(tmp_path / "text.png")) == {}
    assert check_node(load_image, path=str(tmp_path / "absent.png")) == {}
    assert check_node(load_video, path=str(cut_off)) == {}
    assert check_node(load_video, path=str(whole), incomplete="keep") == {}
    assert check_node(load_video, path=str(whole), start=99.0) == {}
    example = Sketch(4, 3, 2, 8.0)
    for load in (load_video, load_image):
        assert check_node(load, example=example) == {"out": example}
    assert check_node(load_video) == {}
