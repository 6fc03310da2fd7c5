"""`graphflow models`: what can be used here, what is published, and what fits into a machine's memory."""

from __future__ import annotations

import typer

from graphflow.cli.models.fit import fit
from graphflow.cli.models.listing import overview, show
from graphflow.cli.options import WorkflowCommand


def application() -> typer.Typer:
    """The commands below `models`; without one it lists."""
    app = typer.Typer(help="List models, show one, or tell what fits into memory.")
    app.callback(invoke_without_command=True)(overview)
    app.command("show")(show)
    app.command("fit", cls=WorkflowCommand)(fit)
    return app
