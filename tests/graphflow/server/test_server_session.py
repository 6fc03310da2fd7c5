"""The websocket: one answer to each request, every event to those who watch, nothing lost by a break."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgpack
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus

from graphflow import events
from graphflow.errors import StorageError
from graphflow.history import History
from graphflow.queued import QueuedRun
from graphflow.server import protocol as p
from graphflow.server.limits import ServerLimits
from graphflow.server.session import failure
from graphflow.server.snapshot import snapshot
from tests.graphflow.server.conftest import GATE, NUMBERS, Live, Serve, Speaker, gated
from tests.support.engine import raw


def last(told: Any) -> bool:
    return isinstance(told, p.Told) and told.event.type in ("run.finished", "run.failed", "run.cancelled")


def stored(told: list[Any]) -> list[tuple[int, str]]:
    """Number and type of the stored events."""
    found = [one.event for one in told if isinstance(one, p.Told)]
    passing = ("node.progress", "node.preview")
    return [(event.seq, event.type) for event in found if event.type not in passing]


async def watched(speaker: Speaker, run: str, **options: Any) -> list[tuple[int, str]]:
    """All stored events of a run until it is over, as this client is told them."""
    speaker.told = []
    await speaker.ask(p.Watch, run=run, **options)
    return stored(await speaker.until(last))


# --------------------------------------------------------------------------------- requests


def test_a_run_over_the_socket_from_submission_to_result(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            accepted = await speaker.ask(p.Submit, document=NUMBERS)
            told = await watched(speaker, accepted.run.run)
            assert [seq for seq, _ in told] == [1, 2, 3, 4, 5]
            assert (told[0][1], told[-1][1]) == ("run.accepted", "run.finished")
            found = await live.until(accepted.run.run)
            assert found["results"]["outputs"] == {"out": {"value": 42}}

    asyncio.run(story())


def test_explain_says_what_would_run_before_and_after_a_run(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            before = await speaker.ask(p.Explain, document=NUMBERS)
            assert {one.node: one.state for one in before.nodes} == {"a": "folded", "b": "run"}
            accepted = await speaker.ask(p.Submit, document=NUMBERS)
            await watched(speaker, accepted.run.run)
            after = await speaker.ask(p.Explain, document=NUMBERS)
            assert {one.node: one.state for one in after.nodes}["b"] == "cached"
            changed = raw({"out": "b"}, a=("num", {"value": 21}), b=("double", {"plus": 2}, {"x": "a"}))
            why = await speaker.ask(p.Explain, document=changed)
            assert [(one.state, one.reasons) for one in why.nodes if one.node == "b"] == [
                ("run", ["x: 20 -> 21"])
            ]

    asyncio.run(story())


def test_validate_gives_every_problem_and_submit_refuses_with_the_same(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            bad = raw({"out": "b"}, b=("double", {"pluss": 1}, {"x": "gone"}))
            problems = (await speaker.ask(p.Validate, document=bad)).problems
            assert {one.code for one in problems} == {"setting.unknown", "wire.node"}
            refused = await speaker.ask(p.Submit, document=bad)
            assert isinstance(refused, p.Failure) and refused.problems == problems
            assert (await speaker.ask(p.Validate, document=NUMBERS)).problems == []

    asyncio.run(story())


def test_the_queue_can_be_paused_moved_cancelled_and_retried(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            await speaker.ask(p.Pause, on=True)
            ids = [(await speaker.ask(p.Submit, document=NUMBERS)).run.run for _ in range(3)]
            await speaker.ask(p.Move, run=ids[2], before=ids[0])
            await speaker.ask(p.Prioritise, run=ids[1], priority=5)
            fresh = await live.socket(hello=False)
            welcome = await fresh.ask(p.Hello, protocol=p.PROTOCOL)
            assert welcome.paused and [one.run for one in welcome.queue] == [ids[1], ids[2], ids[0]]
            await speaker.ask(p.Cancel)
            assert not live.server.history.queue()
            again = await speaker.ask(p.Retry, run=ids[0])
            await speaker.ask(p.Pause, on=False)
            assert (await live.until(again.run.run))["state"] == "finished"
            failed = await speaker.ask(p.Retry, run=again.run.run)
            assert (failed.code, failed.type) == ("run.refused", "failure")

    asyncio.run(story())


def test_a_client_must_greet_first_and_speak_the_same_protocol(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket(hello=False)
            assert (await speaker.ask(p.Cancel)).code == "server.hello"
            assert (await speaker.ask(p.Hello, protocol=99)).code == "server.protocol"
            assert (await speaker.ask(p.Submit, document=NUMBERS)).code == "server.hello"

    asyncio.run(story())


# --------------------------------------------------------------------------------- watching


def test_any_number_of_clients_hear_every_stored_event_of_a_run(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            run = await live.run(gated("many", steps=50))
            speakers = [await live.socket() for _ in range(10)]
            told = [asyncio.create_task(watched(one, run)) for one in speakers]
            await asyncio.sleep(0.2)
            GATE["many"].set()
            heard = await asyncio.gather(*told)
            assert all(one == heard[0] for one in heard)
            assert [seq for seq, _ in heard[0]] == list(range(1, len(heard[0]) + 1))

    asyncio.run(story())


def test_a_client_that_comes_back_with_its_last_number_misses_nothing(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            run = await live.run(gated("break"))
            speaker = await live.socket()
            await speaker.ask(p.Watch, run=run)
            seen = stored(await speaker.until(lambda one: stored([one])[-1:] == [(3, "node.started")]))
            speaker.socket.transport.abort()
            GATE["break"].set()
            await live.until(run)
            rest = await watched(await live.socket(), run, after=seen[-1][0])
            assert [seq for seq, _ in seen + rest] == [1, 2, 3, 4, 5]

    asyncio.run(story())


def test_who_watches_a_run_that_waits_hears_that_it_is_cancelled(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker, other = await live.socket(), await live.socket()
            await speaker.ask(p.Pause, on=True)
            run = await live.run(NUMBERS)
            await speaker.ask(p.Watch, run=run)
            await other.ask(p.Cancel, run=run)
            assert stored(await speaker.until(last)) == [(1, "run.cancelled")]

    asyncio.run(story())


def test_who_missed_too_much_gets_one_snapshot(serve: Serve) -> None:
    async def story() -> None:
        async with serve(limits=ServerLimits(replay_events=2)) as live:
            run = await live.run(NUMBERS)
            await live.until(run)
            speaker = await live.socket()
            await speaker.ask(p.Watch, run=run)
            (told,) = await speaker.until(lambda one: isinstance(one, p.Snapshot))
            assert (told.seq, told.state, told.nodes) == (5, "finished", {"b": {"done": 1}})

    asyncio.run(story())


def test_a_client_whose_missed_events_cannot_be_read_is_dropped_so_that_it_asks_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, faults = History.events, iter([StorageError("the disk reported an error")])

    def events_of(self: History, *arguments: Any) -> Any:
        for fault in faults:
            raise fault
        return real(self, *arguments)

    async def story() -> None:
        async with serve() as live:
            run = await live.run(NUMBERS)
            await live.until(run)
            monkeypatch.setattr(History, "events", events_of)
            speaker = await live.socket()
            with pytest.raises(ConnectionClosed):
                await speaker.ask(p.Watch, run=run)
                await speaker.hear()
            again = await live.socket()
            assert [seq for seq, _ in await watched(again, run)] == [1, 2, 3, 4, 5]

    asyncio.run(story())


def test_a_snapshot_counts_from_the_last_beginning_of_a_run() -> None:
    told: list[events.Event] = [
        events.RunAccepted(run="r", seq=1),
        events.NodeFinished(run="r", seq=2, node="a", seconds=1, bytes=1, stored="both"),
        events.NodeNotice(run="r", seq=2, node="a", message="old"),
        events.RunAccepted(run="r", seq=3),
        events.NodeCached(run="r", seq=4, node="a"),
        events.NodeStarted(run="r", seq=5, node="b", item=(0,)),
        events.NodeStarted(run="r", seq=6, node="b", item=(1,)),
        *(events.NodeNotice(run="r", seq=6, node="b", item=(i,), message="smaller") for i in range(2)),
        events.NodeFailed(run="r", seq=7, node="b", item=(0,), code="c", message="m"),
    ]
    run = QueuedRun(
        1, "r", None, "running", "", "", b"", None, "skip", 0, 0, 0, 0, None, 2, 1, False, None, "", "", {}
    )
    found = snapshot(run, told)
    assert found.nodes == {"a": {"cached": 1}, "b": {"failed": 1, "running": 1}}
    assert found.notices == {"b": ["smaller"]}


def test_every_client_is_told_when_a_run_changes_its_state(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            looking = await live.socket()
            run = await live.run(NUMBERS)
            told = await looking.until(lambda one: isinstance(one, p.Changed) and one.run.state == "finished")
            assert {one.run.run for one in told if isinstance(one, p.Changed)} == {run}

    asyncio.run(story())


def test_previews_are_made_only_while_somebody_wants_them(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            plain, wanting = await live.socket(), await live.socket()
            run = (await plain.ask(p.Submit, document=gated("look", steps=20, previews=True))).run.run
            await plain.ask(p.Watch, run=run)
            await wanting.ask(p.Watch, run=run, previews=True)
            assert live.server.dispatch._watched == {run}
            kinds = lambda told: {one.event.type for one in told if isinstance(one, p.Told)}  # noqa: E731
            await wanting.until(lambda one: "node.preview" in kinds([one]))
            GATE["look"].set()
            await wanting.until(last)
            assert "node.preview" not in kinds(await plain.until(last))
            await wanting.ask(p.Unwatch, run=run)
            assert not live.server.dispatch._watched

    asyncio.run(story())


def test_a_number_that_no_frame_can_hold_is_told_as_text(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            huge = raw({"out": "b"}, a=("num", {"value": 2**70}), b=("double", {}, {"x": "a"}))
            run = await live.run(huge)
            await speaker.ask(p.Watch, run=run)
            assert stored(await speaker.until(last))[-1][1] == "run.finished"
            assert (await live.until(run))["results"]["outputs"] == {"out": {"value": str(2**71)}}

    asyncio.run(story())


def test_events_of_a_thousand_nodes_are_less_than_a_megabyte(serve: Serve) -> None:
    async def story() -> None:
        nodes: dict[str, Any] = {"n0": ("num", {"value": 1})}
        for i in range(1, 1001):
            nodes[f"n{i}"] = ("add", {}, {"a": f"n{i - 1}", "b": f"n{max(0, i - 2)}"})
        async with serve() as live:
            speaker = await live.socket()
            accepted = await speaker.ask(p.Submit, document=raw({"out": "n1000"}, **nodes))
            await speaker.ask(p.Watch, run=accepted.run.run)
            told = await speaker.until(last)
            size = sum(len(p.pack(one)) for one in told)
            assert len(stored(told)) == 2 * 1000 + 3 and size < 1_000_000

    asyncio.run(story())


# --------------------------------------------------------------------------------- uploads


def test_a_file_is_sent_in_pieces_and_named_in_a_workflow(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            begun = await speaker.ask(p.Upload, name="../../notes.txt", size=6)
            assert (await speaker.ask(p.Chunk, upload=begun.upload, offset=0, data=b"abc")).type == "done"
            wrong = await speaker.ask(p.Chunk, upload=begun.upload, offset=9, data=b"x")
            assert wrong.code == "asset.order"
            sent = await speaker.ask(p.Chunk, upload=begun.upload, offset=3, data=b"def")
            asset = live.server.desk.assets.get(sent.asset.asset)
            assert (asset.name, asset.path.read_bytes()) == ("notes.txt", b"abcdef")

    asyncio.run(story())


def test_an_upload_that_is_broken_off_leaves_nothing(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            begun = await speaker.ask(p.Upload, name="a.txt", size=6)
            await speaker.ask(p.Chunk, upload=begun.upload, offset=0, data=b"abc")
            speaker.socket.transport.abort()
            while live.server.hub.listeners:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            assert not list(live.server.desk.assets.root.rglob("*.*"))

    asyncio.run(story())


# --------------------------------------------------------------------------------- bad clients


async def raw_socket(live: Live) -> socket.socket:
    """A websocket as bytes, so that a test may do what no library does."""
    found = socket.create_connection(("127.0.0.1", live.port))
    key = base64.b64encode(os.urandom(16)).decode()
    found.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {live.token}\r\n\r\n".encode()
    )
    while b"\r\n\r\n" not in await asyncio.to_thread(found.recv, 1000):
        pass
    return found


def frame(data: bytes) -> bytes:
    """A masked binary frame; the mask is zero."""
    return b"\x82" + struct.pack("!B", 0x80 | 126) + struct.pack("!H", len(data)) + bytes(4) + data


def test_a_client_that_never_reads_is_dropped_and_the_others_hear_everything(serve: Serve) -> None:
    async def story() -> None:
        async with serve(limits=ServerLimits(send_seconds=0.3)) as live, AsyncExitStack() as gone:
            run = "a" * 32
            dead = await raw_socket(live)
            gone.callback(dead.close)
            dead.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            for request in (
                p.Hello(id=1, protocol=p.PROTOCOL),
                p.Watch(id=2, run=await live.run(gated("slow")), previews=True),
            ):
                dead.sendall(frame(p.pack(request)))
                run = getattr(request, "run", run)
            good = await live.socket()
            await good.ask(p.Watch, run=run)
            while len(live.server.hub.listeners) < 2:
                await asyncio.sleep(0.01)
            marks = lambda one: isinstance(one, p.Told) and one.event.seq == 490  # noqa: E731
            hearing = asyncio.create_task(good.until(marks))
            before = psutil.Process().memory_info().rss
            picture = b"y" * 200_000
            for i in range(400):
                live.server.hub.tell(
                    [events.NodePreview(run=run, node="g", media_type="image/webp", data=picture)]
                )
                if i % 10 == 0:
                    live.server.hub.tell([events.NodeStarted(run=run, node=f"n{i}", seq=100 + i)])
                await asyncio.sleep(0.003)
            while len(live.server.hub.listeners) > 1:
                await asyncio.sleep(0.01)
            assert psutil.Process().memory_info().rss - before < 64 * 2**20
            told = await hearing
            assert [seq for seq, _ in stored(told) if seq >= 100] == list(range(100, 500, 10))
            assert (await good.ask(p.Cancel)).type == "done"

    asyncio.run(story())


def test_too_many_clients_are_refused_and_a_place_that_is_free_again_is_given(serve: Serve) -> None:
    async def story() -> None:
        async with serve(limits=ServerLimits(clients=2)) as live:
            first, _ = await live.socket(), await live.socket()
            with pytest.raises(InvalidStatus) as caught:
                await live.socket()
            assert caught.value.response.status_code == 503
            await first.socket.close()
            while len(live.server.hub.listeners) > 1:
                await asyncio.sleep(0.01)
            await live.socket()

    asyncio.run(story())


def test_a_flood_of_messages_ends_the_client(serve: Serve) -> None:
    async def story() -> None:
        async with serve(limits=ServerLimits(messages_per_second=1, message_burst=20)) as live:
            speaker = await live.socket()
            with pytest.raises(ConnectionClosed):
                for _ in range(1000):
                    await speaker.ask(p.Cancel)
            assert not live.server.hub.listeners

    asyncio.run(story())


def test_a_fault_of_the_program_is_a_refusal_without_details_and_is_in_the_log(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: Any) -> None:
        raise ZeroDivisionError("a fault")

    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            monkeypatch.setattr(live.server.desk, "validate", broken)
            refused = await speaker.ask(p.Validate, document=NUMBERS)
            assert refused.code == "internal" and "fault" not in refused.message
            assert (await speaker.ask(p.Pause, on=False)).type == "done"

    asyncio.run(story())
    assert "ZeroDivisionError: a fault" in capsys.readouterr().err


def test_a_refusal_tells_what_the_disk_said_and_not_where_files_lie(tmp_path: Path) -> None:
    full = StorageError("the disk is full", where=str(tmp_path / "history.sqlite"), hint="free some space")
    told = failure(1, full)
    assert (told.message, told.hint) == ("on the server: the disk is full", "free some space")
    assert failure(1, StorageError("there is no such workflow", where="clips")).message.startswith("clips: ")


def test_a_message_that_is_too_large_ends_the_connection(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            with pytest.raises(ConnectionClosed) as caught:
                await speaker.socket.send(b"x" * (ServerLimits().message_bytes + 1000))
                while True:
                    await speaker.hear()
            assert caught.value.rcvd is not None and caught.value.rcvd.code == 1009

    asyncio.run(story())


BAD = [
    b"",
    b"\xc1",
    b"\xdf\xff\xff\xff\xff",  # a map of four thousand million entries
    b"\xdd\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\x81" * 100_000,  # deep
    msgpack.packb({}),
    msgpack.packb([1, 2]),
    msgpack.packb({"type": "submit", "id": -1}),
    msgpack.packb({"type": "nothing", "id": 3}),
    msgpack.packb({"type": "watch", "id": 3, "run": "../../x"}),
    msgpack.packb({"type": "submit", "id": 3, "document": 5}),
    msgpack.packb({"type": "submit", "id": 3, "values": {"x": float("nan")}, "extra": 1}),
    msgpack.packb({1: 2}, strict_types=False),
    msgpack.packb({"type": "submit", "id": 3, "document": {"a": msgpack.ExtType(5, b"x")}}),
]


def test_messages_that_are_none_are_answered_and_change_nothing(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            for message in BAD:
                await speaker.socket.send(message)
                assert (await speaker.hear()).type == "failure"
            await speaker.socket.send("text")
            assert (await speaker.hear()).type == "failure"
            assert (await speaker.ask(p.Pause, on=False)).type == "done"

    asyncio.run(story())


CODEC = p.Codec()
GOOD = [
    p.pack(p.Submit(id=1, document=NUMBERS, values={"a": [1, 2.5, None, "x"]}, request="12345678")),
    p.pack(p.Watch(id=2, run="a" * 32, after=5)),
    p.pack(p.Chunk(id=3, upload="u", offset=0, data=b"\x00\xff" * 10)),
    p.pack(p.Hello(id=4, protocol=1, client="me")),
]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.data(),
)
def test_whatever_the_bytes_a_message_is_read_or_refused(
    good: bytes, flips: list[tuple[int, int]], data: st.DataObject
) -> None:
    frame = bytearray(good)
    for place, value in flips:
        frame[place % len(frame)] = value
    cut = bytes(frame[: data.draw(st.integers(0, len(frame)))]) if data.draw(st.booleans()) else bytes(frame)
    try:
        request = CODEC.request(cut)
    except ValueError as error:
        assert str(error) and len(str(error)) < 2_000
        assert 0 <= p.peek_id(cut) < 2**53
    else:
        assert CODEC.request(p.pack(request)) == request
