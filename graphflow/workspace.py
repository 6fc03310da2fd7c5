"""Everything a program needs to run workflows, put together: nodes, cache, models, runner, data folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Literal, get_args

import platformdirs

from graphflow import files, templates
from graphflow.cache.disk import DiskStore, StoreNotice
from graphflow.cache.memory import MemoryCache
from graphflow.cache.tiers import Cache
from graphflow.context import Settings
from graphflow.environment import check_devices, default_device, detect
from graphflow.errors import DocumentError, Problem
from graphflow.expand import Loader
from graphflow.graph import Graph, build
from graphflow.known import Known
from graphflow.node import NodeSpec
from graphflow.pool import Pool
from graphflow.registry import Registry, checked_folders, load_registry
from graphflow.result import Result
from graphflow.run import Run
from graphflow.runners import Runner
from graphflow.runners.inline import InlineRunner
from graphflow.runners.limits import Limits
from graphflow.telling import Listener
from graphflow.values import MAX_SEED
from graphflow.workflow import Document, did_you_mean, with_values

DATA_DIR = "GRAPHFLOW_DATA_DIR"
"""Environment variable that names the data folder, which holds the cache."""

MEMORY_BYTES = 2 * 2**30
"""Results kept in memory between runs; what is worth it is on disk as well."""

DISK_BYTES = 50 * 2**30
"""Results kept on disk before the least worthwhile go."""

RunnerKind = Literal["inline", "process"]
OnError = Literal["skip", "stop"]
RUNNERS: tuple[str, ...] = get_args(RunnerKind)
ON_ERROR: tuple[str, ...] = get_args(OnError)


class Workspace:
    """A data folder, the nodes that are installed, and a runner. Use as a context manager or call `close`.

    data_dir: where the cache lies; by default GRAPHFLOW_DATA_DIR or the user's data folder.
    packs: folders with further node packs. runner: `inline` (threads) or `process` (a child per device).
    device: such as `cpu` or `cuda:0`, or several of one kind; None chooses. pool_bytes: memory for opened
    models, on each device.
    limits: what a node may take of time and memory; only a process can be held to it.
    """

    def __init__(
        self,
        data_dir: Path | str | None = None,
        *,
        packs: Path | str | Iterable[Path | str] = (),
        registry: Registry | None = None,
        runner: RunnerKind = "inline",
        device: str | Sequence[str] | None = None,
        pool_bytes: int | None = None,
        memory_bytes: int = MEMORY_BYTES,
        disk_bytes: int | None = DISK_BYTES,
        limits: Limits | None = None,
    ) -> None:
        if runner not in RUNNERS:
            raise ValueError(f"a runner is {' or '.join(RUNNERS)}, not {runner!r}")
        if limits is not None and runner != "process":
            raise ValueError("limits need runner='process': threads cannot be stopped")
        self.data_dir = Path(data_dir) if data_dir is not None else default_data_dir()
        self.packs = checked_folders([packs] if isinstance(packs, (Path, str)) else packs)
        self.registry = registry if registry is not None else load_registry(self.packs)
        self.devices = _devices(device)
        self.device = self.devices[0]
        self.notices: list[StoreNotice] = []
        """What the cache had to say since the last run began."""
        self.environment = detect(self.device)
        self.store = DiskStore(self.data_dir / "cache", limit_bytes=disk_bytes, notify=self._notice)
        self.cache = Cache(MemoryCache(memory_bytes), self.store, notify=self._notice)
        self.known = Known()
        self._pool_bytes = pool_bytes
        self._runner_kind = runner
        self._limits = limits
        self._runners: dict[str, Runner] = {}
        self._starting = Lock()
        self._run: Run | None = None

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop all workers."""
        for device in list(self._runners):
            self._runners.pop(device).close()

    @property
    def runner(self) -> Runner:
        """The first device's runner, started when first asked for."""
        return self.runner_of(self.device)

    @property
    def runners(self) -> tuple[Runner, ...]:
        """Those that were started."""
        return tuple(self._runners.values())

    def runner_of(self, device: str) -> Runner:
        """The runner of one of `devices`, started when first asked for; may be called from any thread."""
        with self._starting:
            if device not in self._runners:
                self._runners[device] = self._start_runner(device)
            return self._runners[device]

    def use_runner(self, runner: Runner) -> None:
        """Take a runner made elsewhere for the first device; closed with the workspace."""
        self._runners[self.device] = runner

    def _start_runner(self, device: str) -> Runner:
        share = max(1, (os.cpu_count() or 1) // len(self.devices))
        if self._runner_kind == "process":
            from graphflow.runners.process import ProcessRunner

            return ProcessRunner(
                self.cache,
                device=device,
                packs=self.packs,
                pool_bytes=self._pool_bytes,
                cpu_slots=share,
                limits=self._limits,
            )
        return InlineRunner(self.cache, Pool(device, self._pool_bytes), cpu_slots=share)

    # ------------------------------------------------------------------------ workflows

    def graph(
        self,
        document: Document,
        values: Mapping[str, Any] | None = None,
        *,
        folder: Path | None = None,
        load: Loader = templates.load_inner,
    ) -> Graph:
        """A checked graph with the document's parameters set. Open seeds are drawn now.

        load: finds the workflows that are nodes of this one.
        Raises DocumentError with every problem.
        """
        return build(
            with_values(document, values or {}),
            self.registry,
            folder=folder,
            load=load,
            draw_seed=lambda: secrets.randbelow(MAX_SEED + 1),
        )

    def prepare(
        self,
        graph: Graph,
        *,
        out_dir: Path | str = "output",
        on_event: Listener | None = None,
        targets: Iterable[str] | None = None,
        on_error: OnError = "skip",
        watch: bool = False,
        checkpoint_seconds: float = 15.0,
        device: str | None = None,
    ) -> Run:
        """A run that is ready to `execute`; see graphflow.run.Run for the arguments.

        targets: nodes to run, with what they need; None takes outputs and effects.
        device: one of `devices`; None or an empty text takes the first.
        Raises DocumentError for a target that is not in the graph, ValueError for another wrong argument.
        """
        if on_error not in ON_ERROR:
            raise ValueError(f"on_error is {' or '.join(ON_ERROR)}, not {on_error!r}")
        if device and device not in self.devices:
            raise ValueError(f"device is one of {', '.join(self.devices)}, not {device!r}")
        targets = None if targets is None else check_targets(graph, targets, "target")
        self.notices.clear()
        out_dir = Path(out_dir).absolute()
        files.sweep_folder(out_dir)  # what a killed run left half written
        self._run = Run(
            graph,
            self.runner_of(device or self.device),
            Settings(out_dir, checkpoint_seconds=checkpoint_seconds),
            environment=self.environment,
            known=self.known,
            targets=targets,
            on_event=on_event,
            on_error=on_error,
            watch=watch,
        )
        return self._run

    def run(self, graph: Graph, **options: Any) -> Result:
        """Prepare a run and execute it; takes the options of `prepare`."""
        return self.prepare(graph, **options).execute()

    def parameters(self, document: Document, graph: Graph) -> dict[str, tuple[NodeSpec, str, Any]]:
        """What each parameter of a workflow sets: node spec, setting or port name, present value.

        A parameter with several targets is described by its first. A port has no value.
        """
        found: dict[str, tuple[NodeSpec, str, Any]] = {}
        for name, parameter in document.parameters.items():
            id, setting = next(iter(graph.targets(*parameter.targets[0])), ("", ""))
            node = graph.nodes.get(id)
            if node is not None:
                value = parameter.default if parameter.default is not None else node.settings.get(setting)
                found[name] = (node.spec, setting, value)
        return found

    def _notice(self, notice: StoreNotice) -> None:
        self.notices.append(notice)
        if self._run is not None:
            self._run.notice(notice.kind, notice.message)


def _devices(device: str | Sequence[str] | None) -> tuple[str, ...]:
    """Each once. Raises DocumentError for what is none, or if they are not of one kind."""
    found = tuple(dict.fromkeys([device] if isinstance(device, str) else device or [default_device()]))
    check_devices(found, "device")
    return found


def check_targets(graph: Graph, targets: Iterable[str], where: str) -> list[str]:
    """The nodes to bring to an end; of a workflow that is a node, those that nothing inside it uses.

    Raises DocumentError, about `where`, for those that are not in the graph.
    """
    asked = list(targets)
    known = dict.fromkeys([*graph.nodes, *graph.inner])
    problems = [
        Problem("node.missing", f"{where} {id}", "there is no such node", did_you_mean(id, known))
        for id in asked
        if id not in known
    ]
    if problems:
        raise DocumentError(problems)
    found: list[str] = []
    for id in asked:
        inside = [one for one in graph.nodes if one.startswith(f"{id}/")] if id in graph.inner else [id]
        used = {wire.node for one in inside for _, wire in graph.nodes[one].sources()}
        found += [one for one in inside if one not in used]
    return list(dict.fromkeys(found))


def default_data_dir() -> Path:
    """GRAPHFLOW_DATA_DIR, or the place where this system keeps a program's data."""
    chosen = os.environ.get(DATA_DIR)
    return Path(chosen) if chosen else Path(platformdirs.user_data_dir("graphflow", appauthor=False))
