"""Scenes drawn as lists that belong together."""

from __future__ import annotations

from graphflow_nodes.toyworld import clip, scenes

from graphflow.testing import run_node


def test_every_scene_moves_and_can_be_drawn() -> None:
    drawn = run_node(scenes, count=40, seed=3)
    assert {len(column) for column in drawn} == {40}
    assert set(drawn.motion) == {"right", "left", "up", "down"}
    words = {
        name: getattr(drawn, name)[7] for name in ("shape", "color", "background", "size", "motion", "seed")
    }
    made = run_node(clip, **words, frames=5)
    assert f"{drawn.color[7]} {drawn.shape[7]}" in made.caption
    assert drawn.subject[7] == f"the {drawn.color[7]} {drawn.shape[7]}"


def test_a_longer_list_begins_with_the_shorter_one() -> None:
    few, many = (run_node(scenes, count=count, seed=1) for count in (5, 12))
    assert all(long[:5] == short for short, long in zip(few, many, strict=True))
    assert run_node(scenes, count=5, seed=2) != few


def test_what_is_drawn_from_can_be_told() -> None:
    drawn = run_node(scenes, count=20, shapes=["square"], colors=["red", "blue"], motions=["still"])
    assert (
        set(drawn.shape) == {"square"}
        and set(drawn.color) == {"red", "blue"}
        and set(drawn.motion) == {"still"}
    )
