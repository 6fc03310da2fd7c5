"""Captions for training."""

from __future__ import annotations

import pytest
from graphflow_nodes.dataset.values import Clip, refuse
from graphflow_nodes.training import trigger_caption, trigger_clips
from pydantic import ValidationError

from graphflow.errors import NodeError
from graphflow.testing import run_node


def test_the_trigger_stands_in_front() -> None:
    assert run_node(trigger_caption, "a red tea cup", trigger="PIKA_CAKEIFY") == "PIKA_CAKEIFY a red tea cup"


def test_openings_that_say_nothing_are_taken_off() -> None:
    assert run_node(trigger_caption, "In this video, a cup is cut.") == "A cup is cut."
    assert run_node(trigger_caption, "In this video, a cup", strip=False) == "In this video, a cup"


def test_a_template_may_tell_of_the_effect() -> None:
    template = "{trigger} {caption}. Suddenly a knife cuts it."
    told = run_node(trigger_caption, "a cup", trigger="CAKE", template=template)
    assert told == "CAKE a cup. Suddenly a knife cuts it."
    assert run_node(trigger_caption, "{trigger} itself", trigger="CAKE") == "CAKE CAKE itself"


def test_a_template_without_the_caption_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"lacks \{caption\}"):
        run_node(trigger_caption, "a cup", trigger="CAKE", template="{trigger}")
    with pytest.raises(NodeError, match=r"lacks \{caption\}"):
        trigger_caption("a cup", trigger="CAKE", template="a template that another node made of {trigger}")


def test_the_captions_of_clips_are_made_the_same_way() -> None:
    clip = Clip(
        id="a", source="s", path="a.mp4", start=0, end=2, fps=8, height=64, width=64, caption="We see a cup"
    )
    bad = refuse(clip, "read", "broken")
    good, same = run_node(trigger_clips, [clip, bad], trigger="CAKE", template="{trigger}: {caption}!")
    assert good.caption == "CAKE: A cup!" and same == bad
    with pytest.raises(ValidationError, match=r"lacks \{trigger\}"):
        run_node(trigger_clips, [clip], trigger="CAKE", template="{caption}")
