"""What would run, for how long and in how much memory: true beforehand, measured afterwards, and quick."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Unknown, node
from graphflow.server import protocol as p
from tests.graphflow.server.conftest import GATE, NUMBERS, Serve, gated
from tests.support.engine import raw


def stories(explained: p.Explained) -> dict[str, p.NodeStory]:
    return {one.node: one for one in explained.nodes}


def test_the_time_of_a_node_is_that_of_earlier_runs_of_this_workflow_or_of_its_type(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            before = await speaker.ask(p.Explain, document=NUMBERS, workflow="mine")
            assert stories(before)["b"].seconds is None and stories(before)["b"].basis == ""
            assert (before.total.seconds, before.total.unknown) == (None, 1)
            run = await speaker.ask(p.Submit, document=NUMBERS, workflow="mine")
            await live.until(run.run.run)
            again = await speaker.ask(p.Explain, document=NUMBERS, workflow="mine")
            assert stories(again)["b"].state == "cached" and stories(again)["b"].seconds is None
            assert (again.total.steps, again.total.cached, again.total.seconds) == (0, 1, 0)
            changed = raw({"out": "b"}, a=("num", {"value": 5}), b=("double", {"plus": 2}, {"x": "a"}))
            node_based = stories(await speaker.ask(p.Explain, document=changed, workflow="mine"))["b"]
            type_based = stories(await speaker.ask(p.Explain, document=changed, workflow="other"))["b"]
            assert (node_based.basis, type_based.basis) == ("node", "type")
            assert node_based.seconds is not None and 0 <= node_based.seconds < 1

    asyncio.run(story())


def test_of_a_mapped_node_the_time_is_that_of_all_its_steps(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()

            def many(*values: int) -> dict[str, Any]:
                return raw(
                    {"out": "b"}, a=("numbers", {"values": list(values)}), b=("double", {}, {"x": "a"})
                )

            run = await speaker.ask(p.Submit, document=many(1, 2), workflow="many")
            await live.until(run.run.run)
            live.server.history._db.execute("UPDATE made SET seconds=2.0 WHERE node='b'")
            found = stories(await speaker.ask(p.Explain, document=many(1, 2, 3, 4, 5), workflow="many"))["b"]
            assert (found.steps, found.cached, found.seconds) == (3, 2, 6.0)
            assert list(found.keys) == ["0", "1", "2", "3", "4"]

    asyncio.run(story())


def test_types_and_known_values_are_told_as_they_leave_each_node(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            document = raw(
                {"out": "b"}, a=("numbers", {"values": [1, 2**60]}), b=("double", {}, {"x": "a"}),
                model=("model", {}),
            )  # fmt: skip
            found = await speaker.ask(p.Explain, document=document, targets=["b", "model"])
            assert found.types == {
                "a": {"out": "list[int]"},
                "b": {"out": "list[int]"},
                "model": {"out": "Toy"},
            }
            assert found.values == {"a": {"out": [1, str(2**60)]}}, "a browser cannot hold the second number"

    asyncio.run(story())


def test_the_memory_of_a_model_is_foretold(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            document = raw(
                {"out": "t"},
                n=("num", {}),
                m=("model", {}),
                t=("think", {"seed": 1}, {"x": "n", "model": "m"}),
            )
            found = await speaker.ask(p.Explain, document=document)
            assert stories(found)["t"].memory == 10 and found.total.device_bytes == 10
            assert found.total.fullest == "t"
            assert (await speaker.ask(p.Explain, document=NUMBERS)).total.device_bytes is None

    asyncio.run(story())


def test_a_workflow_that_cannot_run_is_refused_with_the_place_of_each_problem(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            bad = raw({"out": "b"}, b=("double", {"pluss": 1}, {"x": "gone"}))
            refused = await speaker.ask(p.Explain, document=bad)
            assert {one.path for one in refused.problems} == {"nodes.b.params.pluss", "nodes.b.inputs.x"}

    asyncio.run(story())


def _picks(x: int | Unknown, limit: int) -> None:
    if limit == 7:
        raise ValueMismatch("there is no limit 7", where="limit", hint="take 8")


@node("test/picky", check=_picks)
def picky(x: int, *, limit: int = 1) -> int:
    """Refuses one limit before it runs, and negative numbers when it does."""
    if x < 0:
        raise NodeError("too small", where="x")
    return x


def test_validate_tells_what_nodes_refuse_before_they_run_at_the_input_it_is_about(serve: Serve) -> None:
    async def story() -> None:
        async with serve(nodes=[picky]) as live:
            speaker = await live.socket()
            document = raw(
                {"out": "p"}, n=("num", {"value": 20}), b=("double", {}, {"x": "n"}),
                p=("picky", {"limit": 7}, {"x": "b"}),
            )  # fmt: skip
            (problem,) = (await speaker.ask(p.Validate, document=document)).problems
            assert (problem.path, problem.code, problem.hint) == (
                "nodes.p.params.limit",
                "value.mismatch",
                "take 8",
            )
            explained = await speaker.ask(p.Explain, document=document)
            (failed,) = [one for one in explained.nodes if one.state == "failed"]
            assert (failed.node, failed.port, failed.hint) == ("p", "limit", "take 8")
            run = await live.run(document)
            await live.until(run)
            (event,) = [e for e in live.server.history.events(run) if e.type == "node.failed"]
            assert (event.node, event.port) == ("p", "limit")
            allowed = raw({"out": "p"}, n=("num", {"value": 20}), p=("picky", {}, {"x": "n"}))
            assert (await speaker.ask(p.Validate, document=allowed)).problems == []

    asyncio.run(story())


def test_a_failure_while_running_names_the_input_it_is_about(serve: Serve) -> None:
    async def story() -> None:
        async with serve(nodes=[picky]) as live:
            document = raw({"out": "p"}, n=("num", {"value": -1}), p=("picky", {}, {"x": "n"}))
            run = await live.run(document)
            assert (await live.until(run))["state"] == "failed"
            (event,) = [e for e in live.server.history.events(run) if e.type == "node.failed"]
            assert (event.node, event.port) == ("p", "x")

    asyncio.run(story())


def chain(length: int) -> dict[str, Any]:
    nodes: dict[str, Any] = {"n0": ("num", {"value": 1})}
    for i in range(1, length):
        nodes[f"n{i}"] = ("double", {"plus": i}, {"x": f"n{i - 1}"})
    return raw({"out": f"n{length - 1}"}, **nodes)


def test_a_workflow_of_a_hundred_cached_nodes_is_explained_in_a_moment(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            document = chain(100)
            run = await speaker.ask(p.Submit, document=document, workflow="long")
            await live.until(run.run.run)
            times = []
            for _ in range(5):
                began = time.perf_counter()
                found = await speaker.ask(p.Explain, document=document, workflow="long")
                times.append(time.perf_counter() - began)
            assert (found.total.steps, found.total.cached) == (0, 99)
            assert min(times) < 0.05, times

    asyncio.run(story())


# --------------------------------------------------------------------------------- side by side


def test_a_long_question_does_not_keep_short_requests_waiting(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            real = live.server.desk.validate

            def slow(asked: Any) -> Any:
                go.wait(20)
                return real(asked)

            monkeypatch.setattr(live.server.desk, "validate", slow)
            for id in range(1000, 1006):  # more than are answered side by side
                await speaker.socket.send(p.pack(p.Validate(id=id, document=NUMBERS)))
            began = time.monotonic()
            assert (await speaker.ask(p.Pause, on=False)).type == "done"
            run = await speaker.ask(p.Submit, document=NUMBERS)
            assert (await speaker.ask(p.Watch, run=run.run.run)).type == "watching"
            assert time.monotonic() - began < 5
            assert not any(isinstance(one, p.Validated) for one in speaker.told)
            go.set()
            while len([one for one in speaker.told if isinstance(one, p.Validated)]) < 6:
                speaker.told.append(await speaker.hear())

    try:
        asyncio.run(story())
    finally:
        go.set()


def test_submissions_are_queued_in_the_order_in_which_they_were_sent(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            await speaker.ask(p.Pause, on=True)
            big = chain(400)
            for id in range(1, 7):  # every other one takes much longer to check
                document = big if id % 2 else NUMBERS
                message = p.Submit(id=1000 + id, document=document, workflow=f"w{id}")
                await speaker.socket.send(p.pack(message))
            while len([one for one in speaker.told if isinstance(one, p.Accepted)]) < 6:
                speaker.told.append(await speaker.hear())
            assert [run.name for run in live.server.history.queue()] == [f"w{id}" for id in range(1, 7)]

    asyncio.run(story())


def test_a_client_with_very_many_open_requests_is_read_no_further(serve: Serve) -> None:
    from graphflow.server.limits import ServerLimits

    async def story() -> None:
        async with serve(limits=ServerLimits(requests=3, questions=1)) as live:
            speaker = await live.socket()
            for id in range(50):
                await speaker.socket.send(p.pack(p.Explain(id=1000 + id, document=NUMBERS)))
            found = [await speaker.hear() for _ in range(50)]
            assert sorted(one.id for one in found) == list(range(1000, 1050))

    asyncio.run(story())


def test_what_a_client_asked_last_before_it_left_still_counts(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            run = await speaker.ask(p.Submit, document=gated("left"))
            await speaker.socket.send(p.pack(p.Cancel(id=9, run=run.run.run)))
            await speaker.socket.close()
            assert (await live.until(run.run.run))["state"] == "cancelled"
            GATE["left"].set()

    asyncio.run(story())
