"""Whatever is sent: every message is answered once, nothing is a fault of the program, nothing is lost."""

from __future__ import annotations

import asyncio
import random
from typing import Any, get_args

import msgpack
import pytest

from graphflow.server import protocol as p
from graphflow.server.limits import ServerLimits
from tests.graphflow.server.conftest import NUMBERS, Serve, Speaker
from tests.support.engine import raw

KINDS: tuple[type[Any], ...] = get_args(get_args(p.Request)[0])
"""Every message that a client may send."""

MESSAGES = 2_500
"""Sent by each of two tests."""

CODEC = p.Codec()

TEXTS = [
    "",
    "a",
    "good",
    "../x",
    "a/b",
    "\0",
    "x" * 2_000,
    "0" * 32,
    "é",
    "​",
    "text_to_video",
    "asset:" + "0" * 32,
]
NUMBERS_ODD = [0, 1, -1, 2**31, 2**53 - 1, 2**53, 2**63, 1.5, float("inf"), float("nan")]
DOCUMENTS: list[Any] = [
    NUMBERS,
    raw({"out": "b"}, b=("double", {"pluss": 1}, {"x": "gone"})),
    raw({"out": "a"}, a=("total", {}, {"items": "a"})),
    {"graphflow": 1},
    {"graphflow": 99},
    {"nodes": []},
    {"graphflow": 1, "nodes": {"w": {"type": "workflow:good"}}},
    {"graphflow": 1, "nodes": {"w": {"type": "../x.json"}}},
    {"graphflow": 1, "nodes": {"a" * 200: {"type": "x"}}},
]


def junk(chance: random.Random, depth: int = 0) -> Any:
    """Any value that a frame can hold."""
    kind = chance.randrange(8 if depth < 3 else 6)
    if kind == 6:
        return [junk(chance, depth + 1) for _ in range(chance.randrange(3))]
    if kind == 7:
        return {chance.choice(TEXTS[:6]): junk(chance, depth + 1) for _ in range(chance.randrange(3))}
    return [None, True, chance.choice(NUMBERS_ODD), chance.choice(TEXTS), b"\xff\x00", False][kind]


def likely(chance: random.Random, name: str, runs: list[str]) -> Any:
    """A value that a field of this name may well have."""
    if name in ("document",):
        return chance.choice(DOCUMENTS)
    if name in ("run", "before"):
        return chance.choice([*runs, "f" * 32])
    if name in ("old", "new"):
        sides = ({"name": "good"}, {"document": NUMBERS}, {}, {"name": "good", "version": "0" * 32})
        return chance.choice(sides)
    plain = {
        "name": ["good", "other", "third"], "to": ["other", "third", "good"],
        "workflow": ["", "good", "good", "none"], "values": [{}, {}, {}, {"x": 1}],
        "targets": [None, None, ["b"], ["gone"]], "seen": [None, "0" * 32],
        "version": [None, "0" * 32], "protocol": [p.PROTOCOL, 0], "client": ["me"], "size": [1, 10, 10**12],
        "offset": [0, 5], "data": [b"", b"x" * 10], "upload": ["x"], "limit": [1, 20, 0], "node": ["b"],
        "on": [True, False], "previews": [True, False], "priority": [0, 5, 200], "after": [0, 3],
        "draft": ["draft-0001", "x"], "trash": ["x"], "asset": [None, "0" * 32], "file": [0, 7],
        "request": [None, "12345678"], "on_error": ["skip", "stop", "x"],
    }  # fmt: skip
    return chance.choice(plain.get(name, TEXTS))


def message(chance: random.Random, id: int, runs: list[str]) -> dict[str, Any]:
    """A message of some kind, more or less as it should be."""
    kind = chance.choice(KINDS)
    found: dict[str, Any] = {"type": kind.model_fields["type"].default, "id": id}
    for name, field in kind.model_fields.items():
        if name not in found and (field.is_required() or chance.random() < 0.6):
            found[name] = likely(chance, name, runs) if chance.random() < 0.85 else junk(chance)
    if chance.random() < 0.03:
        found[chance.choice(TEXTS)] = junk(chance)
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_messages_of_every_kind_are_answered_once_and_never_with_a_fault(serve: Serve, seed: int) -> None:
    chance = random.Random(seed)
    limits = ServerLimits(messages_per_second=1e9, message_burst=10**9, control_messages=10**6)

    async def story() -> None:
        async with serve(limits=limits) as live:
            speaker, watcher = await live.socket(), await live.socket()
            await speaker.ask(p.Save, name="good", document=NUMBERS)
            runs = [(await speaker.ask(p.Submit, document=NUMBERS)).run.run for _ in range(3)]
            sent, answers = set(range(1_000, 1_000 + MESSAGES)), []
            for id in sent:
                await speaker.socket.send(msgpack.packb(message(chance, id, runs)))
            while len(answers) < len(sent):
                answer = await speaker.hear()
                if getattr(answer, "id", None) is not None:
                    answers.append(answer)
            assert {one.id for one in answers} == sent, "each is answered once"
            faults = [one for one in answers if isinstance(one, p.Failure) and one.code == "internal"]
            assert not faults, faults
            kinds = {one.type for one in answers}
            assert {"done", "failure", "accepted", "explained", "listed", "saved", "opened"} <= kinds
            await still_works(watcher)

    asyncio.run(story())


async def still_works(speaker: Speaker) -> None:
    await speaker.ask(p.Pause, on=False)
    run = await speaker.ask(p.Submit, document=NUMBERS)
    await speaker.ask(p.Watch, run=run.run.run)
    await speaker.until(lambda one: isinstance(one, p.Told) and one.event.type == "run.finished")


def test_twenty_thousand_spoilt_frames_are_read_or_refused_with_a_text() -> None:
    chance = random.Random(5)
    good = [msgpack.packb(message(chance, id, ["a" * 32])) for id in range(400)]
    good = [frame for frame in good if len(frame) < 3_000]
    read = 0
    for _ in range(20_000):
        frame = spoilt(chance, bytearray(chance.choice(good)), good)
        try:
            request = CODEC.request(frame)
            read += 1
        except ValueError as error:
            assert 0 < len(str(error)) < 2_000
            assert 0 <= p.peek_id(frame) < 2**53
        else:
            assert isinstance(request, KINDS)
    assert 200 < read < 15_000, "some are still messages, most are not"


def spoilt(chance: random.Random, frame: bytearray, others: list[bytes]) -> bytes:
    """A frame with flipped bits, changed lengths, pieces cut out, doubled or put in from another."""
    for _ in range(chance.randrange(1, 4)):
        if not frame:
            break
        at = chance.randrange(len(frame))
        match chance.randrange(5):
            case 0:
                frame[at] ^= 1 << chance.randrange(8)
            case 1:
                frame[at] = chance.choice(b"\x80\x90\xa0\xc0\xc1\xc4\xc7\xcb\xcf\xd9\xdb\xdd\xdf\xff")
            case 2:
                del frame[at : at + chance.randrange(1, 20)]
            case 3:
                frame[at:at] = frame[at : at + chance.randrange(1, 40)]
            case 4:
                other = chance.choice(others)
                begin = chance.randrange(len(other))
                frame[at:at] = other[begin : begin + chance.randrange(1, 40)]
    return bytes(frame)
