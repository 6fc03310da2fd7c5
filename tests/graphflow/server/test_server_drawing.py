"""Curves and tables are found in whatever nodes make, without knowing the nodes."""

from __future__ import annotations

import math

from graphflow.server.drawing import MAX_POINTS, curves, rows
from graphflow.values import Value


class Measured(Value):
    metric: str
    unit: str = ""
    value: float = 0.0
    curve: tuple[float, ...] = ()
    frames: tuple[int, ...] = ()


class Clip(Value):
    item: str
    measured: tuple[Measured, ...] = ()


class Pair(Value):
    left: tuple[float, ...]
    right: tuple[float, ...]


FLICKER = Measured(metric="flicker", unit="%", value=0.2, curve=(0.1, 0.3, 0.2), frames=(1, 2, 3))


def test_a_list_of_numbers_is_one_curve_named_by_its_output() -> None:
    [one] = curves("loss", [1.0, 0.5, 0.25])
    assert (one.name, one.values) == ("loss", [1.0, 0.5, 0.25])


def test_whole_numbers_single_numbers_and_truth_values_are_no_curve() -> None:
    for value in ([1, 2, 3], [0.5], [True, 0.5], [], "0.1, 0.2", 0.5, ["0.5", 0.5]):
        assert curves("x", value) == [], value


def test_curves_in_values_are_called_by_the_texts_around_them() -> None:
    [one] = curves("out", FLICKER)
    assert (one.name, one.unit, one.values) == ("flicker", "%", [0.1, 0.3, 0.2])
    clips = [Clip(item="a fox", measured=(FLICKER,)), Clip(item="a cat", measured=(FLICKER,))]
    assert [one.name for one in curves("out", clips)] == ["a fox \u00b7 flicker", "a cat \u00b7 flicker"]
    assert [one.name for one in curves("out", Pair(left=(0.1, 0.2), right=(0.3, 0.4)))] == ["left", "right"]
    assert [one.name for one in curves("out", {"train": [0.1, 0.2], "held out": [0.3, 0.4]})] == [
        "train",
        "held out",
    ]


def test_what_is_no_number_leaves_a_gap() -> None:
    [one] = curves("x", [1.0, math.nan, math.inf, 2.0])
    assert one.values == [1.0, None, None, 2.0]


def test_a_long_curve_keeps_its_ends_and_very_many_are_cut() -> None:
    [one] = curves("x", [float(i) for i in range(100_001)])
    assert len(one.values) == MAX_POINTS and (one.values[0], one.values[-1]) == (0.0, 100_000.0)
    assert len(curves("x", [[0.1, 0.2]] * 100)) == 40


def test_the_parts_of_a_value_are_rows_of_their_texts_and_numbers() -> None:
    clip = Clip(item="a fox", measured=(FLICKER, Measured(metric="sharpness", value=2)))
    assert rows(clip) == [
        {"metric": "flicker", "unit": "%", "value": 0.2},
        {"metric": "sharpness", "unit": "", "value": 2.0},
    ]
    other = Clip(item="a cat", measured=(FLICKER,))
    assert rows([clip, other]) == [
        {"item": "a fox", "flicker": 0.2, "sharpness": 2.0},
        {"item": "a cat", "flicker": 0.2},
    ], "what a part is made of are columns, called by their texts"
    assert rows(Measured(metric="alone")) == [] and rows([1.0, 2.0]) == []
