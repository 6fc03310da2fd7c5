"""Frame interpolation: the picture half way between two, by any flow model."""

from __future__ import annotations

from collections.abc import Callable

from graphflow.node import Origin, node
from graphflow.values import Recipe, Tensor

from .flow import ClassicFlow, FlowModel

Between = Callable[[Tensor, Tensor], Tensor]
"""An opened interpolator: two batches of frames, uint8 (pairs, height, width, 3), to the frames half way
between them, of equal shape and type."""


class Interpolator(Recipe):
    """Something that makes frames between frames. A pack of its own adds one: a subclass whose `open` gives
    `Between`."""


class FlowInterpolator(Interpolator):
    """Both frames moved half way by the flow between them, and mixed."""

    flow: FlowModel = ClassicFlow()

    def origins(self) -> tuple[Origin, ...]:
        return self.flow.origins()

    def check(self, device: str) -> None:
        self.flow.check(device)

    def memory_bytes(self) -> int:
        return self.flow.memory_bytes()

    def open(self, device: str) -> Between:
        flows = self.flow.open(device)
        return lambda first, second: _between(first, second, flows(first, second), flows(second, first))


@node("evaluation/flow_interpolator", fold=True)
def flow_interpolator(flow: FlowModel | None = None) -> FlowInterpolator:
    """An interpolator by optical flow; without a flow model, by the built-in one."""
    return FlowInterpolator() if flow is None else FlowInterpolator(flow=flow)


def _between(first: Tensor, second: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
    import numpy as np
    import torch

    from .vision import warped

    made = [
        0.5 * warped(a, 0.5 * b_flow) + 0.5 * warped(b, 0.5 * a_flow)
        for a, b, a_flow, b_flow in zip(
            first.numpy(), second.numpy(), forward.numpy(), backward.numpy(), strict=True
        )
    ]
    return torch.from_numpy(np.stack(made).round().clip(0, 255).astype(np.uint8))
