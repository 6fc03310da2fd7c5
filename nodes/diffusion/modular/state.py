"""What flows between the phases of a modular pipeline: what it calls its state, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphflow.errors import NodeError
from graphflow.values import Image, Tensor, Value, is_tensor

from .definitions import Definition, Phase


class DtypeName(Value):
    """Stands for a torch dtype."""

    name: str


class ModularState(Value):
    """What the phases of a modular pipeline have made so far, and what they were told.

    values: by the pipeline's own names: plain data, tensors on the CPU, pictures. Only what is needed.
    """

    pipeline: str
    model: str
    """Identity of the model's files."""
    done: tuple[str, ...]
    """Phases that have run."""
    values: dict[str, Any]
    bundles: dict[str, list[str]]
    """Groups of values that blocks take as a whole, such as `denoiser_input_fields`: the names in each."""
    guidance: dict[str, float]
    """By guider, how closely to follow the prompt, where that was said."""
    seed: int | None = None
    """None before the first phase that draws random numbers."""
    rng: Tensor | None = None
    """State of the random generator, uint8."""


_RATES = ("fps", "frame_rate")
"""Kept for the video's own rate, also where no later phase looks at them."""


def needed_after(definition: Definition, phase: Phase, bundles: Mapping[str, list[str]]) -> set[str]:
    """Names of the values that are needed after a phase."""
    names = set(_RATES)
    for each in definition.after(phase):
        names |= {one.name for one in each.inputs}
        names |= {name for bundle in each.bundles for name in bundles.get(bundle, ())}
    return names


def packed(name: str, content: Any) -> Any:
    """A value of a pipeline's state as it travels. Raises NodeError for what cannot, as a live module."""
    import torch
    from PIL.Image import Image as Picture

    if content is None or isinstance(content, bool | int | float | str):
        return content
    if is_tensor(content):
        return content.detach().cpu()
    if isinstance(content, torch.dtype):
        return DtypeName(name=str(content).removeprefix("torch."))
    if isinstance(content, Picture):
        return _picture(content)
    if type(content) is list:
        return [packed(name, each) for each in content]
    if isinstance(content, tuple):
        return tuple(packed(name, each) for each in content)
    if isinstance(content, dict):
        return {key: packed(name, each) for key, each in content.items()}
    raise NodeError(
        f"the pipeline made {name!r}, a {type(content).__name__}, which cannot travel to its next phase",
        hint="this way of using the pipeline cannot be split into nodes",
    )


def unpacked(content: Any, device: str) -> Any:
    """The same for a pipeline on `device`. Tensors are copies: blocks write into theirs."""
    import torch
    from PIL import Image as Pillow

    if is_tensor(content):
        return content.to(device, copy=True)
    if isinstance(content, DtypeName):
        return getattr(torch, content.name)
    if isinstance(content, Image):
        return Pillow.fromarray(content.pixels.cpu().contiguous().numpy())
    if isinstance(content, list):
        return [unpacked(each, device) for each in content]
    if isinstance(content, tuple):
        return tuple(unpacked(each, device) for each in content)
    if isinstance(content, dict):
        return {key: unpacked(each, device) for key, each in content.items()}
    return content


def same(one: Any, other: Any) -> bool:
    """Whether two packed values are equal."""
    import torch

    if isinstance(one, Image) and isinstance(other, Image):
        return bool(torch.equal(one.pixels.cpu(), other.pixels.cpu()))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) if not (is_tensor(one) or is_tensor(other)) else one is other


def _picture(content: Any) -> Image:
    import numpy
    import torch

    return Image(pixels=torch.from_numpy(numpy.asarray(content.convert("RGB")).copy()))
