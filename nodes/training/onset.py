"""When an effect begins: the change point of a curve over time, with noise, drift and fading allowed for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 4
"""Shorter curves hold too little to tell a change from noise: their first rise counts."""
EVIDENCE = 6.0
"""How much better a change must explain the curve than a straight line does: the difference of twice the
log-likelihood, less what two more numbers explain of noise (Schwarz 1978). 6 is strong evidence."""
SIGMAS = 3.0
"""Spreads of the frames before it by which a frame is no longer as they are."""
WHOLE = 0.25
"""Curves without a change are of an effect that begins with the clip if they are higher than this, else of a
clip that a LoRA has shifted as a whole."""
MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def onset_of(areas: Sequence[float], least: float) -> int | None:
    """The frame in which areas begin to be other than before, counted from 0; None if they never do.

    areas: for each frame the share of pixels that differ. least: smaller rises are none.
    Before the onset areas may have any level, since a LoRA also shifts a clip a little as a whole, and
    jump about it; afterwards they may stay, go on rising or fade. A curve that a straight line explains as
    well drifts: it has an onset only if it gets far. If there is no change, but areas are above WHOLE from
    the beginning, the effect begins with the clip: 0.
    """
    import numpy as np

    curve = np.asarray(areas, float)
    if float(np.ptp(curve)) <= least:
        return 0 if float(np.median(curve)) > WHOLE else None
    place = _change(curve, least) if len(curve) > FEW else None
    if place is None:
        return _drifted(curve, least)
    level = float(np.median(curve[:place]))
    spread = MAD * float(np.median(np.abs(curve[:place] - level)))
    above = curve > level + max(least, SIGMAS * spread)
    if not above[place:].any():
        return 0 if level > WHOLE else None
    while not above[place]:
        place += 1
    while place > 1 and above[place - 1]:
        place -= 1
    return place


def _change(curve: NDArray[Any], least: float) -> int | None:
    """The first frame of the second part of the best curve that is level first and a line of its own then;
    None if one line through all frames does as well."""
    import numpy as np

    count = len(curve)
    floor = count * (least / 8) ** 2  # what is smaller than this says nothing
    straight = _line_error(curve) + floor
    errors = [
        float(np.square(curve[:place] - curve[:place].mean()).sum()) + _line_error(curve[place:]) + floor
        for place in range(1, count)
    ]
    best = int(np.argmin(errors))
    gain = count * float(np.log(straight / errors[best])) - 2 * float(np.log(count))
    return best + 1 if gain > EVIDENCE else None


def _line_error(part: NDArray[Any]) -> float:
    """The sum of squares that the best straight line leaves."""
    import numpy as np

    if len(part) < 3:
        return 0.0
    time = np.arange(len(part)) - (len(part) - 1) / 2
    away = part - part.mean()
    slope = float(time @ away) / float(time @ time)
    return float(np.square(away - slope * time).sum())


def _drifted(curve: NDArray[Any], least: float) -> int | None:
    """The onset of a curve without a change: where it rises from the first frame on, and far."""
    import numpy as np

    first = float(curve[0])
    far = float(curve.max()) - first
    if far > (least if len(curve) <= FEW else 5 * least) and curve[-1] > first + far / 2:
        return int((curve > first + least).argmax())
    return 0 if float(np.median(curve[: max(1, len(curve) // 4)])) > WHOLE else None
