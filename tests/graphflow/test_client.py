"""The Python client against a real server: the same with and without async, through broken connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from graphflow.client import AsyncClient, Client, ServerError
from graphflow.errors import DocumentError, GraphflowError
from graphflow.server import protocol as p
from tests.graphflow.server.conftest import GATE, NUMBERS, Live, Serve, gated
from tests.graphflow.server.conftest import serve as serve
from tests.support.engine import raw

NOTE = raw({"file": "w"}, a=("num", {"value": 7}), w=("write", {"name": "note"}, {"x": "a"}))


async def in_thread(live: Live, work: Callable[[Client], Any]) -> Any:
    """Use the client without async beside the server's loop."""

    def use() -> Any:
        with Client(live.url) as client:
            return work(client)

    return await asyncio.to_thread(use)


def test_submit_listen_and_fetch_the_files(serve: Serve, tmp_path: Path) -> None:
    def work(client: Client) -> None:
        run = client.submit(NOTE)
        types = [event.type for event in client.events(run)]
        assert (types[0], types[-1]) == ("run.accepted", "run.finished")
        (path,) = client.download(run, tmp_path / "clips")
        assert path.read_text() == "7 " * 1000 and path.is_relative_to(tmp_path / "clips")
        info = client.wait(run)
        assert (info.state, info.results["outputs"]) == ("finished", {"file": {"files": [0]}})

    async def story() -> None:
        async with serve() as live:
            await in_thread(live, work)

    asyncio.run(story())


def test_everything_that_is_wrong_comes_back_as_the_same_error(serve: Serve) -> None:
    bad = raw({"out": "b"}, b=("double", {"pluss": 1}, {"x": "gone"}))

    def work(client: Client) -> None:
        with pytest.raises(DocumentError) as caught:
            client.submit(bad)
        assert caught.value.problems == tuple(client.validate(bad))
        assert {problem.code for problem in caught.value.problems} == {"setting.unknown", "wire.node"}
        with pytest.raises(Exception, match="no such workflow"):
            client.submit("text_to_vide")
        with pytest.raises(ServerError) as refused:
            client.cancel("a" * 32)
        assert refused.value.error_code == "run.unknown"

    async def story() -> None:
        async with serve() as live:
            await in_thread(live, work)

    asyncio.run(story())


def test_the_queue_is_arranged_from_afar(serve: Serve) -> None:
    def work(client: Client) -> None:
        client.pause()
        first, second = client.submit(NUMBERS), client.submit_with(NUMBERS, {}, priority=3)
        client.move(second, before=None)
        client.prioritise(first, 7)
        client.cancel(second)
        again = client.retry(second)
        client.pause(False)
        assert client.wait(first).state == client.wait(again).state == "finished"
        assert client.info(second).state == "cancelled"
        assert {one.node: one.state for one in client.explain(NUMBERS)} == {"a": "folded", "b": "cached"}

    async def story() -> None:
        async with serve() as live:
            await in_thread(live, work)

    asyncio.run(story())


def test_a_file_is_uploaded_in_pieces(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_bytes(b"0123456789" * 250_000)

    def work(client: Client) -> str:
        return client.upload(tmp_path / "large.txt")

    async def story() -> None:
        async with serve() as live:
            asset = live.server.desk.assets.get((await in_thread(live, work)).removeprefix("asset:"))
            assert asset.path.read_bytes() == (tmp_path / "large.txt").read_bytes()

    asyncio.run(story())


def test_uploads_are_listed_and_deleted(serve: Serve, tmp_path: Path) -> None:
    for name in ("a.txt", "b.json"):
        (tmp_path / name).write_text("{}")

    def work(client: Client) -> None:
        first, second = (client.upload(tmp_path / name) for name in ("a.txt", "b.json"))
        assert {one.name for one in client.uploads()} == {"a.txt", "b.json"}
        assert [one.name for one in client.uploads("text")] == ["a.txt"]
        client.delete_upload(first)
        assert [f"asset:{one.asset}" for one in client.uploads()] == [second]
        for gone in (first, "asset:../../secret", "asset:"):
            with pytest.raises(GraphflowError) as caught:
                client.delete_upload(gone)
            assert gone != first or caught.value.error_code == "asset.unknown"
        assert [f"asset:{one.asset}" for one in client.uploads()] == [second]

    async def story() -> None:
        async with serve() as live:
            await in_thread(live, work)

    asyncio.run(story())


def test_a_connection_that_breaks_is_made_again_and_no_event_is_missed(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live, AsyncClient(live.url) as client:
            run = await client.submit(gated("breaks"))
            seen = []
            async for event in client.events(run):
                if event.type in ("node.progress", "node.preview"):
                    continue
                seen.append(event.seq)
                assert client._socket is not None
                client._socket.transport.abort()
                if event.type == "node.started":
                    GATE["breaks"].set()
            assert seen == [1, 2, 3, 4, 5]

    asyncio.run(story())


def test_a_submission_whose_answer_was_lost_is_one_run(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live, AsyncClient(live.url) as client:
            hub, broken = live.server.hub, []

            def breaks(*runs: str) -> None:
                if not broken:  # stored, but before the answer is sent
                    broken.extend(runs)
                    assert client._socket is not None
                    client._socket.transport.get_extra_info("socket").shutdown(2)

            hub.changed, kept = breaks, hub.changed  # type: ignore[method-assign]
            run = await client.submit(gated("once"))
            hub.changed = kept  # type: ignore[method-assign]
            assert broken == [run] and len(live.server.history.queue()) == 1
            GATE["once"].set()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("127.0.0.1:8188", "is no address"),
        ("ftp://x", "is no address"),
        ("http://[::1", "is no address"),
        ("http://127.0.0.1:99999", "is no address"),
        ("http://127.0.0.1:{port}/?token=wrong", "status 401"),
        ("http://localhost.localdomain:1/?token=x", "cannot reach"),
    ],
)
def test_an_address_that_does_not_work_is_told_with_what_to_do(
    serve: Serve, url: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphflow.async_client.TRIES", 2)

    async def story() -> None:
        async with serve() as live:
            with pytest.raises(ServerError, match=text) as caught:
                await asyncio.to_thread(Client, url.format(port=live.port))
            assert caught.value.hint

    asyncio.run(story())


def test_a_server_cannot_make_the_client_write_elsewhere(serve: Serve, tmp_path: Path) -> None:
    async def story() -> None:
        async with serve() as live, AsyncClient(live.url) as client:
            run = await client.submit(NOTE)
            await client.wait(run)

            async def lying(run: str) -> p.RunInfo:
                files = [{"name": "../../evil.txt", "url": f"/api/runs/{run}/files/0"}]
                return p.RunInfo(
                    run=run,
                    state="finished",
                    name="",
                    client="",
                    priority=0,
                    accepted=0,
                    results={"files": files},
                )

            client.info = lying  # type: ignore[method-assign]
            with pytest.raises(Exception, match="plain relative name"):
                await client.download(run, tmp_path / "clips")
            assert not (tmp_path / "evil.txt").exists()

    asyncio.run(story())


def test_workflows_are_kept_on_the_server_and_nobody_overwrites_what_was_not_seen(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live, AsyncClient(live.url) as client:
            first = await client.save("mine", NUMBERS)
            changed = {**NUMBERS, "description": "changed"}
            second = await client.save("mine", changed, first)
            with pytest.raises(ServerError, match="meanwhile") as caught:
                await client.save("mine", NUMBERS, first)
            assert caught.value.error_code == "workflow.conflict"
            assert [one.name for one in await client.workflows()] == ["mine"]
            document, version = await client.open("mine")
            assert (document["description"], version) == ("changed", second)
            assert "description" not in (await client.open("mine", first))[0]
            run = await client.submit("mine")
            assert (await client.wait(run)).results["outputs"]["out"]["value"] == 42
            await client.restore(await client.delete("mine"), "again")
            assert [one.name for one in await client.workflows()] == ["again"]

    asyncio.run(story())


def test_the_workflow_inside_a_file_is_read_back(serve: Serve, tmp_path: Path) -> None:
    async def story() -> None:
        async with serve() as live, AsyncClient(live.url) as client:
            path = tmp_path / "w.json"
            path.write_text(json.dumps(NUMBERS))
            found = await client.inspect(await client.upload(path))
            assert found is not None and found["nodes"].keys() == NUMBERS["nodes"].keys()
            path = tmp_path / "plain.png"
            Pillow.new("RGB", (4, 4)).save(path)
            assert await client.inspect(await client.upload(path)) is None

    asyncio.run(story())
