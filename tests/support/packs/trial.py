"""Small nodes for tests of runners: a worker process loads this folder as a pack folder.

torch is imported only where it is needed: workers that never need it start at once.
"""

from __future__ import annotations

import time
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from graphflow.errors import NodeError
from graphflow.node import Context, node
from graphflow.values import PLACEMENT, Image, Recipe, Tensor, Value


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Corner(Value):
    x: int
    y: float


CORNER = Corner(x=2**62, y=-0.0)


class Pen(Recipe):
    """A model that is a number."""

    value: int
    where: Annotated[str, PLACEMENT] = "here"

    def open(self, device: str) -> int:
        return self.value

    def memory_bytes(self) -> int:
        return 10


@node("trial/numbers", fold=True)
def numbers(*, values: list[int]) -> list[int]:
    return values


@node("trial/grid", fold=True)
def grid(*, values: list[list[int]]) -> list[list[int]]:
    return values


@node("trial/pen", fold=True)
def pen(*, value: int = 3) -> Pen:
    return Pen(value=value)


@node("trial/pixel", fold=True)
def pixel(*, values: list[int]) -> Corner:
    return Corner(x=values[0], y=0.1)


@node("trial/describe")
def describe(
    corner: Corner,
    *,
    colour: Colour = Colour.RED,
    at: Corner = CORNER,
    pair: tuple[int, str] = (1, "a"),
    table: dict[str, list[float]] = {"a": [0.1, 1e300]},  # noqa: B006 a setting's default, never changed
    big: int = 2**80,
    maybe: float | None = None,
) -> str:
    """What arrived, exactly."""
    return repr((corner, colour, at, pair, table, big, maybe))


@node("trial/noise")
def noise(x: int, *, size: int = 16) -> Image:
    """Random pixels that only `x` decides."""
    import torch

    random = torch.Generator().manual_seed(x)
    return Image(pixels=torch.randint(0, 256, (size, size, 3), generator=random, dtype=torch.uint8))


@node("trial/blend")
def blend(a: Image, b: Image) -> Image:
    return Image(pixels=(a.pixels // 2 + b.pixels // 2))


@node("trial/draw")
def draw(image: Image, model: Pen, ctx: Context) -> Image:
    """Needs the device."""
    with ctx.use(model) as value:
        return Image(pixels=image.pixels + value)


@node("trial/mean")
def mean(images: list[Image]) -> float:
    return sum(float(image.pixels.float().mean()) for image in images)


@node("trial/spread")
def spread(x: int, *, count: int = 3) -> list[int]:
    """A list whose length only a run can tell."""
    return [x + i for i in range(count)]


@node("trial/double")
def double(x: int) -> int:
    return 2 * x


@node("trial/mixed")
def mixed(a: int, b: int) -> int:
    return a + b


@node("trial/total")
def total(items: list[int]) -> int:
    return sum(items)


@node("trial/sizes")
def sizes(items: list[list[int]]) -> list[int]:
    return [len(item) for item in items]


@node("trial/fussy")
def fussy(x: int, *, bad: list[int]) -> int:
    if x in bad:
        raise NodeError(f"no {x}, please", hint="take another")
    return x


def _side(*, first: bool) -> str:
    return "a" if first else "b"


@node("trial/either", branch=_side)
def either(a: int | None = None, b: int | None = None, *, first: bool = True) -> int | None:
    return a if first else b


@node("trial/walk")
def walk(x: int, ctx: Context, *, steps: int = 10, pause: float = 0.0) -> Image:
    """A random walk: the state, and with it the generator's, decides what follows."""
    import torch

    random, pixels, begin = torch.Generator().manual_seed(x), torch.zeros(8, 8, 3), 0
    state: Any = ctx.restore()
    if state is not None:
        random.set_state(state["random"])
        pixels, begin = state["pixels"], state["step"]
    for step in range(begin + 1, steps + 1):
        pixels = pixels + torch.rand(pixels.shape, generator=random)
        time.sleep(pause)
        ctx.progress(step, steps)
        ctx.preview(partial(_picture, pixels))
        ctx.checkpoint(partial(dict, step=step, pixels=pixels, random=random.get_state()))
    return _picture(pixels)


def _picture(pixels: Tensor) -> Image:
    import torch

    return Image(pixels=(pixels * 10).to(torch.uint8))


@node("trial/note", effect=lambda outputs: Path(outputs["out"]).exists())
def note(x: int, ctx: Context) -> str:
    """Writes a file."""
    return ctx.save("note", ".txt", lambda path: path.write_text(str(x))).path
