"""Small things that unpack to large ones: media whose headers promise gigapixels, workflows that grow without
end. Each is answered with an error, quickly, and the server goes on."""

from __future__ import annotations

import asyncio
import io
import struct
import time
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from PIL import Image

from graphflow import plan
from graphflow.server import protocol as p
from graphflow.workflow import LIMITS
from tests.graphflow.server.conftest import NUMBERS, Live, Serve
from tests.support.engine import raw

SECONDS = 10.0
"""Longest that a bomb may keep its sender waiting, on a machine under load."""


async def goes_on(live: Live) -> None:
    assert (await live.until(await live.run(NUMBERS)))["state"] == "finished"


# ----------------------------------------------------------------------------------------- media


def png(width: int, height: int, *, rows: int = 0) -> bytes:
    """A PNG that says it is so large; its data are `rows` rows of zeros, packed a thousand times smaller."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packed = zlib.compress(bytes((width * 3 + 1) * rows), 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def png_of_text() -> bytes:
    """A small picture with a compressed text of 30 MB."""
    data = io.BytesIO()
    Image.new("RGB", (4, 4)).save(data, "PNG")
    text = b"graphflow\0\0" + zlib.compress(bytes(30 * 2**20), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    whole = data.getvalue()
    return whole[:33] + chunk + whole[33:]


def gif(width: int, height: int) -> bytes:
    data = io.BytesIO()
    Image.new("P", (2, 2)).save(data, "GIF")
    whole = bytearray(data.getvalue())
    whole[6:10] = struct.pack("<HH", width, height)
    place = whole.index(b"\x2c", 13 + 3 * 2 ** ((whole[10] & 7) + 1))
    whole[place + 5 : place + 9] = struct.pack("<HH", width, height)
    return bytes(whole)


def mp4(width: int, height: int, *, inside: bool = True) -> bytes:
    """A video of one tiny picture that says another size: its container does, and `inside` its JPEG data."""
    import av

    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as container:
        stream = container.add_stream("mjpeg", rate=8)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj420p"
        frame = av.VideoFrame(48, 32, "yuvj420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    whole = bytearray(data.getvalue())
    for said, form, sides in (
        (struct.pack(">II", 48 << 16, 32 << 16), ">II", (width << 16, height << 16)),  # of the track
        (struct.pack(">HH", 48, 32), ">HH", (width, height)),  # of the sample entry
    ):
        place = whole.index(said)
        whole[place : place + len(said)] = struct.pack(form, *sides)
    if inside:
        place = whole.index(b"\xff\xc0") + 5
        assert whole[place : place + 4] == struct.pack(">HH", 32, 48)
        whole[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(whole)


def many_frames() -> bytes:
    """An mp4 that says it has four thousand million samples, all alike, in a table of a few bytes."""
    whole = mp4(48, 32)
    place = whole.index(b"stsz") + 8
    return whole[:place] + struct.pack(">II", 1, 2**32 - 1) + whole[place + 8 :]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("said.png", lambda: png(60_000, 60_000)),
        ("packed.png", lambda: png(20_000, 20_000, rows=2_000)),
        ("largest.png", lambda: png(2**31 - 1, 2**31 - 1)),
        ("text.png", png_of_text),
        ("said.gif", lambda: gif(65_535, 65_535)),
        ("said.mp4", lambda: mp4(32_000, 32_000)),
        ("largest.mp4", lambda: mp4(65_500, 65_500)),
        ("lie.mp4", lambda: mp4(1_920, 1_080, inside=False)),
        ("wide.mov", lambda: mp4(65_500, 2_048)),
    ],
)
def test_media_that_unpack_to_gigabytes_are_refused_quickly(serve: Serve, name: str, make: Any) -> None:
    async def story() -> None:
        data = make()
        assert len(data) < 400_000
        async with serve() as live:
            began = time.monotonic()
            answer = await live.ask("POST", f"/api/uploads?name={name}", data)
            assert (answer.status, answer.json["error"]["code"]) == (422, "asset.broken"), answer.body
            assert answer.json["error"]["message"] and time.monotonic() - began < SECONDS
            root = live.server.desk.assets.root
            assert not root.exists() or not list(root.rglob("*"))
            await goes_on(live)

    asyncio.run(story())


def test_a_video_that_says_it_has_four_thousand_million_frames_costs_nothing(serve: Serve) -> None:
    """Whether its first frame is taken or not: nothing is reserved for what a header says."""

    async def story() -> None:
        async with serve() as live:
            began = time.monotonic()
            answer = await live.ask("POST", "/api/uploads?name=many.mp4", many_frames())
            assert answer.status in (201, 422) and time.monotonic() - began < SECONDS
            await goes_on(live)

    asyncio.run(story())


# -------------------------------------------------------------------------------------- workflows


def fan_out() -> dict[str, Any]:
    """Ten thousand nodes that each take ten wires from all of those before."""
    nodes: dict[str, Any] = {"n0": "num"}
    for i in range(1, 10_001):
        nodes[f"n{i}"] = ("total", {}, {"items": [f"n{(i * k) % i}" for k in range(1, 12)]})
    return raw({}, **nodes)


def bombs() -> Mapping[str, tuple[dict[str, Any], str]]:
    """Documents with the code that refuses them."""
    edges = LIMITS.edges + 1
    return {
        "wires": (raw({}, a="num", t=("total", {}, {"items": ["a"] * edges})), "limit.edges"),
        "fan": (fan_out(), "limit.edges"),
        "outputs": ({**NUMBERS, "outputs": {f"o{i}": "nothing" for i in range(10_000)}}, "wire.node"),
        "loop": (
            raw({}, **{f"n{i}": ("double", {}, {"x": f"n{(i + 1) % 10_000}"}) for i in range(10_000)}),
            "graph.cycle",
        ),
    }


@pytest.mark.parametrize("kind", ["wires", "fan", "outputs", "loop"])
def test_a_workflow_of_very_many_wires_is_refused_quickly(serve: Serve, kind: str) -> None:
    document, code = bombs()[kind]

    async def story() -> None:
        async with serve() as live:
            began = time.monotonic()
            answer = await live.ask("POST", "/api/runs", {"document": document})
            assert answer.status == 422 and time.monotonic() - began < SECONDS
            assert code in {problem["code"] for problem in answer.json["error"]["problems"]}
            assert len(answer.body) < 200_000
            await goes_on(live)

    asyncio.run(story())


def test_ten_thousand_nodes_that_take_from_one_are_run(serve: Serve) -> None:
    """No bomb, though it looks like one: what is within the limits is simply done."""

    async def story() -> None:
        nodes = {f"n{i}": ("plus", {"by": i}, {"x": "a"}) for i in range(10_000)}
        async with serve() as live:
            found = await live.until(await live.run(raw({"out": "n9999"}, a=("num", {"value": 1}), **nodes)))
            assert found["results"]["outputs"] == {"out": {"value": 10_000}}

    asyncio.run(story())


def test_workflows_that_hold_each_other_are_refused_however_they_are_asked_for(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            for name, other in (("one", "two"), ("two", "three"), ("three", "one")):
                await speaker.ask(p.Save, name=name, document=raw({}, w=(f"workflow:{other}", {})))
            began = time.monotonic()
            for path, body in (
                ("/api/run/one", {}),
                ("/api/runs", {"workflow": "two"}),
                ("/api/runs", {"document": raw({}, w=("workflow:three", {}))}),
            ):
                answer = await live.ask("POST", path, body)
                codes = {problem["code"] for problem in answer.json["error"]["problems"]}
                assert (answer.status, codes) == (422, {"workflow.recursion"})
            for kind in (p.Explain, p.Submit):
                assert (await speaker.ask(kind, workflow="one")).problems[0].code == "workflow.recursion"
            assert time.monotonic() - began < SECONDS
            await goes_on(live)

    asyncio.run(story())


def test_workflows_that_multiply_ten_by_ten_are_refused_before_they_are_large(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            speaker = await live.socket()
            await speaker.ask(p.Save, name="w0", document=raw({}, **{f"n{i}": "num" for i in range(10)}))
            for level in range(1, 9):
                inner = {f"n{i}": (f"workflow:w{level - 1}", {}) for i in range(10)}
                await speaker.ask(p.Save, name=f"w{level}", document=raw({}, **inner))
            began = time.monotonic()
            answer = await live.ask("POST", "/api/run/w8", {})
            assert answer.status == 422 and time.monotonic() - began < SECONDS
            assert "limit.nodes" in {problem["code"] for problem in answer.json["error"]["problems"]}
            await goes_on(live)

    asyncio.run(story())


def test_lists_that_multiply_fail_as_a_run_and_not_as_a_server(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is lowered, so that the test need not send a million numbers."""
    monkeypatch.setattr(plan, "LIMITS", LIMITS.model_copy(update={"mapped_items": 1_000}))

    async def story() -> None:
        async with serve() as live:
            grown = {f"m{i}": ("plus", {"by": i}, {"x": f"m{i - 1}"}) for i in range(1, 6)}
            start = {"l": ("numbers", {"values": [0] * 200}), "m0": ("plus", {}, {"x": "l"})}
            found = await live.until(await live.run(raw({"out": "m5"}, **start, **grown)))
            assert found["state"] == "failed" and "more than 1000 items" in found["message"]
            await goes_on(live)

    asyncio.run(story())
