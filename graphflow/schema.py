"""JSON Schema of the workflow document and of every node, for editors, checkers and people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

from graphflow import types
from graphflow.node import NodeSpec
from graphflow.registry import Registry
from graphflow.types import bare, name_of
from graphflow.values import Audio, Image, Recipe, SavedFile, Value, Video
from graphflow.widgets import widget
from graphflow.workflow import Document

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def document_schema() -> dict[str, Any]:
    """JSON Schema of a workflow file."""
    schema = Document.model_json_schema()
    schema["required"] = ["graphflow"]
    return {"$schema": DIALECT, **schema, "title": "graphflow workflow"}


def node_schema(spec: NodeSpec) -> dict[str, Any]:
    """All that is known about a node, as JSON: ports, settings (a JSON Schema), outputs, flags."""
    return {
        "id": spec.id,
        "version": spec.version,
        "title": spec.title,
        "category": spec.id.partition("/")[0],
        "doc": spec.doc,
        "ports": {
            name: {"type": name_of(port.type), "shape": shape(port.type), "required": port.required}
            for name, port in spec.ports.items()
        },
        "settings": settings_schema(spec),
        "outputs": {name: name_of(hint) for name, hint in spec.outputs.items()},
        "output_shapes": {name: shape(hint) for name, hint in spec.outputs.items()},
        "flags": flags(spec),
    }


def settings_schema(spec: NodeSpec) -> dict[str, Any]:
    """JSON Schema of a node's settings; each also has its shape and the control that an editor shows."""
    schema = spec.params.model_json_schema()
    schema["title"] = spec.id
    for name, found in schema.get("properties", {}).items():
        if name in spec.seeds:
            found["seed"] = True
        found |= widget(name, found, spec.outputs.values())
        found["shape"] = shape(spec.settings[name])
    return schema


def flags(spec: NodeSpec) -> dict[str, bool]:
    """How the engine treats a node."""
    return {
        "fold": spec.fold,
        "cache": spec.cache,
        "device": spec.device,
        "effect": spec.effect is not None,
        "reads": spec.fingerprint is not None,
        "branch": spec.branch is not None,
        "context": spec.context is not None,
    }


def catalogue(registry: Registry) -> dict[str, Any]:
    """All that an editor must know: the document, every node, their types, converters, categories."""
    specs = registry.specs
    return {
        "document": document_schema(),
        "nodes": nodes_schema(specs),
        "types": type_table(specs.values()),
        "converters": converters(specs.values()),
        "categories": [
            {"id": pack, "title": pack.capitalize(), "about": registry.about.get(pack, "")}
            for pack in sorted({id.partition("/")[0] for id in specs})
        ],
        "failures": [{"pack": one.pack, "reason": one.reason} for one in registry.failures],
    }


def nodes_schema(specs: Mapping[str, NodeSpec]) -> dict[str, Any]:
    """Every node's schema by id, sorted."""
    return {id: node_schema(specs[id]) for id in sorted(specs)}


# -------------------------------------------------------------------------------------- types

Shape = str | dict[str, Any]


def shape(hint: Any) -> Shape:
    """A type as JSON, so that a program can tell what fits as `graphflow.types` does.

    A scalar, a class, `None` or `any` by its name; else one of `{"list": T}`, `{"any_of": [T]}`,
    `{"one_of": [value]}`, `{"tuple": [T]}`, `{"tuple_of": T}`, `{"dict": [K, V]}` and a type variable,
    `{"var": name, "limits": [T]}`, which may be anything if it has no limits.
    """
    hint = bare(hint)
    if isinstance(hint, TypeVar):
        limits = hint.__constraints__ or (() if hint.__bound__ is None else (hint.__bound__,))
        return {"var": hint.__name__, "limits": [shape(one) for one in limits]}
    origin, args = get_origin(hint), get_args(hint)
    if not args or hint is Any:
        return name_of(hint)
    if origin is Literal:
        return {"one_of": list(args)}
    if origin is list:
        return {"list": shape(args[0])}
    if origin is tuple and args[-1] is Ellipsis:
        return {"tuple_of": shape(args[0])}
    if origin in (tuple, dict):
        return {origin.__name__: [shape(one) for one in args]}
    if types.is_union(hint):
        return {"any_of": [shape(one) for one in args]}
    return name_of(hint)


def type_table(specs: Iterable[NodeSpec]) -> dict[str, Any]:
    """By name: every scalar and class on a wire, the classes whose ports take it too, how it is shown."""
    found: dict[str, Any] = {}
    waiting = [leaf for spec in specs for hint in _hints(spec) for leaf in _leaves(hint)]
    for kind in sorted(set(waiting), key=name_of):
        bases = ["float"] if kind is int else [name_of(b) for b in kind.__mro__[1:] if issubclass(b, Value)]
        found[name_of(kind)] = {"bases": bases, "shows": shows(kind)}
    return found


def shows(kind: type) -> str:
    """What people see of a value of a type: `image`, `video`, `audio`, `file`, `text`, `number`, `plot` if it
    holds curves, `table` if it is made of many alike, or `none`.
    """
    for word, classes in _SHOWN:
        if issubclass(kind, classes):
            return word
    return _structure(kind) if issubclass(kind, Value) and not issubclass(kind, Recipe) else "none"


def _structure(kind: type[Value]) -> str:
    """Whether a value holds curves or many values alike; nothing is seen of one that may hold tensors."""
    found, seen, waiting = "none", {kind}, [kind]
    while waiting:
        for field in waiting.pop().model_fields.values():
            for part in _within(field.annotation):
                if part is Any:
                    return "none"
                items = get_args(part) if get_origin(part) in (tuple, list) else ()
                if items and bare(items[0]) is float:
                    found = "plot"
                elif isinstance(part, type) and issubclass(part, Value) and part not in seen:
                    seen.add(part)
                    waiting.append(part)
                elif found == "none" and any(isinstance(i, type) and issubclass(i, Value) for i in items):
                    found = "table"
    return found


def _within(hint: Any) -> Iterator[Any]:
    """A type and all the types that it is made of."""
    hint = bare(hint)
    yield hint
    for part in get_args(hint) if get_origin(hint) is not Literal else ():
        yield from _within(part)


_SHOWN: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("image", (Image,)),
    ("video", (Video,)),
    ("audio", (Audio,)),
    ("file", (SavedFile,)),
    ("text", (str,)),
    ("number", (bool, int, float)),
)


def _hints(spec: NodeSpec) -> Iterator[Any]:
    yield from (port.type for port in spec.ports.values())
    yield from spec.settings.values()
    yield from spec.outputs.values()


def _leaves(hint: Any) -> Iterator[type]:
    """The scalars and classes that a type is made of."""
    hint = bare(hint)
    if isinstance(hint, TypeVar):
        for limit in (*hint.__constraints__, *([] if hint.__bound__ is None else [hint.__bound__])):
            yield from _leaves(limit)
    elif get_args(hint):
        for part in get_args(hint) if get_origin(hint) is not Literal else ():
            yield from _leaves(part)
    elif isinstance(hint, type):
        yield hint


# --------------------------------------------------------------------------------- converters


def converters(specs: Iterable[NodeSpec]) -> list[dict[str, Any]]:
    """Where a wire does not fit a port and just one node would make it fit: that node.

    A converter takes one thing that is no model, gives one that is no mere number, has no setting that must
    be filled in, and touches nothing outside.
    """
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for spec in specs:
        if not _converts(spec):
            continue
        (port,), (output, gives) = spec.ports.values(), next(iter(spec.outputs.items()))
        for takes in _sources(port.type):
            if types.levels(gives, takes, {}) is None:
                entry: dict[str, Any] = {
                    "source": name_of(takes),
                    "target": name_of(gives),
                    "source_shape": shape(takes),
                    "target_shape": shape(gives),
                    "node": spec.id,
                    "port": port.name,
                    "output": output,
                }
                found.setdefault((entry["source"], entry["target"]), []).append(entry)
    return [entries[0] for _, entries in sorted(found.items()) if len(entries) == 1]


def _converts(spec: NodeSpec) -> bool:
    if len(spec.ports) != 1 or len(spec.outputs) != 1 or spec.effect or spec.fingerprint or spec.branch:
        return False
    if any(field.is_required() for field in spec.params.model_fields.values()):
        return False
    takes, gives = next(iter(spec.ports.values())).type, next(iter(spec.outputs.values()))
    leaves = set(_leaves(gives))
    return not types.mentions(takes, Recipe) and bool(leaves) and not leaves & {int, float, bool}


def _sources(hint: Any) -> list[Any]:
    """The types that a port takes, None left out; nothing of one that takes anything."""
    hint = bare(hint)
    if isinstance(hint, TypeVar):
        return list(hint.__constraints__)
    parts = get_args(hint) if types.is_union(hint) else (hint,)
    return [part for part in parts if part is not type(None) and "any" not in name_of(part)]
