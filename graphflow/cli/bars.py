"""A run in a terminal: a bar for each node that runs, with its ETA, and a mark for what was cached."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from graphflow import events
from graphflow.cli.output import seconds_text
from graphflow.cli.progress import PlainReporter
from graphflow.events import Event

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class BarReporter(PlainReporter):
    """Bars appear with the first step that runs; a run that finds all in the cache draws none."""

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._running: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._seconds: dict[str, float] = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def line(self, text: str) -> None:
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False)
        else:
            super().line(text)

    def tell(self, event: Event) -> None:
        match event:
            case events.NodeStarted(node=node):
                self._running[node] = self._running.get(node, 0) + 1
                self._bar(node, total=None, completed=0, left="")
            case events.NodeProgress(node=node, done=done, total=total, eta=eta):
                left = f"{seconds_text(eta)} left" if eta is not None and done < total else ""
                self._bar(node, total=total, completed=done, left=left)
            case events.NodeFinished(node=node, seconds=seconds):
                self._ended(node, seconds)
            case events.NodeCached(node=node) if node not in self._cached:
                self._cached.add(node)
                self.line(f"  cached  {node}")
            case events.NodeFailed(node=node):
                self._close(node, "[red]failed[/]")
                self.trouble(event)
            case events.NodeNotice() | events.CacheNotice():
                self.trouble(event)

    def _ended(self, node: str, seconds: float) -> None:
        self._done[node] = self._done.get(node, 0) + 1
        self._running[node] = self._running.get(node, 1) - 1
        self._seconds[node] = self._seconds.get(node, 0.0) + seconds
        if self._running[node] <= 0:
            self._close(node, f"[green]{seconds_text(self._seconds[node])}[/]")

    def _close(self, node: str, left: str) -> None:
        if node in self._tasks:
            self._bar(node, total=1, completed=1, left=left)

    def _bar(self, node: str, **fields: Any) -> None:
        from rich.markup import escape

        if self._progress is None:
            self._progress = _progress()
            self._progress.start()
        count = self._done.get(node, 0)
        name = escape(f"{node} ({count} done)" if count and self._running.get(node, 0) else node)
        if node not in self._tasks:
            self._tasks[node] = self._progress.add_task(name, **fields)
        else:
            self._progress.update(self._tasks[node], description=name, **fields)


def _progress() -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("  {task.description}"),
        BarColumn(bar_width=28),
        TextColumn("{task.fields[left]}", style="dim"),
        refresh_per_second=8,
    )
