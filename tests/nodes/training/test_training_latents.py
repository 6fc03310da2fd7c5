"""Clips to latents and back: every family's decoder undoes what is done here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from graphflow_nodes.diffusion import decode
from graphflow_nodes.training import encode_clip

from graphflow.errors import NodeError
from graphflow.testing import LocalContext, run_node
from graphflow.values import Video
from tests.nodes.training.conftest import Course


@pytest.mark.parametrize("variant", ["wan21", "wan5b", "ltx_0.9.0", "hunyuan", "hunyuan15", "skyreels"])
def test_decoding_gives_what_the_autoencoder_keeps_of_a_clip(
    course: Callable[..., Course], variant: str
) -> None:
    tiny, context = course(variant), LocalContext()
    shown = run_node(decode, tiny.model.vae, tiny.latents[0], context=context).frames
    pixels = tiny.videos[0].frames.permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    with context.use(tiny.model.vae) as live, torch.no_grad():
        kept = live.decode(live.encode(pixels).latent_dist.mode()).sample[0]
    expected = ((kept.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 3, 0)
    assert shown.shape == expected.shape
    assert int((shown.short() - expected.short()).abs().max()) <= 1


@pytest.mark.parametrize(
    ("shape", "text"), [((5, 40, 32), "height 40 is no multiple"), ((6, 32, 32), "takes 1, 5, 9")]
)
def test_a_size_that_the_model_cannot_have(
    course: Callable[..., Course], shape: tuple[int, int, int], text: str
) -> None:
    clip = Video(frames=torch.zeros(*shape, 3, dtype=torch.uint8), fps=8.0)
    with pytest.raises(NodeError, match=text):
        run_node(encode_clip, course("wan21").model.vae, clip)
