"""`graphflow models`: the models that ship with graphflow and those in the local Hugging Face cache."""

from __future__ import annotations

import importlib
import json as jsons
import os
from pathlib import Path
from typing import Any

from graphflow.cli.options import AsJson
from graphflow.cli.output import bytes_text, say, say_json, table

EMBEDDED = "graphflow_nodes.diffusion.embedded"
SIDECAR = "graphflow.json"
MAX_SIDECAR = 4_000_000
"""Bytes of a sidecar; real ones are a few kilobytes."""


def models(json: AsJson = False) -> None:
    """List models that can be used without a download."""
    embedded = [facts(name, folder) for name, folder in embedded_models()]
    cached = [{"model": name, "bytes": size} for name, size in hub_models()]
    if json:
        say_json({"embedded": embedded, "cached": cached})
        return
    for found in embedded:
        _tell(found)
    if not embedded:
        say("no model is embedded in this installation")
    if cached:
        say()
        rows = [(str(found["model"]), bytes_text(int(str(found["bytes"])))) for found in cached]
        table(("in the Hugging Face cache", "size"), rows)


def embedded_models() -> list[tuple[str, Path]]:
    """Name and folder of each embedded model; empty if the diffusion pack is not installed."""
    try:
        module = importlib.import_module(EMBEDDED)
    except ImportError:
        return []
    return [(name, Path(module.embedded_folder(name))) for name in module.embedded_models()]


def facts(name: str, folder: Path) -> dict[str, Any]:
    """What is known about a model without loading it."""
    index = _read(folder / "model_index.json")
    return {
        "name": name,
        "folder": str(folder),
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        "pipeline": str(index.get("_class_name", "")),
        "facts": _read(folder / SIDECAR),
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_SIDECAR:
            return {}
        found = jsons.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _tell(found: dict[str, Any]) -> None:
    known = found["facts"]
    say(f"{found['name']}  {found['pipeline']}, {bytes_text(found['bytes'])}, embedded")
    rows = [("about", known.get("description")), ("native size", native_size(known))]
    rows += [(name, known.get(name)) for name in ("steps", "guidance", "license", "licence")]
    vocabulary = known.get("vocabulary")
    groups = vocabulary if isinstance(vocabulary, dict) else {"vocabulary": vocabulary}
    rows += [(str(group), words_text(words)) for group, words in groups.items()]
    prompts = known.get("example_prompts")
    rows += [("try", prompt) for prompt in prompts[:3]] if isinstance(prompts, list) else []
    for name, text in rows:
        if text:
            say(f"  {name:<12} {text}")


def native_size(known: dict[str, Any]) -> str:
    """What the model was made for.

    >>> native_size({"width": 64, "height": 48, "frames": 9, "fps": 8})
    '64 x 48 pixels, 9 frames at 8 a second'
    """
    if not known.get("width") or not known.get("height"):
        return ""
    size = f"{known['width']} x {known['height']} pixels"
    return f"{size}, {known.get('frames', '?')} frames at {known.get('fps', '?')} a second"


def words_text(words: Any) -> str:
    """Words of a vocabulary, synonyms in brackets.

    >>> words_text({"circle": ["ball", "disc"], "square": []})
    'circle (ball, disc), square'
    """
    if isinstance(words, dict):
        return ", ".join(
            f"{word} ({words_text(same)})" if same else str(word) for word, same in words.items()
        )
    return ", ".join(map(str, words)) if isinstance(words, list) else str(words or "")


def hub_models() -> list[tuple[str, int]]:
    """Diffusers repositories in the local Hugging Face cache, with their sizes."""
    found = []
    for folder in sorted(hub_cache().glob("models--*--*")):
        if any(folder.glob("snapshots/*/model_index.json")):
            name = folder.name.removeprefix("models--").replace("--", "/")
            blobs = folder / "blobs"
            size = sum(path.stat().st_size for path in blobs.iterdir()) if blobs.is_dir() else 0
            found.append((name, size))
    return found


def hub_cache() -> Path:
    """Where the hub's own library keeps models: HF_HUB_CACHE, HF_HOME, or the user's cache folder."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"])
    home = os.environ.get("HF_HOME") or str(
        Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "huggingface"
    )
    return Path(home).expanduser() / "hub"
