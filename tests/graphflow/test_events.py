"""Events travel as msgpack and are read by people as JSON."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphflow import events

EXAMPLES: dict[type[Any], dict[str, Any]] = {
    events.RunAccepted: {"workflow": "clip 名"},
    events.RunStarted: {"steps": 3, "cached": 1},
    events.NodeCached: {"node": "a", "item": (1, 2)},
    events.NodeStarted: {"node": "a"},
    events.NodeProgress: {"node": "a", "done": 1, "total": 4, "eta": 2.5},
    events.NodePreview: {"node": "a", "media_type": "image/webp", "data": b"\x00\xff"},
    events.NodeNotice: {"node": "a", "item": (2,), "message": "832 x 470 became 832 x 464"},
    events.NodeFinished: {"node": "a", "seconds": 0.1, "bytes": 10, "stored": "both"},
    events.NodeFailed: {"node": "a", "code": "node", "message": "no", "hint": "h"},
    events.NodeSkipped: {"node": "a", "reason": "needs b"},
    events.CacheNotice: {"kind": "full", "message": "disk"},
    events.RunFinished: {"seconds": 1.0, "computed": 2, "cached": 1},
    events.RunFailed: {"seconds": 1.0, "code": "node", "message": "a: no"},
    events.RunCancelled: {"seconds": 1.0},
}
EVENTS = [kind(run="r", seq=i, time=0.5, **fields) for i, (kind, fields) in enumerate(EXAMPLES.items())]


def test_there_is_an_example_of_every_event() -> None:
    assert set(EXAMPLES) == set(get_args(events.Event))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_every_event_comes_back_from_msgpack(event: events.Event) -> None:
    assert events.from_msgpack(events.to_msgpack(event)) == event


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_every_event_is_one_line_of_json_that_begins_with_its_type(event: events.Event) -> None:
    line = events.to_json(event)
    assert "\n" not in line and line.startswith(f'{{"type": "{event.type}"')
    raw = json.loads(line)
    if "data" in raw:
        raw["data"] = base64.b64decode(raw["data"])
    assert events.from_msgpack(msgpack.packb(raw)) == event


@given(
    st.binary(max_size=60)
    | st.dictionaries(st.text(max_size=5), st.integers(0, 99), max_size=3).map(msgpack.packb)
)
def test_bytes_that_are_no_event_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        events.from_msgpack(data)


def test_an_event_of_an_unknown_type_or_with_more_fields_is_refused() -> None:
    for raw in ({"type": "run.exploded", "run": "r"}, {"type": "run.accepted", "run": "r", "more": 1}):
        with pytest.raises(ValueError):
            events.from_msgpack(msgpack.packb(raw))


def test_an_event_without_a_preview_is_small() -> None:
    assert max(len(events.to_msgpack(event)) for event in EVENTS) < 200
