"""A dataset is a folder that appears whole or not at all, beside a picture of what is in it.

The folder is named by what it holds, like every saved file. It is written under another name and renamed when
it is complete; `graphflow.json` in it lists its files with their sha256. One that is there and as it was
written is left alone, so that a second run adds nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graphflow.errors import NodeError, StorageError
from graphflow.node import Context
from graphflow.values import Image, SavedFile

MANIFEST = "graphflow.json"
CARD = "README.md"
SHEET = "contact_sheet.png"
PARTIAL = ".partial"


def publish(
    ctx: Context, name: str, sheet: Image, fill: Callable[[Path], None]
) -> tuple[SavedFile, SavedFile]:
    """Make the folder by `fill`, which gets an empty one, and save the sheet; gives the sheet and the
    manifest.

    Raises NodeError if the folder is there and was changed, StorageError if it cannot be written.
    """
    found: list[Path] = []

    def write(path: Path) -> None:
        from PIL import Image as Pillow
        from PIL.PngImagePlugin import PngInfo

        from .reading import KEY, provenance_text

        folder = path.parent / f"{name}-{_key(ctx)[:10]}"
        picture = Pillow.fromarray(sheet.pixels.contiguous().numpy())
        if folder.exists():
            _check(folder)
        else:
            _make(folder, picture, fill, ctx)
        found.append(folder)
        info = PngInfo()
        info.add_itxt(KEY, provenance_text(ctx.provenance, whole=True))
        picture.save(path, "PNG", pnginfo=info)

    try:
        saved = ctx.save(name, ".png", write).model_copy(update={"media_type": "image/png"})
    except OSError as error:
        raise StorageError(
            f"the dataset could not be written: {error.strerror}", where=name, hint="check the output folder"
        ) from error
    return saved, _saved(found[-1] / MANIFEST, "application/json")


def name_of(folder: Path) -> str:
    """What a folder that is being filled will be called."""
    return folder.name.removeprefix(".").removesuffix(PARTIAL)


def stands(outputs: Mapping[str, Any]) -> bool:
    """Whether the sheet, the manifest and every file that it lists are there as they were written."""
    from .reading import still_stands

    kept = {name: outputs[name] for name in ("sheet", "manifest")}
    if not still_stands(kept):
        return False
    manifest = outputs["manifest"]
    path = Path(manifest["path"] if isinstance(manifest, Mapping) else manifest.path)
    return not _changed(path.parent)


def _key(ctx: Context) -> str:
    key = ctx.provenance.get("key")
    return key if isinstance(key, str) else hashlib.sha256(repr(sorted(ctx.provenance)).encode()).hexdigest()


def _make(folder: Path, sheet: Any, fill: Callable[[Path], None], ctx: Context) -> None:
    partial = folder.with_name(f".{folder.name}{PARTIAL}")
    if partial.exists():
        shutil.rmtree(partial)  # of a run that was killed
    partial.mkdir(parents=True)
    fill(partial)
    sheet.save(partial / SHEET, "PNG")
    files = {
        path.relative_to(partial).as_posix(): [path.stat().st_size, _sha256(path)]
        for path in sorted(partial.rglob("*"))
        if path.is_file()
    }
    told = {"files": files, "made_by": dict(ctx.provenance)}
    (partial / MANIFEST).write_text(json.dumps(told, sort_keys=True, default=str), "utf-8")
    if hasattr(os, "sync"):
        os.sync()  # once for all files, before the name makes them count
    partial.rename(folder)


def _check(folder: Path) -> None:
    if wrong := _changed(folder):
        raise NodeError(
            f"the folder {folder.name} is there already, and {wrong}",
            where=str(folder),
            hint="move it away, or choose another name",
        )


def _changed(folder: Path) -> str:
    """What is not as it was written; empty if all is."""
    try:
        files = json.loads((folder / MANIFEST).read_bytes())["files"]
        for name, (size, digest) in files.items():
            path = folder / name
            if not path.is_file():
                return f"{name} is gone"
            if path.stat().st_size != size or _sha256(path) != digest:
                return f"{name} was changed"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"its {MANIFEST} cannot be read"
    return ""


def _saved(path: Path, media_type: str) -> SavedFile:
    return SavedFile(path=str(path), size=path.stat().st_size, digest=_sha256(path), media_type=media_type)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
