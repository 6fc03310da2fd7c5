"""Events as stretches of a long video, each with its own prompt."""

from __future__ import annotations

import pytest
from graphflow_nodes.prompts import events, segments, structured, windows
from graphflow_nodes.prompts.values import Event, Segment, StructuredPrompt
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import NodeError
from graphflow.testing import run_node
from tests.support.prompt_values import BEACH, PROMPTS


def test_events_are_written_one_a_line() -> None:
    found = run_node(events, text="0-2.5: the door opens\n\n 2.5s - 4 s : a cat walks in: slowly ")
    assert found == [
        Event(start=0.0, end=2.5, text="the door opens"),
        Event(start=2.5, end=4.0, text="a cat walks in: slowly"),
    ]


@pytest.mark.parametrize("line", ["the door opens", "1: x", "2-1: x", "0-1:", "0-1e9: x", "-1-2: x"])
def test_a_line_that_is_no_event_is_refused(line: str) -> None:
    with pytest.raises(NodeError) as caught:
        run_node(events, text=f"0-1: fine\n{line}")
    assert caught.value.hint


def test_each_stretch_tells_what_happens_in_it() -> None:
    door = run_node(events, text="0-2: the door opens\n2-4: a cat walks in")
    prompt = run_node(structured, None, door, description="an old house", duration=5.0, fps=8.0)
    found = run_node(segments, prompt)
    assert found.texts == [
        "An old house. The door opens.",
        "An old house. A cat walks in.",
        "An old house.",
    ]
    assert (found.starts, found.ends) == ([0, 16, 32], [16, 32, 40])
    assert [segment.text for segment in found.segments] == found.texts


def test_events_at_the_same_time_are_told_together() -> None:
    both = run_node(events, text="0-4: it rains\n2-4: a dog barks")
    found = run_node(segments, run_node(structured, None, both), fps=1.0, frames=4)
    assert found.texts == ["It rains.", "First, it rains. Finally, a dog barks."]


def test_without_events_there_is_one_stretch() -> None:
    found = run_node(segments, StructuredPrompt(description="a ball"), fps=16.0, frames=81)
    assert (found.texts, found.starts, found.ends) == (["A ball."], [0], [81])


@given(PROMPTS, st.floats(0.5, 60), st.integers(1, 300))
def test_the_stretches_are_the_whole_video(prompt: StructuredPrompt, fps: float, frames: int) -> None:
    found = run_node(segments, prompt, fps=fps, frames=frames)
    assert found.starts[0] == 0 and found.ends[-1] == frames
    assert found.ends[:-1] == found.starts[1:]
    assert all(start < end for start, end in zip(found.starts, found.ends, strict=True))
    assert all(a != b for a, b in zip(found.texts, found.texts[1:], strict=False))


def test_rate_and_length_come_from_the_prompt_or_the_settings() -> None:
    assert run_node(segments, BEACH).ends[-1] == 80
    assert run_node(segments, BEACH, fps=24.0).ends[-1] == 120
    with pytest.raises(NodeError, match="frame rate is not known"):
        run_node(segments, StructuredPrompt(), frames=10)
    with pytest.raises(NodeError, match="number of frames is not known"):
        run_node(segments, StructuredPrompt(), fps=10.0)


def stretches(*ends: int) -> list[Segment]:
    """Stretches that end there, named by number."""
    starts = [0, *ends]
    return [Segment(start=a, end=b, text=str(i)) for i, (a, b) in enumerate(zip(starts, ends, strict=False))]


def test_windows_take_the_prompt_of_their_new_frames() -> None:
    """Windows of 80 that overlap by 24 begin at 0, 56, 112; new in them are 0-80, 80-136, 136-192."""
    found = run_node(windows, stretches(100, 192), window=80, overlap=24)
    assert found == (["0", "1"], [0, 1])
    found = run_node(windows, stretches(60, 140, 248), window=80, overlap=24)
    assert found == (["0", "1", "2"], [0, 1, 2])
    assert run_node(windows, stretches(70), window=80) == (["0"], [0])


@given(st.lists(st.integers(1, 90), min_size=1, max_size=6), st.integers(1, 60), st.integers(0, 59))
def test_windows_follow_the_order_of_the_stretches(lengths: list[int], window: int, overlap: int) -> None:
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    if overlap >= window:
        with pytest.raises(NodeError, match="fills a window"):
            run_node(windows, stretches(*ends), window=window, overlap=overlap)
        return
    found = run_node(windows, stretches(*ends), window=window, overlap=overlap)
    assert found.first_windows[0] == 0
    assert found.first_windows == sorted(set(found.first_windows))
    assert found.texts == sorted(set(found.texts))
    every_frame = run_node(windows, stretches(*ends), window=1, overlap=0)
    assert every_frame == ([str(i) for i in range(len(ends))], [0, *ends[:-1]])


def test_windows_need_stretches() -> None:
    with pytest.raises(NodeError, match="no stretches"):
        run_node(windows, [])
