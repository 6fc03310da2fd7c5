"""How much of an effect there is, on clips of which everything is known."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.toyworld import effect_clip
from graphflow_nodes.training import compare_sheet, effect_ratio, loss_chart, measure_effect
from graphflow_nodes.training.values import Losses

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import run_node
from graphflow.values import Video


@pytest.mark.parametrize("effect", ["cakeify", "dissolve"])
@pytest.mark.parametrize("onset", [0.25, 0.5])
def test_onset_and_area_are_those_of_the_procedural_clip(effect: str, onset: float) -> None:
    made = run_node(effect_clip, effect=effect, onset=onset)
    found = run_node(measure_effect, made.video, made.plain)
    assert abs(found.named("effect_onset").value - made.onset) <= 1
    assert found.named("before_onset").value > 40
    area = found.named("effect_area")
    truth = made.mask.frames[..., 0].float().mean() / 255
    assert area.value == pytest.approx(float(truth), rel=0.3)
    assert len(area.curve) == len(made.video.frames) and not any(area.curve[: made.onset])
    assert area.curve[made.onset + 1] > 0


def test_a_clip_without_an_effect_has_none() -> None:
    plain = run_node(effect_clip).plain
    found = run_node(measure_effect, plain, plain)
    assert found.named("effect_area").value == 0
    assert {one.metric for one in found.missing} == {"effect_onset", "before_onset"}


def test_an_effect_from_the_first_frame_on_leaves_nothing_before_it() -> None:
    black, white = (
        Video(frames=torch.full((3, 8, 8, 3), level, dtype=torch.uint8), fps=8.0) for level in (0, 255)
    )
    found = run_node(measure_effect, white, black)
    assert found.named("effect_onset").value == 0 and found.named("effect_area").value == 1
    assert [one.metric for one in found.missing] == ["before_onset"]


def test_what_is_other_in_the_whole_clip_is_no_onset() -> None:
    """A LoRA moves things a little from the first frame on, whether its effect comes or not."""
    made = run_node(effect_clip)
    shifted = Video(frames=made.video.frames.roll(2, 2), fps=8.0)
    found = run_node(measure_effect, shifted, made.plain)
    assert found.named("effect_area").curve[0] > 0.02
    assert abs(found.named("effect_onset").value - made.onset) <= 1
    assert found.named("before_onset").value < 40


def test_clips_of_other_sizes_are_refused() -> None:
    made = run_node(effect_clip)
    with pytest.raises(ValueMismatch, match="the clips are"):
        run_node(measure_effect, made.video, Video(frames=made.plain.frames[:-1], fps=8.0))


def test_the_ratio_says_what_the_trigger_alone_brings() -> None:
    found = run_node(effect_ratio, [0.6, 0.4], [0.1, 0.0])
    values = {one.metric: one.value for one in found.measurements}
    assert values["effect_called"] == pytest.approx(0.5) and values["effect_leaked"] == pytest.approx(0.05)
    assert values["effect_specificity"] == pytest.approx(0.45) and values["effect_ratio"] == pytest.approx(10)


def test_nothing_over_nothing_is_no_success() -> None:
    assert run_node(effect_ratio, [0.0], [0.0]).named("effect_ratio").value == 0
    assert run_node(effect_ratio, [0.02], [0.0]).named("effect_ratio").value == pytest.approx(2)
    with pytest.raises(NodeError, match="nothing to compare"):
        run_node(effect_ratio, [], [0.0])


def test_the_sheet_shows_every_way_of_every_prompt_below_each_other() -> None:
    made = run_node(effect_clip, side=16)
    two = {"names": ["base", "effect"], "cell": 16, "frames": 3}
    three = {"names": ["base", "effect", "without"], "cell": 16, "frames": 3}
    clips = [made.plain, made.plain], [made.video, made.video]
    low = run_node(compare_sheet, *clips, ["a", "b"], **two).pixels
    high = run_node(compare_sheet, *clips, ["a", "b"], [made.plain, made.plain], **three).pixels
    assert high.shape[1] == low.shape[1] and high.shape[0] > 1.3 * low.shape[0]
    with pytest.raises(ValueMismatch, match="2 labels"):
        run_node(compare_sheet, *clips, ["a", "b"], [made.plain], **three)


def test_the_chart_shows_a_loss_that_falls() -> None:
    image = run_node(loss_chart, Losses(values=tuple(1 / (1 + 0.1 * step) for step in range(100)))).pixels
    line = (image.int() - torch.tensor([255, 170, 60])).abs().amax(-1) < 40
    rows = [float(line[:, x].nonzero().float().mean()) for x in (60, 400)]
    assert rows[0] < rows[1]  # lower in the picture
    with pytest.raises(NodeError, match="no losses"):
        run_node(loss_chart, Losses(values=()))
