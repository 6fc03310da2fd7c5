"""`graphflow schema`: JSON Schema of the document and of nodes."""

from __future__ import annotations

from typing import Annotated

import typer

from graphflow.cli.options import PackFolders, pack_folders
from graphflow.cli.output import say_json


def schema(
    node: Annotated[
        str | None, typer.Option("--node", metavar="ID", help="The schema of this node type only.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="The document and every node.")] = False,
    packs: PackFolders = None,
) -> None:
    """Print the JSON Schema of the workflow document, of one node, or of all."""
    from graphflow import schema as schemas

    if not everything and node is None:
        say_json(schemas.document_schema())
        return
    from graphflow.cli.nodes import known_node
    from graphflow.registry import load_registry

    registry = load_registry(pack_folders(packs))
    if node is not None:
        say_json(schemas.node_schema(known_node(registry, node)))
    else:
        say_json(schemas.catalogue(registry))
