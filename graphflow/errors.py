"""Every error graphflow raises: a stable code, a message for people, where it happened, what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

MAX_MESSAGE = 2000
"""Longest message kept, in characters; a node may raise anything, a log line must stay readable."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document, and where."""

    code: str
    path: str
    """Dotted place in the document, such as `nodes.decode.inputs.vae`."""
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{hint} [{self.code}]"


class GraphflowError(Exception):
    """Base of all errors a user may see. `code` is stable and listed in docs/errors.md."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, where: str = "", hint: str = "", code: str | None = None) -> None:
        self.message = shorten(message)
        self.where = where
        """Node, port or file the error belongs to; empty when it has no single place."""
        self.hint = hint
        self.error_code = code or self.code
        super().__init__(self.message)

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        hint = f"\n  {self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"


class DocumentError(GraphflowError):
    """A workflow document is wrong. Carries every problem at once, never only the first."""

    code = "document"

    def __init__(self, problems: Sequence[Problem], *, where: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems), where=where)


class DeclarationError(GraphflowError):
    """A node is declared wrongly; raised at import, with the fix."""

    code = "declaration"


class NodeError(GraphflowError):
    """A node failed; the message is the node's own."""

    code = "node"


class ValueMismatch(NodeError):
    """Two values do not belong together, such as latents and a VAE of another model."""

    code = "value.mismatch"


class ResourceError(GraphflowError):
    """Something a node needs cannot be had: memory, a model, a device."""

    code = "resource"


class MissingModel(ResourceError):
    """A model is not on this machine; says which and how to get it."""

    code = "model.missing"


class StorageError(GraphflowError):
    """A file could not be written or read: disk full, no permission, broken media."""

    code = "storage"


class Lost(GraphflowError):
    """The worker that ran a step died."""

    code = "worker.lost"


class Cancelled(BaseException):
    """The run was cancelled. Not an `Exception`, so that no node swallows it by accident."""


def from_code(code: str, message: str, *, where: str = "", hint: str = "") -> GraphflowError:
    """The error of the class that `code` belongs to; NodeError for codes of a node's own."""
    for kind in (MissingModel, ValueMismatch, ResourceError, StorageError, Lost):
        if code == kind.code or code.startswith(f"{kind.code}."):
            return kind(message, where=where, hint=hint, code=code)
    return NodeError(message, where=where, hint=hint, code=code)


def port_of(error: GraphflowError, node: str) -> str:
    """The input of `node` that an error of the plan is about; empty if it names none."""
    return error.where.removeprefix(f"{node}.") if error.where.startswith(f"{node}.") else ""


def told(error: GraphflowError) -> str:
    """The message as a node's failure tells it: a file that could not be read or written is named."""
    named = isinstance(error, StorageError) and error.where and error.where not in error.message
    return shorten(f"{error.where}: {error.message}") if named else error.message


def shorten(text: str, limit: int = MAX_MESSAGE) -> str:
    """Cut `text` to `limit` characters, saying so; what is not valid Unicode is written out."""
    short = text if len(text) <= limit else f"{text[: limit - 20]} ... ({len(text)} chars)"
    return short.encode("utf-8", "backslashreplace").decode()


def describe(error: BaseException) -> str:
    """A one-line description of any exception, even one whose own `__str__` fails."""
    try:
        text = str(error)
    except BaseException:  # a node may raise anything; describing it must not fail
        text = "(its message could not be read)"
    name = type(error).__name__
    if isinstance(error, GraphflowError):
        return shorten(text)
    return shorten(f"{name}: {text}" if text else name)
