"""Captioners: what a picture shows, in a sentence; by BLIP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from graphflow.node import node
from graphflow.values import Recipe, Tensor

from .weights import Dtype, Weights, pixels_for, recipe

Tell = Callable[[Tensor], list[str]]
"""An opened captioner: pictures, uint8 (pictures, height, width, 3), to a sentence for each."""

BATCH = 8


class Captioner(Recipe):
    """Something that tells what pictures show. A pack of its own adds one: a subclass whose `open` gives
    `Tell`."""


class BlipCaptioner(Captioner, Weights):
    """BLIP by transformers; the likeliest words, nothing is sampled."""

    words: int = 20

    def open(self, device: str) -> Tell:
        from transformers import BlipForConditionalGeneration

        model, tokenizer = self.loaded(BlipForConditionalGeneration, device, "blip"), self.tokenizer()
        return lambda pictures: _told(self, model, tokenizer, pictures, device)


@node("evaluation/blip_captioner", fold=True)
def blip_captioner(
    *,
    model: Annotated[str, Field(min_length=1)] = "Salesforce/blip-image-captioning-base",
    download: bool = False,
    dtype: Dtype = "float32",
    words: Annotated[int, Field(ge=1, le=200)] = 20,
) -> BlipCaptioner:
    """A captioner by BLIP.

    model: a folder or a hub repository with safetensors. words: tokens of a caption at most. Raises
    MissingModel if it is not on this machine.
    """
    return recipe(BlipCaptioner, model, download=download, dtype=dtype, words=words)


def _told(blip: BlipCaptioner, model: Any, tokenizer: Any, pictures: Tensor, device: str) -> list[str]:
    import torch

    side = int(model.config.vision_config.image_size)
    told: list[str] = []
    with torch.no_grad():
        for at in range(0, len(pictures), BATCH):
            pixels = pixels_for(pictures[at : at + BATCH], blip.folder(), side, device, model.dtype)
            made = model.generate(
                pixel_values=pixels, do_sample=False, num_beams=1, max_new_tokens=blip.words
            )
            told += tokenizer.batch_decode(made, skip_special_tokens=True)
    return [sentence.strip() for sentence in told]
