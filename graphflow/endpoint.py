"""One question to a web service that the user named: encrypted or local, no redirects, bounded time and size.

Off until the environment holds a key for exactly that host. This is the only place that speaks to services.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from graphflow.errors import NodeError, ResourceError

if TYPE_CHECKING:
    from http.client import HTTPConnection

MAX_ANSWER = 4_000_000
"""Longest answer read unless told otherwise, in bytes."""

OFFLINE = "GRAPHFLOW_OFFLINE"
"""Environment variable that keeps every connection closed, also those to this machine."""

POLL_SECONDS = 0.1
"""How often a waiting question looks whether the run was cancelled."""

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")


def offline() -> bool:
    """Whether the environment forbids connections."""
    return bool(os.environ.get(OFFLINE))


def go_offline() -> None:
    """Forbid connections to this process and those that it starts. For a program that was asked to, before it
    does anything else; the hub's own library reads its variable once."""
    os.environ.update({OFFLINE: "1", "HF_HUB_OFFLINE": "1"})


@dataclass(frozen=True)
class Endpoint:
    """A checked base address."""

    secure: bool
    host: str
    port: int
    path: str
    """Without a slash at the end."""

    @property
    def local(self) -> bool:
        """Whether it is this machine."""
        return _is_loopback(self.host)

    @property
    def key_name(self) -> str:
        """The environment variable that holds the key; one for each host, so that none gets another's."""
        name = "LOCALHOST" if self.local else self.host.upper().replace("-", "__").replace(".", "_")
        return f"GRAPHFLOW_KEY_{name}"


def parse_endpoint(address: str) -> Endpoint:
    """Check a base address such as `https://api.example.com/v1`. Raises NodeError for one not allowed."""
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in ("http", "https") or not (_HOST.fullmatch(host) or _is_loopback(host)):
        raise NodeError(f"{address!r} is no web address", hint="write it as https://host/v1")
    if parts.username is not None or parts.query or parts.fragment or not _PATH.fullmatch(parts.path):
        raise NodeError(
            f"the address of {host} has more than host, port and path",
            hint="write it as https://host/v1; keys belong into the environment",
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise NodeError(
            f"{host} would be asked without encryption", hint="use https; http is for this machine only"
        )
    secure = parts.scheme == "https"
    return Endpoint(secure, host, port or (443 if secure else 80), parts.path.rstrip("/"))


def key_for(endpoint: Endpoint) -> str:
    """The key for this host. Raises ResourceError if the environment has none: then the endpoint is off."""
    key = os.environ.get(endpoint.key_name, "")
    if not key or not key.isascii() or not key.isprintable():
        raise ResourceError(
            f"there is no key for {endpoint.host}",
            hint=f"set {endpoint.key_name} to allow questions to it (any text for a server without keys)",
        )
    return key


@dataclass(frozen=True)
class Question:
    """What a service is asked."""

    method: Literal["GET", "POST"]
    path: str
    """Behind the base address, such as `/chat/completions`."""
    body: bytes | None = None
    media_type: str = "application/json"
    """Of the body."""


def ask(
    endpoint: Endpoint,
    key: str,
    question: Question,
    *,
    timeout: float,
    check: Callable[[], None],
    most: int = MAX_ANSWER,
) -> bytes:
    """The body of a successful answer.

    timeout: seconds for everything. check: called while waiting, may raise to give up. most: bytes.
    Raises ResourceError if the host cannot be reached, refuses or is too slow, or says too much; or without
    asking, if connections are forbidden.
    """
    from http.client import HTTPException

    if offline():
        raise ResourceError(
            f"{endpoint.host} is not asked: connections are forbidden",
            hint=f"leave out --offline, or unset {OFFLINE}",
        )
    deadline = time.monotonic() + timeout
    connection = _connection(endpoint, timeout)
    headers = {"Accept": "*/*", "Authorization": f"Bearer {key}", "Connection": "close"}
    if question.body is not None:
        headers["Content-Type"] = question.media_type
    try:
        connection.request(question.method, endpoint.path + question.path, question.body, headers)
        status, answer = _answer(connection, deadline, check, most)
    except (OSError, HTTPException) as error:
        reason = (
            "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        )
        raise ResourceError(
            f"{endpoint.host} cannot be asked: {reason}", hint="check the address, or raise the timeout"
        ) from None
    finally:
        connection.close()
    if not 200 <= status < 300:
        _refused(endpoint, status, answer)
    return answer


def ask_json(
    endpoint: Endpoint,
    key: str,
    path: str,
    body: Mapping[str, Any] | None,
    *,
    timeout: float,
    check: Callable[[], None],
) -> Any:
    """POST `body`, or GET if there is none, and return the parsed answer.

    Raises what `ask` raises, and NodeError for an answer that is no JSON.
    """
    data = None if body is None else json.dumps(body, ensure_ascii=True, allow_nan=False).encode()
    question = Question("GET" if data is None else "POST", path, data)
    return parsed(endpoint, ask(endpoint, key, question, timeout=timeout, check=check))


def parsed(endpoint: Endpoint, answer: bytes) -> Any:
    """A JSON answer. Raises NodeError for another."""
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        raise NodeError(
            f"{endpoint.host} did not answer with JSON", hint="check the address: it often ends in /v1"
        ) from None


def _connection(endpoint: Endpoint, timeout: float) -> HTTPConnection:
    import ssl
    from http.client import HTTPConnection, HTTPSConnection

    if endpoint.secure:
        context = ssl.create_default_context()
        return HTTPSConnection(endpoint.host, endpoint.port, timeout=timeout, context=context)
    return HTTPConnection(endpoint.host, endpoint.port, timeout=timeout)


def _answer(
    connection: HTTPConnection, deadline: float, check: Callable[[], None], most: int
) -> tuple[int, bytes]:
    """Status and body, read piece by piece until the deadline."""
    import selectors
    from http.client import HTTPException

    sock = connection.sock
    with selectors.DefaultSelector() as waiting:
        waiting.register(sock, selectors.EVENT_READ)
        while not waiting.select(POLL_SECONDS):
            check()
            _left(deadline)
    sock.settimeout(_left(deadline))
    response = connection.getresponse()
    pieces: list[bytes] = []
    size = 0
    while piece := response.read1(65_536):
        check()
        sock.settimeout(_left(deadline))
        size += len(piece)
        if size > most:
            raise HTTPException(f"its answer is longer than {most} bytes")
        pieces.append(piece)
    return response.status, b"".join(pieces)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _refused(endpoint: Endpoint, status: int, answer: bytes) -> None:
    hints = {
        401: f"check the key in {endpoint.key_name}",
        403: f"check the key in {endpoint.key_name}",
        404: "check the address and the model's name",
        429: "too many questions; try again later",
    }
    text = answer[:300].decode("utf-8", "replace")
    hint = hints.get(status, "try again later" if status >= 500 else "check address and model")
    if 300 <= status < 400:
        hint = "redirects are not followed; give the final address"
    raise ResourceError(f"{endpoint.host} refused with status {status}: {text}", hint=hint)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
