"""All metrics that need no weights, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from . import appearance, camera, light, momentum, movement, objects, picture
from .clip import Clip, Metric, Reading, Unmeasurable
from .values import Measurement, Missing, Scores

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for part in (light, picture, movement, camera, appearance, objects, momentum)
        for metric in part.METRICS
    }
)


def measured(clip: Clip, names: Iterable[str]) -> Scores:
    """The named metrics of a clip, in their order; what cannot be measured is said with its reason."""
    found: list[Measurement] = []
    missing: list[Missing] = []
    for name in names:
        metric = METRICS[name]
        try:
            found.append(as_measurement(metric, metric.measure(clip)))
        except Unmeasurable as reason:
            missing.append(Missing(metric=name, reason=str(reason)))
    return Scores(measurements=tuple(found), missing=tuple(missing))


def as_measurement(metric: Metric, reading: Reading) -> Measurement:
    """A reading with what its metric says of itself."""
    return Measurement(
        metric=metric.name,
        value=reading.value,
        direction=metric.direction,
        unit=metric.unit,
        claims=metric.claims,
        sees=metric.sees,
        curve=reading.curve,
        frames=reading.frames,
    )
