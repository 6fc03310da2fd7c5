"""Makes the pictures of the editor's guide from those that its browser tests leave behind.

make e2e && .venv/bin/python docs/editor_pictures.py

Look at each before it is committed.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
TAKEN = ROOT / "editor" / "e2e" / "pictures"
SHOWN = ROOT / "docs" / "pictures" / "editor"

WITHOUT_INSPECTOR = (0, 0, 1180, 800)

PICTURES: dict[str, tuple[str, tuple[int, int, int, int] | None]] = {
    "home": ("home", (92, 60, 1388, 700)),
    "graph": ("done", None),
    "running": ("preview", WITHOUT_INSPECTOR),
    "light": ("light", WITHOUT_INSPECTOR),
    "wipe": ("wipe", (185, 60, 1295, 840)),
    "queue": ("queue", WITHOUT_INSPECTOR),
    "refused": ("refused", None),
    "notices": ("notices", None),
    "form": ("form", None),
    "inside": ("inside", None),
    "app": ("app_done", None),
    "versions": ("versions", (198, 300, 1282, 600)),
    "not_saved": ("drafts", (180, 60, 1340, 360)),
}
"""By its name in the guide: the picture of a scenario, and which part of it."""

COLOURS = 256
"""Of each; enough for what is drawn, and less than half of the size."""


def main() -> None:
    for name, (taken, part) in PICTURES.items():
        with Image.open(TAKEN / f"{taken}.png") as whole:
            picture = (whole.crop(part) if part else whole).convert("RGB")
        small = picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=2)
        small.save(SHOWN / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
