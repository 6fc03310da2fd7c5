"""What the addresses below `/api` that the editor reads answer, as models."""

from __future__ import annotations

from typing import Any, Literal

from graphflow.server.answers import Shown
from graphflow.server.requests import Message

Shape = str | dict[str, Any]
"""A type for programs: a class or scalar by name, or one of `list`, `any_of`, `one_of`, `tuple`, `tuple_of`,
`dict` and `var`; see `graphflow.schema.shape`."""


class PortInfo(Message):
    """A port of a node."""

    type: str
    shape: Shape
    required: bool


class NodeInfo(Message):
    """All that the editor must know of a node."""

    id: str
    version: int
    title: str
    category: str
    doc: str
    ports: dict[str, PortInfo]
    settings: dict[str, Any]
    """JSON Schema; each property also has `widget` and `shape`."""
    outputs: dict[str, str]
    output_shapes: dict[str, Shape]
    flags: dict[str, bool]


class TypeInfo(Message):
    """A type that stands on wires."""

    bases: list[str]
    """Types whose ports take it too."""
    shows: Literal["image", "video", "audio", "text", "number", "plot", "table", "file", "none"]


class Converter(Message):
    """The one node that makes a value of one type into one of another, with nothing else to decide."""

    source: str
    target: str
    source_shape: Shape
    target_shape: Shape
    node: str
    port: str
    output: str


class Category(Message):
    """Where a node stands in a list of nodes."""

    id: str
    title: str
    about: str
    """What its pack says that it is for; may be empty."""


class Broken(Message):
    """A node pack that could not be loaded."""

    pack: str
    reason: str


class Catalogue(Message):
    """What `/api/catalogue` answers."""

    document: dict[str, Any]
    """JSON Schema of a workflow."""
    nodes: dict[str, NodeInfo]
    types: dict[str, TypeInfo]
    converters: list[Converter]
    categories: list[Category]
    failures: list[Broken]


class ParameterInfo(Message):
    """A parameter of a template."""

    description: str
    default: Any = None


class TemplateInfo(Message):
    """A workflow that comes with graphflow."""

    name: str
    description: str
    parameters: dict[str, ParameterInfo]
    nodes: int
    picture: str | None = None
    """Where its picture is."""


class ResultInfo(Message):
    """What `/api/results/{key}` answers: the outputs of one step."""

    key: str
    outputs: dict[str, Shown]
