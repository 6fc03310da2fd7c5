"""Control inputs in front of a model: VACE takes every one of them as it is."""

from __future__ import annotations

from typing import Any

import graphflow_nodes.control as control
import graphflow_nodes.diffusion as diffusion
import graphflow_nodes.media as media
import graphflow_nodes.prompts as prompts
import pytest
import torch
from graphflow_nodes.control import place_images

from graphflow.testing import run_graph, run_node
from graphflow.values import Image, Video
from tests.support.tiny_wan import FRAMES, HEIGHT, WIDTH, save_tiny_wan

NODES = [getattr(pack, name) for pack in (media, control, prompts, diffusion) for name in pack.__all__]
CLIP = {"frames": FRAMES, "width": WIDTH, "height": HEIGHT, "fps": 8.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_wan("wan_vace", tmp_path_factory.mktemp("vace")))


def made(model: str, nodes: dict[str, Any], video: str, mask: str | None = None) -> Video:
    """The clip that a tiny VACE makes of a structured prompt and a control video of `nodes`."""
    inputs = {"vae": "model.vae", "latents": "latents", "video": video}
    graph = {
        "model": {"type": "diffusion/load_model", "params": {"model": model, "dtype": "float32"}},
        "subject": {"type": "prompts/subject", "params": {"name": "a man", "action": "walks"}},
        "prompt": {"type": "prompts/structured", "inputs": {"subjects": ["subject"]}},
        "text": {"type": "prompts/render", "params": {"style": "wan"}, "inputs": {"prompt": "prompt"}},
        "encode": {
            "type": "diffusion/encode_prompt",
            "inputs": {"text_encoder": "model.text_encoder", "prompt": "text.text"},
        },
        "latents": {"type": "diffusion/empty_latents", "inputs": {"vae": "model.vae"}},
        "condition": {
            "type": "diffusion/condition_control",
            "inputs": inputs | ({"mask": mask} if mask else {}),
        },
        "denoise": {
            "type": "diffusion/denoise",
            "params": {"seed": 3, "steps": 2},
            "inputs": {
                "denoiser": "model.denoiser",
                "scheduler": "model.scheduler",
                "prompt": "encode",
                "latents": "latents",
                "condition": "condition",
            },
        },
        "decode": {"type": "diffusion/decode", "inputs": {"vae": "model.vae", "latents": "denoise"}},
        **nodes,
    }
    clip: Video = run_graph({"graphflow": 1, "nodes": graph, "outputs": {"clip": "decode"}}, NODES)["clip"]
    assert clip.frames.shape == (FRAMES, HEIGHT, WIDTH, 3)
    return clip


def test_a_clip_follows_a_pose(model: str) -> None:
    def walk(direction: str) -> dict[str, Any]:
        return {
            "walk": {"type": "control/walker", "params": {**CLIP, "direction": direction}},
            "drawn": {"type": "control/draw_pose", "inputs": {"pose": "walk"}},
        }

    right, left = (made(model, walk(direction), "drawn") for direction in ("right", "left"))
    assert not torch.equal(right.frames, left.frames)
    assert torch.equal(right.frames, made(model, walk("right"), "drawn").frames)


def test_a_moving_part_is_made_anew(model: str) -> None:
    nodes = {
        "walk": {"type": "control/walker", "params": CLIP},
        "source": {"type": "control/draw_pose", "inputs": {"pose": "walk"}},
        "box": {"type": "control/box_path", "params": {**CLIP, "path": "0: 2 2 12 12\n4: 18 18 28 28"}},
        "mask": {"type": "control/mask_boxes", "inputs": {"boxes": "box"}},
        "free": {"type": "control/inpaint", "inputs": {"video": "source", "mask": "mask"}},
    }
    whole = made(model, nodes, "source")
    assert not torch.equal(made(model, nodes, "free.video", "free.mask").frames, whole.frames)


def test_images_become_the_video_and_mask_of_diffusers_own_example() -> None:
    """`prepare_video_and_mask` in the docstring of WanVACEPipeline: first and last frame given."""
    from PIL import Image as Pillow

    first, last = (torch.randint(0, 256, (4, 6, 3), dtype=torch.uint8) for _ in range(2))
    found = run_node(place_images, [Image(pixels=first), Image(pixels=last)], indexes="0, -1", frames=5)
    frames = [Pillow.fromarray(first.numpy()), *[Pillow.new("RGB", (6, 4), (128, 128, 128))] * 3]
    masks = [Pillow.new("L", (6, 4), value) for value in (0, 255, 255, 255, 0)]
    for given, frame in zip([*frames, Pillow.fromarray(last.numpy())], found.video.frames, strict=True):
        assert given.tobytes() == frame.numpy().tobytes()
    for given, frame in zip(masks, found.mask.frames, strict=True):
        assert given.convert("RGB").tobytes() == frame.numpy().tobytes()
