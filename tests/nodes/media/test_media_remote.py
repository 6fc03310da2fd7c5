"""Videos by a service: ordered once, waited for, decoded; errors tell what is wrong, and never the key."""

from __future__ import annotations

import json
from email import message_from_bytes
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.media import remote_video, save_video, video_service
from graphflow_nodes.media.remote import OpenAIVideo, multipart
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import Cancelled, GraphflowError, NodeError, ResourceError, StorageError
from graphflow.keys import canon
from graphflow.testing import LocalContext, run_node
from graphflow.values import Image, Video
from tests.support.local_server import serving

KEY = "secret-key-of-the-test"
CLIP = Video(
    frames=torch.arange(5, dtype=torch.uint8)[:, None, None, None].expand(5, 32, 48, 3) * 40, fps=8.0
)


class Studio:
    """A service that makes the same clip for everybody."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.states: list[dict[str, Any]] = [
            {"status": "queued"},
            {"status": "in_progress", "progress": 40},
            {"status": "completed", "progress": 100},
        ]
        self.asked: list[str] = []
        self.orders: list[tuple[str, bytes]] = []
        self.answer: dict[str, Any] = {"id": "video_1", "status": "queued"}
        self.status = 200

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(f"{request.command} {request.path}")
        if request.headers["Authorization"] != f"Bearer {KEY}":
            self.send(request, 401, b"who are you?")
        elif request.command == "POST":
            body = request.rfile.read(int(request.headers["Content-Length"]))
            self.orders.append((request.headers["Content-Type"], body))
            self.send(request, self.status, json.dumps(self.answer).encode())
        elif request.path.endswith("/content"):
            self.send(request, 200, self.content)
        else:
            state = self.states[0] if len(self.states) == 1 else self.states.pop(0)
            self.send(request, 200, json.dumps({"id": "video_1", **state}).encode())

    def send(self, request: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    context = LocalContext(out_dir=tmp_path_factory.mktemp("clip"))
    return Path(run_node(save_video, CLIP, context=context).path).read_bytes()


@pytest.fixture
def studio(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setenv("GRAPHFLOW_KEY_LOCALHOST", KEY)
    return Studio(content)


def made(address: str, context: LocalContext | None = None, **ports: Any) -> Video:
    service = run_node(video_service, endpoint=address, model="sora-2", pause=0.01, patience=20.0)
    video: Video = run_node(remote_video, service, context=context, **{"prompt": "a red ball", **ports})
    return video


def test_a_video_is_ordered_waited_for_and_decoded(studio: Studio) -> None:
    watching = LocalContext()
    with serving(studio.handle) as address:
        video = made(address, watching, size="48x32", seconds=8)
    assert video.frames.shape == (5, 32, 48, 3) and video.fps == 8
    assert studio.asked == [
        "POST /v1/videos",
        *["GET /v1/videos/video_1"] * 3,
        "GET /v1/videos/video_1/content",
    ]
    assert [done for done, total in watching.progress_log if total == 100] == [0, 40, 100]


def fields(kind: str, body: bytes) -> dict[str, bytes]:
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=HTTP)
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in message.iter_parts()  # type: ignore[attr-defined]
    }


def test_what_is_sent(studio: Studio) -> None:
    picture = Image(pixels=CLIP.frames[2])
    with serving(studio.handle) as address:
        made(address, image=picture, size="48x32", seconds=8, prompt="ein Ball, rot: größer\r\n--x")
    sent = fields(*studio.orders[0])
    assert sent.pop("input_reference").startswith(b"\x89PNG")
    assert {name: value.decode() for name, value in sent.items()} == {
        "model": "sora-2",
        "prompt": "ein Ball, rot: größer\r\n--x",
        "size": "48x32",
        "seconds": "8",
    }


@given(prompt=st.text(max_size=200), image=st.none() | st.binary(min_size=1, max_size=200))
def test_a_form_gives_back_what_went_in(prompt: str, image: bytes | None) -> None:
    body, kind = multipart({"prompt": prompt.encode("utf-8", "replace").decode()}, image)
    boundary = kind.partition("boundary=")[2].encode()
    parts = body.split(b"--" + boundary)
    assert parts[0] == b"" and parts[-1] == b"--\r\n" and len(parts) == (3 if image is None else 4)
    contents = [part.partition(b"\r\n\r\n")[2][:-2] for part in parts[1:-1]]
    assert contents == [prompt.encode("utf-8", "replace"), *([] if image is None else [image])]


def test_a_run_that_was_stopped_asks_for_the_same_job_again(studio: Studio) -> None:
    studio.states = [{"status": "in_progress", "progress": 10}]
    stopped = LocalContext(cancel_after=12)
    with serving(studio.handle) as address:
        with pytest.raises(Cancelled):
            made(address, stopped)
        assert stopped.states == [{"job": "video_1"}]
        studio.states = [{"status": "completed"}]
        video = made(address, LocalContext(state=stopped.states[-1]))
    assert len(video.frames) == 5
    assert len(studio.orders) == 1  # paid for once


def refused(studio: Studio, **ports: Any) -> str:
    with serving(studio.handle) as address, pytest.raises(GraphflowError) as caught:
        made(address, **ports)
    text = f"{caught.value} {caught.value.hint}"
    assert KEY not in text
    return text


def test_a_job_that_fails_says_why(studio: Studio) -> None:
    studio.states = [{"status": "failed", "error": {"message": "not allowed to show this"}}]
    assert "not allowed to show this" in refused(studio)


def test_answers_that_make_no_sense(studio: Studio) -> None:
    studio.states = [{"status": "dancing"}]
    assert "not known" in refused(studio)
    for job in (None, "", "..", "a/b", "x?y", 3):
        studio.answer = {"id": job}
        assert "without a job" in refused(studio)


def test_a_file_that_is_no_video(studio: Studio) -> None:
    studio.content, studio.states = b"<html>", [{"status": "completed"}]
    with serving(studio.handle) as address, pytest.raises(StorageError):
        made(address)


def test_a_refusal_is_told(studio: Studio) -> None:
    studio.status = 429
    assert "status 429" in refused(studio)


def test_patience_ends(studio: Studio) -> None:
    studio.states = [{"status": "queued"}]
    with serving(studio.handle) as address:
        service = run_node(video_service, endpoint=address, pause=0.01, patience=0.05)
        with pytest.raises(ResourceError, match="not ready after"):
            run_node(remote_video, service, prompt="a ball")


def test_without_a_key_nothing_is_sent(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPHFLOW_KEY_LOCALHOST")
    assert "no key" in refused(studio)
    assert not studio.asked
    monkeypatch.setenv("GRAPHFLOW_KEY_LOCALHOST", "another")
    assert "status 401" in refused(studio)


def test_only_safe_addresses() -> None:
    with pytest.raises(NodeError, match="without encryption"):
        run_node(video_service, endpoint="http://api.example.com/v1")


def test_how_long_to_wait_changes_no_result() -> None:
    calm, hasty = (OpenAIVideo(endpoint="https://h/v1", model="m", patience=wait) for wait in (9.0, 90.0))
    assert canon(calm) == canon(hasty)
    (origin,) = calm.origins()
    assert origin.name == "remote:https://h/v1:m"
