"""A command whose options come from a workflow: its declared parameters become real options with help."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from graphflow.errors import DocumentError, GraphflowError, Problem

if TYPE_CHECKING:
    from graphflow.cli.parameters import Described
    from graphflow.registry import Registry
    from graphflow.workflow import Document

PACKS = "GRAPHFLOW_PACKS"
"""Environment variable with folders of further node packs, separated as in PATH."""

PREFIX = "parameter_"
"""Stands before a workflow parameter's number in click's own names, so that none collides with an option."""

SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)

_OPENED = "graphflow.opened"

PackFolders = Annotated[
    list[Path] | None,
    typer.Option("--packs", metavar="DIR", help="Folder with further node packs; also GRAPHFLOW_PACKS."),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="DIR", help="Folder that holds the cache; also by GRAPHFLOW_DATA_DIR."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="Open no connection: fetch no model, ask no service.")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter of the workflow."),
]


@dataclass(frozen=True)
class Opened:
    """A workflow that was found, with what its parameters take and the texts given for them."""

    document: Document
    folder: Path | None
    registry: Registry
    known: dict[str, Described]
    given: dict[str, str]

    def values(self, assignments: Sequence[str] = ()) -> dict[str, Any]:
        """Parameter values from options and `--set`. Raises DocumentError with everything that is wrong."""
        from graphflow.cli.parameters import values_from

        return values_from(self.known, self.document, {**self.given, **_pairs(assignments)})


class WorkflowCommand(TyperCommand):
    """Reads the workflow before its options, so that these can be declared, listed and checked."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.ignore_unknown_options = True
        first, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        ctx.ignore_unknown_options = False
        if first.get("offline"):
            from graphflow.endpoint import go_offline

            go_offline()
        reference = first.get("ref")
        if isinstance(reference, str):
            if reference.startswith("-"):
                problem = Problem("usage", reference, "name the workflow before its parameters")
                raise DocumentError([problem])
            opened = self._open(
                reference, first.get("packs"), wants_help=not {"--help", "-h"}.isdisjoint(args)
            )
            ctx.meta[_OPENED] = opened
            args = _spelled(args, opened.known) if opened is not None else args
        return super().parse_args(ctx, args)

    def _open(self, reference: str, packs: Any, *, wants_help: bool) -> Opened | None:
        from graphflow import templates
        from graphflow.cli.parameters import described
        from graphflow.registry import load_registry

        try:
            document, folder = templates.find(reference)
            registry = load_registry(pack_folders(packs))
        except GraphflowError:
            if wants_help:
                return None  # the command's own help still helps
            raise
        return Opened(document, folder, registry, described(document, registry, folder), {})

    def get_params(self, ctx: Any) -> list[Any]:
        opened: Opened | None = ctx.meta.get(_OPENED)
        return [*super().get_params(ctx), *(self._dynamic(opened) if opened else [])]

    def _dynamic(self, opened: Opened) -> list[Any]:
        """Click options for the workflow's parameters, made by typer from a function signature."""
        taken = {option for param in self.params for option in param.opts}
        panel = f"Parameters of {opened.document.name or 'the workflow'}"
        return _options(
            [
                _field(PREFIX + str(index), parameter, panel)
                for index, parameter in enumerate(opened.known.values())
                if f"--{parameter.name}" not in taken
            ]
        )

    def invoke(self, ctx: Any) -> Any:
        opened: Opened | None = ctx.meta.get(_OPENED)
        for index, name in enumerate(opened.known if opened else ()):
            text = ctx.params.pop(PREFIX + str(index), None)
            if text is not None and opened is not None:
                opened.given[name] = text
        return super().invoke(ctx)


def opened_by(ctx: typer.Context) -> Opened:
    """The workflow that this invocation of a WorkflowCommand is about."""
    found = ctx.meta[_OPENED]
    assert isinstance(found, Opened)
    return found


def pack_folders(given: Sequence[Path | str] | None) -> tuple[Path, ...]:
    """Folders of `--packs` and GRAPHFLOW_PACKS. Raises DocumentError for one that holds no packs."""
    from graphflow.registry import checked_folders

    listed = [part for part in os.environ.get(PACKS, "").split(os.pathsep) if part]
    return checked_folders([*(given or []), *listed])


def parse_size(text: str, option: str) -> int:
    """Bytes from the size that an option was given. Raises DocumentError.

    >>> parse_size("10GB", "--size"), parse_size("1.5 KiB", "--size"), parse_size("0", "--size")
    (10000000000, 1536, 0)
    """
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise DocumentError([Problem("usage", option, f"{text!r} is not a size", "such as 500MB or 10GB")])
    number, unit, binary = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** " kmgt".index(unit.lower() or " "))


def _spelled(arguments: list[str], known: Mapping[str, Described]) -> list[str]:
    """Arguments with `--file-name` written as the parameter is, `--file_name`."""
    dashed = {f"--{name.replace('_', '-')}": f"--{name}" for name in known if "_" in name}
    pairs = [argument.partition("=") for argument in arguments]
    return [dashed.get(name, name) + equals + value for name, equals, value in pairs]


def _options(fields: list[inspect.Parameter]) -> list[Any]:
    """Click's options for the parameters of a signature."""
    if not fields:
        return []

    def callback(**values: Any) -> None: ...

    callback.__signature__ = inspect.Signature(fields)  # type: ignore[attr-defined]
    callback.__annotations__ = {field.name: field.annotation for field in fields}
    app = typer.Typer(add_completion=False)
    app.command()(callback)
    return [param for param in typer.main.get_command(app).params if str(param.name).startswith(PREFIX)]


def _field(name: str, parameter: Described, panel: str) -> inspect.Parameter:
    option = typer.Option(
        None,
        f"--{parameter.name}",
        help=_help(parameter),
        metavar=_metavar(parameter),
        show_default=False,
        rich_help_panel=panel,
    )
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=str | None)


def _metavar(parameter: Described) -> str:
    kinds = parameter.kinds - {"null"}
    if parameter.choices:
        return "CHOICE"
    names = {"string": "TEXT", "array": "JSON", "object": "JSON", "boolean": "BOOL"}
    return "|".join(sorted({names.get(kind, kind.upper()) for kind in kinds})) or "VALUE"


def _help(parameter: Described) -> str:
    parts = [parameter.description.strip().rstrip(".")]
    if parameter.choices or parameter.limits:
        parts.append(parameter.expected if parameter.choices else parameter.limits)
    if parameter.is_seed and parameter.default is None:
        parts.append("default: random")
    elif parameter.default not in (None, ""):
        text = str(parameter.default)
        parts.append(f"default: {text if len(text) <= 80 else text[:77] + '...'}")
    return _escaped("; ".join(part for part in parts if part))


def _escaped(text: str) -> str:
    """Text that the help's markup shows as it is."""
    return text.replace("[", "\\[")


def _pairs(assignments: Sequence[str]) -> dict[str, str]:
    wrong = [text for text in assignments if not text.partition("=")[1] or text.startswith("=")]
    if wrong:
        raise DocumentError(
            [
                Problem("usage", "--set", f"{text!r} is not NAME=VALUE", 'write --set prompt="a ball"')
                for text in wrong
            ]
        )
    return {name.strip(): value for name, _, value in (text.partition("=") for text in assignments)}
