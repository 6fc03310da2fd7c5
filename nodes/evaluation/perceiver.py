"""Optical flow by Perceiver IO (Jaegle et al. 2021), the flow model that transformers has."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from graphflow.node import node
from graphflow.values import Tensor

from .flow import FlowModel, Flows
from .weights import Dtype, Weights, recipe

SCALE = 20
"""Pixels in a unit of what the network gives, as its authors scale it."""


class PerceiverFlow(FlowModel, Weights):
    """Perceiver IO for optical flow; frames are fitted to the size that it was trained at."""

    def open(self, device: str) -> Flows:
        from transformers import PerceiverForOpticalFlow

        model = self.loaded(PerceiverForOpticalFlow, device, "perceiver")
        return lambda first, second: _flows(model, first, second, device)


@node("evaluation/perceiver_flow", fold=True)
def perceiver_flow(
    *,
    model: Annotated[str, Field(min_length=1)] = "deepmind/optical-flow-perceiver",
    download: bool = False,
    dtype: Dtype = "float32",
) -> PerceiverFlow:
    """Optical flow by Perceiver IO, for `evaluation/flow`.

    model: a folder or a hub repository. Raises MissingModel if it is not on this machine.
    """
    return recipe(PerceiverFlow, model, download=download, dtype=dtype)


def _flows(model: Any, first: Tensor, second: Tensor, device: str) -> Tensor:
    import torch

    height, width = first.shape[1:3]
    size = tuple(model.config.train_size)
    with torch.no_grad():
        patches = torch.stack([_patches(frames.to(device), size) for frames in (first, second)], dim=1)
        found = model(inputs=patches.to(model.dtype)).logits.float() * SCALE
    planes = torch.nn.functional.interpolate(
        found.permute(0, 3, 1, 2), size=(height, width), mode="bilinear", align_corners=False
    )
    scale = torch.tensor([width / size[1], height / size[0]], device=planes.device, dtype=torch.float32)
    return (planes.permute(0, 2, 3, 1) * scale).cpu()


def _patches(frames: Tensor, size: tuple[int, ...]) -> Tensor:
    """The nine pixels around each, -1..1, (frames, 27, height, width): row, column, then colour."""
    import torch

    planes = frames.permute(0, 3, 1, 2).float() / 127.5 - 1
    fitted = torch.nn.functional.interpolate(planes, size=size, mode="bilinear", antialias=True)
    padded = torch.nn.functional.pad(fitted, (1, 1, 1, 1))
    around = [padded[..., y : y + size[0], x : x + size[1]] for y in range(3) for x in range(3)]
    return torch.cat(around, dim=1)
