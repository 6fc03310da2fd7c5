"""LTX-Video's own nodes wired together: the numbers are those of the nodes alone; little is made again."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes import diffusion, prompts, std
from graphflow_nodes.diffusion import condition_keyframes, denoise_long, empty_latents, keyframe

from graphflow.node import node, spec_of
from graphflow.registry import Registry
from graphflow.run import Result
from graphflow.testing import run_node
from graphflow.values import Image, Video
from graphflow.workflow import from_raw
from graphflow.workspace import Workspace
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_ltx import HEIGHT, WIDTH, save_tiny_ltx, save_tiny_upsampler

PICTURE = torch.arange(HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3).remainder(251).to(torch.uint8)


@node("test/picture")
def picture(*, shade: int = 0) -> Image:
    return Image(pixels=PICTURE + shade)


@node("test/moving")
def moving() -> Video:
    return Video(frames=torch.stack([PICTURE + 5 * i for i in range(9)]), fps=8.0)


PACKS = [getattr(pack, name) for pack in (diffusion, prompts, std) for name in pack.__all__]
REGISTRY = Registry().with_nodes([*(found for found in PACKS if spec_of(found)), picture, moving])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> FamilyBench:
    return FamilyBench(save_tiny_ltx(tmp_path_factory.mktemp("ltx"), keyframes=True))


@pytest.fixture(scope="module")
def upsampler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_upsampler(tmp_path_factory.mktemp("upsampler"))


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path, registry=REGISTRY, device="cpu") as made:
        yield made


def run(workspace: Workspace, nodes: dict[str, Any], **outputs: str) -> tuple[Result, set[str]]:
    """The result, and the nodes that really ran."""
    ran: set[str] = set()
    raw = {"graphflow": 1, "nodes": nodes, "outputs": outputs}
    result = workspace.run(
        workspace.graph(from_raw(raw)),
        on_event=lambda event: ran.add(event.node) if event.type == "node.started" else None,
    )
    assert result.status == "finished", result.failures
    return result, ran


def step(kind: str, inputs: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    return {"type": kind, "params": params, "inputs": inputs or {}}


def common(tiny: FamilyBench, **latents: int) -> dict[str, Any]:
    return {
        "model": step("diffusion/load_model", model=str(tiny.folder), dtype="float32"),
        "latents": step("diffusion/empty_latents", {"vae": "model.vae"}, **latents),
    }


def test_keyframes_two_scales_and_their_edits(
    tiny: FamilyBench, upsampler: Path, workspace: Workspace
) -> None:
    parts = {"denoiser": "model.denoiser", "scheduler": "model.scheduler", "prompt": "encode"}
    nodes = {
        **common(tiny, frames=17),
        "encode": step(
            "diffusion/encode_prompt", {"text_encoder": "model.text_encoder"}, prompt="a red ball"
        ),
        "picture": step("test/picture"),
        "moving": step("test/moving"),
        "first": step("diffusion/keyframe", {"content": "picture"}),
        "later": step("diffusion/keyframe", {"content": "moving"}, index=8, strength=0.9),
        "follow": step(
            "diffusion/condition_keyframes",
            {"vae": "model.vae", "keyframes": ["first", "later"], "latents": "latents"},
        ),
        "small": step("diffusion/denoise", {**parts, "latents": "latents", "condition": "follow"}, seed=3),
        "enlarger": step("diffusion/load_latent_upsampler", model=str(upsampler), dtype="float32"),
        "large": step(
            "diffusion/upsample_latents", {"upsampler": "enlarger", "vae": "model.vae", "latents": "small"}
        ),
        "again": step("diffusion/refine_latents", {"latents": "large"}, strength=0.5),
        "refined": step("diffusion/denoise", {**parts, "latents": "again"}, seed=5, steps=4),
        "decode": step("diffusion/decode", {"vae": "model.vae", "latents": "refined"}),
    }
    result, ran = run(workspace, nodes, clip="decode", small="small")
    assert result.value("clip").frames.shape == (17, 2 * HEIGHT, 2 * WIDTH, 3)
    assert {"follow", "small", "large", "refined", "decode"} <= ran

    frames = [Image(pixels=PICTURE), run_node(moving)]
    frames = [run_node(keyframe, frames[0]), run_node(keyframe, frames[1], index=8, strength=0.9)]
    empty = run_node(empty_latents, tiny.model.vae, frames=17)
    condition = run_node(condition_keyframes, tiny.model.vae, frames, empty, context=tiny.context())
    prompt = tiny.encode("a red ball", negative_prompt="")
    small = tiny.denoise(latents=empty, prompt=prompt, condition=condition)
    assert torch.equal(result.value("small").samples, small.samples)

    assert run(workspace, nodes, clip="decode")[1] == set()
    edited = copy.deepcopy(nodes)
    edited["again"]["params"]["strength"] = 0.9
    assert run(workspace, edited, clip="decode")[1] == {"again", "refined", "decode"}
    edited = copy.deepcopy(nodes)
    edited["later"]["params"]["index"] = 4
    assert run(workspace, edited, clip="decode")[1] >= {"later", "follow", "small", "large", "refined"}
    assert "encode" not in run(workspace, edited, clip="decode")[1]


def test_a_long_clip_with_a_prompt_for_each_stretch(tiny: FamilyBench, workspace: Workspace) -> None:
    """A changed prompt is encoded alone; the texts of a timeline map over the encoder and are collected."""
    texts, firsts = ["a red ball rolls", "a blue box falls"], [0, 2]
    nodes = {
        **common(tiny, frames=33, width=32),
        "one": step("std/text", value=texts[0]),
        "two": step("std/text", value=texts[1]),
        "texts": step("std/list", {"items": ["one", "two"]}),
        "firsts": step("std/range", count=2, step=2),
        "encode": step("diffusion/encode_prompt", {"text_encoder": "model.text_encoder", "prompt": "texts"}),
        "long": step(
            "diffusion/denoise_long",
            {
                "denoiser": "model.denoiser",
                "prompts": "encode",
                "latents": "latents",
                "first_windows": "firsts",
            },
            seed=3,
            sigmas=[1.0, 0.5, 0.0],
            window=20,
            overlap=12,
        ),
        "decode": step("diffusion/decode_tiles", {"vae": "model.vae", "latents": "long"}, columns=1, rows=1),
    }
    result, _ = run(workspace, nodes, clip="decode", long="long")
    assert result.value("clip").frames.shape == (33, HEIGHT, 32, 3)
    mine = run_node(
        denoise_long,
        tiny.model.denoiser,
        [tiny.encode(text, negative_prompt="") for text in texts],
        run_node(empty_latents, tiny.model.vae, frames=33, width=32),
        context=tiny.context(),
        seed=3,
        sigmas=[1.0, 0.5, 0.0],
        window=20,
        overlap=12,
        first_windows=firsts,
    )
    assert torch.equal(result.value("long").samples, mine.samples)
    nodes["two"]["params"]["value"] = "a green cone"
    assert run(workspace, nodes, clip="decode")[1] == {"encode", "long", "decode"}
