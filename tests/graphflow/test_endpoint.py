"""Questions to an endpoint: allowed addresses only, bounded, cancellable, and the key stays secret."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from graphflow import endpoint as module
from graphflow.endpoint import ask_json, key_for, parse_endpoint
from graphflow.errors import Cancelled, NodeError, ResourceError
from tests.support.local_server import serving

KEY = "secret-key-of-the-test"


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def ask(address: str, *, timeout: float = 20.0, check: Callable[[], None] = lambda: None) -> Any:
    body = {"model": "m"}
    return ask_json(parse_endpoint(address), KEY, "/chat/completions", body, timeout=timeout, check=check)


def test_a_question_and_its_answer() -> None:
    seen: dict[str, Any] = {}

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen["path"] = handler.path
        seen["key"] = handler.headers["Authorization"]
        seen["body"] = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        send(handler, b'{"ok": [1]}')

    with serving(answer) as address:
        assert ask(address) == {"ok": [1]}
    assert seen == {
        "path": "/v1/chat/completions",
        "key": f"Bearer {KEY}",
        "body": {"model": "m"},
    }


@pytest.mark.parametrize(
    "address",
    [
        "",
        "api.example.com",
        "ftp://api.example.com",
        "file:///etc/passwd",
        "http://api.example.com/v1",  # not encrypted
        "http://10.0.0.1/v1",
        "http://127.0.0.1.example.com/v1",
        "https://user:pass@api.example.com/v1",
        "https://api.example.com/v1?x=1",
        "https://api.example.com/v1#x",
        "https://api_example.com/v1",
        "https://api.example.com/v1\r\nHost: evil",
        "https://api.example.com:99999/v1",
        "https:///v1",
        "https://exa mple.com/v1",
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(NodeError) as caught:
        parse_endpoint(address)
    assert caught.value.hint and "user:pass" not in caught.value.message


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://api.example.com/v1", "GRAPHFLOW_KEY_API_EXAMPLE_COM"),
        ("https://API.Example.com:8443", "GRAPHFLOW_KEY_API_EXAMPLE_COM"),
        ("https://api-example.com", "GRAPHFLOW_KEY_API__EXAMPLE_COM"),  # another host, another key
        ("http://localhost:8000/v1", "GRAPHFLOW_KEY_LOCALHOST"),
        ("http://127.0.0.1:8000", "GRAPHFLOW_KEY_LOCALHOST"),
        ("http://[::1]:8000/v1", "GRAPHFLOW_KEY_LOCALHOST"),
    ],
)
def test_every_host_has_a_key_of_its_own_or_is_off(
    monkeypatch: pytest.MonkeyPatch, address: str, name: str
) -> None:
    monkeypatch.delenv(name, raising=False)
    found = parse_endpoint(address)
    with pytest.raises(ResourceError, match="no key") as caught:
        key_for(found)
    assert name in caught.value.hint
    monkeypatch.setenv(name, KEY)
    assert key_for(found) == KEY
    monkeypatch.setenv(name, "a\r\nInjected: header")
    with pytest.raises(ResourceError):
        key_for(found)


@pytest.mark.parametrize(("status", "word"), [(401, "key"), (404, "model"), (429, "later"), (503, "later")])
def test_a_refusal_says_what_to_do_and_not_the_key(status: int, word: str) -> None:
    with (
        serving(lambda handler: send(handler, b"no", status)) as address,
        pytest.raises(ResourceError, match=f"status {status}") as caught,
    ):
        ask(address)
    assert word in caught.value.hint and KEY not in str(caught.value)


def test_redirects_are_not_followed() -> None:
    asked = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        send(handler, b"", 307, Location="/elsewhere")

    with serving(answer) as address, pytest.raises(ResourceError, match="307") as caught:
        ask(address)
    assert asked == ["/v1/chat/completions"] and "redirects" in caught.value.hint


def test_an_endless_answer_is_cut_off() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 10_000)
        except OSError:
            pass

    with serving(answer) as address, pytest.raises(ResourceError, match="longer than 100000 bytes"):
        module.ask(
            parse_endpoint(address),
            KEY,
            module.Question("POST", "/chat/completions", b"{}"),
            timeout=20,
            check=lambda: None,
            most=100_000,
        )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 50_000])
def test_an_answer_must_be_json(body: bytes) -> None:
    with serving(lambda handler: send(handler, body)) as address, pytest.raises(NodeError, match="JSON"):
        ask(address)


def silent(released: threading.Event) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: (released.wait(30), None)[1]


def test_no_answer_in_time_is_an_error() -> None:
    released = threading.Event()
    with serving(silent(released)) as address:
        try:
            with pytest.raises(ResourceError, match="no answer in time"):
                ask(address, timeout=0.2)
        finally:
            released.set()


def test_drops_of_an_answer_do_not_extend_the_time() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(0.02)
        except OSError:
            pass

    with serving(answer) as address, pytest.raises(ResourceError, match="no answer in time"):
        ask(address, timeout=0.3)


def test_a_cancel_takes_effect_while_waiting() -> None:
    released = threading.Event()

    def cancel() -> None:
        raise Cancelled

    with serving(silent(released)) as address:
        try:
            with pytest.raises(Cancelled):
                ask(address, check=cancel)
        finally:
            released.set()


def test_nobody_there_is_an_error() -> None:
    with serving(lambda handler: None) as address:
        pass
    with pytest.raises(ResourceError, match="cannot be asked"):
        ask(address)
