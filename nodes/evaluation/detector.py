"""Detectors: where things are that words name; by OWL-ViT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from graphflow.node import node
from graphflow.values import Recipe, Tensor

from .weights import Dtype, Weights, pixels_for, recipe


class Detection(NamedTuple):
    """One thing found: the word, how sure (0..1), and left, top, right, bottom in pixels."""

    word: str
    score: float
    box: tuple[float, float, float, float]


Detect = Callable[[Tensor, Sequence[str], float], list[Detection]]
"""An opened detector: a frame, uint8 (height, width, 3), words, and the least score, to what it found."""


class Detector(Recipe):
    """Something that finds what words name. A pack of its own adds one: a subclass whose `open` gives
    `Detect`."""


class OwlDetector(Detector, Weights):
    """OWL-ViT by transformers: any words, no list of classes."""

    def open(self, device: str) -> Detect:
        from transformers import OwlViTForObjectDetection

        model, tokenizer = self.loaded(OwlViTForObjectDetection, device, "owlvit"), self.tokenizer()
        return lambda frame, words, least: _found(self, model, tokenizer, frame, words, least, device)


@node("evaluation/owl_detector", fold=True)
def owl_detector(
    *,
    model: Annotated[str, Field(min_length=1)] = "google/owlvit-base-patch32",
    download: bool = False,
    dtype: Dtype = "float32",
) -> OwlDetector:
    """A detector for any words, by OWL-ViT.

    model: a folder or a hub repository with safetensors. Raises MissingModel if it is not on this machine.
    """
    return recipe(OwlDetector, model, download=download, dtype=dtype)


def _found(
    owl: OwlDetector,
    model: Any,
    tokenizer: Any,
    frame: Tensor,
    words: Sequence[str],
    least: float,
    device: str,
) -> list[Detection]:
    import torch

    side = int(model.config.vision_config.image_size)
    height, width = frame.shape[:2]
    most = model.config.text_config.max_position_embeddings
    texts = tokenizer(
        [f"a photo of a {word}" for word in words],
        padding="max_length", truncation=True, max_length=most, return_tensors="pt",
    )  # fmt: skip
    square = torch.zeros(max(height, width), max(height, width), 3, dtype=torch.uint8)
    square[:height, :width] = frame  # as it was trained: filled up to a square, to the right and below
    pixels = pixels_for(square[None], owl.folder(), side, device, model.dtype)
    with torch.no_grad():
        made = model(
            input_ids=texts["input_ids"].to(device),
            attention_mask=texts["attention_mask"].to(device),
            pixel_values=pixels,
        )
    scores = made.logits[0].float().sigmoid().cpu()
    middle, size = made.pred_boxes[0].float().cpu().split(2, dim=-1)
    corners = torch.cat([middle - size / 2, middle + size / 2], dim=-1) * max(height, width)
    limits = torch.tensor([width, height, width, height], dtype=torch.float32)
    corners = corners.clamp(min=0).minimum(limits)
    found = [
        Detection(words[int(word)], float(scores[box, word]), tuple(corners[box].tolist()))
        for box, word in (scores > least).nonzero().tolist()
    ]
    return sorted(found, key=lambda one: -one.score)
