"""The shipped text-to-video model at video to video: other colours, the movement of the given clip."""

from pathlib import Path

import graphflow_nodes.toyworld as toyworld
import pytest
import torch
from graphflow_nodes.toyworld.training.evaluate import open_pipeline, read_settings
from graphflow_nodes.toyworld.training.evaluate_video import cases, measure, repaint
from graphflow_nodes.toyworld.training.stock import WanVideoToVideoPipeline

FOLDER = Path(toyworld.__path__[0]).parent / "diffusion" / "embedded" / "toy-wan"
pytestmark = pytest.mark.slow


def test_a_clip_gets_the_colour_that_is_asked_for_and_keeps_its_movement() -> None:
    pipeline, settings, chosen = (
        open_pipeline(FOLDER, WanVideoToVideoPipeline),
        read_settings(FOLDER),
        cases(12),
    )
    given = measure(chosen, [case.video for case in chosen])
    assert given["rates"] == pytest.approx(
        {"shape": 1, "color": 0, "background": 1, "size": 1, "motion": 1}, abs=0.1
    )
    found = measure(chosen, [repaint(pipeline, case, settings, 0.3) for case in chosen])
    assert isinstance(found["rates"], dict) and isinstance(found["on_path"], float)
    assert found["rates"]["color"] >= 0.9 and found["rates"]["background"] >= 0.9
    assert found["rates"]["motion"] >= 0.8 and found["on_path"] >= 0.7
    one, other = (repaint(pipeline, chosen[0], settings, 0.3, seed=seed) for seed in (0, 1))
    assert not torch.equal(one, other)
