"""graphflow: a node-graph engine for open video-generation models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from graphflow.api import Builder, Workflow, load
    from graphflow.workspace import Workspace

__all__ = ["Builder", "Workflow", "Workspace", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Load the Python interface only when it is asked for, so that `graphflow --help` starts at once."""
    if name in ("Builder", "Workflow", "load"):
        from graphflow import api

        return getattr(api, name)
    if name == "Workspace":
        from graphflow.workspace import Workspace

        return Workspace
    raise AttributeError(f"module 'graphflow' has no attribute {name!r}")
