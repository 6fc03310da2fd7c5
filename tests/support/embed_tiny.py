"""Writes the tiny random models that ship with graphflow: one for each family without a trained one.

    python -m tests.support.embed_tiny nodes/diffusion/embedded

Their clips are noise. They show that a workflow for the family runs, on any machine and without a download.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.support.tiny_hunyuan15 import save_tiny_hunyuan15
from tests.support.tiny_ltx import save_tiny_ltx, save_tiny_upsampler
from tests.support.tiny_ltx2 import save_tiny_ltx2, save_tiny_ltx2_upsampler
from tests.support.tiny_skyreels import ftfy_or_stand_in, save_tiny_skyreels_df
from tests.support.tiny_wan import save_tiny_wan

UPSAMPLER = "latent_upsampler"


def _with_upsampler(save: Callable[[Path], Path], upsampler: Callable[[Path], Path], folder: Path) -> Path:
    """A model and a latent upsampler in one folder."""
    save(folder)
    with tempfile.TemporaryDirectory() as other:
        shutil.move(upsampler(Path(other) / "model") / UPSAMPLER, folder / UPSAMPLER)
        index = json.loads((Path(other) / "model" / "model_index.json").read_text())
    own = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**own, UPSAMPLER: index[UPSAMPLER]}, indent=2))
    return folder


MODELS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "tiny-ltx": (
        "LTX-Video 0.9.5, with a latent upsampler",
        partial(_with_upsampler, partial(save_tiny_ltx, keyframes=True), save_tiny_upsampler),
    ),
    "tiny-ltx2": (
        "LTX-2 with sound, with a latent upsampler",
        partial(_with_upsampler, save_tiny_ltx2, save_tiny_ltx2_upsampler),
    ),
    "tiny-hunyuan15": (
        "HunyuanVideo 1.5, with a guider",
        partial(save_tiny_hunyuan15, small=True),
    ),
    "tiny-skyreels": ("SkyReels-V2 diffusion forcing", save_tiny_skyreels_df),
    "tiny-wan-animate": ("Wan 2.2 Animate", partial(save_tiny_wan, "wan_animate")),
    "tiny-wan-two-experts": ("Wan 2.2 with two experts", partial(save_tiny_wan, "wan22")),
}


def main() -> None:
    root = Path(sys.argv[1])
    for name, (what, save) in MODELS.items():
        shutil.rmtree(root / name, ignore_errors=True)
        with ftfy_or_stand_in():
            folder = save(root / name)
        sidecar = folder / "graphflow.json"
        about = {
            "name": name,
            "description": f"Random weights in the shape of {what}; its clips are noise.",
            "license": "Apache-2.0",
        }
        sidecar.write_text(json.dumps({**about, **json.loads(sidecar.read_text())}, indent=2) + "\n")
        print(folder, sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) // 1000, "kB")


if __name__ == "__main__":
    main()
