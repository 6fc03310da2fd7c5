"""A graph from a prompt to frames for each family and each way to use it, on tiny models."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.refusals import WIRES, Entry, document, other, step
from tests.support.tiny_hunyuan import save_tiny_framepack, save_tiny_hunyuan_image
from tests.support.tiny_hunyuan15 import save_tiny_hunyuan15_image
from tests.support.tiny_models import SAVE
from tests.support.tiny_skyreels import save_tiny_skyreels_df, save_tiny_skyreels_image
from tests.support.tiny_wan import save_tiny_wan

FAMILIES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    **{
        name: (kind, functools.partial(save_tiny_wan, name))
        for name, kind in {
            "wan21": "text",
            "wan22": "text",
            "wan5b": "text",
            "wan21_image": "image",
            "wan22_image": "image",
            "wan_vace": "control",
            "wan_animate": "animate",
        }.items()
    },
    **{name: ("text", SAVE[name]) for name in ("ltx", "ltx_0.9.5", "hunyuan", "hunyuan15", "skyreels")},
    "ltx2": ("sound", SAVE["ltx2"]),
    "hunyuan_image": ("image", save_tiny_hunyuan_image),
    "hunyuan15_image": ("image", save_tiny_hunyuan15_image),
    "framepack": ("sections", save_tiny_framepack),
    "skyreels_image": ("image", save_tiny_skyreels_image),
    "skyreels_df": ("windows", save_tiny_skyreels_df),
}
"""What is wired beside the prompt, and what writes the tiny model to a folder."""


def family_graph(family: str, folder: Path, /, **changed: Entry) -> dict[str, Any]:
    """The whole graph; keyword arguments are nodes in place of its own, or beside them."""
    kind, _ = FAMILIES[family]
    eyes = {"image_encoder": "model.image_encoder"} if _has(folder, "image_encoder") else {}
    wires = dict(WIRES)
    nodes: Entry = {
        "model": other(folder),
        "encode": step("encode_prompt", {"prompt": "a ball"}, text_encoder="model.text_encoder"),
        "latents": step("empty_latents", vae="model.vae"),
        "decode": step("decode", vae="model.vae", latents="denoise"),
    }
    if kind in ("image", "sections", "animate"):
        nodes["picture"] = step("here/picture")
    if kind in ("control", "animate"):
        nodes["film"] = step("here/film")
    if kind in ("image", "sections"):
        seen = {"vae": "model.vae", "image": "picture", "latents": "latents", **eyes}
        nodes["condition"] = step("condition_image", **seen)
        wires["condition"] = "condition"
    if kind == "control":
        nodes["condition"] = step("condition_control", vae="model.vae", video="film", latents="latents")
        wires["condition"] = "condition"
    if family == "hunyuan_image":
        nodes["encode"]["inputs"]["image"] = "picture"
    nodes["denoise"] = step("denoise", **wires)
    if kind == "sections":
        nodes["latents"] = step("empty_latents", {"frames": 9}, vae="model.vae")
        nodes["denoise"] = step("framepack", {"latent_window_size": 2}, **wires)
    if kind == "windows":
        nodes["denoise"] = step("diffusion_forcing", **wires)
    if kind == "sound":
        nodes["voice"] = step("load_audio_decoder", {"model": str(folder)})
        nodes["sound"] = step("decode_audio", decoder="voice", latents="denoise")
    if kind == "animate":
        del nodes["decode"]
        moving = {"vae": "model.vae", "image": "picture", "pose": "film", "face": "film", **eyes}
        nodes["denoise"] = step("animate", {"segment": 5}, **wires, **moving)
    raw = document({**nodes, **changed}, "denoise" if kind == "animate" else "decode")
    if kind == "sound":
        raw["outputs"]["sound"] = "sound"
    return raw


def parts_of(folder: Path) -> list[str]:
    """Names of the subfolders that a model's index names, but a guider, of which every run makes its own."""
    index = json.loads((folder / "model_index.json").read_text("utf-8"))
    return [name for name in index if _has(folder, name) and name != "guider"]


def _has(folder: Path, part: str) -> bool:
    entry = json.loads((folder / "model_index.json").read_text("utf-8")).get(part)
    return isinstance(entry, list) and bool(entry[0])
