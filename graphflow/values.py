"""What flows on wires: immutable values, and their codec (small msgpack header + named tensors).

torch is never imported here: a value's header can be read, compared and shown without it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, cast

import msgpack
from pydantic import BaseModel, ConfigDict, Field

from graphflow.claims import Footprint, Origin, Placing
from graphflow.errors import describe
from graphflow.rows import ROWS, Block, Rows
from graphflow.rows import joined as joined
from graphflow.tensors import Tensor as Tensor
from graphflow.tensors import is_tensor as is_tensor
from graphflow.tensors import outlined

MAX_SEED = 2**53 - 1
"""Largest seed: the largest integer that JavaScript and JSON carry exactly."""


@dataclass(frozen=True)
class SeedMark:
    """Marks a setting as a random seed: `null` in a document means "draw one and write it down"."""


Seed = Annotated[int, Field(ge=0, le=MAX_SEED), SeedMark()]

Plain = None | bool | int | float | str | bytes | list[Any] | tuple[Any, ...] | dict[str, Any]


class Value(BaseModel):
    """Base of every structured value. Frozen; fields are plain data, other values or tensors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )

    @classmethod
    def type_name(cls) -> str:
        """The name under which this type is stored; it must not change once released."""
        return f"{cls.__module__}.{cls.__qualname__}"

    def key_fields(self) -> dict[str, Any]:
        """The fields that count for content keys; by default all of them."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Tensors by dtype and shape: a clip's numbers would fill the screen."""
        for name, value in super().__repr_args__():
            yield name, outlined(value)


@dataclass(frozen=True)
class Role:
    """Says what a recipe's field does to results: `numerics` or `placement`; without one it is identity."""

    kind: Literal["numerics", "placement"]


NUMERICS = Role("numerics")
PLACEMENT = Role("placement")


class Recipe(Value):
    """What to load and how to treat it: a model on a wire. Live weights exist only in the pool.

    Fields are identity unless annotated otherwise, as in `Annotated[str, PLACEMENT]`. Placement
    changes where and when, never what is computed, so it is left out of content keys.
    """

    def key_fields(self) -> dict[str, Any]:
        fields = type(self).model_fields
        return {
            name: getattr(self, name) for name, field in fields.items() if PLACEMENT not in field.metadata
        }

    def base(self) -> Recipe:
        """The part that is loaded once and may be shared by several recipes; by default all of it."""
        return self

    def open(self, device: str) -> Any:
        """Load the live object on `device`, its home; called by the pool, on the base only.

        Raises MissingModel when the weights are not on this machine.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how to open itself")

    def check(self, device: str) -> None:
        """Refuse what cannot be done on `device`; called at every use, before anything is loaded.

        Raises NodeError with the reason and what to do.
        """

    def inspect(self) -> None:
        """Look whether it can be opened on this machine, by small files and headers alone, without torch.

        Called while planning, for what would run. Raises MissingModel or NodeError with what to do.
        """

    def check_kind(self, kind: str) -> None:
        """Refuse, while planning and without torch, what no device of a kind, such as `cpu`, can do."""

    def home(self, device: str) -> str:
        """Where the live object stays between two uses: `device`, or `cpu` if it is offloaded."""
        return device

    def applied(self, live: Any, device: str) -> AbstractContextManager[Any]:
        """A context in which `live` has this recipe's state; leaving it undoes every change."""
        return nullcontext(live)

    def memory_bytes(self) -> int:
        """Bytes the live object needs, exact for weights; 0 if unknown."""
        return 0

    def label(self) -> str:
        """What it is in the words of a forecast; by default its class."""
        return type(self).__name__

    def placing(self) -> Placing:
        """Where the weights are while the model works."""
        return "resident"

    def footprints(self) -> Mapping[str, Footprint]:
        """The weights by way of storing them: under `""` as the recipe has them, then in ever fewer bits."""
        return {"": Footprint(self.memory_bytes())}

    def origins(self) -> tuple[Origin, ...]:
        """What results made with this are owed to; by default something of unknown licence."""
        return (Origin(self.type_name()),)


class Image(Value):
    """One picture. pixels: uint8, (height, width, 3), sRGB."""

    pixels: Tensor


class Mask(Value):
    """One mask. pixels: uint8, (height, width); 255 is inside."""

    pixels: Tensor


class Video(Value):
    """Frames in order. frames: uint8, (frames, height, width, 3), sRGB; fps: frames a second."""

    frames: Tensor
    fps: Annotated[float, Field(gt=0, le=1000)]


class Audio(Value):
    """Sound. samples: float32, (channels, samples), -1..1; rate: samples a second."""

    samples: Tensor
    rate: Annotated[int, Field(gt=0, le=768_000)]


class SavedFile(Value):
    """A file that a run wrote. `path` is absolute; `size` bytes; `digest` is its sha256."""

    path: str
    size: int
    digest: str
    media_type: str = "application/octet-stream"


# --------------------------------------------------------------------------------------- codec

_TAG = "#"
V = TypeVar("V")


class Encoded(NamedTuple):
    """A value taken apart: a small msgpack header and its tensors by name."""

    header: bytes
    tensors: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class TensorRef:
    """Stands for a tensor where only the header was read."""

    name: str
    shape: tuple[int, ...] = ()
    """Empty if it is not known."""


class CodecError(ValueError):
    """A value cannot travel, or stored bytes are not a value of a known type."""


def encode(value: object) -> Encoded:
    """Take a value apart. Raises CodecError for what cannot travel (live modules, functions, ...)."""
    tensors: dict[str, Tensor] = {}
    try:
        header = msgpack.packb(_pack(value, tensors), use_bin_type=True)
    except (UnicodeEncodeError, RecursionError, ValueError) as error:
        if isinstance(error, CodecError):
            raise
        raise CodecError(f"a value cannot travel on a wire: {describe(error)}") from None
    return Encoded(header, tensors)


class _Refs(dict[str, tuple[int, ...]]):
    """Stands for tensors that were not read; holds the shapes of those of which they are known."""


def decode(
    header: bytes, tensors: Mapping[str, Tensor] | None, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Any:
    """Put a value together again; with `tensors=None` every tensor becomes a `TensorRef`, with its shape if
    that is told.

    Raises CodecError if the bytes are malformed or name an unknown type.
    """
    try:
        return _unpack(_tree(header), _Refs(shapes or {}) if tensors is None else tensors, value_types())
    except CodecError:
        raise
    except (*_MALFORMED, msgpack.UnpackException) as error:
        raise CodecError(f"malformed value header: {describe(error)}") from None


def _tree(packed: bytes) -> Any:
    return msgpack.unpackb(
        packed, raw=False, strict_map_key=True, max_map_len=200_000, max_array_len=2_000_000
    )


_MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)


def value_types() -> dict[str, type[Value]]:
    """Every value type loaded now, by its stored name."""
    found: dict[str, type[Value]] = {}
    waiting: list[type[Value]] = [Value]
    while waiting:
        for child in waiting.pop().__subclasses__():
            found[child.type_name()] = child
            waiting.append(child)
    return found


def _pack(value: object, tensors: dict[str, Tensor]) -> object:
    kind = type(value)
    if value is None or kind in (bool, str, bytes, float):
        return value
    if kind is int:
        assert isinstance(value, int)
        return value if -(2**63) <= value < 2**63 else {_TAG: "int", "v": hex(value)}
    if isinstance(value, Value):
        fields = {name: _pack(getattr(value, name), tensors) for name in type(value).model_fields}
        return {_TAG: "value", "t": value.type_name(), "f": fields}
    if is_tensor(value):
        name = str(len(tensors))
        tensors[name] = value  # type: ignore[assignment]
        return {_TAG: "tensor", "n": name}
    if kind is list:
        return _pack_list(value, tensors)  # type: ignore[arg-type]
    if isinstance(value, Rows):
        return {_TAG: "rows", "b": [_pack_block(block, tensors) for block in value.blocks]}
    if isinstance(value, tuple):
        return {_TAG: "tuple", "v": [_pack(item, tensors) for item in value]}
    if kind is dict:
        return {_TAG: "dict", "v": [[_pack(k, tensors), _pack(v, tensors)] for k, v in value.items()]}  # type: ignore[attr-defined]
    raise cannot_travel(kind)


MANY = 16
"""From so many items of one kind on a list is stored as columns: names stand once and little is copied, so
that a table of ten thousand rows takes a fraction of the bytes, and of the memory on the way."""


def _pack_list(items: list[Any], tensors: dict[str, Tensor], many: int = MANY) -> object:
    kind = type(items[0]) if len(items) >= many else None
    if kind is not None and all(type(item) is kind for item in items):
        if issubclass(kind, Value) and (names := [*kind.model_fields]):
            columns = [_pack_list([getattr(one, name) for one in items], tensors, many) for name in names]
            return {_TAG: "values", "t": kind.type_name(), "f": dict(zip(names, columns, strict=True))}
        names = [*items[0]] if kind is dict else []
        if names and all(type(name) is str for name in names) and all([*item] == names for item in items):
            columns = [_pack_list([one[name] for one in items], tensors, many) for name in names]
            return {_TAG: "dicts", "k": names, "v": columns}
    return [_pack(item, tensors) for item in items]


def _pack_block(block: Block, tensors: dict[str, Tensor]) -> object:
    names = {name: str(len(tensors) + place) for place, name in enumerate(block.tensors)}
    tensors.update((names[name], tensor) for name, tensor in block.tensors.items())
    return {"n": block.count, "p": block.packed, "t": names}


def _unpack_block(tree: dict[str, Any], tensors: Mapping[str, Any]) -> Block:
    known = {name: tensors[stored] for name, stored in tree["t"].items() if stored in tensors}
    return Block(tree["n"], tree["p"], _Refs(known) if isinstance(tensors, _Refs) else known)


def _unpack_rows(block: Block) -> list[Any]:
    return cast("list[Any]", _unpack(_tree(block.packed), block.tensors, value_types()))


def rows(items: Iterable[V]) -> list[V]:
    """A list on a wire that takes little memory however long it is: items are packed as they come, and made
    again when they are read. For nodes that give thousands; what they make one by one is never there whole.
    """
    rest, blocks = iter(items), []
    while part := [*islice(rest, ROWS)]:
        tensors: dict[str, Tensor] = {}
        packed = msgpack.packb(_pack_list(part, tensors, 1), use_bin_type=True)
        blocks.append(Block(len(part), packed, tensors))
    return cast("list[V]", Rows(blocks, _unpack_rows))


def _unpack(tree: Any, tensors: Mapping[str, Tensor] | _Refs, types: Mapping[str, type[Value]]) -> Any:
    if isinstance(tree, list):
        return [_unpack(item, tensors, types) for item in tree]
    if not isinstance(tree, dict):
        return tree
    match tree[_TAG]:
        case "values" | "dicts":
            return [*_rows(tree, tensors, types)]
        case "rows":
            return Rows([_unpack_block(one, tensors) for one in tree["b"]], _unpack_rows)
        case "tensor":
            name = tree["n"]
            return TensorRef(name, tensors.get(name, ())) if isinstance(tensors, _Refs) else tensors[name]
        case "tuple":
            return tuple(_unpack(item, tensors, types) for item in tree["v"])
        case "dict":
            return {_name(_unpack(k, tensors, types)): _unpack(v, tensors, types) for k, v in tree["v"]}
        case "int":
            return int(tree["v"], 0)
        case "value":
            fields = {k: _unpack(v, tensors, types) for k, v in tree["f"].items()}
            return _value(tree["t"], fields, tensors, types)
    raise CodecError(f"unknown tag {tree[_TAG]!r}")


def _rows(
    tree: dict[str, Any], tensors: Mapping[str, Tensor] | _Refs, types: Mapping[str, type[Value]]
) -> Iterator[Any]:
    """The rows of a list that was stored as columns, one at a time."""
    values = tree[_TAG] == "values"
    names, columns = ([*tree["f"]], [*tree["f"].values()]) if values else (tree["k"], tree["v"])
    for row in zip(*(_cells(column, tensors, types) for column in columns), strict=True):
        fields = dict(zip(names, row, strict=True))
        yield _value(tree["t"], fields, tensors, types) if values else fields


def _cells(
    column: Any, tensors: Mapping[str, Tensor] | _Refs, types: Mapping[str, type[Value]]
) -> Iterator[Any]:
    """The cells of a column, which it loses: ten thousand rows are not there twice, packed and unpacked."""
    if not isinstance(column, list):
        yield from _rows(column, tensors, types)
        return
    known: dict[str, str] = {}
    column.reverse()
    while column:
        cell = _unpack(column.pop(), tensors, types)
        yield known.setdefault(cell, cell) if type(cell) is str else cell


def _name(key: Any) -> Any:
    """A key of a dict; texts once in memory, however many dicts have it."""
    return sys.intern(key) if type(key) is str else key


def _value(
    name: str, fields: dict[str, Any], tensors: Mapping[str, Tensor] | _Refs, types: Mapping[str, type[Value]]
) -> Value:
    if name not in types:
        raise CodecError(f"unknown value type {name!r}; is its node pack installed?")
    kind = types[name]
    return _without_tensors(kind, fields) if isinstance(tensors, _Refs) else kind.model_validate(fields)


def _without_tensors(kind: type[Value], fields: Mapping[str, Any]) -> Value:
    """A value whose tensors are refs, so its fields cannot be validated; their names must be right."""
    missing = [
        name for name, field in kind.model_fields.items() if field.is_required() and name not in fields
    ]
    if missing or fields.keys() - kind.model_fields.keys():
        raise CodecError(f"the stored fields of {kind.type_name()} are not those it has now")
    return kind.model_construct(**fields)


def cannot_travel(kind: type) -> CodecError:
    """The error for a value of a kind that neither the codec nor a budget knows."""
    return CodecError(f"a {kind.__name__} cannot travel on a wire; return plain data or a Value")
