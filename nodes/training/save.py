"""Trained weights as files that other programs load: safetensors, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from graphflow_nodes.media.files import save, still_stands

from graphflow.node import Context, FileName, node
from graphflow.values import SavedFile

from .layouts import Layout, named
from .values import LoRAWeights, ModelWeights

Store = Literal["float32", "bfloat16", "float16"]
"""Numbers in the file."""

MEDIA_TYPE = "application/octet-stream"


class SavedWeights(NamedTuple):
    """The file, and its path, to wire into the `file` of diffusion/lora or diffusion/load_weights."""

    file: SavedFile
    path: str


def stands(outputs: Mapping[str, Any]) -> bool:
    """Whether the file of an earlier run is there as it was."""
    return bool(still_stands({"file": outputs["file"]}))


@node(
    "training/save_lora",
    cache=False,
    effect=stands,
    depends=(".layouts", ".values", "graphflow_nodes.media.files"),
)
def save_lora(
    lora: LoRAWeights,
    ctx: Context,
    *,
    name: FileName = "lora",
    layout: Layout = "diffusers",
    dtype: Store = "float32",
) -> SavedWeights:
    """Save a LoRA as safetensors, for diffusion/lora and for other programs.

    layout: `diffusers` for its load_lora_weights, `comfyui` for ComfyUI and what else knows the authors'
        names of layers (Wan, SkyReels-V2, LTX-Video). dtype: of the numbers.
    Alpha is already in the weights, so that every program finds the same scale; it is told in the
    metadata, with rank, base model and trigger.
    Raises NodeError for a family that has no such layout, StorageError if it cannot be written.
    """
    import torch

    scale = lora.alpha / lora.rank
    scaled = {n: t * scale if n.endswith(".lora_B.weight") else t for n, t in lora.tensors.items()}
    tensors = {
        n: t.to(getattr(torch, dtype)).contiguous() for n, t in named(scaled, lora.family, layout).items()
    }
    return _saved(ctx, name, tensors, described(lora, name))


def described(lora: LoRAWeights, title: str) -> dict[str, str]:
    """The metadata of a LoRA file, by the names that trainers and ComfyUI use."""
    told = {
        "format": "pt",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"{lora.family}/lora",
        "modelspec.title": title,
        "modelspec.trigger_phrase": lora.trigger,
        "ss_base_model_version": lora.base,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(lora.rank),
        "ss_network_alpha": str(lora.rank),
        "ss_steps": str(lora.steps),
        "graphflow.alpha": str(lora.alpha),
        "graphflow.expert": lora.expert,
        "graphflow.targets": json.dumps(lora.targets),
        "graphflow.base_identity": lora.base_identity,
    }
    return {key: value for key, value in told.items() if value}


@node("training/save_weights", cache=False, effect=stands, depends=(".values", "graphflow_nodes.media.files"))
def save_weights(weights: ModelWeights, ctx: Context, *, name: FileName = "transformer") -> SavedWeights:
    """Save all weights of a trained transformer as safetensors, for diffusion/load_weights.

    Layers have the names of diffusers. Raises StorageError if it cannot be written.
    """
    told = {
        "format": "pt",
        "modelspec.architecture": weights.family,
        "ss_base_model_version": weights.base,
        "ss_steps": str(weights.steps),
        "graphflow.expert": weights.expert,
        "graphflow.base_identity": weights.base_identity,
    }
    return _saved(ctx, name, {n: t.contiguous() for n, t in weights.tensors.items()}, told)


def _saved(ctx: Context, name: str, tensors: dict[str, Any], metadata: dict[str, str]) -> SavedWeights:
    def write(path: Path) -> None:
        from safetensors.torch import save_file

        path.touch()
        mode = path.stat().st_mode
        save_file(tensors, path, metadata)
        path.chmod(mode)  # the library's own is for its writer alone

    file = save(ctx, name, ".safetensors", MEDIA_TYPE, write)
    return SavedWeights(file, file.path)
