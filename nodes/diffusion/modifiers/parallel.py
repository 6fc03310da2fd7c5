"""One model on several devices at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.values import Value

Degree = Annotated[int, Field(ge=1, le=1024)]


class Parallel(Value):
    """Into how many parts the work on one clip is cut; the product of the degrees is the number of devices.

    ring and ulysses cut the tokens of a clip; ulysses needs as many attention heads. tensor cuts the weights.
    """

    ring: Degree = 1
    ulysses: Degree = 1
    tensor: Degree = 1

    @property
    def devices(self) -> int:
        """How many devices it takes."""
        return self.ring * self.ulysses * self.tensor


def check_parallel(parallel: Parallel, device: str, devices: int = 1) -> None:
    """Raises NodeError unless the runner gives a step as many devices as the degrees ask for."""
    if parallel.devices != devices:
        raise NodeError(
            f"the parallel recipe asks for {parallel.devices} devices; this runner gives a step {devices}: "
            f"{device!r}",
            where="parallel",
            hint="set all degrees to 1, or use a runner that has several devices for one step",
        )
