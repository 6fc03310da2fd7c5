"""What the editor looks up: nodes and types, models, templates with pictures, uploads; and its own files."""

from __future__ import annotations

import asyncio
import tomllib
from glob import glob
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from graphflow import templates
from graphflow.server import protocol as p
from graphflow.server.pages import Catalogue, TemplateInfo
from tests.graphflow.server.conftest import Serve


def picture_bytes(tmp_path: Path, name: str = "dog.png") -> bytes:
    path = tmp_path / name
    Pillow.new("RGB", (6, 4), (1, 2, 3)).save(path)
    return path.read_bytes()


def test_the_catalogue_is_all_that_an_editor_must_know_and_need_not_be_sent_twice(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            answer = await live.ask("GET", "/api/catalogue")
            found = Catalogue.model_validate(answer.json)
            assert found.nodes["test/double"].settings["properties"]["plus"]["widget"] == "integer"
            assert found.nodes["test/double"].category == "test" and found.categories[0].id == "test"
            assert found.types["SavedFile"].shows == "file"
            again = await live.ask("GET", "/api/catalogue", headers={"If-None-Match": answer.headers["etag"]})
            assert again.status == 304 and again.body == b""

    asyncio.run(story())


def test_every_template_is_listed_with_its_parameters_and_its_picture(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            answer = await live.ask("GET", "/api/templates")
            found = {one["name"]: TemplateInfo.model_validate(one) for one in answer.json}
            assert list(found) == sorted(templates.templates())
            one = found["text_to_video"]
            assert one.description and one.nodes > 3 and one.parameters["prompt"].description
            picture = await live.ask("GET", str(one.picture))
            assert picture.body.startswith(b"\x89PNG") and picture.headers["content-type"] == "image/png"
            tag = {"If-None-Match": picture.headers["etag"]}
            again = await live.ask("GET", str(one.picture), headers=tag)
            assert again.status == 304
            for name in ("none", "..%2ftext_to_video", "text_to_video.json", "text_to_video%00"):
                assert (await live.ask("GET", f"/api/templates/{name}/picture")).status == 404
                assert (await live.ask("GET", f"/api/templates/{name}")).status == 404

    asyncio.run(story())


def test_models_are_listed_without_the_places_of_this_machine(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            answer = await live.ask("GET", "/api/models")
            names = {one["name"] for one in answer.json["embedded"]}
            assert "toy-wan" in names and answer.json["catalogue"]
            assert {one["on_disk"] for one in answer.json["catalogue"]} <= {True, False}
            assert str(Path(__file__).parents[3]).encode() not in answer.body

    asyncio.run(story())


def test_uploads_are_listed_newest_first_by_kind(serve: Serve, tmp_path: Path) -> None:
    async def story() -> None:
        async with serve() as live:
            data = picture_bytes(tmp_path)
            first = (await live.ask("POST", "/api/uploads?name=dog.png", data)).json
            second = (await live.ask("POST", "/api/uploads?name=cat.png", data)).json
            text = (await live.ask("POST", "/api/uploads?name=notes.txt", b"hello")).json
            listed = (await live.ask("GET", "/api/uploads?kind=image")).json
            assert [one["asset"] for one in listed] == [second["asset"], first["asset"]]
            assert (await live.ask("GET", listed[0]["url"])).body == data
            everything = {one["asset"] for one in (await live.ask("GET", "/api/uploads")).json}
            assert everything == {first["asset"], second["asset"], text["asset"]}
            assert (await live.ask("GET", "/api/uploads?kind=../x")).status == 200

    asyncio.run(story())


# --------------------------------------------------------------------------------- the workflow in a file


def test_a_workflow_file_that_is_dropped_is_opened_checked_and_brought_up_to_date(
    serve: Serve, tmp_path: Path
) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            text = b'{"graphflow": 1, "nodes": {"a": {"type": "test/num", "ui": {"x": 1}}}}'
            asset = (await live.ask("POST", "/api/uploads?name=w.json", text)).json["asset"]
            found = await speaker.ask(p.Inspect, asset=asset)
            assert found.document["nodes"]["a"] == {"type": "test/num", "version": 1, "ui": {"x": 1}} or (
                found.document["nodes"]["a"] == {"type": "test/num", "ui": {"x": 1}}
            )
            bad = (await live.ask("POST", "/api/uploads?name=w.json", b'{"nodes": []}')).json["asset"]
            refused = await speaker.ask(p.Inspect, asset=bad)
            assert refused.type == "failure" and refused.problems[0].code == "document.version"
            assert str(live.server.desk.assets.root) not in refused.message

    asyncio.run(story())


def test_a_picture_that_a_run_made_opens_its_workflow_and_another_does_not(
    serve: Serve, tmp_path: Path
) -> None:
    from graphflow_nodes.media import load_image, save_image

    async def story() -> None:
        async with serve(nodes=(load_image, save_image)) as live:
            speaker = await live.socket()
            data = picture_bytes(tmp_path)
            asset = (await live.ask("POST", "/api/uploads?name=dog.png", data)).json["asset"]
            document = {
                "graphflow": 1,
                "nodes": {
                    "load": {"type": "media/load_image", "params": {"path": f"asset:{asset}"}},
                    "save": {"type": "media/save_image", "inputs": {"image": "load"}},
                },
            }
            run = await live.run(document)
            assert (await live.until(run))["state"] == "finished"
            found = await speaker.ask(p.Inspect, run=run)
            assert found.document["nodes"]["load"]["params"] == {"path": f"asset:{asset}"}
            assert found.node == "save" and len(found.key) == 64 and found.versions["graphflow"]
            explained = await speaker.ask(p.Explain, document=document)
            assert explained.document["nodes"]["load"]["params"] == {"path": f"asset:{asset}"}
            again = (await live.ask("GET", f"/api/runs/{run}/files/0")).body
            dropped = (await live.ask("POST", "/api/uploads?name=x.png", again)).json["asset"]
            assert (await speaker.ask(p.Inspect, asset=dropped)).document == found.document
            assert (await speaker.ask(p.Inspect, asset=asset)).document is None
            for fields in ({}, {"asset": "0" * 32}, {"run": "0" * 32}, {"run": run, "file": 9}):
                assert (await speaker.ask(p.Inspect, **fields)).type == "failure", fields

    asyncio.run(story())


# --------------------------------------------------------------------------------- the editor's files


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>editor</title>")
    (folder / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "assets" / "index-1a2b3c.js").write_text("export {}")
    return folder


def test_the_editor_and_the_pictures_are_part_of_an_installation() -> None:
    root = Path(__file__).parents[3]
    data = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    for folder, package, inside in (
        ("graphflow/server", "graphflow.server", "static"),
        ("workflows", "graphflow_workflows", "pictures"),
    ):
        place = root / folder
        shipped = {one for pattern in data[package] for one in glob(pattern, root_dir=place, recursive=True)}
        found = {str(one.relative_to(place)) for one in (place / inside).rglob("*") if one.is_file()}
        assert found and found <= shipped, package


def test_hashed_files_are_kept_for_good_and_the_page_is_asked_for_again(serve: Serve, built: Path) -> None:
    async def story() -> None:
        async with serve(static=built) as live:

            async def get(path: str, **headers: str) -> Any:
                return await live.ask("GET", path, headers=headers, auth=False)

            page = await get("/")
            assert b"editor" in page.body and page.headers["cache-control"] == "no-cache"
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            script = await get("/assets/index-1a2b3c.js")
            assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert script.headers["content-type"] == "text/javascript; charset=utf-8"
            same = await get("/assets/index-1a2b3c.js", **{"If-None-Match": script.headers["etag"]})
            assert same.status == 304
            assert (await get("/favicon.svg")).headers["content-type"].startswith("image/svg+xml")
            for answer in (page, script):
                policy = answer.headers["content-security-policy"]
                assert "script-src 'self';" in policy and "unsafe" not in policy and "*" not in policy

    asyncio.run(story())


def test_an_address_of_the_editor_is_the_editor_and_a_file_that_is_not_there_is_not(
    serve: Serve, built: Path
) -> None:
    async def story() -> None:
        async with serve(static=built) as live:
            page = {"Accept": "text/html,*/*"}
            assert b"editor" in (await live.ask("GET", "/workflows/mine", headers=page, auth=False)).body
            assert (await live.ask("GET", "/workflows/mine", auth=False)).status == 404
            for path in (
                "/assets/index-000000.js",
                "/none.js",
                "/..%2fsecret.txt",
                "/assets/..%2f..%2fx.txt",
            ):
                assert (await live.ask("GET", path, auth=False)).status == 404, path
            assert (await live.ask("GET", "/api/none")).status == 404
            assert (await live.ask("GET", "/api/none", auth=False)).status == 401
            assert (await live.ask("POST", "/", b"x", auth=False)).status == 405

    asyncio.run(story())
