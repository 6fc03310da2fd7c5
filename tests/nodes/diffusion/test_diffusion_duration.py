"""A model that says how long a clip should be gives the number of frames that its pipeline would take."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import empty_latents, load_model
from graphflow_nodes.diffusion.duration import DurationHead, load_duration_head, predict_frames

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import run_node
from tests.support.tiny_ltx2 import SoundBench, save_tiny_ltx2


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SoundBench:
    return SoundBench(save_tiny_ltx2(tmp_path_factory.mktemp("ltx2_5"), "ltx2_5"))


def head(tiny: SoundBench) -> DurationHead:
    recipe: DurationHead = run_node(load_duration_head, model=str(tiny.folder), dtype="float32")
    return recipe


def predicted(tiny: SoundBench, **settings: Any) -> int:
    ports = (head(tiny), tiny.encode(), tiny.model.vae)
    frames: int = run_node(predict_frames, *ports, context=tiny.context(), **settings)
    return frames


@pytest.mark.parametrize("fps", [12.0, 25.0])
def test_the_clip_is_as_long_as_the_pipelines(tiny: SoundBench, fps: float) -> None:
    frames = predicted(tiny, fps=fps)
    plain = tiny.clip(num_frames=None, frame_rate=fps, num_inference_steps=2)
    assert frames == len(plain.frames) and 9 <= frames < 20 * fps
    empty = run_node(empty_latents, tiny.model.vae, frames=frames, fps=fps)
    latents = tiny.denoise(latents=empty, steps=2)
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert torch.equal(tiny.hear(latents), plain.sound)


def test_no_shorter_and_no_longer(tiny: SoundBench) -> None:
    free = predicted(tiny)
    assert predicted(tiny, min_seconds=4.0) == 105 > free  # 100 frames at least, 8k + 1 of them
    assert predicted(tiny, min_seconds=0.1, max_seconds=0.4) == 9 < free


def test_parts_that_do_not_belong_together_are_refused(tiny: SoundBench) -> None:
    with pytest.raises(NodeError, match="does not predict durations") as caught:
        run_node(load_duration_head, model="toy-wan")
    assert caught.value.hint
    other = run_node(load_model, model="toy-wan").vae
    with pytest.raises(ValueMismatch, match="the VAE for wan"):
        run_node(predict_frames, head(tiny), tiny.encode(), other)
    with pytest.raises(NodeError, match="less than max_seconds"):
        predicted(tiny, min_seconds=5.0, max_seconds=5.0)
