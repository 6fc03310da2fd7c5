"""Recognisers of actions: what somebody does in a clip; by VideoMAE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

from graphflow.node import node
from graphflow.values import Recipe, Tensor

from .vbench_parts import spread
from .weights import Dtype, Weights, pixels_for, recipe

Recognise = Callable[[Tensor], Mapping[str, float]]
"""An opened recogniser: frames, uint8 (frames, height, width, 3), to every action that it knows, each with
its own probability (a sigmoid; they do not add up to 1)."""


class Recogniser(Recipe):
    """Something that tells actions apart. A pack of its own adds one: a subclass whose `open` gives
    `Recognise`."""


class VideoMAERecogniser(Recogniser, Weights):
    """VideoMAE with a head for classes by transformers, such as Kinetics-400's."""

    def open(self, device: str) -> Recognise:
        from transformers import VideoMAEForVideoClassification

        model = self.loaded(VideoMAEForVideoClassification, device, "videomae")
        return lambda frames: _actions(self, model, frames, device)


@node("evaluation/videomae_recogniser", fold=True)
def videomae_recogniser(
    *,
    model: Annotated[str, Field(min_length=1)] = "MCG-NJU/videomae-base-finetuned-kinetics",
    download: bool = False,
    dtype: Dtype = "float32",
) -> VideoMAERecogniser:
    """A recogniser of actions by VideoMAE; it sees 16 frames.

    model: a folder or a hub repository with safetensors. Raises MissingModel if it is not on this machine.
    """
    return recipe(VideoMAERecogniser, model, download=download, dtype=dtype)


def _actions(mae: VideoMAERecogniser, model: Any, frames: Tensor, device: str) -> dict[str, float]:
    import torch

    wanted = int(model.config.num_frames)
    places = spread(len(frames), wanted)
    places += places[-1:] * (wanted - len(places))  # a clip that is too short stands still at its end
    pixels = pixels_for(frames[places], mae.folder(), int(model.config.image_size), device, model.dtype)
    with torch.no_grad():
        sure = model(pixel_values=pixels[None]).logits[0].float().sigmoid().cpu()
    return {str(model.config.id2label[place]): float(one) for place, one in enumerate(sure)}
