"""Writes docs/gallery.md and its pictures: every template, run as it comes.

    python docs/gallery.py            # all
    python docs/gallery.py long_video # some; the page is written for all

A picture is a contact sheet of the clip, or the image that the template makes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from graphflow_nodes.media import contact_sheet, load_image

from graphflow import templates
from graphflow.testing import run_node
from graphflow.values import Image, SavedFile, Video
from graphflow.workflow import Document
from graphflow.workspace import Workspace

FACTS = ("memory", "licence")
"""What a template tells of a model for real; all else in that entry are parameters."""
DOCS = Path(__file__).parent
PICTURES = DOCS.parent / "workflows" / "pictures"

MUCH = 200_000
"""Bytes of a picture that are much."""
ROWS, COLOURS = 880, 48
"""Height in pixels and number of colours of those."""

HEAD = """# Templates

Each runs as it is, on any machine and without a download, in under a minute, or in some minutes if it trains.
`graphflow run NAME --help` lists its parameters. Another model is one parameter: the line "for real" names
one made for the task.

Pictures of models called `tiny-...` are noise: their weights are random and only show that all fits together.
"""


def main() -> None:
    names = sys.argv[1:] or sorted(templates.templates())
    PICTURES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="graphflow-") as folder,
        Workspace(Path(folder) / "data") as workspace,
    ):
        for name in names:
            picture(workspace, name, Path(folder) / "out")
            print(name)
    page = [HEAD, *(section(name) for name in sorted(templates.templates()))]
    (DOCS / "gallery.md").write_text("\n".join(page), "utf-8")


def picture(workspace: Workspace, name: str, out: Path) -> None:
    """Run a template and save what it shows; some show nothing but a report."""
    document, folder = templates.find(name)
    result = workspace.run(workspace.graph(document, {}, folder=folder), out_dir=out)
    assert result.status == "finished", (name, result.failures)
    image = shown(result, document)
    if image is None:
        return
    save(image, PICTURES / f"{name}.png")


def save(image: Image, path: Path) -> None:
    """As it is; a picture that would take much room keeps its first rows, in few colours."""
    from PIL import Image as Pillow

    picture = Pillow.fromarray(image.pixels.numpy())
    picture.save(path, optimize=True)
    if path.stat().st_size > MUCH:
        rows = picture.crop((0, 0, picture.width, min(picture.height, ROWS)))
        rows.quantize(COLOURS, dither=Pillow.Dither.NONE).save(path, optimize=True)


def shown(result: Any, document: Document) -> Image | None:
    """A sheet of the first video among the outputs, else the first image or saved picture if any."""
    values = [result.value(output) for output in document.outputs]
    for value in values:
        if isinstance(value, Video):
            return run_node(contact_sheet, value, frames=7, cell=96, captions=False)
    found = (picture for value in values for picture in pictures(value))
    return next(found, None)


def pictures(value: Any) -> list[Image]:
    """What a value shows beside a single video."""
    if isinstance(value, Image):
        return [value]
    if isinstance(value, SavedFile) and value.media_type == "image/png":
        return [run_node(load_image, path=value.path)]
    clips = value if isinstance(value, list) and value and isinstance(value[0], Video) else []
    return [run_node(contact_sheet, clips, frames=7, cell=96, captions=False)] if clips else []


def section(name: str) -> str:
    document, _ = templates.find(name)
    real = document.ui.get("real", {})
    lines = [f"## {name}", "", document.description or "", ""]
    if (PICTURES / f"{name}.png").is_file():
        lines += [f"![{name}](../workflows/pictures/{name}.png)", ""]
    lines += [f"Parameters: {', '.join(f'`{parameter}`' for parameter in document.parameters)}.", ""]
    if real:
        others = " ".join(f"--set {name}={real[name]}" for name in real if name not in FACTS)
        lines += [f"For real: `{others}`; {real['memory']}; {real['licence']}.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
