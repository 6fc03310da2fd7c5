"""Recipes of models in transformers' layout: a folder or hub repository with safetensors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from graphflow_nodes.diffusion.headers import check_header
from graphflow_nodes.diffusion.memory import tensors
from graphflow_nodes.diffusion.source import REPOSITORY, file_identity, locate_file, read_json, weight_files

from graphflow.endpoint import offline
from graphflow.errors import MissingModel, NodeError
from graphflow.node import Origin
from graphflow.values import Recipe, Tensor

Dtype = Literal["float32", "float16", "bfloat16"]

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
BESIDE = ("preprocessor_config.json", "tokenizer.json", "tokenizer_config.json")
"""Files that a model may have besides."""

R = TypeVar("R", bound="Weights")


class Weights(Recipe):
    """A model that transformers loads. What counts for content keys is what lies in its files."""

    model: str
    revision: str | None = None
    identity: str
    download: bool = False
    dtype: Dtype = "float32"

    def key_fields(self) -> dict[str, Any]:
        placing = {"model", "revision", "download"}
        return {name: value for name, value in super().key_fields().items() if name not in placing}

    def origins(self) -> tuple[Origin, ...]:
        return (Origin(self.model, self.identity),)

    def folder(self) -> Path:
        """Where the files are. Raises MissingModel."""
        return folder_of(self.model, self.revision, self.download)

    def inspect(self) -> None:
        """The weights must be here, unless they may be fetched, and whole."""
        folder = folder_of(self.model, self.revision, download=False)
        files = weight_files(folder)
        if not self.download and not files:
            raise MissingModel(
                f"model {self.model!r} has no {WEIGHTS}: only safetensors files are read",
                hint=_to_get(self.model),
            )
        for file in files:
            check_header(file)

    def memory_bytes(self) -> int:
        """Of the weights once they are loaded, by the headers of their files or by the catalogue; 0 if the
        model is not here."""
        try:
            folder = folder_of(self.model, self.revision, download=False)
        except MissingModel:
            return 0
        width = 4 if self.dtype == "float32" else 2
        return sum(entry.numbers * width for entry in tensors(folder, "").values())

    def loaded(self, kind: Any, device: str, *known: str) -> Any:
        """A transformers model of that class, ready to compute. Only safetensors are read.

        known: the types of model that may be there. Raises MissingModel, NodeError for another type.
        """
        import torch

        folder = self.folder()
        model_type(folder, known)
        live = kind.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=getattr(torch, self.dtype)
        )
        return live.to(device).eval().requires_grad_(False)

    def tokenizer(self) -> Any:
        """What makes tokens of its texts."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.folder(), local_files_only=True)


def folder_of(model: str, revision: str | None, download: bool) -> Path:
    """The folder of a model: a local one, or the snapshot of a hub repository, fetched with `download`.

    Raises MissingModel, saying how to get what is missing.
    """
    folder = Path(model).expanduser()
    if (folder / CONFIG).is_file():
        return folder.resolve()
    try:
        config = locate_file(CONFIG, model, revision=revision, download=download)
    except MissingModel as error:
        hint = error.hint if download and not offline() else _to_get(model)
        raise MissingModel(error.message, hint=hint) from error
    if download and not any((config.parent / name).exists() for name in (WEIGHTS, INDEX)):
        _fetch(model, revision, config.parent)
    found: Path = config.parent
    return found


def _to_get(model: str) -> str:
    """What brings a whole model here."""
    if REPOSITORY.fullmatch(model):
        allow = "leave out --offline" if offline() else "set download to true"
        return f"run 'hf download {model}', or {allow}"
    return "give a folder with config.json and safetensors, or a hub repository 'owner/name'"


def _fetch(model: str, revision: str | None, folder: Path) -> None:
    """The weights, whole or in the parts that their index names, and what may stand beside them."""
    for name in BESIDE:
        try:
            locate_file(name, model, revision=revision, download=True)
        except MissingModel:
            continue  # not every model has every one
    try:
        locate_file(WEIGHTS, model, revision=revision, download=True)
    except MissingModel:
        index = locate_file(INDEX, model, revision=revision, download=True)
        for part in sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values())):
            locate_file(part, model, revision=revision, download=True)


def identity_of(folder: Path) -> str:
    """A digest over a model's weights and configs, the same in every place."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")) + sorted(folder.glob("*.json")):
        digest.update(f"{path.name}\0{file_identity(path)}\0".encode())
    return f"sha256:{digest.hexdigest()}"


def recipe(kind: type[R], model: str, *, download: bool, dtype: Dtype, **more: Any) -> R:
    """The recipe of a model as it is now. Raises MissingModel."""
    folder = folder_of(model, None, download)
    return kind(model=model, identity=identity_of(folder), download=download, dtype=dtype, **more)


def read_config(folder: Path) -> dict[str, Any]:
    """A model's config.json. Raises NodeError if it is no JSON object."""
    config: dict[str, Any] = read_json(folder / CONFIG)
    return config


def model_type(folder: Path, known: tuple[str, ...]) -> str:
    """What kind of model it is by its config. Raises NodeError, naming those that are known, for others."""
    kind = str(read_config(folder).get("model_type", ""))
    if kind not in known:
        raise NodeError(
            f"a model of type {kind!r} cannot do this", where="model", hint=f"give one of {', '.join(known)}"
        )
    return kind


def pixels_for(frames: Tensor, folder: Path, side: int, device: str, dtype: Any) -> Tensor:
    """Frames as a vision model wants them: (frames, 3, side, side), its mean and spread taken out.

    frames: uint8, (frames, height, width, 3). The shorter side is fitted (bicubic, antialiased) and the
    middle cut out, as CLIP was trained; mean and spread are preprocessor_config.json's, else CLIP's.
    """
    import torch

    said = read_json(folder / "preprocessor_config.json")
    mean = torch.tensor(
        said.get("image_mean") or (0.48145466, 0.4578275, 0.40821073), device=device, dtype=torch.float32
    )
    spread = torch.tensor(
        said.get("image_std") or (0.26862954, 0.26130258, 0.27577711), device=device, dtype=torch.float32
    )
    planes = frames.to(device).permute(0, 3, 1, 2).float() / 255
    height, width = planes.shape[-2:]
    scale = side / min(height, width)
    size = (max(side, round(height * scale)), max(side, round(width * scale)))
    fitted = torch.nn.functional.interpolate(planes, size=size, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    middle = fitted[..., top : top + side, left : left + side]
    return ((middle - mean[:, None, None]) / spread[:, None, None]).to(dtype)
