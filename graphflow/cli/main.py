"""The program `graphflow`: puts the commands together and turns every error into one clear message."""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from graphflow import __version__
from graphflow.cli import exits
from graphflow.cli.cache import application as cache_application
from graphflow.cli.doctor import doctor
from graphflow.cli.explain import explain
from graphflow.cli.models import application as models_application
from graphflow.cli.new import new
from graphflow.cli.nodes import nodes
from graphflow.cli.options import WorkflowCommand
from graphflow.cli.output import tell, warn
from graphflow.cli.run import run
from graphflow.cli.schema import schema
from graphflow.cli.serve import serve
from graphflow.cli.templates import templates
from graphflow.cli.validate import validate
from graphflow.errors import GraphflowError


def application() -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        name="graphflow",
        help="Node graphs for open video models: write a workflow once, run it anywhere, compute only what "
        "changed.",
        epilog=exits.TABLE,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_top)
    app.command("run", cls=WorkflowCommand, help=_flowing(run), epilog=exits.TABLE)(run)
    app.command("explain", cls=WorkflowCommand, help=_flowing(explain))(explain)
    for command in (serve, validate, nodes, templates, new, schema, doctor):
        app.command(command.__name__)(command)
    app.add_typer(models_application(), name="models")
    app.add_typer(cache_application(), name="cache")
    return app


def _flowing(command: Callable[..., Any]) -> str:
    """A command's docstring with each paragraph on one line, so that the terminal breaks it."""
    paragraphs = (command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"graphflow {__version__}")
        raise typer.Exit


def _top(
    version: bool = typer.Option(
        False, "--version", is_eager=True, callback=_show_version, help="Show the version."
    ),
) -> None:
    pass


def main() -> None:
    """The entry point: run a command and leave with its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a prompt or a file's name may hold any character
        sys.stdout.reconfigure(errors="backslashreplace")
    code = invoke(sys.argv[1:])
    sys.stdout.flush()
    sys.exit(code)


def invoke(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code. Never raises."""
    try:
        result: Any = application()(args=list(arguments), prog_name="graphflow", standalone_mode=False)
        return result if isinstance(result, int) else exits.OK
    except GraphflowError as error:
        tell(error)
        return exits.code_of(error)
    except (KeyboardInterrupt, typer.Abort):
        warn("cancelled")
        return exits.CANCELLED
    except SystemExit as error:  # typer's answer to a closed pipe, such as that of `head`
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK
    except Exception as error:  # border: whatever went wrong, a person gets one line and a report
        wrong_usage = hasattr(error, "format_message")
        return _usage(error, arguments) if wrong_usage else _internal(error, arguments)


def _usage(error: Any, arguments: Sequence[str]) -> int:
    """A wrong option or argument, found by the option parser."""
    text = error.format_message()
    if text:
        warn(f"error: {text}")
    warn(f"  `{_command_path(arguments)} --help` lists what there is")
    return exits.USAGE


def _command_path(arguments: Sequence[str]) -> str:
    """The command that was meant, with its workflow, whose parameters its help lists.

    The option parser does not always know: an option without its value is told without its command.
    """
    command: Any = typer.main.get_command(application())
    path = ["graphflow"]
    for word in arguments:
        below = getattr(command, "commands", {}).get(word)
        if below is None:
            is_workflow = isinstance(command, WorkflowCommand) and not word.startswith("-")
            return shlex.join([*path, word] if is_workflow else path)
        command, path = below, [*path, word]
    return shlex.join(path)


def _internal(error: Exception, arguments: Sequence[str]) -> int:
    from graphflow.cli.report import write_report

    path = write_report(error, arguments)
    where = f"the details are in {path}" if path else "the details could not be written anywhere"
    warn(f"error: graphflow itself failed ({type(error).__name__}); {where}")
    return exits.INTERNAL
