"""VBench's table: how dimensions are brought to one scale, weighed and added up (Huang et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Dimension(NamedTuple):
    """The least and greatest value of a dimension, its weight, and which of the two scores it belongs to."""

    least: float
    greatest: float
    weight: float
    quality: bool


DIMENSIONS: Mapping[str, Dimension] = MappingProxyType(
    {
        "subject_consistency": Dimension(0.1462, 1.0, 1.0, True),
        "background_consistency": Dimension(0.2615, 1.0, 1.0, True),
        "temporal_flickering": Dimension(0.6293, 1.0, 1.0, True),
        "motion_smoothness": Dimension(0.706, 0.9975, 1.0, True),
        "dynamic_degree": Dimension(0.0, 1.0, 0.5, True),
        "aesthetic_quality": Dimension(0.0, 1.0, 1.0, True),
        "imaging_quality": Dimension(0.0, 1.0, 1.0, True),
        "object_class": Dimension(0.0, 1.0, 1.0, False),
        "multiple_objects": Dimension(0.0, 1.0, 1.0, False),
        "human_action": Dimension(0.0, 1.0, 1.0, False),
        "color": Dimension(0.0, 1.0, 1.0, False),
        "spatial_relationship": Dimension(0.0, 1.0, 1.0, False),
        "scene": Dimension(0.0, 0.8222, 1.0, False),
        "appearance_style": Dimension(0.0009, 0.2855, 1.0, False),
        "temporal_style": Dimension(0.0, 0.364, 1.0, False),
        "overall_consistency": Dimension(0.0, 0.364, 1.0, False),
    }
)
QUALITY_WEIGHT, SEMANTIC_WEIGHT = 4.0, 1.0


def normalised(dimension: str, value: float) -> float:
    """A raw value on the scale 0..1 of its dimension, not cut off."""
    known = DIMENSIONS[dimension]
    return (value - known.least) / (known.greatest - known.least)


def weighed(values: Mapping[str, float], *, quality: bool) -> float | None:
    """The weighted mean of the dimensions of one score that are there; None if none is."""
    parts = [(DIMENSIONS[name].weight, normalised(name, value)) for name, value in values.items()
             if DIMENSIONS[name].quality == quality]  # fmt: skip
    total = sum(weight for weight, _ in parts)
    return sum(weight * value for weight, value in parts) / total if total else None
