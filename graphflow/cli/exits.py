"""Exit codes, the same for every command; docs/cli.md lists them."""

from __future__ import annotations

from graphflow.errors import DocumentError, GraphflowError, ResourceError, StorageError

OK = 0
FAILED = 1
"""A node failed and an output could not be made."""
USAGE = 2
"""Wrong option, parameter or workflow: nothing was started."""
RESOURCE = 3
"""A model, memory or a device is missing."""
STORAGE = 4
"""A file could not be read or written."""
INTERNAL = 5
"""A fault in graphflow itself; a report was written."""
ITEMS = 6
"""Finished, but some items of a list failed."""
CANCELLED = 130
"""Stopped by Ctrl-C."""

TABLE = (
    "Exit codes: 0 done, 1 a node failed, 2 wrong option or workflow, 3 model or memory missing, "
    "4 file cannot be read or written, 5 fault in graphflow, 6 done but some items failed, 130 cancelled."
)


def code_for(error_code: str) -> int:
    """The exit code for a failure's own code, such as `model.missing`."""
    kind = error_code.partition(".")[0]
    if error_code == "workflow.missing" or kind in ("document", "param", "declaration"):
        return USAGE
    return {"model": RESOURCE, "resource": RESOURCE, "storage": STORAGE}.get(kind, FAILED)


def code_of(error: GraphflowError) -> int:
    """The exit code for an error that stopped a command."""
    if isinstance(error, DocumentError):
        return USAGE
    if error.error_code == "workflow.missing":
        return USAGE
    if isinstance(error, ResourceError):
        return RESOURCE
    return STORAGE if isinstance(error, StorageError) else code_for(error.error_code)
