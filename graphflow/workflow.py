"""The workflow document: strict models, limits, reading and canonical writing.

A wire is a string in `inputs` (`"node.output"`, or `"node"` for its only output), a literal is a value in
`params`; no place may hold either.
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graphflow.errors import DocumentError, Problem, StorageError
from graphflow.migrations import CURRENT, migrate

ID = r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$"
WIRE = r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}(\.[A-Za-z_][A-Za-z0-9_]{0,63})?$"
TARGET = r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\.[A-Za-z_][A-Za-z0-9_]{0,63}$"


class Limits(BaseModel):
    """Everything a stranger's document may make large; one frozen model, so that a limit has one home."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    document_bytes: int = 8 * 2**20
    depth: int = 64
    nodes: int = 20_000
    edges: int = 100_000
    parameters: int = 1_000
    nesting: int = 16
    """Workflows inside workflows."""
    mapped_items: int = 1_000_000
    """Steps one run may have after lists were mapped."""
    value_items: int = 5_000_000
    """Items, at all depths together, of a value that is known while planning."""


LIMITS = Limits()

MAX_TREE_PROBLEMS = 100
"""Problems told of a document that is no proper JSON."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


NodeId = Annotated[str, Field(pattern=ID)]
WireText = Annotated[str, Field(pattern=WIRE)]
TargetText = Annotated[str, Field(pattern=TARGET)]


class NodeEntry(_Strict):
    """One node: its type, literals in `params`, wires in `inputs`."""

    type: Annotated[str, Field(min_length=1, max_length=256)]
    version: Annotated[int, Field(ge=1, le=10_000)] = 1
    params: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, WireText | list[WireText]] = Field(default_factory=dict)
    ui: dict[str, Any] = Field(default_factory=dict)


class Parameter(_Strict):
    """A setting or port of the workflow as a whole: a CLI option, a call argument, a port as a node."""

    to: TargetText | Annotated[list[TargetText], Field(min_length=1)]
    description: str = ""
    default: Any = None
    """Used when the caller gives nothing; without it the target node's own value holds."""

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """Pairs of node id and setting or port name."""
        texts = [self.to] if isinstance(self.to, str) else self.to
        return tuple((node, name) for node, _, name in (text.partition(".") for text in texts))


class Document(_Strict):
    """A workflow file."""

    graphflow: int = CURRENT
    name: str = ""
    description: str = ""
    parameters: Annotated[dict[NodeId, Parameter], Field(max_length=LIMITS.parameters)] = Field(
        default_factory=dict
    )
    nodes: Annotated[dict[NodeId, NodeEntry], Field(max_length=LIMITS.nodes)] = Field(default_factory=dict)
    outputs: dict[NodeId, WireText] = Field(default_factory=dict)
    ui: dict[str, Any] = Field(default_factory=dict)


# ------------------------------------------------------------------------------------- reading


def load(path: Path) -> Document:
    """Read a workflow file. Raises StorageError if it cannot be read, DocumentError if it is wrong."""
    try:
        if path.stat().st_size > LIMITS.document_bytes:
            raise DocumentError([_too_large(path.stat().st_size)], where=str(path))
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"cannot read the workflow: {error.strerror or error}",
            where=str(path),
            hint="check the path; `graphflow templates` lists the workflows that come with graphflow",
            code="storage.read",
        ) from None
    try:
        return parse(data)
    except DocumentError as error:
        raise DocumentError(error.problems, where=str(path)) from None


def parse(data: bytes | str) -> Document:
    """Read JSON text strictly. Raises DocumentError with every problem."""
    if len(data) > LIMITS.document_bytes:
        raise DocumentError([_too_large(len(data))])
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        raw = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except RecursionError:
        raise DocumentError([Problem("json.depth", "", f"nested deeper than {LIMITS.depth}")]) from None
    except UnicodeDecodeError:
        raise DocumentError(
            [Problem("json.encoding", "", "not UTF-8 text", "save the file as UTF-8")]
        ) from None
    except ValueError as error:
        raise DocumentError([Problem("json.syntax", "", f"not valid JSON: {error}")]) from None
    return from_raw(raw)


def from_raw(raw: Any) -> Document:
    """Check a parsed JSON object and bring it to the current version."""
    if not isinstance(raw, dict):
        raise DocumentError([Problem("document.type", "", "a workflow is a JSON object")])
    problems = [*_check_tree(raw)]
    if problems:
        raise DocumentError(problems)
    version = raw.get("graphflow")
    if type(version) is not int or version < 0:
        hint = 'write "graphflow": 1 at the top'
        if isinstance(raw.get("nodes"), list) or "last_node_id" in raw:
            hint = "this looks like a ComfyUI workflow; those cannot be opened here"
        raise DocumentError([Problem("document.version", "graphflow", "not a graphflow workflow", hint)])
    if version > CURRENT:
        text = f"written by a newer graphflow (document version {version}; this one reads up to {CURRENT})"
        raise DocumentError([Problem("document.newer", "graphflow", text, "update graphflow")])
    try:
        document = Document.model_validate(migrate(raw, version))
    except ValidationError as error:
        raise DocumentError(list(_problems(error))) from None
    edges = sum(
        1 if isinstance(w, str) else len(w) for n in document.nodes.values() for w in n.inputs.values()
    )
    if edges > LIMITS.edges:
        raise DocumentError([Problem("limit.edges", "nodes", f"{edges} wires; the limit is {LIMITS.edges}")])
    return document


def _too_large(size: int) -> Problem:
    return Problem("limit.size", "", f"{size} bytes; the limit is {LIMITS.document_bytes}")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"{twice!r} appears twice in one object")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


_Place = tuple[Any, ...]
"""A place in a tree as nested pairs `(parent, name)`, which costs nothing until it is shown."""


def _check_tree(raw: Any) -> Iterator[Problem]:
    """Depth, non-finite numbers, lone surrogates and what is no JSON, without recursion."""
    waiting: list[tuple[Any, int, _Place]] = [(raw, 1, ())]
    found = 0
    while waiting and found < MAX_TREE_PROBLEMS:
        value, depth, place = waiting.pop()
        if depth > LIMITS.depth:
            yield Problem("json.depth", "", f"nested deeper than {LIMITS.depth}")
            return
        if isinstance(value, dict):
            waiting.extend((v, depth + 1, (place, k)) for k, v in value.items())
            waiting.extend((k, depth, (place, k)) for k in value)
        elif isinstance(value, list):
            waiting.extend((v, depth + 1, (place, i)) for i, v in enumerate(value))
        elif (wrong := _wrong_leaf(value)) is not None:
            found += 1
            yield Problem(wrong[0], _path(place), wrong[1])


def _wrong_leaf(value: Any) -> tuple[str, str] | None:
    """Code and message if a value cannot stand in a document."""
    if value is None or isinstance(value, (bool, int)):
        return None
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            return "json.text", "text holds half a surrogate pair and cannot be saved"
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else ("json.number", f"{value} is not a finite number")
    return "json.type", f"a {type(value).__name__} is not JSON"


def _path(place: _Place) -> str:
    parts: list[str] = []
    while place:
        place, name = place
        parts.append(str(name).encode("utf-8", "backslashreplace").decode() or "''")
    return ".".join(reversed(parts))


def _problems(error: ValidationError) -> Iterator[Problem]:
    for item in error.errors(include_url=False, include_context=False):
        loc = [str(part) or "''" for i, part in enumerate(item["loc"]) if not _is_tag(item["loc"], i)]
        hint = ""
        if item["type"] == "extra_forbidden":
            hint = did_you_mean(loc[-1], _field_names(loc))
        elif item["type"] == "string_pattern_mismatch":
            hint = "ids use letters, digits, _ and -; a wire is 'node' or 'node.output'"
        yield Problem(f"document.{item['type']}", ".".join(loc), item["msg"], hint)


def _is_tag(loc: tuple[int | str, ...], i: int) -> bool:
    """Whether pydantic put a part into a path that is not in the document: a union's member, a key's mark."""
    if loc[0] == "nodes" and i == 4 and loc[2] == "inputs":
        return True
    return (loc[0] == "parameters" and i == 3 and loc[2] == "to") or (loc[i] == "[key]" and i == len(loc) - 1)


def _field_names(loc: list[str]) -> list[str]:
    models: dict[str, type[BaseModel]] = {"nodes": NodeEntry, "parameters": Parameter}
    model = models.get(loc[0], Document) if len(loc) >= 3 else Document
    return list(model.model_fields)


def closest(name: str, known: Collection[str]) -> str:
    """The known word that `name` is most like; empty if it is like none."""
    close = difflib.get_close_matches(name[:256], list(itertools.islice(known, 2000)), n=1, cutoff=0.55)
    return close[0] if close else ""


def did_you_mean(name: str, known: Collection[str]) -> str:
    """A hint that names the closest known word, or what there is."""
    close = closest(name, known)
    if close:
        return f"did you mean {close!r}?"
    names = sorted(itertools.islice(known, 2000))
    if not names:
        return ""
    return "known: " + ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


# ------------------------------------------------------------------------------------- writing


def dump(document: Document) -> bytes:
    """Canonical bytes: the same document always saves to the same bytes, with readable diffs.

    Nodes, params and inputs are sorted; parameters and outputs keep their order, which is the order of
    the form. Fields at their default are left out. UTF-8, two spaces, LF.
    """
    raw = document.model_dump(mode="json", exclude_defaults=True)
    out: dict[str, Any] = {"graphflow": CURRENT}
    for field in ("name", "description", "parameters"):
        if field in raw:
            out[field] = raw[field]
    for parameter in raw.get("parameters", {}).values():
        if "default" in parameter:
            parameter["default"] = _sorted(parameter["default"])
    out["nodes"] = {id: _ordered_entry(raw["nodes"][id]) for id in sorted(raw.get("nodes", {}))}
    if "outputs" in raw:
        out["outputs"] = raw["outputs"]
    if "ui" in raw:
        out["ui"] = _sorted(raw["ui"])
    return json.dumps(out, indent=2, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"


def raw_bytes(raw: Mapping[str, Any]) -> bytes:
    """JSON of a document as it is, which need not be a workflow that could run.

    Raises DocumentError for what is no JSON or beyond the limits of depth and size.
    """
    problems = [*_check_tree(dict(raw))]
    if problems:
        raise DocumentError(problems)
    data = json.dumps(raw, ensure_ascii=False, allow_nan=False).encode("utf-8")
    if len(data) > LIMITS.document_bytes:
        raise DocumentError([_too_large(len(data))])
    return data


def _ordered_entry(entry: dict[str, Any]) -> dict[str, Any]:
    order = ("type", "version", "params", "inputs", "ui")
    return {name: _sorted(entry[name]) for name in order if name in entry}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value)}
    return [_sorted(v) for v in value] if isinstance(value, list) else value


def wires(entry: NodeEntry) -> Iterator[tuple[str, str]]:
    """Pairs of input name and wire text."""
    for name, wire in entry.inputs.items():
        for text in [wire] if isinstance(wire, str) else wire:
            yield name, text


def split_wire(text: str) -> tuple[str, str | None]:
    """`node.output` to its parts; None stands for the only output."""
    node, _, output = text.rpartition(".") if "." in text else (text, "", "")
    return node, output or None


def with_values(document: Document, values: Mapping[str, Any]) -> Document:
    """The document with its parameters set to plain JSON values; unset ones take their default.

    A value that is set becomes the parameter's default if it had one: setting nothing in the result
    changes nothing.

    Raises DocumentError for unknown names and for what is not JSON. Whether the values fit is checked with
    the graph.
    """
    unknown = [name for name in values if name not in document.parameters]
    if unknown:
        raise DocumentError(
            [
                Problem(
                    "param.unknown",
                    name,
                    "the workflow has no such parameter",
                    did_you_mean(name, document.parameters),
                )
                for name in unknown
            ]
        )
    problems = [*_check_tree(dict(values))]
    if problems:
        raise DocumentError(problems)
    nodes, parameters = dict(document.nodes), dict(document.parameters)
    for name, parameter in document.parameters.items():
        if name not in values and parameter.default is None:
            continue
        value = values.get(name, parameter.default)
        if parameter.default is not None:
            parameters[name] = parameter.model_copy(update={"default": value})
        for node, setting in parameter.targets:
            if node in nodes:
                entry = nodes[node]
                inputs = {port: wire for port, wire in entry.inputs.items() if port != setting}
                nodes[node] = entry.model_copy(
                    update={"params": {**entry.params, setting: value}, "inputs": inputs}
                )
    return document.model_copy(update={"nodes": nodes, "parameters": parameters})
