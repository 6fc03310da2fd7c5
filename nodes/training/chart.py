"""The loss over time as a picture."""

from __future__ import annotations

from collections.abc import Sequence

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import Image

from .values import Losses

WIDTH, HEIGHT, EDGE = 480, 240, 34
BACKGROUND, INK, FAINT, LINE = (24, 25, 28), (222, 224, 228), (70, 74, 82), (255, 170, 60)
SMOOTH = 0.05
"""Share of all steps over which the bright line is the mean."""


@node("training/loss_chart")
def loss_chart(losses: Losses) -> Image:
    """Draw the loss of every step, and its running mean. Raises NodeError if there is none."""
    if not losses.values:
        raise NodeError("there are no losses", where="losses")
    return draw(losses.values)


def draw(values: Sequence[float]) -> Image:
    """A picture of 480 x 240 pixels."""
    import numpy
    import torch
    from PIL import Image as Pillow
    from PIL import ImageDraw

    data = numpy.asarray(values, float)
    span = max(1, round(len(data) * SMOOTH))
    total = numpy.cumsum(numpy.concatenate([[0.0], data]))
    place = numpy.arange(1, len(data) + 1)
    mean = (total[place] - total[numpy.maximum(0, place - span)]) / numpy.minimum(place, span)
    low, high = float(min(data.min(), 0)), float(numpy.quantile(data, 0.99)) * 1.05 + 1e-9
    picture = Pillow.new("RGB", (WIDTH, HEIGHT), BACKGROUND)
    pen = ImageDraw.Draw(picture)

    def point(step: int, value: float) -> tuple[float, float]:
        across = (WIDTH - 2 * EDGE) * step / max(1, len(data) - 1)
        up = (HEIGHT - 2 * EDGE) * (min(value, high) - low) / (high - low)
        return EDGE + across, HEIGHT - EDGE - up

    pen.rectangle((EDGE, EDGE, WIDTH - EDGE, HEIGHT - EDGE), outline=FAINT)
    for series, colour, width in ((data, FAINT, 1), (mean, LINE, 2)):
        points = [point(step, float(value)) for step, value in enumerate(series)]
        if len(points) > 1:
            pen.line(points, fill=colour, width=width)
    pen.text((EDGE, 10), f"loss {mean[-1]:.4g} after {len(data)} steps", fill=INK)
    pen.text((4, EDGE - 6), f"{high:.2g}", fill=INK)
    pen.text((4, HEIGHT - EDGE - 6), f"{low:.2g}", fill=INK)
    return Image(pixels=torch.from_numpy(numpy.array(picture)))
