"""Optical flow: how pixels move between frames. The interface for models, and two methods without weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from graphflow.errors import NodeError
from graphflow.node import Context, Origin, node
from graphflow.values import Recipe, Tensor, Video

from .frames import frames_of
from .values import Flow

Flows = Callable[[Tensor, Tensor], Tensor]
"""An opened flow model: two batches of frames, uint8 (pairs, height, width, 3), to float32 (pairs, height,
width, 2): where each pixel of the first is in the second, minus where it was; pixels, x first."""


class FlowModel(Recipe):
    """Something that estimates optical flow. A pack of its own adds one: a subclass whose `open` gives
    `Flows`."""


class ClassicFlow(FlowModel):
    """Optical flow without weights, by OpenCV: `dis` (dense inverse search, Kroeger et al. 2016, preset
    medium) or `farneback` (polynomial expansion, Farneback 2003)."""

    method: Literal["dis", "farneback"] = "dis"

    def origins(self) -> tuple[Origin, ...]:
        return ()  # no weights: results owe nothing to anybody

    def open(self, device: str) -> Flows:
        from .classic_flow import flows_by

        return flows_by(self.method)


@node("evaluation/opencv_flow", fold=True)
def opencv_flow(*, method: Literal["dis", "farneback"] = "dis") -> ClassicFlow:
    """Optical flow without weights. method: `dis` is fast and keeps edges, `farneback` is smooth."""
    return ClassicFlow(method=method)


@node("evaluation/flow", depends=(".frames", ".values", ".vision", ".classic_flow"))
def flow(video: Video, model: FlowModel, ctx: Context, *, batch: int = 8) -> Flow:
    """Optical flow of a clip in both directions, by any flow model that is wired.

    batch: pairs of frames at a time. Raises NodeError for a clip of one frame, or if the model gives
    something else than it promises.
    """
    import torch

    frames = torch.from_numpy(frames_of(video).copy())
    if len(frames) < 2:
        raise NodeError("one frame has no motion", hint="give a clip of at least two frames")
    even = frames[::2]
    pairs = [
        (frames[:-1], frames[1:]),
        (frames[1:], frames[:-1]),
        (even[:-1], even[1:]),
        (even[1:], even[:-1]),
    ]
    total = sum(len(first) for first, _ in pairs)
    found: list[Tensor] = []
    done = 0
    with ctx.use(model) as flows:
        for first, second in pairs:
            parts: list[Tensor] = [torch.zeros(0, *frames.shape[1:3], 2, dtype=torch.float32)]
            for at in range(0, len(first), batch):
                ctx.progress(done, total)
                part = first[at : at + batch]
                parts.append(_checked(flows(part, second[at : at + batch]), part, type(model).__name__))
                done += len(part)
            found.append(torch.cat(parts))
    height, width = frames.shape[1:3]
    return Flow(
        forward=found[0],
        backward=found[1],
        wide_forward=found[2],
        wide_backward=found[3],
        width=width,
        height=height,
    )


def _checked(found: object, frames: Tensor, name: str) -> Tensor:
    import torch

    wanted = (*frames.shape[:3], 2)
    if not isinstance(found, torch.Tensor) or tuple(found.shape) != wanted or not found.isfinite().all():
        raise NodeError(
            f"{name} gave {tuple(getattr(found, 'shape', ()))}, not finite {wanted}",
            hint="report this to the makers of the flow model's pack",
        )
    return found.detach().float().cpu()
