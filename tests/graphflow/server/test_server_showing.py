"""Results of nodes are seen by their key: made once, when asked for, as the files that nodes save."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from graphflow_nodes.media import save_audio, save_image, save_video

from graphflow.errors import GraphflowError
from graphflow.node import node
from graphflow.registry import Registry
from graphflow.server import protocol as p
from graphflow.server import showing
from graphflow.server.showing import Showing
from graphflow.values import Audio, Image, SavedFile, Value, Video
from graphflow.workspace import Workspace
from tests.graphflow.server.conftest import NUMBERS, Answer, Live, Serve
from tests.support.engine import raw


class Note(Value):
    text: str
    marks: list[int]


@node("test/picture")
def picture(*, shade: int = 7) -> Image:
    """A grey picture, 6 x 4."""
    import torch

    return Image(pixels=torch.full((4, 6, 3), shade, dtype=torch.uint8))


@node("test/clip")
def clip(*, frames: int = 3) -> Video:
    """A clip of noise."""
    import torch

    return Video(frames=torch.randint(0, 255, (frames, 16, 16, 3)).to(torch.uint8), fps=8.0)


@node("test/tone")
def tone() -> Audio:
    """A tenth of a second of nothing."""
    import torch

    return Audio(samples=torch.zeros(1, 800), rate=8000)


@node("test/album")
def album() -> list[Image]:
    """Two pictures."""
    return [picture(shade=1), picture(shade=2)]


@node("test/note")
def note() -> Note:
    """Something without tensors."""
    return Note(text="<b>hello</b>", marks=[1, 2])


@node("test/rows")
def rows() -> list[float]:
    """Numbers."""
    return [0.5, float(2**60), 3.0]


@node("test/word")
def word() -> str:
    """A text that is very long."""
    return "x" * 30_000


PICTURES = (picture, clip, tone, album, note, rows, word, save_image, save_video, save_audio)


async def made(live: Live, type: str, **params: Any) -> str:
    """Run one node; gives its result's key."""
    run = await live.run(raw({"out": "n"}, n=(type, params)))
    assert (await live.until(run))["state"] == "finished"
    found = [event for event in live.server.history.events(run) if event.type == "node.finished"]
    return found[-1].key


async def shown(live: Live, key: str) -> dict[str, Any]:
    answer = await live.ask("GET", f"/api/results/{key}")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json["outputs"]["out"]
    return found


def size_of(answer: Answer) -> tuple[int, int]:
    from PIL import Image as Pillow

    return Pillow.open(io.BytesIO(answer.body)).size


def test_an_image_is_a_png_that_browsers_keep_for_good(serve: Serve) -> None:
    async def story() -> None:
        async with serve(nodes=PICTURES) as live:
            key = await made(live, "picture")
            found = await shown(live, key)
            assert (found["type"], found["kind"], found["media_type"]) == ("Image", "image", "image/png")
            answer = await live.ask("GET", found["url"])
            assert answer.headers["content-type"] == "image/png" and size_of(answer) == (6, 4)
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["content-disposition"].startswith("inline")
            assert "sandbox" in answer.headers["content-security-policy"]
            again = await live.ask("GET", found["url"], headers={"If-None-Match": answer.headers["etag"]})
            assert again.status == 304

    asyncio.run(story())


def test_a_clip_and_sound_come_in_ranges(serve: Serve) -> None:
    async def story() -> None:
        async with serve(nodes=PICTURES) as live:
            for kind, type, media_type, mark in (
                ("video", "clip", "video/mp4", b"ftyp"), ("audio", "tone", "audio/wav", b"WAVE"),
            ):  # fmt: skip
                found = await shown(live, await made(live, type))
                assert (found["kind"], found["media_type"]) == (kind, media_type)
                part = await live.ask("GET", found["url"], headers={"Range": "bytes=4-11"})
                assert part.status == 206 and len(part.body) == 8
                assert mark in (await live.ask("GET", found["url"])).body[:16]
            assert found["facts"] == {"rate": 8000}

    asyncio.run(story())


def test_items_of_a_list_are_seen_one_by_one(serve: Serve) -> None:
    async def story() -> None:
        async with serve(nodes=PICTURES) as live:
            found = await shown(live, await made(live, "album"))
            assert (found["kind"], found["count"], found["facts"]) == ("list", 2, {"kind": "image"})
            first, second = [await live.ask("GET", f"{found['url']}?item={i}") for i in (0, 1)]
            assert first.status == second.status == 200 and first.body != second.body
            for item in ("2", "-1", "0.0", "x", "0..1", "1" * 30):
                assert (await live.ask("GET", f"{found['url']}?item={item}")).status == 404, item

    asyncio.run(story())


def test_numbers_texts_tables_and_small_things_come_at_once(serve: Serve) -> None:
    async def story() -> None:
        async with serve(nodes=PICTURES) as live:
            table = await shown(live, await made(live, "rows"))
            assert (table["kind"], table["value"], table["url"]) == ("plot", [0.5, float(2**60), 3.0], "")
            assert table["series"] == [{"name": "out", "unit": "", "values": [0.5, float(2**60), 3.0]}]
            text = await shown(live, await made(live, "word"))
            assert text["kind"] == "text" and len(text["value"]) < 20_100
            small = await shown(live, await made(live, "note"))
            assert small["kind"] == "text" and '"text": "<b>hello</b>"' in small["value"]
            run = await live.run(NUMBERS)
            await live.until(run)
            key = live.server.history.events(run)[-2].key  # type: ignore[union-attr]
            assert (await shown(live, key))["value"] == 42

    asyncio.run(story())


def test_a_file_that_a_node_saved_is_handed_out_itself(serve: Serve) -> None:
    async def story() -> None:
        async with serve(nodes=PICTURES) as live:
            document = raw(n=("num", {"value": 5}), w=("write", {"suffix": ".html"}, {"x": "n"}))
            run = await live.run(document)
            await live.until(run)
            key = live.server.history.events(run)[-2].key  # type: ignore[union-attr]
            found = await shown(live, key)
            assert (found["kind"], found["facts"]["size"]) == ("file", 2000)
            answer = await live.ask("GET", found["url"])
            assert answer.body.startswith(b"5 5 ") and answer.headers["content-type"] != "text/html"
            assert answer.headers["content-disposition"].startswith("attachment")
            shutil.rmtree(live.server.dispatch.out_dir)
            assert (await live.ask("GET", found["url"])).status == 404

    asyncio.run(story())


def test_what_is_not_kept_any_more_or_never_was_is_not_found(serve: Serve) -> None:
    async def story() -> None:
        async with serve(nodes=PICTURES) as live:
            key = await made(live, "picture")
            live.server.desk.workspace.runner.discard(key)
            for address in (key, "0" * 64, f"{'0' * 64}/out"):
                answer = await live.ask("GET", f"/api/results/{address}")
                assert (answer.status, answer.json["error"]["code"]) == (404, "result.gone")
            for address in ("x", "..%2f..", "A" * 64, "0" * 63, f"{'0' * 64}%00"):
                assert (await live.ask("GET", f"/api/results/{address}")).status == 404
            key = await made(live, "note")
            assert (await live.ask("GET", f"/api/results/{key}/out")).json["error"]["code"] == "result.none"
            assert (await live.ask("GET", f"/api/results/{key}/other")).status == 404
            assert (await live.ask("GET", f"/api/results/{key}", auth=False)).status == 401

    asyncio.run(story())


def test_a_result_is_seen_after_a_restart_if_it_was_asked_for_by_name(serve: Serve) -> None:
    async def story() -> None:
        async with serve(nodes=PICTURES) as live:
            key = await made(live, "clip")
        async with serve(nodes=PICTURES) as live:
            found = await shown(live, key)
            assert (await live.ask("GET", found["url"])).status == 200

    asyncio.run(story())


def test_earlier_results_of_a_node_come_with_the_settings_that_made_them(serve: Serve) -> None:
    async def story() -> None:
        async with serve(nodes=PICTURES) as live:
            speaker = await live.socket()
            for shade in (1, 2, 1):
                document = raw({"out": "n"}, n=("picture", {"shade": shade}))
                run = await speaker.ask(p.Submit, document=document, workflow="shades")
                await live.until(run.run.run)
            found = (await speaker.ask(p.NodeHistory, name="shades", node="n")).results
            assert [one.settings for one in found] == [{"shade": 1}, {"shade": 2}]
            assert found[0].seconds is None and found[1].seconds is not None, "the newest was in the cache"
            for one in found:
                answer = await live.ask("GET", f"/api/results/{one.key}/out")
                assert size_of(answer) == (6, 4)

    asyncio.run(story())


# --------------------------------------------------------------------------------- alone, without a port


@pytest.fixture
def room(tmp_path: Path) -> Any:
    registry = Registry().with_nodes(PICTURES)
    with Workspace(tmp_path / "data", registry=registry, device="cpu") as workspace:
        yield Room(workspace, tmp_path)


class Room:
    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self.workspace = workspace
        self.out, self.shown = folder / "out", folder / "shown"
        self.showing = Showing(workspace, self.shown, self.out)

    def key(self, type: str, **params: Any) -> str:
        from graphflow import workflow

        document = workflow.from_raw(raw({"out": "n"}, n=(type, params)))
        return next(iter(self.workspace.run(self.workspace.graph(document), out_dir=self.out).plan.steps))


def test_a_file_is_made_once_however_many_ask_at_once(room: Room) -> None:
    key, found = room.key("clip", frames=20), []
    threads = [
        threading.Thread(target=lambda: found.append(room.showing.picture(key, "out", ()))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.path for one in found}) == 1 and len(found) == 6
    before = found[0].path.stat().st_mtime_ns
    assert room.showing.picture(key, "out", ()).path.stat().st_mtime_ns == before


def test_a_file_that_was_removed_is_made_again(room: Room) -> None:
    key = room.key("picture")
    path = room.showing.picture(key, "out", ()).path
    path.unlink()
    assert room.showing.picture(key, "out", ()).path == path and path.is_file()


def test_the_oldest_files_go_when_there_are_too_many(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    first = room.showing.picture(room.key("picture", shade=1), "out", ()).path
    os.utime(first, (time.time() - 100, time.time() - 100))
    monkeypatch.setattr(showing, "FOLDER_BYTES", first.stat().st_size)
    second = room.showing.picture(room.key("picture", shade=2), "out", ()).path
    assert second.is_file() and not first.exists()
    os.utime(second, (2**32, 2**32))  # from the future: the clock went back
    third = room.showing.picture(room.key("picture", shade=3), "out", ()).path
    assert third.is_file() and not second.exists(), "what was just made is not the oldest"


@pytest.mark.parametrize("place", ["secret.txt", "out/../secret.txt", "out/link.txt", "other/out/x"])
def test_a_cache_entry_that_names_another_file_of_the_machine_gets_nothing(room: Room, place: str) -> None:
    folder = room.out.parent
    room.out.mkdir(exist_ok=True)
    (folder / "secret.txt").write_text("secret")
    if not (room.out / "link.txt").exists():
        (room.out / "link.txt").symlink_to(folder / "secret.txt")
    saved = SavedFile(path=str(folder / place), size=6, digest="0" * 64)
    with pytest.raises(GraphflowError, match="not there"):
        room.showing._saved(saved)
    (room.out / "good.txt").write_text("good")
    good = SavedFile(path=str(room.out / "good.txt"), size=4, digest="0" * 64)
    assert room.showing._saved(good).name == "good.txt"


def test_without_the_node_that_saves_it_there_is_nothing_to_see(room: Room, tmp_path: Path) -> None:
    key = room.key("picture")
    bare = Showing(room.workspace, tmp_path / "bare", room.out)
    room.workspace.registry = Registry().with_nodes((picture,))
    with pytest.raises(GraphflowError, match="nothing to see"):
        bare.picture(key, "out", ())
