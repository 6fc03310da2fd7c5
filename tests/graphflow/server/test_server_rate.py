"""A bucket for each address: a burst passes, what is faster for long is told when to come again."""

from __future__ import annotations

import asyncio
from typing import Any

from graphflow.server import protocol as p
from graphflow.server.limits import ServerLimits
from graphflow.server.rate import ADDRESSES, Rate, Throttle
from tests.graphflow.server.conftest import NUMBERS, Serve


def test_a_bucket_lets_a_burst_pass_and_fills_again_with_time() -> None:
    now = [0.0]
    rate = Rate(2.0, 3, lambda: now[0])
    assert [rate.allow() for _ in range(4)] == [True, True, True, False]
    assert rate.wait() == 0.5
    now[0] += rate.wait()
    assert [rate.allow() for _ in range(2)] == [True, False]
    now[0] += 1_000
    assert [rate.allow() for _ in range(4)] == [True, True, True, False], "never more than the burst"


def test_changes_by_http_are_limited_and_told_when_to_come_again(serve: Serve) -> None:
    async def story() -> None:
        async with serve(limits=ServerLimits(messages_per_second=0.25, message_burst=3)) as live:
            runs = [await live.run(NUMBERS) for _ in range(2)]
            wrong = {"Authorization": "Bearer wrong"}
            for _ in range(5):  # costs those who have the token nothing
                assert (await live.ask("POST", "/api/runs", NUMBERS, wrong, auth=False)).status == 401
            assert (await live.ask("POST", "/api/run/none", {})).status == 404
            for path, body in (("/api/run/none", {}), ("/api/uploads?name=a.txt", b"x"), ("/api/none", b"")):
                answer = await live.ask("POST", path, body)
                assert (answer.status, answer.json["error"]["code"]) == (429, "server.rate")
                assert 1 <= int(answer.headers["retry-after"]) <= 4 and answer.json["error"]["hint"]
                assert answer.headers["x-content-type-options"] == "nosniff"
            assert not live.server.desk.assets.all()
            for run in runs:  # looking is free
                assert (await live.until(run))["state"] == "finished"
            speaker = await live.socket()  # and a websocket has a bucket of its own
            assert (await speaker.ask(p.Library)).type == "listed"

    asyncio.run(story())


def test_one_address_takes_nothing_from_another_and_few_are_remembered() -> None:
    passed: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["client"][0])

    async def send(message: Any) -> None:
        pass

    async def story() -> None:
        throttle = Throttle(app, ServerLimits(messages_per_second=1e-6, message_burst=1))
        for address in ["a", "a", "b", *map(str, range(ADDRESSES)), "a"]:
            scope = {"type": "http", "method": "POST", "client": (address, 1), "headers": []}
            await throttle(scope, lambda: None, send)
        assert passed[:3] == ["a", "b", "0"] and passed[-1] == "a"
        assert len(throttle._rates) == ADDRESSES

    asyncio.run(story())
