"""A clip made window by window goes on where it stopped: as if the pipeline had never been interrupted."""

from __future__ import annotations

from typing import Any

import torch
from graphflow_nodes.diffusion.windows import Windows
from hypothesis import given
from hypothesis import strategies as st

from graphflow.testing import LocalContext
from graphflow.values import Video

Lengths = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def show(samples: Any) -> Video:
    return Video(frames=torch.zeros(samples.shape[2], 1, 1, 3, dtype=torch.uint8), fps=1.0)


def clip(context: LocalContext, lengths: list[int]) -> tuple[Any, list[int]]:
    """A pipeline in a few lines: a step adds one to its samples, in place. Also the steps that were run."""
    ran: list[int] = []
    windows = Windows(context, lengths, lambda: {"ran": len(ran)}, show)
    made = []
    for index, steps in enumerate(lengths):
        samples = windows.begin(torch.full((1, 1, 2, 1, 1), 10.0 * index))
        for step in range(windows.skipped, steps):
            samples += 1
            ran.append(index * 10 + step)
            windows.after(samples)
        made.append(samples)
    return torch.cat(made, 2), ran


@given(Lengths)
def test_each_step_is_run_once_and_counted(lengths: list[int]) -> None:
    context = LocalContext()
    _, ran = clip(context, lengths)
    total = sum(lengths)
    assert ran == [10 * index + step for index, steps in enumerate(lengths) for step in range(steps)]
    assert context.progress_log == [(step, total) for step in range(1, total + 1)]
    assert len(context.previews) == total


@given(Lengths)
def test_after_a_stop_only_the_steps_that_are_left_run(lengths: list[int]) -> None:
    context = LocalContext()
    whole, ran = clip(context, lengths)
    assert len(context.states) == sum(lengths) - 1  # after the last step comes the result
    for done, state in enumerate(context.states, 1):
        again = LocalContext(state=state)
        samples, left = clip(again, lengths)
        assert torch.equal(samples, whole)
        assert left == ran[done:]


def test_memory_is_handed_back_in_the_window_that_was_stopped() -> None:
    context = LocalContext()
    clip(context, [2, 2, 2])
    windows = Windows(LocalContext(state=context.states[2]), [2, 2, 2], dict, show)
    seen = []
    for _ in range(3):
        windows.begin(torch.zeros(1, 1, 2, 1, 1))
        seen.append((windows.memory, windows.skipped))
    assert seen == [(None, 2), ({"ran": 3}, 1), (None, 0)]


def test_a_checkpoint_is_not_changed_by_later_steps() -> None:
    context = LocalContext()
    clip(context, [3])
    assert [state["samples"].mean() for state in context.states] == [1, 2]


def test_frames_that_the_pipeline_put_behind_a_window_are_left_to_it() -> None:
    """It will put them there again."""
    context = LocalContext()
    windows = Windows(context, [2], dict, show)
    windows.after(torch.cat([windows.begin(torch.zeros(1, 1, 2, 1, 1)), torch.ones(1, 1, 1, 1, 1)], 2))
    again = Windows(LocalContext(state=context.states[0]), [2], dict, show)
    assert again.begin(torch.zeros(1, 1, 2, 1, 1)).shape[2] == 2
