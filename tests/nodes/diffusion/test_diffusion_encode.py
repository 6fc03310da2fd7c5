"""Prompt embeddings: the pipeline's own, whatever the prompt."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from graphflow_nodes.diffusion import encode_prompt

from graphflow.errors import Cancelled
from graphflow.testing import run_node
from graphflow.values import decode, encode
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equal_to_the_plain_pipelines(bench: Benches, dtype: str) -> None:
    from diffusers import WanPipeline

    tiny = bench("wan21", dtype)
    pipe = WanPipeline.from_pretrained(tiny.folder, dtype=getattr(torch, dtype))
    texts = {"prompt": "  a &amp; b,\n\nünïcode 球 ", "negative_prompt": "x" * 99}
    with torch.no_grad():
        positive, negative = pipe.encode_prompt(**texts, max_sequence_length=24)
    mine = tiny.encode(**texts)
    assert torch.equal(mine.tensors["prompt_embeds"], positive)
    assert torch.equal(mine.tensors["negative_prompt_embeds"], negative)
    assert positive.shape == (1, 24, 32) and positive.dtype == getattr(torch, dtype)


def test_length(bench: Benches) -> None:
    embeds = bench("wan21").encode("word", max_sequence_length=7)
    assert (embeds.max_sequence_length, embeds.tensors["prompt_embeds"].shape) == (7, (1, 7, 32))


def test_travels_and_needs_no_gradient(bench: Benches) -> None:
    embeds = bench("wan21").encode("")
    assert not embeds.tensors["prompt_embeds"].requires_grad
    again = decode(*encode(embeds))
    assert torch.equal(again.tensors["prompt_embeds"], embeds.tensors["prompt_embeds"])


def test_cancel(bench: Benches) -> None:
    tiny = bench("wan21")
    with pytest.raises(Cancelled):
        run_node(encode_prompt, tiny.model.text_encoder, context=tiny.context(cancel_after=2), prompt="a")
    shell = next(live for live in tiny.opened.values() if hasattr(live, "text_encoder"))
    assert not any(module._forward_pre_hooks for module in shell.text_encoder.modules())
