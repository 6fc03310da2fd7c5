"""Captions for training."""

from __future__ import annotations

import pytest
from graphflow_nodes.training import trigger_caption

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
    with pytest.raises(NodeError, match=r"lacks \{caption\}"):
        run_node(trigger_caption, "a cup", trigger="CAKE", template="{trigger}")
