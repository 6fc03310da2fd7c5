"""What of this machine changes numbers, found without importing torch."""

from __future__ import annotations

import functools
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from graphflow import __version__
from graphflow.keys import Environment

LIBRARIES = ("torch", "diffusers", "transformers", "av", "pillow")
"""Versions that every saved file names."""


@functools.cache
def library_version(name: str) -> str:
    """Installed version of a distribution, or an empty string."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def default_device() -> str:
    """Where models run unless told otherwise: GRAPHFLOW_DEVICE, else CUDA where it can work, else cpu."""
    chosen = os.environ.get("GRAPHFLOW_DEVICE", "")
    if chosen:
        return chosen
    cpu_only = "+cpu" in library_version("torch")
    return "cuda:0" if Path("/dev/nvidia0").exists() and not cpu_only else "cpu"


def detect(device: str) -> Environment:
    """The environment that stands in keys: minor versions and the class of device, `cpu` or `cuda`."""
    minors = [".".join(library_version(name).split("+")[0].split(".")[:2]) for name in ("torch", "diffusers")]
    return Environment(torch=minors[0], diffusers=minors[1], device=device.partition(":")[0])


def versions() -> dict[str, str]:
    """Exact versions, for the record in saved files."""
    found = {"graphflow": __version__, "python": platform.python_version()}
    return {**found, **{name: library_version(name) for name in LIBRARIES}}
