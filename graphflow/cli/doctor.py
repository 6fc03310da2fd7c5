"""`graphflow doctor`: is everything in place, and what to do where it is not."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from graphflow.cli import exits
from graphflow.cli.options import AsJson, DataDir, PackFolders, pack_folders
from graphflow.cli.output import bytes_text, count_text, say, say_json

LOW_DISK = 2 * 10**9
"""Free bytes below which the cache has little room."""

LOW_MEMORY = 4 * 10**9
"""Bytes of memory below which only small models run."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    advice: str = ""


def doctor(data_dir: DataDir = None, json: AsJson = False, packs: PackFolders = None) -> int:
    """Check the installation: versions, device, memory, disk, data folder, packs, embedded model."""
    from graphflow.workspace import default_data_dir

    folder = data_dir.expanduser() if data_dir is not None else default_data_dir()
    found = [*_versions(), *_device(), *_memory(), *_folder(folder), *_packs(pack_folders(packs)), *_model()]
    if json:
        say_json([asdict(check) for check in found])
    else:
        for check in found:
            say(f"{'ok   ' if check.ok else 'CHECK'}  {check.name:<14} {check.found}")
            if not check.ok and check.advice:
                say(f"       {'':<14} {check.advice}")
    return exits.OK if all(check.ok for check in found) else exits.FAILED


def _versions() -> Iterator[Check]:
    from graphflow import __version__
    from graphflow.environment import library_version

    yield Check("graphflow", True, __version__)
    new_enough = sys.version_info >= (3, 11)
    yield Check("python", new_enough, platform.python_version(), "graphflow needs Python 3.11 or newer")
    for name in ("torch", "diffusers", "transformers", "av", "pillow"):
        version = library_version(name)
        yield Check(name, bool(version), version or "not installed", f"pip install {name}")


def _device() -> Iterator[Check]:
    from graphflow.environment import default_device

    try:
        import torch
    except Exception as error:  # border: a broken torch must not hide the other findings
        yield Check("device", False, f"torch does not load: {error}", "install torch again")
        return
    chosen = default_device()
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield Check("device", True, f"{chosen} ({', '.join(names)})")
    elif chosen.startswith("cuda"):
        yield Check(
            "device", False, f"{chosen}, but torch finds no GPU",
            "install the GPU driver, or set GRAPHFLOW_DEVICE=cpu",
        )  # fmt: skip
    else:
        yield Check("device", True, f"{chosen}, {count_text(os.cpu_count() or 1, 'core')}")


def _memory() -> Iterator[Check]:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return
    yield Check("memory", total >= LOW_MEMORY, bytes_text(total), "use small models and few frames")


def _folder(folder: Path) -> Iterator[Check]:
    nearest = next(p for p in [folder.absolute(), *folder.absolute().parents] if p.exists())
    advice = "choose another with --data-dir or GRAPHFLOW_DATA_DIR"
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
        yield Check("data folder", True, str(folder))
    except OSError as error:
        yield Check("data folder", False, f"{folder}: {error.strerror or error}", advice)
        return
    free = shutil.disk_usage(nearest).free
    yield Check(
        "disk", free >= LOW_DISK, f"{bytes_text(free)} free", "free some space, or run `graphflow cache gc`"
    )


def _packs(folders: Sequence[Path]) -> Iterator[Check]:
    from graphflow.registry import load_registry

    registry = load_registry(folders)
    yield Check(
        "nodes", bool(registry.specs), count_text(len(registry.specs), "node type"), "install graphflow again"
    )
    for failure in registry.failures:
        yield Check(
            f"pack {failure.pack}", False, failure.reason, "mend or remove this pack; the others work"
        )


def _model() -> Iterator[Check]:
    from graphflow.models import embedded_models, facts

    found = embedded_models()
    if not found:
        yield Check("model", False, "no embedded model", "install graphflow again, with its model files")
    for name, folder in found:
        known = facts(name, folder)
        absent = missing_parts(folder)
        text = f"{name}, {bytes_text(known['bytes'])}"
        if absent:
            text += f", lacks {', '.join(absent)}"
        yield Check("model", not absent, text, "install graphflow again")


def missing_parts(folder: Path) -> list[str]:
    """Components that a model's index names but its folder lacks."""
    import json

    index = json.loads((folder / "model_index.json").read_bytes())
    parts = [name for name, value in index.items() if isinstance(value, list) and value[0]]
    return [name for name in parts if not any((folder / name).glob("*"))]
