"""A batch changes models as rarely as it can: with memory for one model at a time each is loaded once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphflow.node import Context, node
from graphflow.pool import Pool
from graphflow.registry import Registry
from graphflow.runners.inline import InlineRunner
from graphflow.values import Recipe
from tests.support.engine import REGISTRY, Lab, built, lab

PROMPTS = 100


class Part(Recipe):
    """A part of a model that fills the whole device."""

    def open(self, device: str) -> str:
        return type(self).__name__

    def memory_bytes(self) -> int:
        return 10


class TextPart(Part):
    pass


class DenoisingPart(Part):
    pass


class PixelPart(Part):
    pass


KINDS = (TextPart, DenoisingPart, PixelPart)


@node("test/text_part", fold=True)
def text_part() -> TextPart:
    return TextPart()


@node("test/denoising_part", fold=True)
def denoising_part() -> DenoisingPart:
    return DenoisingPart()


@node("test/pixel_part", fold=True)
def pixel_part() -> PixelPart:
    return PixelPart()


def used(ctx: Context, part: Recipe, *words: str) -> str:
    with ctx.use(part) as live:
        return " ".join((*words, live))


@node("test/encode")
def encode(part: TextPart, ctx: Context, *, prompt: str) -> str:
    return used(ctx, part, prompt)


@node("test/denoise")
def denoise(part: DenoisingPart, prompt: str, ctx: Context) -> str:
    return used(ctx, part, prompt)


@node("test/decode")
def decode(part: PixelPart, clip: str, ctx: Context) -> str:
    return used(ctx, part, clip)


@node("test/prompts", fold=True)
def prompts(*, count: int) -> list[str]:
    return [f"prompt {i}" for i in range(count)]


KNOWN: Registry = REGISTRY.with_nodes(
    [text_part, denoising_part, pixel_part, encode, denoise, decode, prompts]
)


@pytest.fixture
def one_at_a_time(tmp_path: Path) -> Any:
    """A runner whose pool has room for exactly one part."""
    with lab(tmp_path) as bench:
        bench.pool = Pool("cpu", budget_bytes=10)
        bench.runner = InlineRunner(bench.cache, bench.pool)
        yield bench
        bench.runner.close()


def batch(count: int) -> dict[str, Any]:
    return {
        "text": "test/text_part",
        "denoiser": "test/denoising_part",
        "pixels": "test/pixel_part",
        "prompts": ("test/prompts", {"count": count}),
        "encode": ("test/encode", {}, {"part": "text", "prompt": "prompts"}),
        "denoise": ("test/denoise", {}, {"part": "denoiser", "prompt": "encode"}),
        "decode": ("test/decode", {}, {"part": "pixels", "clip": "denoise"}),
    }


def loads(bench: Lab) -> list[int]:
    return [bench.pool.opened[kind.type_name()] for kind in KINDS]


def test_a_hundred_prompts_load_three_models(one_at_a_time: Lab) -> None:
    result = one_at_a_time.run(built({"out": "decode"}, KNOWN, **batch(PROMPTS)))
    assert len(result.value("out")) == PROMPTS
    assert result.value("out")[7] == "prompt 7 TextPart DenoisingPart PixelPart"
    assert loads(one_at_a_time) == [1, 1, 1]


def test_one_prompt_after_the_other_would_load_three_models_for_each() -> None:
    """What the order saves: the same work in the order in which a script does it, through the same pool."""
    pool = Pool("cpu", budget_bytes=10)
    for _ in range(2):
        for kind in KINDS:
            with pool.use(kind()):
                pass
    assert sum(pool.opened.values()) == 3 * 2
