"""Captions held against what clips show."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.toyworld import caption_fit, clip
from graphflow_nodes.toyworld.caption_fit import asked_for

from graphflow.testing import run_node
from graphflow.values import Video


def fit(video: Video, caption: str, motion: bool = False) -> float | None:
    found = run_node(caption_fit, video, caption=caption, motion=motion).named("text_fit")
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("caption", "asked"),
    [
        ("a large red circle moving right on a black background", ("circle", "red", "black", "large")),
        ("A huge purple disc stands still in front of a grey wall.", ("circle", "purple", "gray", "large")),
        ("a box", ("square", None, None, None)),
        ("a red or a blue triangle", ("triangle", None, None, None)),
        ("a tea cup, hundreds of reddish things", (None, None, None, None)),
    ],
)
def test_a_caption_asks_for_what_it_names_once(caption: str, asked: tuple[str | None, ...]) -> None:
    found = asked_for(caption, motion=False)
    assert tuple(found.get(name) for name in ("shape", "color", "background", "size")) == asked


def test_a_clip_shows_its_own_caption_and_less_of_others() -> None:
    made = run_node(clip, shape="triangle", color="green", background="pink", motion="left")
    assert fit(made.video, made.caption) == fit(made.video, made.caption, motion=True) == 1
    assert fit(made.video, made.caption.replace("green", "red")) == 0.75
    assert fit(made.video, "a red circle on brown") == 0
    other_way = made.caption.replace("left", "right")
    assert fit(made.video, other_way) == 1 and fit(made.video, other_way, motion=True) == 0.8
    noise = torch.randint(0, 255, (9, 64, 64, 3), generator=torch.Generator().manual_seed(0)).byte()
    lost = fit(Video(frames=noise, fps=8.0), made.caption)
    assert lost is not None and lost <= 0.5


def test_a_caption_of_another_world_is_not_judged() -> None:
    assert fit(run_node(clip).video, "a fox runs through snow") is None
