"""Workflows on the server: kept, compared and arranged by messages, and run by name."""

from __future__ import annotations

import asyncio
from typing import Any

import msgpack

from graphflow.server import protocol as p
from tests.graphflow.server.conftest import NUMBERS, Serve, Speaker
from tests.graphflow.test_library import HOSTILE
from tests.support.engine import raw


def numbers(value: int) -> dict[str, Any]:
    return {
        **raw({"out": "b.out"}, a=("num", {"value": value}), b=("double", {"plus": 2}, {"x": "a"})),
        "parameters": {"value": {"to": "a.value"}},
    }


def test_a_workflow_is_saved_listed_opened_and_its_versions_compared(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            first = await speaker.ask(p.Save, name="My clip", document=numbers(1))
            second = await speaker.ask(
                p.Save, name="My clip", document=numbers(2), seen=first.workflow.version
            )
            listed = await speaker.ask(p.Library)
            assert listed.workflows == [second.workflow] and listed.workflows[0].nodes == 2
            opened = await speaker.ask(p.Open, name="My clip")
            assert opened.document["nodes"]["a"]["params"] == {"value": 2}
            old = await speaker.ask(p.Open, name="My clip", version=first.workflow.version)
            assert old.document["nodes"]["a"]["params"] == {"value": 1}
            versions = (await speaker.ask(p.Versions, name="My clip")).versions
            assert [one.version for one in versions] == [second.workflow.version, first.workflow.version]
            compared = await speaker.ask(
                p.Compare,
                old=p.Side(name="My clip", version=first.workflow.version),
                new=p.Side(document=numbers(3)),
            )
            assert compared.difference.changed["a"].settings["value"].new == 3

    asyncio.run(story())


def test_of_two_browsers_the_second_to_save_is_told_of_the_conflict_and_can_go_on(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            one, other = await live.socket(), await live.socket()
            seen = (await one.ask(p.Save, name="a", document=numbers(1))).workflow.version
            theirs = (await one.ask(p.Save, name="a", document=numbers(2), seen=seen)).workflow.version
            refused = await other.ask(p.Save, name="a", document=numbers(3), seen=seen)
            assert refused.code == "workflow.conflict" and refused.hint
            told = await other.until(
                lambda message: isinstance(message, p.Kept) and message.version == theirs
            )
            assert told[-1].name == "a"
            saved = await other.ask(p.Save, name="a", document=numbers(3), seen=theirs)
            assert saved.workflow.version not in (seen, theirs)

    asyncio.run(story())


def test_workflows_are_renamed_copied_deleted_and_restored(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            await speaker.ask(p.Save, name="a", document=numbers(1))
            assert (await speaker.ask(p.Rename, name="a", to="b")).workflow.name == "b"
            assert (await speaker.ask(p.Duplicate, name="b", to="c")).workflow.name == "c"
            assert (await speaker.ask(p.Duplicate, name="b", to="c")).code == "workflow.exists"
            gone = await speaker.ask(p.Delete, name="b")
            listed = await speaker.ask(p.Library)
            assert [one.name for one in listed.workflows] == ["c"]
            assert [(one.id, one.name) for one in listed.trash] == [(gone.trash, "b")]
            assert (await speaker.ask(p.Restore, trash=gone.trash)).workflow.name == "b"
            assert (await speaker.ask(p.Open, name="a")).code == "workflow.missing"

    asyncio.run(story())


def test_a_document_that_is_none_is_refused_with_every_problem_and_nothing_is_kept(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            bad = {"graphflow": 1, "nodes": {"a b": {"type": 3}}}
            refused = await speaker.ask(p.Save, name="bad", document=bad)
            assert refused.code == "document" and len(refused.problems) >= 2
            unknown = await speaker.ask(p.Save, name="unknown", document=raw(a=("gone", {})))
            assert unknown.type == "saved", "a node that is not installed here is no reason to lose work"
            assert [one.name for one in (await speaker.ask(p.Library)).workflows] == ["unknown"]
            nothing = await speaker.ask(p.Compare, old=p.Side(), new=p.Side(name="unknown"))
            assert nothing.type == "failure"

    asyncio.run(story())


def test_a_hostile_name_is_refused_by_every_message(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            await speaker.ask(p.Save, name="good", document=numbers(1))
            refused = {(name, kind): await refusal(speaker, name, kind) for name in HOSTILE for kind in ASKED}
            allowed = {"storage.name", "workflow.missing", "server.message"}
            assert set(refused.values()) <= allowed, {k: v for k, v in refused.items() if v not in allowed}
            listed = await speaker.ask(p.Library)
            assert ([one.name for one in listed.workflows], listed.trash) == (["good"], [])

    asyncio.run(story())


ASKED: dict[type[Any], dict[str, Any]] = {
    p.Open: {},
    p.Save: {"document": numbers(2)},
    p.Versions: {},
    p.Rename: {"name": "good"},
    p.Duplicate: {"name": "good"},
    p.Delete: {},
    p.Restore: {},
}
"""Messages with a name, and what else they say."""


async def refusal(speaker: Speaker, name: str, kind: type[Any]) -> str:
    """The code of the refusal; names that the client's own checks refuse are sent all the same."""
    place = {p.Rename: "to", p.Duplicate: "to", p.Restore: "trash"}.get(kind, "name")
    tag = kind.model_fields["type"].default
    sent = {"type": tag, "id": 7, **ASKED[kind], place: name}
    try:
        await speaker.socket.send(msgpack.packb(sent))
    except UnicodeEncodeError:
        return "server.message"
    while True:
        answer = await speaker.hear()
        if getattr(answer, "id", None) == 7:
            return str(answer.code)


def test_a_kept_workflow_is_run_by_its_name_and_goes_before_a_template(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            await speaker.ask(p.Save, name="mine", document=numbers(20))
            await speaker.ask(p.Save, name="text_to_video", document=numbers(20))
            for name in ("mine", "text_to_video"):
                answer = await live.ask("POST", f"/api/run/{name}", {"value": 4})
                found = await live.until(answer.json["run"])
                assert (found["name"], found["results"]["outputs"]["out"]["value"]) == (name, 10)
            listed = (await live.ask("GET", "/api/workflows")).json
            assert [one["name"] for one in listed] == ["mine", "text_to_video"]
            assert (await live.ask("GET", "/api/workflows/mine")).json["nodes"]["a"]["params"] == {
                "value": 20
            }
            assert (await live.ask("GET", "/api/templates/text_to_video")).json["name"] == "text_to_video"

    asyncio.run(story())


def test_a_kept_workflow_can_be_a_node_of_another(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            await speaker.ask(p.Save, name="twice", document=numbers(1))
            outer = raw({"out": "c"}, inner=("num", {}), c=("plus", {"by": 1}, {"x": "inner"}))
            outer["nodes"]["inner"] = {"type": "workflow:twice", "params": {"value": 7}}
            run = await live.run(outer)
            found = await live.until(run)
            assert found["results"]["outputs"]["out"]["value"] == 17

    asyncio.run(story())


def test_nodes_inside_a_workflow_are_told_by_the_names_that_the_editor_knows(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            await speaker.ask(p.Save, name="twice", document=numbers(1))
            outer = raw({"out": "c"}, c=("double", {}, {"x": "inner"}))
            outer["nodes"]["inner"] = {"type": "workflow:twice", "params": {"value": 7}}
            explained = await speaker.ask(p.Explain, document=outer, workflow="outer")
            before = {one.node: one.keys.get("") for one in explained.nodes if one.state == "run"}
            assert set(before) == {"inner/b", "c"}
            accepted = await speaker.ask(p.Submit, document=outer, workflow="outer")
            await live.until(accepted.run.run)
            told = live.server.history.events(accepted.run.run)
            made = {event.node: event.key for event in told if event.type == "node.finished"}
            assert made == before
            results = await speaker.ask(p.NodeHistory, name="outer", node="inner/b")
            assert [(one.key, one.settings) for one in results.results] == [(before["inner/b"], {"plus": 2})]
            document = (await live.ask("GET", f"/api/runs/{accepted.run.run}/document")).json
            assert "ui" not in document and set(document["nodes"]) == {"inner-a", "inner-b", "c"}
            outer["nodes"]["inner"]["params"] = {"value": 8}
            again = await speaker.ask(p.Explain, document=outer, workflow="outer")
            assert {one.node: one.reasons for one in again.nodes if one.state == "run"} == {
                "inner/b": ["x: 7 -> 8"],
                "c": ["x from inner/b changed"],
            }
            outer["nodes"]["inner"]["params"] = {"value": 7}
            part = await speaker.ask(p.Submit, document=outer, workflow="outer", targets=["inner"])
            await live.until(part.run.run)
            told = live.server.history.events(part.run.run)
            assert {event.node for event in told if event.type == "node.cached"} == {"inner/b"}

    asyncio.run(story())


def test_the_socket_and_http_give_the_same_workflow(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            await speaker.ask(p.Save, name="a b", document=NUMBERS)
            opened = await speaker.ask(p.Open, name="a b")
            assert (await live.ask("GET", "/api/workflows/a%20b")).json == opened.document

    asyncio.run(story())
