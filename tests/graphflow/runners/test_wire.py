"""Frames are whole or absent; steps and messages arrive as they left."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import ResourceError
from graphflow.execute import Done, Failed, Missed, Work
from graphflow.refs import Const, Many, Out, Ref, const
from graphflow.registry import PackFailure, Registry
from graphflow.runners import Message, Noticed, Previewed, Progressed, Started, Stopped, wire
from graphflow.runners.wire import Link
from graphflow.values import CodecError
from tests.support.engine import REGISTRY, limited

KEY = "ab" * 32

MESSAGES: list[Message] = [
    Started(KEY),
    Progressed(KEY, 3, 9, 0.5),
    Progressed(KEY, 0, 9, None),
    Previewed(KEY, "image/webp", b"\x00\xff"),
    Stopped(KEY),
    Noticed("full", "no room"),
    Done(KEY, 0.25, 2**40, "both", hit=True, volatile=True),
    Failed(KEY, "node", "half a \ud800 pair", "hint"),
    Missed(KEY, "cd" * 32),
]

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("aé\U0001f600"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=8,
)
refs: st.SearchStrategy[Ref] = st.recursive(
    plain.map(const)
    | st.builds(Out, st.just(KEY), st.text("ab"), st.lists(st.integers(0, 9), max_size=2).map(tuple)),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: Many(tuple(items))),
    max_leaves=6,
)


def through(frame: dict[str, Any]) -> dict[str, Any]:
    """A frame as the other side gets it."""
    [found] = Link(io.BytesIO(wire.pack("test", frame=frame)), io.BytesIO()).receive()
    assert found["do"] == "test"
    content: dict[str, Any] = found["frame"]
    return content


def work(**changes: Any) -> Work:
    spec = REGISTRY.specs["test/limited"]
    settings = {"amount": 7, "mode": "b"}
    return replace(Work(KEY, KEY, "n", (1, 2), spec, settings, {}, True, b"\x01", {"big": 2**70}), **changes)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_messages_arrive_as_they_left(message: Message) -> None:
    assert wire.unpack_message(through(wire.pack_message(message))) == message


@given(
    inputs=st.dictionaries(st.text("ab"), refs, max_size=3),
    settings=st.dictionaries(st.text("ab"), plain, max_size=3),
)
def test_steps_arrive_as_they_left(inputs: dict[str, Ref], settings: dict[str, Any]) -> None:
    sent = work(inputs=inputs, settings=settings)
    assert repr(wire.unpack_work(through(wire.pack_work(sent)), REGISTRY)) == repr(sent)


def test_a_step_with_an_input_that_cannot_travel_is_refused() -> None:
    with pytest.raises(CodecError, match="a set cannot travel"):
        wire.pack_work(work(inputs={"x": Const({1}, b"")}))


def test_a_node_that_is_not_there_is_refused_with_what_is_known() -> None:
    frame = wire.pack_work(work())
    with pytest.raises(ResourceError) as caught:
        wire.unpack_work(frame, Registry({}, (PackFailure("odd", "SyntaxError"),)))
    assert (caught.value.error_code, caught.value.hint) == ("worker.node", "pack odd: SyntaxError")
    with pytest.raises(ResourceError, match="changed after"):
        wire.unpack_work({**frame, "source": "other"}, REGISTRY)
    assert wire.unpack_work(frame, REGISTRY).spec.function is limited


def test_a_frame_that_is_cut_short_is_no_frame() -> None:
    first = wire.pack("a", value=b"x" * 100)
    data = first + wire.pack("b")
    for length in range(len(data)):
        frames = list(Link(io.BytesIO(data[:length]), io.BytesIO()).receive())
        assert [frame["do"] for frame in frames] == ["a"] * (length >= len(first))


def test_a_frame_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    long = wire.pack("long", value=b"x" * 100)
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 50)
    with pytest.raises(ValueError, match="a frame of"):
        wire.pack("long", value=b"x" * 100)
    with pytest.raises(ValueError, match="a frame of"):
        list(Link(io.BytesIO(long), io.BytesIO()).receive())


def test_what_msgpack_does_not_know_goes_as_its_text() -> None:
    assert through({"value": 1 + 2j}) == {"value": "(1+2j)"}


def test_frames_pass_through_real_pipes() -> None:
    incoming, outgoing = os.pipe()
    with os.fdopen(incoming, "rb") as reader, os.fdopen(outgoing, "wb", buffering=0) as writer:
        link = Link(reader, writer)
        link.send("hello", number=1)
        frames = link.receive()
        assert next(frames) == {"do": "hello", "number": 1}
        writer.close()
        assert next(frames, None) is None
