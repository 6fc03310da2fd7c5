"""The HTTP side: submit, look, fetch; every refusal with its status, code and hint."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from graphflow.node import node
from graphflow.server import protocol as p
from graphflow.server.limits import ServerLimits
from tests.graphflow.server.conftest import GATE, NUMBERS, Serve, gated
from tests.support.engine import raw


@node("test/read")
def read(*, path: str) -> int:
    """Size of a file."""
    return Path(path).stat().st_size


def note(suffix: str = ".txt", name: str = "note") -> dict[str, Any]:
    params = {"name": name, "suffix": suffix}
    return raw({"file": "w"}, a=("num", {"value": 7}), w=("write", params, {"x": "a"}))


def test_a_workflow_that_is_sent_is_run_and_its_output_can_be_read(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            run = await live.run(NUMBERS)
            found = await live.until(run)
            assert (found["state"], found["results"]["outputs"]) == ("finished", {"out": {"value": 42}})
            told = (await live.ask("GET", f"/api/runs/{run}/events")).json
            assert [event["type"] for event in told] == [
                "run.accepted", "run.started", "node.started", "node.finished", "run.finished",
            ]  # fmt: skip
            assert [event["seq"] for event in told] == [1, 2, 3, 4, 5]
            behind = (await live.ask("GET", f"/api/runs/{run}/events?after=3")).json
            assert [event["seq"] for event in behind] == [4, 5]

    asyncio.run(story())


def test_parameters_are_checked_before_anything_is_queued(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            bad = raw({"out": "b"}, b=("double", {"pluss": 1}, {"x": "a"}))
            answer = await live.ask("POST", "/api/runs", {"document": bad})
            assert answer.status == 422
            codes = {problem["code"] for problem in answer.json["error"]["problems"]}
            assert codes == {"setting.unknown", "wire.node"}
            assert (await live.ask("GET", "/api/runs")).json == {"queue": [], "ended": []}

    asyncio.run(story())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 404),
        (b"[]", 422),
        (b"{", 422),
        (b'{"document": NaN}', 422),
        (b'{"unknown": 1}', 422),
        (b'{"workflow": "../../etc/passwd"}', 404),
        (b'{"workflow": "text_to_vide"}', 404),
        (b'{"document": {"graphflow": 99}}', 422),
        (b"[" * 100_000, 422),
        (b'{"priority": 1000, "workflow": "text_to_video"}', 422),
        (b'{"on_error": "explode", "workflow": "text_to_video"}', 422),
        (b" " * 3000, 413),
    ],
)
def test_a_body_that_is_none_is_refused_with_a_reason(serve: Serve, body: bytes, status: int) -> None:
    async def story() -> None:
        limits = ServerLimits(body_bytes=2000 if status == 413 else 10**6)
        async with serve(limits=limits) as live:
            answer = await live.ask("POST", "/api/runs", body, {"Content-Type": "application/json"})
            assert (answer.status, bool(answer.json["error"]["message"])) == (status, True)

    asyncio.run(story())


def test_a_form_of_another_page_is_no_json(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            answer = await live.ask("POST", "/api/runs", b"{}", {"Content-Type": "text/plain"})
            assert answer.status == 422

    asyncio.run(story())


def bomb(kind: str) -> dict[str, Any]:
    """Workflows that want too much, or something that is not theirs."""
    if kind == "nodes":
        return raw({}, **{f"n{i}": "num" for i in range(20_001)})
    if kind == "deep":
        value: Any = 1
        for _ in range(80):
            value = [value]
        return raw({}, a=("num", {"value": value}))
    if kind == "circle":
        return raw({"out": "a"}, a=("double", {}, {"x": "b"}), b=("double", {}, {"x": "a"}))
    if kind == "itself":
        return raw({}, a=("workflow:../../server/token", {}))
    if kind == "file":
        return raw({}, a=("../../etc/passwd.json", {}))
    return raw({}, a=("__import__('os')", {}))


@pytest.mark.parametrize("kind", ["nodes", "deep", "circle", "itself", "file", "code"])
def test_a_workflow_that_wants_too_much_is_refused_whole(serve: Serve, kind: str) -> None:
    async def story() -> None:
        async with serve() as live:
            answer = await live.ask("POST", "/api/runs", {"document": bomb(kind)})
            assert answer.status == 422 and answer.json["error"]["problems"]
            assert (await live.ask("GET", "/api/runs")).json["queue"] == []

    asyncio.run(story())


def test_what_a_page_would_run_comes_back_as_data_only(serve: Serve) -> None:
    async def story() -> None:
        payload = "<img src=x onerror=alert(1)></script>"
        async with serve() as live:
            document = {**NUMBERS, "name": payload, "description": payload}
            run = await live.run(document, client=payload)
            for path in (f"/api/runs/{run}", "/api/runs", f"/api/runs/{run}/events", f"/api/runs/{payload}"):
                answer = await live.ask("GET", path.replace(" ", "%20"))
                assert answer.headers["content-type"].partition(";")[0] in ("application/json", "text/plain")

    asyncio.run(story())


def test_the_same_request_sent_twice_is_one_run(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            assert await live.run(NUMBERS, request="twice-1") == await live.run(NUMBERS, request="twice-1")

    asyncio.run(story())


def test_a_result_file_comes_whole_in_part_or_not_again(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            found = await live.until(await live.run(note()))
            (file,) = found["results"]["files"]
            whole = await live.ask("GET", file["url"])
            assert whole.body == b"7 " * 1000 and whole.headers["accept-ranges"] == "bytes"
            part = await live.ask("GET", file["url"], headers={"Range": "bytes=2-5"})
            assert (part.status, part.body) == (206, b"7 7 ")
            assert part.headers["content-range"] == "bytes 2-5/2000"
            tail = await live.ask("GET", file["url"], headers={"Range": "bytes=-3"})
            assert tail.body == b" 7 "
            beyond = await live.ask("GET", file["url"], headers={"Range": "bytes=5000-"})
            assert beyond.status == 416
            known = await live.ask("GET", file["url"], headers={"If-None-Match": whole.headers["etag"]})
            assert (known.status, known.body) == (304, b"")
            stale = await live.ask("GET", file["url"], headers={"Range": "bytes=0-1", "If-Range": '"old"'})
            assert (stale.status, len(stale.body)) == (200, 2000)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("suffix", "inline"), [(".mp4", True), (".svg", False), (".html", False), (".txt", False)]
)
def test_only_harmless_media_are_shown_in_place_and_nothing_in_a_file_can_act(
    serve: Serve, suffix: str, inline: bool
) -> None:
    async def story() -> None:
        async with serve() as live:
            found = await live.until(await live.run(note(suffix)))
            answer = await live.ask("GET", found["results"]["files"][0]["url"])
            disposition = answer.headers["content-disposition"]
            assert disposition.startswith("inline" if inline else "attachment")
            if not inline:
                assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")

    asyncio.run(story())


def test_a_file_that_is_gone_and_one_that_never_was_are_told_apart_from_a_fault(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            found = await live.until(await live.run(note()))
            url = found["results"]["files"][0]["url"]
            for path in live.server.dispatch.out_dir.iterdir():
                path.unlink()
            assert (await live.ask("GET", url)).json["error"]["code"] == "file.missing"
            for bad in (url.replace("/0", "/1"), "/api/runs/none/files/0", "/api/runs/none"):
                assert (await live.ask("GET", bad)).status == 404

    asyncio.run(story())


def test_a_failed_run_says_why_and_can_be_run_again(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            bad = raw({"out": "b"}, a=("num", {"value": 3}), b=("boom", {"on": 3}, {"x": "a"}))
            run = await live.run(bad)
            found = await live.until(run)
            assert (found["state"], found["code"], found["message"]) == ("failed", "node", "no 3")
            again = await live.ask("POST", f"/api/runs/{run}/retry")
            assert (again.status, again.json["retry_of"]) == (202, run)
            await live.until(again.json["run"], "failed")
            done = await live.until(await live.run(NUMBERS))
            refused = await live.ask("POST", f"/api/runs/{done['run']}/retry")
            assert (refused.status, refused.json["error"]["code"]) == (409, "run.refused")

    asyncio.run(story())


def test_a_running_run_can_be_cancelled_and_the_queue_goes_on(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            run, after = await live.run(gated("never")), await live.run(NUMBERS)
            await live.until(run, "running")
            await live.ask("POST", f"/api/runs/{run}/cancel")
            assert (await live.until(run))["state"] == "cancelled"
            assert (await live.until(after))["state"] == "finished"

    asyncio.run(story())


def test_several_runs_go_on_at_once_if_asked_for(serve: Serve) -> None:
    async def story() -> None:
        async with serve(parallel=2) as live:
            slow, quick = await live.run(gated("open-later")), await live.run(NUMBERS)
            assert (await live.until(quick))["state"] == "finished"
            GATE["open-later"].set()
            assert (await live.until(slow))["state"] == "finished"

    asyncio.run(story())


def test_nodes_schema_and_workflows_are_listed_and_need_not_be_sent_twice(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            nodes = await live.ask("GET", "/api/nodes")
            assert nodes.json["test/double"]["ports"]["x"]["type"] == "int"
            again = await live.ask("GET", "/api/nodes", headers={"If-None-Match": nodes.headers["etag"]})
            assert again.status == 304
            assert (await live.ask("GET", "/api/schema")).json["title"] == "graphflow workflow"
            listed = {one["name"]: one for one in (await live.ask("GET", "/api/templates")).json}
            assert "prompt" in listed["text_to_video"]["parameters"]
            assert (await live.ask("GET", "/api/workflows")).json == []
            whole = (await live.ask("GET", "/api/workflows/text_to_video")).json
            assert whole["name"] == "text_to_video"
            assert (await live.ask("GET", "/api/workflows/none")).status == 404

    asyncio.run(story())


def test_the_openapi_page_names_every_address(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            told = (await live.ask("GET", "/api/openapi.json")).json
            served = {(how.lower(), re.sub(r":\w+}", "}", path)) for how, path, _ in live.server.endpoints()}
            assert {(how, path) for path, found in told["paths"].items() for how in found} == served
            assert all(entry["summary"] for found in told["paths"].values() for entry in found.values())
            page = (await live.ask("GET", "/api/docs")).body.decode()
            assert "/api/run/{workflow}" in page and "<script" not in page

    asyncio.run(story())


def test_metrics_count_runs_and_clients(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            await live.until(await live.run(NUMBERS))
            text = (await live.ask("GET", "/metrics")).body.decode()
            assert 'graphflow_runs{state="finished"} 1' in text and "graphflow_clients 0" in text

    asyncio.run(story())


def test_an_upload_is_named_in_a_workflow_and_fetched_again(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            sent = await live.ask("POST", "/api/uploads?name=..%2Fdir%5Cnotes.txt", b"hello " * 100)
            assert (sent.status, sent.json["name"], sent.json["size"]) == (201, "notes.txt", 600)
            back = await live.ask("GET", f"/api/uploads/{sent.json['asset']}")
            assert back.body == b"hello " * 100
            assert back.headers["content-disposition"].startswith("attachment")

    asyncio.run(story())


@pytest.mark.parametrize(
    ("name", "data", "status", "code"),
    [
        ("x.html", b"<script>", 415, "asset.type"),
        ("x.svg", b"<svg/>", 415, "asset.type"),
        ("x.py", b"import os", 415, "asset.type"),
        ("x", b"1", 415, "asset.type"),
        ("x.txt", b"", 413, "asset.size"),
        ("x.txt", b"1" * 2000, 413, "asset.size"),
        ("x.png", b"\x89PNG\r\n\x1a\nnot really", 422, "asset.broken"),
        ("x.mp4", b"#EXTM3U\nfile:///etc/passwd\n", 422, "asset.broken"),
    ],
)
def test_an_upload_that_is_not_what_is_taken_leaves_nothing_behind(
    serve: Serve, name: str, data: bytes, status: int, code: str
) -> None:
    async def story() -> None:
        async with serve(limits=ServerLimits(upload_bytes=1000)) as live:
            answer = await live.ask("POST", f"/api/uploads?name={name}", data)
            error = answer.json["error"]
            assert (answer.status, error["code"]) == (status, code)
            assert str(live.server.desk.assets.root) not in answer.body.decode()
            assert "Errno" not in error["message"] and (data or error["message"] == "the file is empty")
            root = live.server.desk.assets.root
            assert not root.exists() or not list(root.rglob("*"))

    asyncio.run(story())


@node("test/say", fold=True)
def say(*, text: str) -> str:
    """Says what it is told."""
    return text


def test_what_a_node_says_of_an_upload_goes_by_the_name_under_which_it_was_sent(serve: Serve) -> None:
    async def story() -> None:
        async with serve(nodes=[say]) as live:
            sent = (await live.ask("POST", "/api/uploads?name=My%20notes.txt", b"a word")).json["asset"]
            document = raw({"out": "r"}, r=("refuse", {"path": f"asset:{sent}"}))
            speaker = await live.socket()
            run = (await speaker.ask(p.Submit, document=document)).run.run
            ended = await live.until(run)
            assert ended["message"] == "My notes.txt: this is not what is wanted"
            told = [one.message for one in live.server.history.events(run) if hasattr(one, "message")]
            assert told and all(one.endswith(ended["message"]) for one in told), told
            assert str(live.server.desk.assets.root) not in str(told)
            early = raw(
                {"out": "r", "said": "s"},
                r=("refuse", {"path": f"asset:{sent}", "early": True}),
                s=("say", {"text": f"asset:{sent}"}),
            )
            (problem,) = (await speaker.ask(p.Validate, document=early)).problems
            assert (problem.message, problem.hint) == (ended["message"], "My notes.txt is no good")
            explained = await speaker.ask(p.Explain, document=early)
            assert ended["message"] in str(explained.nodes), "what would run"
            assert str(live.server.desk.assets.root) not in str(explained)
            wrong = raw({"out": "r"}, r=("refuse", {"path": [f"asset:{sent}"]}))
            for kind in (p.Submit, p.Explain):
                refused = await speaker.ask(kind, document=wrong)
                assert refused.problems and str(live.server.desk.assets.root) not in str(refused), kind

    asyncio.run(story())


def test_uploads_that_fill_their_room_are_refused_with_what_to_do(serve: Serve) -> None:
    async def story() -> None:
        async with serve(limits=ServerLimits(uploads_bytes=1000)) as live:
            assert (await live.ask("POST", "/api/uploads?name=a.txt", b"x" * 900)).status == 201
            full = await live.ask("POST", "/api/uploads?name=b.txt", b"x" * 200)
            assert (full.status, full.json["error"]["code"]) == (507, "asset.full")
            assert "--upload-space" in full.json["error"]["hint"]
            assert (await live.ask("POST", "/api/uploads?name=c.txt", b"x" * 100)).status == 201

    asyncio.run(story())


def test_an_upload_is_deleted_and_its_room_is_free(serve: Serve) -> None:
    async def story() -> None:
        async with serve(limits=ServerLimits(uploads_bytes=1000)) as live:
            sent = (await live.ask("POST", "/api/uploads?name=a.txt", b"x" * 900)).json["asset"]
            assert (await live.ask("POST", "/api/uploads?name=b.txt", b"x" * 200)).status == 507
            assert (await live.ask("DELETE", f"/api/uploads/{sent}", auth=False)).status == 401
            gone = await live.ask("DELETE", f"/api/uploads/{sent}")
            assert (gone.status, gone.json["name"]) == (200, "a.txt")
            assert not list(live.server.desk.assets.root.iterdir()), "also on the disk"
            for method in ("DELETE", "GET"):
                again = await live.ask(method, f"/api/uploads/{sent}")
                assert (again.status, again.json["error"]["code"]) == (404, "asset.unknown")
            assert (await live.ask("POST", "/api/uploads?name=b.txt", b"x" * 1000)).status == 201
            assert (await live.ask("DELETE", "/api/uploads/..%2F..%2Fserver")).status in (404, 405)
            assert live.server.desk.assets.all() and live.server.history.path.exists()

    asyncio.run(story())


def test_an_upload_that_a_run_waits_for_stays(serve: Serve) -> None:
    async def story() -> None:
        async with serve(nodes=[read]) as live:
            sent = (await live.ask("POST", "/api/uploads?name=a.txt", b"hello")).json["asset"]
            holding = await live.run(gated("holds"))
            waiting = await live.run(raw({"out": "r"}, r=("read", {"path": f"asset:{sent}"})))
            refused = await live.ask("DELETE", f"/api/uploads/{sent}")
            assert (refused.status, refused.json["error"]["code"]) == (409, "asset.used")
            assert refused.json["error"]["hint"]
            GATE["holds"].set()
            for run in (holding, waiting):
                assert (await live.until(run))["state"] == "finished"
            assert (await live.ask("DELETE", f"/api/uploads/{sent}")).status == 200

    asyncio.run(story())


def test_a_start_removes_old_uploads_but_none_that_a_run_or_a_workflow_names(serve: Serve) -> None:
    def naming(asset: str) -> dict[str, Any]:
        return raw({"out": "r"}, r=("read", {"path": f"asset:{asset}"}))

    async def story() -> None:
        async with serve(nodes=[read]) as live:
            sent = [
                (await live.ask("POST", f"/api/uploads?name={name}.txt", name.encode())).json["asset"]
                for name in ("run", "kept", "trash", "nobody")
            ]
            speaker = await live.socket()
            await live.until(await live.run(naming(sent[0])))
            kept = await speaker.ask(p.Save, name="kept", document=naming(sent[1]))
            await speaker.ask(p.Save, name="kept", document=NUMBERS, seen=kept.workflow.version)
            await speaker.ask(p.Save, name="gone", document=naming(sent[2]))
            await speaker.ask(p.Delete, name="gone")
        async with serve(nodes=[read]) as live:
            assert len((await live.ask("GET", "/api/uploads")).json) == 4, "none is old"
        async with serve(limits=ServerLimits(uploads_days=0), nodes=[read]) as live:
            left = {one["asset"] for one in (await live.ask("GET", "/api/uploads")).json}
            assert left == set(sent[:3])

    asyncio.run(story())
