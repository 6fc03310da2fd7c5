"""The tiny models of all families beside Wan, by name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from tests.support.tiny_hunyuan import save_tiny_hunyuan
from tests.support.tiny_hunyuan15 import save_tiny_hunyuan15
from tests.support.tiny_ltx import save_tiny_ltx
from tests.support.tiny_ltx2 import save_tiny_ltx2
from tests.support.tiny_skyreels import save_tiny_skyreels

SAVE: dict[str, Callable[[Path], Path]] = {
    "ltx": save_tiny_ltx,
    "ltx_0.9.0": functools.partial(save_tiny_ltx, timestep_conditioning=False),
    "ltx_0.9.5": functools.partial(save_tiny_ltx, keyframes=True),
    "ltx2": save_tiny_ltx2,
    "ltx2_3": functools.partial(save_tiny_ltx2, variant="ltx2_3"),
    "hunyuan": save_tiny_hunyuan,
    "hunyuan15": save_tiny_hunyuan15,
    "skyreels": save_tiny_skyreels,
}
"""Each writes its model to a folder and returns the folder. A new family is a new line here."""
