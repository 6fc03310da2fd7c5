"""`graphflow templates`: the workflows that come with graphflow."""

from __future__ import annotations

from typing import Any

from graphflow.cli.options import AsJson
from graphflow.cli.output import say, say_json, table


def templates(json: AsJson = False) -> None:
    """List the workflows that come with graphflow, with their parameters."""
    from graphflow.templates import listing

    found = [*listing()]
    if json:
        say_json([described(name, document) for name, document in found])
        return
    if not found:
        say("no templates are installed")
        return
    table(
        ("template", "parameters", "what it makes"),
        [(name, ", ".join(document.parameters), document.description) for name, document in found],
    )
    say()
    say("run one with `graphflow run NAME`; `graphflow run NAME --help` explains its parameters")


def described(name: str, document: Any) -> dict[str, Any]:
    """One template as JSON."""
    return {
        "name": name,
        "title": document.name,
        "description": document.description,
        "parameters": {key: value.description for key, value in document.parameters.items()},
        "outputs": list(document.outputs),
    }
