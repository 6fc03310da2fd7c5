"""Saving: round trips, provenance inside, equal bytes, odd sizes, refusals."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from graphflow_nodes.media import load_frames, load_image, load_video, save_frames, save_image, save_video
from pydantic import ValidationError

from graphflow.errors import NodeError, StorageError
from graphflow.node import spec_of
from graphflow.provenance import read_provenance
from graphflow.testing import LocalContext, run_node
from graphflow.values import Image, SavedFile, Video

FORMATS = ("mp4", "webm", "gif")


def noise(frames: int, height: int, width: int) -> Video:
    """Frames that no codec finds easy."""
    generator = torch.Generator().manual_seed(0)
    shape = (frames, height, width, 3)
    return Video(frames=torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator), fps=10.0)


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a.float() - b.float()).abs().mean().item()


@pytest.mark.parametrize("format", FORMATS)
def test_a_video_comes_back(clip: Video, ctx: LocalContext, format: str) -> None:
    saved = run_node(save_video, clip, context=ctx, format=format)
    loaded = run_node(load_video, path=saved.path)
    assert loaded.frames.shape == clip.frames.shape and loaded.frames.dtype == torch.uint8
    assert loaded.fps == pytest.approx(clip.fps, rel=0.01)
    assert difference(loaded.frames, clip.frames) < 4  # colour edges have half the resolution
    assert saved.media_type.endswith(format)


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_flat_colours_come_back_true(ctx: LocalContext, format: str) -> None:
    for colour in ([250, 225, 25], [20, 20, 200], [128, 128, 128], [255, 255, 255], [0, 0, 0], [25, 190, 50]):
        frames = torch.tensor(colour, dtype=torch.uint8).expand(3, 32, 32, 3)
        saved = run_node(save_video, Video(frames=frames, fps=8.0), context=ctx, format=format)
        loaded = run_node(load_video, path=saved.path)
        assert (loaded.frames.int() - frames.int()).abs().max() <= 4, colour


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_colour_stays_where_it_was(ctx: LocalContext, format: str) -> None:
    frames = torch.full((2, 32, 64, 3), 128, dtype=torch.uint8)
    frames[:, :, 21:43] = torch.tensor([230, 30, 30], dtype=torch.uint8)  # edges between colour samples
    saved = run_node(save_video, Video(frames=frames, fps=8.0), context=ctx, format=format, crf=4)
    loaded = run_node(load_video, path=saved.path).frames
    left = difference(loaded[:, :, :32], frames[:, :, :32])
    right = difference(loaded[:, :, 32:], frames[:, :, 32:])
    assert max(left, right) < 1.6 * min(left, right)


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_enlarged_pixels_stay_sharp(ctx: LocalContext, format: str) -> None:
    checks = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 255
    frames = checks.to(torch.uint8)[None, ..., None].expand(2, 16, 16, 3)
    saved = run_node(save_video, Video(frames=frames, fps=8.0), context=ctx, format=format, upscale=8)
    loaded = run_node(load_video, path=saved.path).frames
    assert loaded.shape == (2, 128, 128, 3)
    assert difference(loaded[:, 4::8, 4::8], frames) < 6


@pytest.mark.parametrize("format", FORMATS)
def test_the_workflow_is_inside(clip: Video, ctx: LocalContext, format: str) -> None:
    saved = run_node(save_video, clip, context=ctx, format=format)
    assert read_provenance(saved.path) == ctx.provenance


@pytest.mark.parametrize("format", FORMATS)
def test_equal_frames_give_equal_bytes(ctx: LocalContext, format: str) -> None:
    video = noise(5, 90, 122)
    digests = {run_node(save_video, video, context=ctx, format=format).digest for _ in range(3)}
    assert len(digests) == 1


@pytest.mark.parametrize(("height", "width"), [(48, 48), (32, 48), (96, 96)])
def test_equal_frames_give_equal_bytes_at_any_size(ctx: LocalContext, height: int, width: int) -> None:
    """Also where rows are no multiple of a vector register, whatever memory held before."""
    noise = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    wide = torch.nn.functional.interpolate(noise, size=(height + 40, width + 40), mode="bilinear")[0]
    frames = torch.stack([wide[:, 3 * i : 3 * i + height, 2 * i : 2 * i + width] for i in range(9)])
    clip = Video(frames=(frames * 255).byte().permute(0, 2, 3, 1).contiguous(), fps=8.0)
    digests = {run_node(save_video, clip, context=ctx, name=f"n{i}").digest for i in range(25)}
    assert len(digests) == 1


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 48, 64), (3, 63, 65), (2, 1, 17), (2, 200, 2)])
def test_odd_sizes_and_one_frame(ctx: LocalContext, format: str, shape: tuple[int, int, int]) -> None:
    count, height, width = shape
    video = noise(*shape)
    saved = run_node(save_video, video, context=ctx, format=format, crf=0)
    loaded = run_node(load_video, path=saved.path).frames
    assert len(loaded) == count
    even = format != "gif"
    assert loaded.shape[1:3] == (height + height % 2 * even, width + width % 2 * even)
    if even and height % 2:
        assert difference(loaded[:, -1], loaded[:, -2]) < 12  # the last row again


def test_rates_are_kept(clip: Video, ctx: LocalContext) -> None:
    for fps in (0.5, 24000 / 1001, 16, 60, 1000):
        saved = run_node(save_video, clip, context=ctx, fps=float(fps))
        assert run_node(load_video, path=saved.path).fps == pytest.approx(fps, rel=1e-3)


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_an_image_comes_back_with_its_workflow(clip: Video, ctx: LocalContext, format: str) -> None:
    image = Image(pixels=clip.frames[3])
    saved = run_node(save_image, image, context=ctx, format=format, quality=100)
    loaded = run_node(load_image, path=saved.path)
    if format == "jpeg":
        assert difference(loaded.pixels, image.pixels) < 2
    else:
        assert torch.equal(loaded.pixels, image.pixels)
    assert read_provenance(saved.path) == ctx.provenance
    assert run_node(save_image, image, context=ctx, format=format, quality=100) == saved


def test_frames_come_back_exactly(clip: Video, ctx: LocalContext, tmp_path: Path) -> None:
    saved = run_node(save_frames, clip, context=ctx)
    assert torch.equal(run_node(load_frames, path=saved.path, fps=8.0).frames, clip.frames)
    assert read_provenance(saved.path) == ctx.provenance
    assert run_node(save_frames, clip, context=ctx).digest == saved.digest
    folder = tmp_path / "folder"
    zipfile.ZipFile(saved.path).extractall(folder)
    assert torch.equal(run_node(load_frames, path=str(folder)).frames, clip.frames)


@pytest.mark.parametrize("node", [save_video, save_image, save_frames])
def test_a_file_stands_only_while_it_is_untouched(clip: Video, ctx: LocalContext, node: object) -> None:
    spec = spec_of(node)
    assert spec is not None and spec.effect is not None and not spec.cache
    value = Image(pixels=clip.frames[0]) if node is save_image else clip
    saved: SavedFile = run_node(node, value, context=ctx)  # type: ignore[arg-type]
    assert spec.effect({"out": saved}) and spec.effect({"out": saved.model_dump()})
    data = Path(saved.path).read_bytes()
    Path(saved.path).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert not spec.effect({"out": saved})
    Path(saved.path).unlink()
    assert not spec.effect({"out": saved})


def test_progress_is_reported_and_cancels(clip: Video, ctx: LocalContext) -> None:
    from graphflow.errors import Cancelled

    run_node(save_video, clip, context=ctx)
    assert ctx.progress_log == [(i, 12) for i in range(12)]
    ctx.progress_log.clear()
    run_node(save_video, clip, context=ctx, format="gif")
    assert ctx.progress_log == [(i, 24) for i in range(24)]
    with pytest.raises(Cancelled):
        run_node(save_video, clip, context=LocalContext(cancel_after=4))


def test_the_workflow_can_be_left_out(clip: Video, ctx: LocalContext) -> None:
    image = Image(pixels=clip.frames[0])
    for node, value in ((save_video, clip), (save_image, image), (save_frames, clip)):
        saved = run_node(node, value, context=ctx, embed_workflow=False)
        assert read_provenance(saved.path) == {"key": ctx.provenance["key"]}


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_too_large_to_write_is_refused(ctx: LocalContext, format: str) -> None:
    wide = torch.zeros(1, 2, 1100, 3, dtype=torch.uint8)
    with pytest.raises(NodeError, match="17600 x 32") as caught:
        run_node(save_video, Video(frames=wide, fps=8.0), context=ctx, format=format, upscale=16)
    assert "upscale" in caught.value.hint
    with pytest.raises(NodeError, match="17600 x 32"):
        run_node(save_image, Image(pixels=wide[0]), context=ctx, upscale=16)


@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (2, 8, 8, 4), (8, 8, 3), (2, 0, 8, 3)])
def test_what_is_no_video_is_refused(ctx: LocalContext, shape: tuple[int, ...]) -> None:
    with pytest.raises(NodeError) as caught:
        run_node(save_video, Video(frames=torch.zeros(shape, dtype=torch.uint8), fps=8.0), context=ctx)
    assert caught.value.hint
    with pytest.raises(NodeError):
        run_node(save_video, Video(frames=torch.zeros(2, 8, 8, 3), fps=8.0), context=ctx)


def test_a_disk_that_refuses_is_a_storage_error(clip: Video, tmp_path: Path) -> None:
    missing = LocalContext(out_dir=tmp_path / "none")
    with pytest.raises(StorageError) as caught:
        run_node(save_video, clip, context=missing)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "a\0b", "x" * 101])
def test_names_cannot_leave_the_folder(clip: Video, ctx: LocalContext, name: str) -> None:
    with pytest.raises(ValidationError):
        run_node(save_video, clip, context=ctx, name=name)


def test_a_provenance_that_is_too_large_leaves_a_note(clip: Video, ctx: LocalContext) -> None:
    generator = torch.Generator().manual_seed(0)
    unpackable = [str(n) for n in torch.randint(0, 2**60, (9000,), generator=generator).tolist()]
    ctx.provenance = {"key": "k", "list": unpackable}
    image = Image(pixels=clip.frames[0])
    assert read_provenance(run_node(save_image, image, context=ctx).path) == ctx.provenance
    note = read_provenance(run_node(save_image, image, context=ctx, format="jpeg").path)
    assert note is not None and note["key"] == "k" and "too large" in note["omitted"]
    ctx.provenance = {"key": "k", "text": "x" * 1_000_001}
    for format in FORMATS:
        note = read_provenance(run_node(save_video, clip, context=ctx, format=format).path)
        assert note is not None and "too large" in note["omitted"]
