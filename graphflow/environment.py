"""What of this machine changes numbers, found without importing torch."""

from __future__ import annotations

import functools
import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from graphflow import __version__
from graphflow.errors import DocumentError, Problem
from graphflow.keys import Environment

DEVICE = re.compile(r"(cpu|cuda|mps|xpu)(:\d{1,3})?")
"""How devices are named, as torch names them."""

DEVICE_NAME = "GRAPHFLOW_DEVICE"
"""Environment variable with the device to use."""

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
    """Where models run unless told otherwise: GRAPHFLOW_DEVICE, else CUDA where it can work, else cpu.

    Raises DocumentError if the variable names no device.
    """
    chosen = os.environ.get(DEVICE_NAME, "")
    if chosen:
        check_devices([chosen], DEVICE_NAME)
        return chosen
    cpu_only = "+cpu" in library_version("torch")
    return "cuda:0" if Path("/dev/nvidia0").exists() and not cpu_only else "cpu"


def check_devices(devices: Sequence[str], where: str) -> None:
    """Raises DocumentError, about `where`, for what names no device, and for devices of several kinds: keys
    would depend on which one is free."""
    for device in devices:
        if not DEVICE.fullmatch(device):
            problem = Problem("device", where, f"{device!r} is no device", "such as cpu or cuda:0")
            raise DocumentError([problem])
    if len({device.partition(":")[0] for device in devices}) > 1:
        text = "devices of several kinds compute different results"
        raise DocumentError([Problem("device", where, text, "name devices of one kind")])


def detect(device: str) -> Environment:
    """The environment that stands in keys: minor versions and the class of device, `cpu` or `cuda`."""
    minors = [".".join(library_version(name).split("+")[0].split(".")[:2]) for name in ("torch", "diffusers")]
    return Environment(torch=minors[0], diffusers=minors[1], device=device.partition(":")[0])


def versions() -> dict[str, str]:
    """Exact versions, for the record in saved files."""
    found = {"graphflow": __version__, "python": platform.python_version()}
    return {**found, **{name: library_version(name) for name in LIBRARIES}}
