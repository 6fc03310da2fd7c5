"""Work that was not saved: kept as it is, offered when its browser is gone, and never in anybody's way."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from graphflow.errors import DocumentError, StorageError
from graphflow.server import drafts as module
from graphflow.server import protocol as p
from graphflow.server.drafts import Draft, DraftError, Drafts
from tests.graphflow.server.conftest import Serve

HALF_DONE: dict[str, Any] = {
    "graphflow": 1,
    "nodes": {"a": {"type": "not/installed", "inputs": {"x": ["gone"]}, "odd": [None, 2**40, "é"]}},
    "ui": {"off": {"b": {}}},
}
"""What no program could run, and what nobody wants to lose."""


def draft(id: str = "tab-000000", document: dict[str, Any] = HALF_DONE, **more: str) -> Draft:
    return Draft(id, more.get("title", "mine"), more.get("client", "browser"), "", "", 0.0, document)


@pytest.fixture
def drafts(tmp_path: Path) -> Drafts:
    return Drafts(tmp_path / "drafts")


def age(drafts: Drafts, id: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(drafts.root / f"{id}.json", (then, then))


# ------------------------------------------------------------------------------- on the disk


def test_a_draft_comes_back_as_it_was_also_to_the_next_program(drafts: Drafts) -> None:
    drafts.put(draft())
    found = Drafts(drafts.root).get("tab-000000")
    assert found.document == HALF_DONE and (found.title, found.client) == ("mine", "browser")
    assert abs(found.time - time.time()) < 60


def test_a_later_state_replaces_the_earlier_one(drafts: Drafts) -> None:
    drafts.put(draft())
    drafts.put(draft(document={"nodes": {}}))
    assert [one.document for one in drafts.all()] == [{"nodes": {}}]


def test_a_draft_that_was_given_up_is_gone_and_may_be_given_up_again(drafts: Drafts) -> None:
    drafts.put(draft())
    drafts.drop("tab-000000")
    drafts.drop("tab-000000")
    assert drafts.all() == []
    with pytest.raises(DraftError):
        drafts.get("tab-000000")


def test_the_last_changed_stands_first_and_the_oldest_go(
    drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEP", 3)
    for number in range(5):
        drafts.put(draft(f"tab-00000{number}"))
        age(drafts, f"tab-00000{number}", 100 - number)
    assert [one.id for one in drafts.all()] == ["tab-000004", "tab-000003", "tab-000002"]


def test_drafts_that_take_too_much_room_go_oldest_first_but_never_the_newest(
    drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEP_BYTES", 10)
    drafts.put(draft("tab-000001"))
    age(drafts, "tab-000001", 10)
    drafts.put(draft("tab-000002"))
    assert [one.id for one in drafts.all()] == ["tab-000002"]


def test_what_nobody_touched_for_long_is_removed_at_the_start(drafts: Drafts) -> None:
    drafts.put(draft("tab-000001"))
    age(drafts, "tab-000001", 40 * 86_400)
    drafts.put(draft("tab-000002"))
    drafts.tidy(days=30)
    assert [one.id for one in drafts.all()] == ["tab-000002"]


def test_a_spoilt_file_hides_no_other_draft(drafts: Drafts) -> None:
    drafts.put(draft("tab-000001"))
    for name, data in (
        ("torn", b'{"title"'),
        ("list", b"[]"),
        ("none", b'{"document": 1}'),
        ("deep", b"[" * 9_999),
    ):
        (drafts.root / f"tab-{name}00.json").write_bytes(data)
    assert [one.id for one in drafts.all()] == ["tab-000001"]
    with pytest.raises(DraftError):
        drafts.get("tab-torn00")


@pytest.mark.parametrize(
    "wrong", [{"x": float("nan")}, {"x": b"bytes"}, {"x": "\ud800"}, {"x": "long" * 3_000_000}]
)
def test_what_is_no_document_is_refused_and_nothing_is_written(drafts: Drafts, wrong: dict[str, Any]) -> None:
    with pytest.raises(DocumentError):
        drafts.put(draft(document=wrong))
    assert drafts.all() == []


@pytest.mark.parametrize("id", ["../../outside", "/outside", "a\0b", "x" * 300])
def test_an_id_never_leads_out_of_the_folder(drafts: Drafts, id: str) -> None:
    with pytest.raises(StorageError):
        drafts.put(draft(id))


# ------------------------------------------------------------------------------- over the wire


def test_a_draft_outlives_its_browser_and_the_server_and_is_then_offered(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            mine = await live.socket()
            kept = await mine.ask(
                p.KeepDraft,
                draft="tab-000000",
                title="clip",
                name="clip",
                version="0" * 32,
                document=HALF_DONE,
            )
            assert isinstance(kept, p.Done)
            [told] = (await mine.ask(p.Drafts)).drafts
            assert (told.title, told.name, told.version, told.nodes) == ("clip", "clip", "0" * 32, 1)
            assert told.live, "its browser is at work on it"
        async with serve() as live:
            other = await live.socket(hello=False)
            await other.ask(p.Hello, protocol=p.PROTOCOL, client="another")
            [told] = (await other.ask(p.Drafts)).drafts
            assert not told.live and told.client == "test"
            opened = await other.ask(p.OpenDraft, draft=told.draft)
            assert opened.document == HALF_DONE
            await other.ask(p.DropDraft, draft=told.draft)
            assert (await other.ask(p.Drafts)).drafts == []
            assert (await other.ask(p.OpenDraft, draft=told.draft)).code == "draft.missing"

    asyncio.run(story())


def test_states_of_one_draft_that_are_sent_at_once_keep_their_order(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            mine = await live.socket()
            for number in range(30):
                document = {"graphflow": 1, "nodes": {}, "ui": {"n": number}}
                request = p.KeepDraft(id=1_000 + number, draft="tab-000000", title="t", document=document)
                await mine.socket.send(p.pack(request))
            await mine.ask(p.KeepDraft, draft="tab-999999", title="last", document={})
            assert (await mine.ask(p.OpenDraft, draft="tab-000000")).document["ui"]["n"] == 29

    asyncio.run(story())


def test_an_upload_that_only_a_draft_names_is_not_tidied_away(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            desk, headers = live.server.desk, {"Content-Type": "application/octet-stream"}
            sent = [await live.ask("POST", f"/api/uploads?name={one}.txt", b"words", headers) for one in "ab"]
            named, unnamed = (one.json["asset"] for one in sent)
            document = {"nodes": {"a": {"type": "t", "params": {"path": f"asset:{named}"}}}}
            mine = await live.socket()
            await mine.ask(p.KeepDraft, draft="tab-000000", title="t", document=document)
            age(desk.drafts, "tab-000000", -2 * 86_400)
            assert await asyncio.to_thread(desk.tidy, -1) == [unnamed], "all is old that is not of tomorrow"

    asyncio.run(story())
