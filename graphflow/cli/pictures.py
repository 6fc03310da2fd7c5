"""Pictures beside a run's files: contact sheets of saved videos, and the run itself as a timeline."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graphflow import events, files
from graphflow.cli.output import warn
from graphflow.errors import GraphflowError, StorageError
from graphflow.events import Event
from graphflow.provenance import KEY, canonical_json, read_provenance
from graphflow.values import SavedFile

if TYPE_CHECKING:
    from graphflow.graph import Graph
    from graphflow.workspace import Workspace

MAX_SHEETS = 32
"""Contact sheets written after one run."""


def sheets(workspace: Workspace, saved: Sequence[SavedFile]) -> list[Path]:
    """Contact sheets beside saved videos; one that stands is kept. Failing to draw one is a notice."""
    found: list[Path] = []
    for file in [f for f in saved if f.media_type.startswith("video/") or f.media_type == "image/gif"][
        :MAX_SHEETS
    ]:
        path = Path(file.path).with_suffix(".sheet.png")
        try:
            if path.exists() or _draw_sheet(workspace, file, path):
                found.append(path)
        except (GraphflowError, OSError, ValueError) as error:
            warn(f"notice    no contact sheet for {shown(Path(file.path))}: {error}")
    return found


def _draw_sheet(workspace: Workspace, file: SavedFile, path: Path) -> bool:
    """Draw a sheet with the media nodes; False if they are not installed. It carries what its video does."""
    import io

    load = workspace.registry.get("media/load_video")
    draw = workspace.registry.get("media/contact_sheet")
    if load is None or draw is None:
        return False
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from graphflow.testing import LocalContext

    extra = {load.context: LocalContext()} if load.context else {}
    video = load.function(path=file.path, **extra)
    picture = draw.function(video)
    inside = PngInfo()
    made_by = read_provenance(file.path)
    if made_by is not None:
        inside.add_itxt(KEY, canonical_json(made_by), zip=True)
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels.numpy()).save(buffer, "PNG", pnginfo=inside)
    files.write_atomic(path, buffer.getvalue())
    return True


def write_timeline(graph: Graph, told: Sequence[Event], out: Path) -> Path | None:
    """The run as a picture in the output folder. A run that computed nothing keeps the earlier one."""
    from graphflow import timeline

    computed = any(isinstance(event, (events.NodeFinished, events.NodeFailed)) for event in told)
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", graph.document.name).strip("_")[:80] or "workflow"
    path = out / f"{name}.timeline.svg"
    try:
        if path.exists() and not (computed and _is_timeline(path)):
            return path if _is_timeline(path) else None
        files.make_folder(out.absolute())
        files.write_atomic(path, timeline.draw(told, title=graph.document.name).encode())
    except (StorageError, OSError) as error:
        warn(f"notice    no timeline: {error}")
        return None
    return path


def _is_timeline(path: Path) -> bool:
    from graphflow import timeline

    with path.open("rb") as file:
        return timeline.MARK.encode() in file.read(400)


def shown(path: Path) -> str:
    """A path as short as it can be and still be clicked on."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
