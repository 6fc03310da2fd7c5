"""Models that can be used here or are published: embedded ones, those in the hub's cache, the catalogue.

All of it is read from small files; no model is opened. Without the diffusion pack there are none.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
from pathlib import Path
from typing import Any

PACK = "graphflow_nodes.diffusion"
LICENCES = "graphflow_nodes.licence.terms"
SIDECAR = "graphflow.json"
MAX_SIDECAR = 4_000_000
"""Bytes of a sidecar; real ones are a few kilobytes."""

USES = ("publish", "commercial", "train_same_model", "train_other_models")


def overview() -> dict[str, Any]:
    """All that is known: `embedded`, `cached` and `catalogue`, as plain data. Sizes in bytes."""
    cached = hub_models()
    names = {name for name, _ in cached}
    return {
        "embedded": [facts(name, folder) for name, folder in embedded_models()],
        "cached": [{"model": name, "bytes": size} for name, size in cached],
        "catalogue": [{**one, "on_disk": one["repository"] in names} for one in published()],
    }


def catalogue() -> tuple[Any, ...]:
    """The published models that the diffusion pack knows; none if it is not installed."""
    try:
        return tuple(importlib.import_module(f"{PACK}.catalogue").entries())
    except ImportError:
        return ()


@functools.cache
def published() -> tuple[dict[str, Any], ...]:
    """What is known of every published model, found once: counting their numbers takes a moment."""
    return tuple(entry_facts(entry) for entry in catalogue())


def entry_facts(entry: Any) -> dict[str, Any]:
    """What is known of a published model, as plain data. Sizes in bytes; `counted` apart from `recalled`."""
    native = entry.native()
    parts = {
        part or "model": {
            "class": entry.module(part).class_name,
            "parameters": entry.module(part).parameters,
            "basis": entry.module(part).basis,
        }
        for part in entry.parts
    }
    licence = entry.licence
    return {
        "id": entry.id,
        "repository": entry.repository,
        "pipeline": entry.pipeline,
        "runs_here": entry.runs_here,
        "tasks": list(entry.tasks),
        "parts": parts,
        "bytes_bfloat16": entry.weight_bytes(),
        "bytes_on_disk": entry.disk_bytes(),
        "estimated_from": "counted" if entry.counted else "counted and recalled",
        "reported_by_source": [one.model_dump() for one in entry.reported],
        "reported_by": entry.reported_by,
        "disk_reported": entry.disk_reported,
        "native": native.model_dump(exclude_none=True) if native is not None else {},
        "sizes": list(entry.sizes),
        "licence": {
            **licence.model_dump(),
            "territory": licence_territory(licence.id),
            "uses": licence_answers(licence.id),
        },
        "notes": entry.notes,
        "status": entry.status,
    }


def licence_answers(licence: str) -> dict[str, dict[str, str]]:
    """What the notes on a licence say of each use: verdict and reason."""
    try:
        terms = importlib.import_module(LICENCES)
    except ImportError:
        return {}
    return {use: terms.answer(licence, use).model_dump() for use in USES}


def licence_territory(licence: str) -> str:
    """Where a licence holds, in words; empty if that is not known."""
    try:
        terms = importlib.import_module(LICENCES)
    except ImportError:
        return ""
    known = terms.licences().get(licence)
    return str(known.territory) if known is not None else ""


def embedded_models() -> list[tuple[str, Path]]:
    """Name and folder of each embedded model; empty if the diffusion pack is not installed."""
    try:
        module = importlib.import_module(f"{PACK}.embedded")
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
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


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
