"""`graphflow templates`."""

from __future__ import annotations

from typing import Any

from graphflow.templates import templates


def test_every_template_with_its_parameters(call: Any) -> None:
    out = call("templates").out
    for name in templates():
        assert name in out
    assert "prompt, negative_prompt, seed" in out


def test_json(call: Any) -> None:
    found = {row["name"]: row for row in call("templates", "--json").json}
    assert found.keys() == templates().keys()
    assert found["text_to_video"]["description"] and "prompt" in found["text_to_video"]["parameters"]
