"""Tiny models, saved once a session, run once through the plain pipeline and often through the nodes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.threads import one_thread as one_thread
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_models import SAVE
from tests.support.tiny_skyreels import ftfy_or_stand_in
from tests.support.tiny_wan import VARIANTS, save_tiny_wan
from tests.support.wan_bench import Bench


@pytest.fixture(scope="session")
def tiny_wan(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model by variant: `wan21`, `wan22`, `wan5b` or `wan1t`."""
    root = tmp_path_factory.mktemp("tiny_wan")

    @functools.cache
    def folder(variant: str) -> Path:
        assert variant in VARIANTS
        return save_tiny_wan(variant, root / variant)

    return folder


@pytest.fixture(scope="session")
def bench(tiny_wan: Callable[[str], Path]) -> Callable[..., Bench]:
    """`bench("wan21")` or `bench("wan22", "bfloat16")`: a Bench, made once."""

    @functools.cache
    def make(variant: str, dtype: str = "float32") -> Bench:
        return Bench(tiny_wan(variant), dtype)

    return make


@pytest.fixture(scope="session")
def mended_prompts() -> Iterator[None]:
    """What SkyReels-V2 needs to clean a prompt."""
    with ftfy_or_stand_in():
        yield


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory, mended_prompts: None) -> Callable[..., FamilyBench]:
    """`families("ltx")` or `families("ltx", "bfloat16")`: a bench of any family but Wan, made once."""
    root = tmp_path_factory.mktemp("tiny_families")
    folder = functools.cache(lambda variant: SAVE[variant](root / variant))

    @functools.cache
    def make(variant: str, dtype: str = "float32") -> FamilyBench:
        return FamilyBench(folder(variant), dtype)

    return make
