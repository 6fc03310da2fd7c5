"""`graphflow schema`."""

from __future__ import annotations

from typing import Any

from graphflow.cli import exits


def test_document_node_and_all(call: Any) -> None:
    assert call("schema").json["title"] == "graphflow workflow"
    assert call("schema", "--node", "desk/word").json["settings"]["properties"]["times"]["maximum"] == 9
    everything = call("schema", "--all").json
    assert "desk/save" in everything["nodes"] and everything["document"] == call("schema").json


def test_an_unknown_node(call: Any) -> None:
    done = call("schema", "--node", "desk/wrod")
    assert done.code == exits.USAGE and "did you mean" in done.err and done.out == ""
