"""Models that tell how well a clip, as a whole, fits a text; by X-CLIP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from graphflow.node import node
from graphflow.values import Recipe, Tensor

from .weights import Dtype, Weights, pixels_for, recipe

Fit = Callable[[Tensor, str], float]
"""An opened model: frames, uint8 (frames, height, width, 3), and a text, to the cosine of both, -1..1."""


class VideoText(Recipe):
    """Something that sets clips and texts beside each other. A pack of its own adds one, such as ViCLIP: a
    subclass whose `open` gives `Fit`."""


class XClip(VideoText, Weights):
    """X-CLIP by transformers. It sees the middles of as many equal parts of the clip as it has frames."""

    def open(self, device: str) -> Fit:
        from transformers import XCLIPModel

        model, tokenizer = self.loaded(XCLIPModel, device, "xclip"), self.tokenizer()
        return lambda frames, text: _cosine(self, model, tokenizer, frames, text, device)


@node("evaluation/xclip", fold=True)
def xclip(
    *,
    model: Annotated[str, Field(min_length=1)] = "microsoft/xclip-base-patch32",
    download: bool = False,
    dtype: Dtype = "float32",
) -> XClip:
    """A model of clips and texts by X-CLIP.

    model: a folder or a hub repository with safetensors. Raises MissingModel if it is not on this machine.
    """
    return recipe(XClip, model, download=download, dtype=dtype)


def middles(count: int, parts: int) -> list[int]:
    """The middle frame of each of so many equal parts; of a short clip some twice."""
    return [min(count - 1, int((part + 0.5) * count / parts)) for part in range(parts)]


def _cosine(recipe: XClip, model: Any, tokenizer: Any, frames: Tensor, text: str, device: str) -> float:
    import torch

    config = model.config
    shown = frames[middles(len(frames), int(config.vision_config.num_frames))]
    side = int(config.vision_config.image_size)
    pixels = pixels_for(shown, recipe.folder(), side, device, model.dtype)
    most = config.text_config.max_position_embeddings
    given = tokenizer([text], padding=True, truncation=True, max_length=most, return_tensors="pt")
    with torch.no_grad():
        made = model(
            input_ids=given["input_ids"].to(device),
            attention_mask=given["attention_mask"].to(device),
            pixel_values=pixels[None],
        )
        return float(made.logits_per_video[0, 0].float() / model.logit_scale.exp().float())
