"""Writes docs/gallery.md and its pictures: every template, run as it comes.

    python docs/gallery.py            # all
    python docs/gallery.py long_video # some; the page is written for all
    python docs/gallery.py --page     # none, only the page

A picture is a contact sheet of the clip, the image that the template makes, or the top of its report, as
Chromium shows it. Each template runs in a cache of its own, in a process that has its imports; how long that
took is kept beside the page, which tells it. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
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

SECONDS = DOCS / "gallery_seconds.json"
"""Of each template: how long it took, and on how many cores."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PAGE = (960, 1280)
"""Pixels of a report that a picture shows."""

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
    taken = times()
    if names != ["--page"]:
        run(names, taken)
    page = [HEAD, *(section(name, taken) for name in sorted(templates.templates()))]
    (DOCS / "gallery.md").write_text("\n".join(page), "utf-8")


def run(names: list[str], taken: dict[str, dict[str, float]]) -> None:
    """Run templates, save their pictures, and note in `taken` how long each took."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="graphflow-") as folder:
        picture(Path(folder) / "first", "text_to_video")  # so that no template waits for imports
        for name in names:
            taken[name] = {"seconds": round(picture(Path(folder) / name, name), 1), "cores": cores()}
            SECONDS.write_text(json.dumps(taken, indent=1, sort_keys=True) + "\n", "utf-8")
            print(name, taken[name]["seconds"])


def picture(place: Path, name: str) -> float:
    """Run a template from nothing and save what it shows; gives the seconds that the run took."""
    document, folder = templates.find(name)
    with Workspace(place / "data") as workspace:
        begun = time.perf_counter()
        result = workspace.run(workspace.graph(document, {}, folder=folder), out_dir=place / "out")
        seconds = time.perf_counter() - begun
        assert result.status == "finished", (name, result.failures)
        image = shown(result, document)
    if image is not None:
        save(image, PICTURES / f"{name}.png")
    shutil.rmtree(place)
    return seconds


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def times() -> dict[str, dict[str, float]]:
    """What is known of how long templates take, without those that are no more."""
    known: dict[str, dict[str, float]] = json.loads(SECONDS.read_text("utf-8")) if SECONDS.is_file() else {}
    return {name: known[name] for name in sorted(templates.templates()) if name in known}


def about(seconds: float) -> str:
    """A time as one tells it, with no more digits than it deserves.

    >>> [about(seconds) for seconds in (0.4, 12.3, 83, 118, 431)]
    ['1 s', '12 s', '85 s', '2 min', '7 min']
    """
    if seconds >= 90:
        return f"{round(seconds / 60)} min"
    return f"{max(1, round(seconds)) if seconds < 20 else 5 * round(seconds / 5)} s"


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
    found = next((picture for value in values for picture in pictures(value)), None)
    reports = [one.path for one in values if isinstance(one, SavedFile) and one.media_type == "text/html"]
    return photograph(Path(reports[0])) if found is None and reports else found


def photograph(page: Path) -> Image:
    """The top of a page of HTML, as a browser shows it. Raises FileNotFoundError if there is no Chromium."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise FileNotFoundError(f"a report is shown by one of {', '.join(BROWSERS)}; install one")
    with tempfile.TemporaryDirectory(prefix="graphflow-") as folder:
        shot = Path(folder) / "page.png"
        options = [f"--user-data-dir={folder}", f"--screenshot={shot}", f"--window-size={PAGE[0]},{PAGE[1]}"]
        quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        url = page.resolve().as_uri()
        subprocess.run([browser, *quiet, *options, url], check=True, capture_output=True, timeout=120)
        return run_node(load_image, path=str(shot))


def pictures(value: Any) -> list[Image]:
    """What a value shows beside a single video."""
    if isinstance(value, Image):
        return [value]
    if isinstance(value, SavedFile) and value.media_type == "image/png":
        return [run_node(load_image, path=value.path)]
    clips = value if isinstance(value, list) and value and isinstance(value[0], Video) else []
    return [run_node(contact_sheet, clips, frames=7, cell=96, captions=False)] if clips else []


def count(cores: float) -> str:
    """Such as `two cores`."""
    words = {1: "one core", 2: "two cores", 4: "four cores", 8: "eight cores"}
    return words.get(int(cores), f"{int(cores)} cores")


def section(name: str, taken: dict[str, dict[str, float]]) -> str:
    document, _ = templates.find(name)
    real = document.ui.get("real", {})
    lines = [f"## {name}", "", document.description or "", ""]
    if (PICTURES / f"{name}.png").is_file():
        lines += [f"![{name}](../workflows/pictures/{name}.png)", ""]
    lines += [f"Parameters: {', '.join(f'`{parameter}`' for parameter in document.parameters)}.", ""]
    if name in taken:
        lines += [f"Takes about {about(taken[name]['seconds'])} on {count(taken[name]['cores'])}.", ""]
    if real:
        others = " ".join(f"--set {name}={real[name]}" for name in real if name not in FACTS)
        lines += [f"For real: `{others}`; {real['memory']}; {real['licence']}.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
