"""For node authors: run one node in memory, without a cache, a plan or a runner.

result = run_node(decode, vae_recipe, latents, tile=Tiling())
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphflow.errors import Cancelled
from graphflow.node import UNKNOWN, State, spec_of
from graphflow.values import Recipe, SavedFile, Value


class LocalContext:
    """A Context for tests: opens recipes itself, keeps what it is told, can be made to cancel.

    progress_log: every (done, total) reported. previews: every preview made. notices: all that was told.
    state: last checkpoint.
    cancel_after: raise Cancelled at this many-th cancel point.
    """

    def __init__(
        self, *, out_dir: Path | None = None, state: State | None = None, cancel_after: int | None = None
    ):
        self.device = "cpu"
        self.provenance: Mapping[str, Any] = {"graphflow": "test"}
        self.progress_log: list[tuple[int, int]] = []
        self.previews: list[Value] = []
        self.notices: list[str] = []
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

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def preview(self, make: Callable[[], Value]) -> None:
        self.previews.append(make())

    def checkpoint(self, make: Callable[[], State]) -> None:
        self.state = make()
        self.states.append(self.state)

    def restore(self) -> State | None:
        return self.state

    @contextmanager
    def use(self, recipe: Recipe) -> Iterator[Any]:
        recipe.check(self.device)
        base = recipe.base()
        name = f"{base.type_name()}:{base.key_fields()!r}"
        if name not in self.opened:
            self.opened[name] = base.open(recipe.home(self.device))
        with recipe.applied(self.opened[name], self.device) as live:
            yield live

    def save(self, name: str, suffix: str, write: Callable[[Path], None]) -> SavedFile:
        folder = self._out_dir or _temporary_folder()
        path = folder / f"{name}{suffix}"
        write(path)
        data = path.read_bytes()
        return SavedFile(path=os.fspath(path), size=len(data), digest=hashlib.sha256(data).hexdigest())


def run_node(
    function: Callable[..., Any], *ports: Any, context: LocalContext | None = None, **named: Any
) -> Any:
    """Call a node as the engine would: settings validated strictly, a Context given if it takes one.

    ports: in their order; by name they may stand among the settings.

    Raises pydantic.ValidationError for settings outside their limits, TypeError for a function that is
    not a node.
    """
    spec = spec_of(function)
    if spec is None:
        raise TypeError(f"{function!r} is not declared with @node")
    if len(ports) > len(spec.ports):
        raise TypeError(f"{spec.id} has {len(spec.ports)} port(s), {len(ports)} were given")
    params = spec.params.model_validate({name: named[name] for name in named.keys() - spec.ports.keys()})
    arguments = dict(zip(spec.ports, ports, strict=False))
    arguments.update({name: named[name] for name in named.keys() & spec.ports.keys()})
    arguments.update({name: getattr(params, name) for name in spec.settings})
    if spec.context is not None:
        arguments[spec.context] = context or LocalContext()
    return function(**arguments)


def check_node(function: Callable[..., Any], **known: Any) -> Mapping[str, Any]:
    """What a node's check says while planning: what its outputs will look like, as far as it tells.

    known: inputs by name. Of those left out, settings have their default, ports that must be wired are
    UNKNOWN and others are not wired. Raises TypeError for a function without a check.
    """
    spec = spec_of(function)
    if spec is None or spec.check is None:
        raise TypeError(f"{function!r} is not a node with a check")
    params = spec.params.model_validate({name: known[name] for name in known.keys() - spec.ports.keys()})
    found = {name: getattr(params, name) for name in spec.settings}
    found |= {name: UNKNOWN if port.required else None for name, port in spec.ports.items()}
    return spec.check(**{name: (found | known)[name] for name in spec.looks_at}) or {}


def run_graph(
    document: Mapping[str, Any], functions: Iterable[Callable[..., Any]], *, out_dir: Path | None = None
) -> dict[str, Any]:
    """Run a workflow document made of the given node functions, in memory; returns `{output: value}`.

    out_dir: where effects write; by default a folder that goes when the process ends.

    Raises DocumentError for a wrong document, and the first failed node's error if an output could not be
    made.
    """
    from graphflow.cache.memory import MemoryCache
    from graphflow.cache.tiers import Cache
    from graphflow.context import Settings
    from graphflow.graph import build
    from graphflow.pool import Pool
    from graphflow.registry import Registry
    from graphflow.result import first_error
    from graphflow.run import Run
    from graphflow.runners.inline import InlineRunner
    from graphflow.workflow import from_raw

    graph = build(from_raw(dict(document)), Registry().with_nodes(functions))
    runner = InlineRunner(Cache(MemoryCache(2**30)), Pool("cpu"))
    try:
        result = Run(graph, runner, Settings(out_dir or _temporary_folder())).execute()
        error = first_error(result)
        if result.status == "failed" and error is not None:
            raise error
        return {name: result.value(name) for name in graph.outputs}
    finally:
        runner.close()


def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="graphflow-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


UPDATE_GOLDEN = "GRAPHFLOW_UPDATE_GOLDEN"
"""Set this environment variable to write golden schemas instead of comparing with them."""


def check_schema(function: Callable[..., Any], golden: Path) -> None:
    """Compare a node's schema with the one committed: a changed port or setting breaks saved workflows.

    Raises AssertionError, saying what to do, if they differ; writes the file when UPDATE_GOLDEN is set.
    """
    from graphflow import files
    from graphflow.schema import node_schema

    spec = spec_of(function)
    if spec is None:
        raise TypeError(f"{function!r} is not declared with @node")
    text = json.dumps(node_schema(spec), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if os.environ.get(UPDATE_GOLDEN):
        files.write_atomic(golden, text.encode())
        return
    assert golden.is_file(), f"no golden schema yet: run once with {UPDATE_GOLDEN}=1"
    assert golden.read_text() == text, (
        f"the schema of {spec.id} changed. If that is meant: raise its version, give upgrades, "
        f"and run once with {UPDATE_GOLDEN}=1"
    )
