"""Embedders: pictures and texts as unit vectors, by CLIP, SigLIP, DINO or DINOv2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import Recipe, Tensor

from .weights import Dtype, Weights, model_type, pixels_for, recipe

KINDS = ("clip", "siglip", "dinov2", "vit")
BATCH = 16


class Embed(Protocol):
    """An opened embedder."""

    def images(self, frames: Tensor) -> Tensor:
        """uint8 (frames, height, width, 3) to float32 unit vectors, (frames, numbers)."""

    def texts(self, texts: Sequence[str]) -> Tensor:
        """float32 unit vectors, (texts, numbers), in the same space. Raises NodeError if it knows none."""


class Embedder(Recipe):
    """Something that turns pictures into vectors. A pack of its own adds one: a subclass whose `open` gives
    `Embed`."""


class TransformersEmbedder(Embedder, Weights):
    """CLIP, SigLIP, DINO (`vit`) or DINOv2 by transformers."""

    def open(self, device: str) -> Embed:
        return _Opened(self, device)


class _Opened:
    """The model on its device; frames go through in small batches."""

    def __init__(self, recipe: TransformersEmbedder, device: str) -> None:
        import transformers

        self.recipe, self.folder = recipe, recipe.folder()
        self.kind = model_type(self.folder, KINDS)
        names = {"clip": "CLIPModel", "siglip": "SiglipModel", "dinov2": "Dinov2Model", "vit": "ViTModel"}
        self.device = device
        self.model = recipe.loaded(getattr(transformers, names[self.kind]), device, self.kind)
        config = self.model.config
        self.side = int(getattr(config, "vision_config", config).image_size)

    def images(self, frames: Tensor) -> Tensor:
        import torch

        found = []
        with torch.no_grad():
            for at in range(0, len(frames), BATCH):
                part = frames[at : at + BATCH]
                pixels = pixels_for(part, self.folder, self.side, self.device, self.model.dtype)
                found.append(self._of(pixels).float().cpu())
        return torch.nn.functional.normalize(torch.cat(found), dim=-1)

    def _of(self, pixels: Tensor) -> Tensor:
        if self.kind in ("clip", "siglip"):
            return _vectors(self.model.get_image_features(pixel_values=pixels))
        hidden: Tensor = self.model(pixel_values=pixels).last_hidden_state[:, 0]
        return hidden

    def texts(self, texts: Sequence[str]) -> Tensor:
        import torch

        if self.kind not in ("clip", "siglip"):
            raise NodeError(
                f"a {self.kind} model knows no texts", where="embedder", hint="use CLIP or SigLIP"
            )
        tokenizer = self.recipe.tokenizer()
        most = self.model.config.text_config.max_position_embeddings
        padding = "max_length" if self.kind == "siglip" else True
        given = tokenizer(list(texts), padding=padding, truncation=True, max_length=most, return_tensors="pt")
        wanted = {
            name: value.to(self.device)
            for name, value in given.items()
            if name in ("input_ids", "attention_mask")
        }
        with torch.no_grad():
            found = _vectors(self.model.get_text_features(**wanted)).float().cpu()
        return torch.nn.functional.normalize(found, dim=-1)


def _vectors(found: Any) -> Tensor:
    """Features as a tensor, which some versions of transformers wrap."""
    vectors: Tensor = getattr(found, "pooler_output", found)
    return vectors


@node("evaluation/embedder", fold=True)
def embedder(
    *, model: Annotated[str, Field(min_length=1)], download: bool = False, dtype: Dtype = "float32"
) -> TransformersEmbedder:
    """An embedder by transformers: CLIP and SigLIP know texts too, DINO and DINOv2 see more of shapes.

    model: a folder, or a hub repository such as laion/CLIP-ViT-B-32-laion2B-s34B-b79K or
        facebook/dino-vitb16, with safetensors, which not every one has.
    Raises MissingModel if it is not on this machine.
    """
    return recipe(TransformersEmbedder, model, download=download, dtype=dtype)
