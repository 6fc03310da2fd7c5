"""Results of nodes for people to see, by the key of their step: pictures, clips and sound as files, made when
somebody first asks; numbers and texts at once.

A file is made by the very node that saves such a value, in a worker, so that no codec runs in the server and
what was made once is found again. Files of runs are handed out from where runs write, and from nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Lock
from typing import Any, Literal

from graphflow.context import Settings
from graphflow.errors import GraphflowError, from_code
from graphflow.execute import Done, Failed, Missed, MissingInput, Work, stands
from graphflow.node import NodeSpec
from graphflow.outputs import is_plain, plain
from graphflow.refs import Out
from graphflow.rows import is_list
from graphflow.runners import Message, Runner, Stopped
from graphflow.server.answers import Shown
from graphflow.server.drawing import curves, rows
from graphflow.values import Audio, Image, SavedFile, TensorRef, Value, Video, is_tensor
from graphflow.workspace import Workspace

Kind = Literal["image", "video", "audio", "text", "number", "plot", "table", "file", "list", "none"]

SAVERS: Mapping[type[Value], str] = {
    Image: "media/save_image",
    Video: "media/save_video",
    Audio: "media/save_audio",
}
"""Nodes that make a file of a value."""

MEDIA: Mapping[type[Value], tuple[Kind, str]] = {
    Image: ("image", "image/png"),
    Video: ("video", "video/mp4"),
    Audio: ("audio", "audio/wav"),
}

SECONDS = 120.0
"""How long making a file may take."""

FOLDER_BYTES = 4 * 2**30
"""Files made to be shown that are kept; the oldest go."""

MAX_DEPTH = 8
"""Deepest list whose items are shown."""


class ShowingError(GraphflowError):
    """There is no such result any more, or nothing to see of it."""

    code = "result.gone"


@dataclass(frozen=True, slots=True)
class Picture:
    """A file to hand out."""

    path: Path
    media_type: str
    name: str
    tag: str
    """Changes when the content does."""


class Showing:
    """Finds and makes what is to be seen. Methods may be called from any thread and may take long.

    folder: where files are made. out_dir: where runs write theirs.
    """

    def __init__(self, workspace: Workspace, folder: Path, out_dir: Path) -> None:
        self._space = workspace
        self._folder = folder
        self._out_dir = out_dir
        self._lock = Lock()
        self._making: dict[str, Lock] = {}
        """One for each file that is being made: it is made once."""

    # ------------------------------------------------------------------------ looking

    def outputs(self, key: str) -> dict[str, Shown]:
        """What there is to see of every output of a step. Raises ShowingError if it is not kept any more."""
        _, outputs = self._find(key)
        return {name: self._shown(key, name, value) for name, value in outputs.items()}

    def picture(self, key: str, output: str, index: tuple[int, ...]) -> Picture:
        """An output, or an item of a list, as a file. Raises ShowingError if there is none."""
        runner, outputs = self._find(key)
        value = outputs.get(output)
        try:
            for place in index[:MAX_DEPTH]:
                value = value[place] if place >= 0 else None  # type: ignore[index]
        except (TypeError, IndexError, KeyError):
            value = None
        if isinstance(value, SavedFile):
            return self._saved(value)
        saver = next((self._spec(node) for kind, node in SAVERS.items() if isinstance(value, kind)), None)
        if saver is None:
            raise ShowingError("there is nothing to see of it", where=output, code="result.none")
        work = self._work(saver, key, output, index)
        with self._alone(work.key):
            file = self._made(runner, work)
        return Picture(Path(file.path), file.media_type, f"{output}{Path(file.path).suffix}", work.key[:32])

    def _find(self, key: str) -> tuple[Runner, Mapping[str, Any]]:
        """The runner that has a result, and its plain structure."""
        for runner in self._space.runners or (self._space.runner,):
            outputs = runner.peek(key) if runner.has(key) else None
            if outputs is not None:
                return runner, outputs
        raise ShowingError("the result is not kept any more", hint="run the workflow again")

    def _shown(self, key: str, name: str, value: Any) -> Shown:
        kind, media_type = kind_of(value)
        shown = Shown(type=type(value).__name__, kind=kind)
        if kind in ("text", "number", "plot", "table"):
            told = plain(value) if is_plain(value) else rows(value) or readable(value)
            return shown.model_copy(update={"value": told, "series": curves(name, value)})
        update: dict[str, Any] = {"url": f"/api/results/{key}/{name}", "media_type": media_type}
        if isinstance(value, SavedFile):
            update["facts"] = {"name": Path(value.path).name, "size": value.size}
        elif kind == "list":
            update |= {"count": len(value), "facts": {"kind": kind_of(value[0])[0] if value else "none"}}
        else:
            update["facts"] = {one: field for one, field in value if is_plain(field)}
        return shown.model_copy(update=update if kind != "none" else {})

    # ------------------------------------------------------------------------ files

    def _saved(self, file: SavedFile) -> Picture:
        """A file that a run wrote; a cache entry that names another file of this machine gets nothing."""
        path = Path(os.path.realpath(file.path))
        if not path.is_relative_to(os.path.realpath(self._out_dir)) or not path.is_file():
            raise ShowingError("the file is not there any more", hint="run the workflow again")
        return Picture(path, file.media_type, path.name, file.digest[:32])

    def _spec(self, node: str) -> NodeSpec | None:
        return self._space.registry.get(node)

    def _work(self, spec: NodeSpec, key: str, output: str, index: tuple[int, ...]) -> Work:
        """The step that saves a value; its key says all that it depends on."""
        made_of = json.dumps([spec.id, spec.source_hash, key, output, index])
        name = hashlib.sha256(f"graphflow shown {made_of}".encode()).hexdigest()
        settings = spec.params()
        return Work(
            key=name,
            content=name,
            node=output,
            item=(),
            spec=spec,
            settings={one: getattr(settings, one) for one in spec.settings},
            inputs={next(iter(spec.ports)): Out(key, output, index)},
            keep=True,
        )

    def _alone(self, key: str) -> Lock:
        with self._lock:
            if len(self._making) > 1_000:
                self._making = {name: lock for name, lock in self._making.items() if lock.locked()}
            return self._making.setdefault(key, Lock())

    def _made(self, runner: Runner, work: Work) -> SavedFile:
        """The file of a step that saves, made now unless it is there."""
        if runner.has(work.key):
            outputs = runner.peek(work.key)
            if outputs is not None and stands(work.spec, outputs):
                return _file_in(outputs)
        _do(runner, work, Settings(self._folder))
        made = _file_in(runner.peek(work.key) or {})
        self._keep_to_limit(Path(made.path).name)
        return made

    def _keep_to_limit(self, wanted: str) -> None:
        """Remove the oldest files that were made to be shown, but not this one; all can be made again."""
        found = []
        for entry in os.scandir(self._folder):
            if entry.is_file(follow_symlinks=False) and not entry.name.endswith(".tmp"):
                facts = entry.stat(follow_symlinks=False)
                found.append((facts.st_mtime, facts.st_size, entry.path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= FOLDER_BYTES:
                return
            if Path(path).name != wanted:
                Path(path).unlink(missing_ok=True)
                total -= size


def _do(runner: Runner, work: Work, settings: Settings) -> None:
    """Run one step by itself. Raises what it failed with."""
    box: SimpleQueue[Message] = SimpleQueue()
    session = runner.start(settings, box.put, Flag())
    try:
        session.submit(work)
        while True:
            match box.get(timeout=SECONDS):
                case Done():
                    return
                case Failed(code=code, message=message, hint=hint):
                    raise from_code(code, message, hint=hint)
                case Missed() | Stopped():
                    raise ShowingError("the result is not kept any more", hint="run the workflow again")
    except (Empty, MissingInput):
        raise ShowingError(f"it could not be made within {SECONDS:g} s", code="result.slow") from None
    finally:
        session.close()


def _file_in(outputs: Mapping[str, Any]) -> SavedFile:
    for value in outputs.values():
        if isinstance(value, SavedFile):
            return value
    raise ShowingError("the file could not be kept", hint="is the disk full?")


# ------------------------------------------------------------------------------------- values


def kind_of(value: Any) -> tuple[Kind, str]:
    """How a value is shown, and the media type of its file if it becomes one."""
    for type, found in MEDIA.items():
        if isinstance(value, type):
            return found
    if isinstance(value, SavedFile):
        word = value.media_type.partition("/")[0]
        return next((kind for kind in _FILES if kind == word), "file"), value.media_type
    if isinstance(value, str):
        return "text", ""
    if isinstance(value, (bool, int, float)):
        return "number", ""
    listed = is_list(value)
    if not (listed or isinstance(value, (Value, dict))) or has_tensors(value):
        return ("list" if listed else "none"), ""
    if listed and (not value or any(isinstance(one, SavedFile) for one in value)):
        return "list", ""
    if curves("", value):
        return "plot", ""
    if rows(value) or (listed and is_plain(value)):
        return "table", ""
    return ("list" if listed else "text"), ""


_FILES: tuple[Kind, ...] = ("image", "video", "audio")


def readable(value: Any) -> str:
    """A value without tensors as text: JSON, indented."""
    listed = [*value] if is_list(value) else value
    raw = value.model_dump(mode="json") if isinstance(value, Value) else listed
    return str(plain(json.dumps(raw, indent=1, default=str, ensure_ascii=False)))


def has_tensors(value: Any) -> bool:
    """Whether a value that was only peeked at has tensors."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, TensorRef) or is_tensor(one):
            return True
        if isinstance(one, Value):
            waiting.extend(getattr(one, name) for name in type(one).model_fields)
        elif isinstance(one, dict):
            waiting.extend(one.values())
        elif is_list(one):
            waiting.extend(one)
    return False
