"""Where windows meet, against the pipelines' own windows; media at a clip's size."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.diffusion import empty_latents, fit_media, load_model, window_starts

from graphflow.errors import NodeError
from graphflow.testing import run_node
from graphflow.values import Image, Video


def starts(model: str, frames: int, window: int, overlap: int) -> list[int]:
    vae = run_node(load_model, model=model).vae
    latents = run_node(empty_latents, vae, frames=frames)
    return list(run_node(window_starts, latents, window=window, overlap=overlap))


def test_diffusion_forcing_shows_new_frames_behind_each_window() -> None:
    assert starts("tiny-skyreels", 17, 9, 5) == [9, 13]
    assert starts("tiny-skyreels", 9, 9, 5) == []
    assert starts("tiny-skyreels", 257, 97, 17) == [97, 177]
    with pytest.raises(NodeError, match="leaves nothing"):
        starts("tiny-skyreels", 17, 9, 9)


@pytest.mark.parametrize(("frames", "window", "overlap"), [(33, 16, 12), (161, 80, 24), (97, 80, 24)])
def test_ltx_windows_are_those_of_its_pipeline(frames: int, window: int, overlap: int) -> None:
    from diffusers.pipelines.ltx.pipeline_ltx_i2v_long_multi_prompt import split_into_temporal_windows

    latents = run_node(empty_latents, run_node(load_model, model="tiny-ltx").vae, frames=frames)
    step = latents.geometry.temporal
    cells = (frames - 1) // step + 1
    ends = [end for _, end in split_into_temporal_windows(cells, window // step, overlap // step, step)]
    found = run_node(window_starts, latents, window=window, overlap=overlap)
    assert found == [(end - 1) * step + 1 for end in ends[:-1]] and found


def test_media_come_to_the_size_and_length_of_a_clip() -> None:
    vae = run_node(load_model, model="tiny-skyreels").vae
    latents = run_node(empty_latents, vae, width=32, height=16, frames=5)
    video = Video(frames=torch.arange(9 * 64 * 64 * 3).view(9, 64, 64, 3).byte(), fps=8.0)
    fitted = run_node(fit_media, latents, video)
    assert fitted.frames.shape == (5, 16, 32, 3) and fitted.fps == 8
    same = Video(frames=fitted.frames, fps=4.0)
    assert torch.equal(run_node(fit_media, latents, same).frames, fitted.frames)
    assert len(run_node(fit_media, latents, video, whole=True).frames) == 9
    image = run_node(fit_media, latents, Image(pixels=video.frames[0]))
    assert torch.equal(image.pixels, fitted.frames[0])
    with pytest.raises(NodeError, match="has 2 frames, the clip 5"):
        run_node(fit_media, latents, Video(frames=video.frames[:2], fps=8.0))
