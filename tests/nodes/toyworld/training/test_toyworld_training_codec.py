"""The fixed latent space: shapes, quality, linearity in colours, storage."""

from pathlib import Path

import pytest
import torch
from graphflow_nodes.toyworld.render import draw_layers, render, scene_colors
from graphflow_nodes.toyworld.training.codec import (
    COMPONENTS,
    ChunkCodec,
    concatenate,
    draw_latent_layers,
    encode_layers,
    fit,
    load,
    save,
)
from graphflow_nodes.toyworld.world import Scene, sample_scenes


@pytest.fixture(scope="module")
def codec() -> ChunkCodec:
    fitted, quality = fit(sample_scenes(96, 1))
    assert quality > 27
    return fitted


def test_round_trip_keeps_the_clip(codec: ChunkCodec) -> None:
    clips = render(sample_scenes(16, 2))
    latents = codec.encode(clips)
    assert latents.shape == (16, COMPONENTS, 4, 8, 8)
    error = (codec.decode(latents) - clips).square().mean()
    assert -10 * torch.log10(error / 4) > 26
    again = codec.encode(codec.decode(latents))
    assert torch.allclose(again[:, :, 1:], latents[:, :, 1:], atol=1e-3)


def test_latents_of_a_still_clip_do_not_change(codec: ChunkCodec) -> None:
    latents = codec.encode(render([Scene("circle", "red", "black", "large", "still", seed=1)]))
    assert torch.allclose(latents[:, :, :1].expand_as(latents), latents, atol=1e-4)


def test_painting_latents_equals_encoding_painted_clips(codec: ChunkCodec) -> None:
    scenes = sample_scenes(6, 3)
    fore, back = zip(*(scene_colors(scene) for scene in scenes), strict=True)
    painted = draw_latent_layers(codec, scenes).paint(codec, torch.arange(6), fore, back)
    assert torch.allclose(painted, codec.encode(render(scenes)), atol=0.02)


def test_coverage_marks_latents_with_the_object(codec: ChunkCodec) -> None:
    layers = draw_layers([Scene("circle", "red", "black", "medium", "right", seed=1)])
    coverage = encode_layers(codec, layers).coverage
    assert coverage.shape == (1, 1, 4, 8, 8)
    assert 0.05 < coverage.mean() < 0.5


def test_concatenation_keeps_order(codec: ChunkCodec) -> None:
    one, two = (draw_latent_layers(codec, sample_scenes(2, seed)) for seed in (1, 2))
    both = concatenate([one, two])
    assert torch.equal(both.over[2:], two.over)


def test_motion_share_tells_moving_channels_from_resting_ones(codec: ChunkCodec) -> None:
    share = codec.motion_share
    assert share.min() >= 0 and share.max() <= 1
    assert share[0] < 0.01 and share.max() > 0.9


def test_save_and_load(codec: ChunkCodec, tmp_path: Path) -> None:
    save(codec, tmp_path / "codec.safetensors")
    again = load(tmp_path / "codec.safetensors")
    assert torch.equal(again.basis, codec.basis) and torch.equal(again.scale, codec.scale)


def test_wrong_frame_count_is_refused(codec: ChunkCodec) -> None:
    with pytest.raises(ValueError, match="4n\\+1 frames"):
        codec.encode(torch.zeros(1, 3, 12, 64, 64))


def test_preview_shows_the_mean_colours_of_chunks() -> None:
    codec, _ = fit(sample_scenes(64, 1))
    clips = render(sample_scenes(2, 5))
    cells = codec.encode(clips).permute(0, 2, 3, 4, 1)
    colours = cells @ codec.preview[:-1] + codec.preview[-1]
    chunks = torch.cat([clips[:, :, :1].expand(-1, -1, 3, -1, -1), clips], 2) / 2 + 0.5
    truth = torch.nn.functional.avg_pool3d(chunks, (4, 8, 8)).permute(0, 2, 3, 4, 1)
    assert (colours - truth).abs().mean() < 0.01


def test_errors_in_latents_count_by_what_they_mean_in_pixels(codec: ChunkCodec) -> None:
    latents = codec.encode(render(sample_scenes(2, 5)))
    error = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    pixels = (codec.decode(latents + error) - codec.decode(latents))[:, :, 1:].square().sum()
    told = (error.square() * codec.pixel_share[:, None, None, None])[:, :, 1:].sum()
    assert torch.allclose(pixels, told * codec.scale.square().mean(), rtol=1e-3)
