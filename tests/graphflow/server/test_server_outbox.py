"""Two lanes to a client: all of what must arrive, the newest of the rest, and an end for who never reads."""

from __future__ import annotations

import asyncio

import pytest

from graphflow.server.limits import ServerLimits
from graphflow.server.outbox import Outbox

LIMITS = ServerLimits(control_messages=5, control_bytes=1_000, send_seconds=0.05)


async def drained(box: Outbox, count: int) -> list[bytes]:
    """What is sent until there is nothing more."""
    sent: list[bytes] = []
    done = asyncio.Event()

    async def send(message: bytes) -> None:
        sent.append(message)
        if len(sent) == count:
            done.set()

    task = asyncio.create_task(box.drain(send))
    await done.wait()
    box.kill()
    await task
    return sent


def test_control_messages_arrive_in_order_and_before_what_may_be_replaced() -> None:
    async def story() -> None:
        box = Outbox(LIMITS)
        box.put_newest("preview", b"old")
        box.put(b"1")
        box.put_newest("preview", b"new")
        box.put(b"2")
        box.put_newest("progress", b"half")
        assert await drained(box, 4) == [b"1", b"2", b"new", b"half"]

    asyncio.run(story())


def test_what_is_old_news_can_be_taken_back() -> None:
    async def story() -> None:
        box = Outbox(LIMITS)
        box.put_newest("progress", b"half")
        box.forget("progress")
        box.put(b"finished")
        assert await drained(box, 1) == [b"finished"]

    asyncio.run(story())


@pytest.mark.parametrize("message", [b"x", b"x" * 400])
def test_too_many_messages_or_bytes_end_the_client(message: bytes) -> None:
    box = Outbox(LIMITS)
    for _ in range(6):
        box.put(message)
    assert box.dead
    box.put(b"more")
    box.put_newest("kind", b"more")


def test_a_client_that_takes_nothing_is_given_up_in_time() -> None:
    async def story() -> None:
        box = Outbox(LIMITS)
        box.put(b"never read")

        async def stuck(message: bytes) -> None:
            await asyncio.Event().wait()

        await box.drain(stuck)
        assert box.dead

    asyncio.run(story())


def test_a_broken_connection_ends_the_client() -> None:
    async def story() -> None:
        box = Outbox(LIMITS)
        box.put(b"x")

        async def broken(message: bytes) -> None:
            raise OSError("gone")

        await box.drain(broken)
        assert box.dead

    asyncio.run(story())
