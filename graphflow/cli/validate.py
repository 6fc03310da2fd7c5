"""`graphflow validate`: every problem of workflow files, with place, code and hint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphflow.cli import exits
from graphflow.cli.options import AsJson, PackFolders, pack_folders
from graphflow.cli.output import count_text, say, say_json, tell_problems, warn
from graphflow.errors import DocumentError, GraphflowError, Problem

if TYPE_CHECKING:
    from graphflow.registry import Registry


def validate(
    refs: Annotated[list[str], typer.Argument(metavar="WORKFLOW...", help="Files or template names.")],
    json: AsJson = False,
    packs: PackFolders = None,
) -> int:
    """Check workflow files: every problem with its place, code and hint. Exit code 2 if there is any.

    A sound file is planned too, as if nothing were in the cache: what its nodes refuse before they run, such
    as a model that is not here or cannot do the task, is a problem as well.
    """
    from graphflow.registry import load_registry

    registry = load_registry(pack_folders(packs))
    found = {ref: checked(ref, registry) for ref in refs}
    if json:
        say_json({ref: [_as_json(problem) for problem in problems] for ref, problems in found.items()})
    else:
        for ref, problems in found.items():
            _tell(ref, problems)
    return exits.USAGE if any(found.values()) else exits.OK


def checked(reference: str, registry: Registry) -> list[Problem]:
    """Every problem of one workflow."""
    from graphflow import templates
    from graphflow.checks import problems
    from graphflow.graph import build
    from graphflow.plan import plan
    from graphflow.steps import Facts

    try:
        document, folder = templates.find(reference)
        graph = build(document, registry, folder=folder, load=templates.load_inner)
        return problems(graph, plan(graph, Facts(stored=lambda step: False, peek=lambda key: None)))
    except DocumentError as error:
        return list(error.problems)
    except GraphflowError as error:
        return [Problem(error.error_code, "", error.message, error.hint)]


def _tell(reference: str, problems: list[Problem]) -> None:
    if not problems:
        say(f"{reference}: ok")
        return
    warn(f"{reference}: {count_text(len(problems), 'problem')}")
    tell_problems(problems, "  ")


def _as_json(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "path": problem.path,
        "message": problem.message,
        "hint": problem.hint,
    }
