"""For node authors: run one node in memory, without a cache, a plan or a runner.

result = run_node(decode, vae_recipe, latents, tile=Tiling())
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphflow.errors import Cancelled
from graphflow.node import State, spec_of
from graphflow.values import Recipe, SavedFile, Value


class LocalContext:
    """A Context for tests: opens recipes itself, keeps what it is told, can be made to cancel.

    progress_log: every (done, total) reported. previews: every preview made. state: last checkpoint.
    cancel_after: raise Cancelled at this many-th cancel point.
    """

    def __init__(
        self, *, out_dir: Path | None = None, state: State | None = None, cancel_after: int | None = None
    ):
        self.device = "cpu"
        self.provenance: Mapping[str, Any] = {"graphflow": "test"}
        self.progress_log: list[tuple[int, int]] = []
        self.previews: list[Value] = []
        self.state = state
        self.states: list[State] = []
        self.opened: dict[str, Any] = {}
        self._out_dir = out_dir
        self._cancel_after = cancel_after
        self._points = 0

    def progress(self, done: int, total: int) -> None:
        self.progress_log.append((done, total))
        self.check()

    def check(self) -> None:
        self._points += 1
        if self._cancel_after is not None and self._points >= self._cancel_after:
            raise Cancelled

    def preview(self, make: Callable[[], Value]) -> None:
        self.previews.append(make())

    def checkpoint(self, make: Callable[[], State]) -> None:
        self.state = make()
        self.states.append(self.state)

    def restore(self) -> State | None:
        return self.state

    @contextmanager
    def use(self, recipe: Recipe) -> Iterator[Any]:
        base = recipe.base()
        name = f"{base.type_name()}:{base.key_fields()!r}"
        if name not in self.opened:
            self.opened[name] = base.open(self.device)
        with recipe.applied(self.opened[name], self.device) as live:
            yield live

    def save(self, name: str, suffix: str, write: Callable[[Path], None]) -> SavedFile:
        folder = self._out_dir or Path(tempfile.mkdtemp())
        path = folder / f"{name}{suffix}"
        write(path)
        data = path.read_bytes()
        return SavedFile(path=os.fspath(path), size=len(data), digest=hashlib.sha256(data).hexdigest())


def run_node(
    function: Callable[..., Any], *ports: Any, context: LocalContext | None = None, **settings: Any
) -> Any:
    """Call a node as the engine would: settings validated strictly, a Context given if it takes one.

    Raises pydantic.ValidationError for settings outside their limits, TypeError for a function that is
    not a node.
    """
    spec = spec_of(function)
    if spec is None:
        raise TypeError(f"{function!r} is not declared with @node")
    params = spec.params.model_validate(settings)
    arguments = dict(zip(spec.ports, ports, strict=False))
    arguments.update({name: getattr(params, name) for name in spec.settings})
    if spec.context is not None:
        arguments[spec.context] = context or LocalContext()
    return function(**arguments)
