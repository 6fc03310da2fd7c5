"""Presets and what may be changed of them."""

from __future__ import annotations

from typing import get_args

import pytest
from graphflow_nodes.training import settings
from graphflow_nodes.training.settings import Preset, preset_of

from graphflow.errors import NodeError
from graphflow.testing import run_node


@pytest.mark.parametrize("name", get_args(Preset))
def test_every_preset_is_whole(name: str) -> None:
    found = preset_of(name)
    assert run_node(settings, preset=name) == found
    assert found.targets and found.warmup < found.steps


def test_figures_of_published_trainings() -> None:
    """Lightricks' Cakeify: rank 128, learning rate 2e-4 falling, the first frame given every other time."""
    ltx = preset_of("ltx")
    assert (ltx.rank, ltx.rate, ltx.schedule, ltx.steps, ltx.first_frame) == (128, 2e-4, "linear", 2000, 0.5)
    assert ltx.sampling == "shifted_logit_normal"
    assert preset_of("wan_shifted").shift == 3.0 and "to_add_out" in preset_of("hunyuan").targets


def test_any_setting_may_be_changed_and_alpha_follows_the_rank() -> None:
    found = run_node(settings, preset="wan", rank=8, steps=3, first_frame=0.0)
    assert (found.rank, found.alpha, found.steps, found.rate) == (8, 8.0, 3, 5e-5)
    assert run_node(settings, preset="wan", rank=8, alpha=4.0).alpha == 4.0


def test_no_noise_levels_left() -> None:
    with pytest.raises(NodeError, match=r"no noise levels from 0.9 to 0.5"):
        run_node(settings, lowest=0.9, highest=0.5)
