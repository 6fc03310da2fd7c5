"""What models and nodes say of themselves before anything is opened: where from, how large."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, get_args

Placing = Literal["resident", "model", "block", "leaf", "sequential"]
"""Where the weights of a model are while it works, fastest first: all on the device, for good or only while
the model is in use; only a group of blocks; only one layer; one layer, moved by hooks of another library."""


class Unknown(Enum):
    """Stands in a check for a value that only a run can tell."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True)
class Sketch:
    """Stands in a check for a picture or a video, or for what is drawn over one such as poses, of which only
    the size is known."""

    width: int
    height: int
    frames: int | None = None
    """None for a picture."""
    fps: float = 0.0
    """Of a video."""


class Alike:
    """The check of a node whose outputs are as large, as long and as fast as what is wired to one port."""

    def __init__(self, port: str, *outputs: str) -> None:
        """outputs: those of which that is so; none is the only one."""
        self.port, self.outputs = port, outputs or ("out",)
        self.__signature__ = inspect.Signature([inspect.Parameter(port, inspect.Parameter.KEYWORD_ONLY)])

    def __call__(self, **known: Any) -> Mapping[str, Any] | None:
        seen = known[self.port]
        return dict.fromkeys(self.outputs, seen) if isinstance(seen, Sketch) else None


class Foreseen(dict[str, Any]):
    """What a check tells of the outputs, with a notice for people, as `Context.notice` gives one later."""

    def __init__(self, outputs: Mapping[str, Any], notice: str = "") -> None:
        super().__init__(outputs)
        self.notice = notice


@dataclass(frozen=True, slots=True)
class Origin:
    """Something made elsewhere that a result is owed to, such as a model's weights."""

    name: str
    """As the user named it."""
    identity: str = ""
    """What it was, to the byte."""
    licence: str = ""
    """Id of its licence, such as `apache-2.0`; empty if it is not known."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of a model's weights in one way of storing them."""

    whole: int
    """All of them; 0 if unknown."""
    module: int = 0
    """The largest of several modules that work one after the other; 0 if there is only one."""
    block: int = 0
    """The largest block of layers: what group offload moves at once. 0 if the model has no blocks."""
    rest: int = 0
    """What lies outside the blocks."""
    leaf: int = 0
    """The largest single layer."""
    turn: int = 0
    """The most that works at once, of a model whose parts are loaded as they are needed; 0 if it is all."""
    placings: tuple[Placing, ...] = get_args(Placing)
    """What weights that are stored so can bear: some quantised layers cannot be moved."""

    def on_device(self, placing: Placing) -> int:
        """Bytes on the device while the model works.

        Group offload by blocks keeps what is outside the blocks and two blocks, the one that works and the
        one that is on its way; by layers it keeps two layers.
        """
        least = {
            "model": self.module,
            "block": self.rest + 2 * self.block if self.block else 0,
            "leaf": 2 * self.leaf,
            "sequential": 2 * self.leaf,
        }.get(placing, 0)
        return min(self.whole, least) if least else self.whole


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a node needs while it runs, beside the weights of the models it uses."""

    device: int
    """Bytes on its device at the highest point."""
    host: int = 0
    """Bytes of main memory at the same time, such as frames that are on their way out."""
    thrifty: Mapping[str, int] = field(default_factory=dict)
    """Bytes on the device with other settings that need less, by what to set."""
    measured: bool = True
    """False if the model is of a kind that nobody has measured, so that the figure is a guess."""
