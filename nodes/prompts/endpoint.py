"""One question to an OpenAI-compatible endpoint: encrypted or local, no redirects, bounded time and size."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from graphflow.errors import NodeError, ResourceError

if TYPE_CHECKING:
    from http.client import HTTPConnection

MAX_ANSWER = 4_000_000
"""Longest answer read, in bytes."""

POLL_SECONDS = 0.1
"""How often a waiting question looks whether the run was cancelled."""

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")


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


def chat(
    endpoint: Endpoint, key: str, body: Mapping[str, Any], timeout: float, check: Callable[[], None]
) -> Any:
    """POST `body` to `chat/completions` and return the parsed answer.

    timeout: seconds for everything. check: called while waiting, may raise to give up.
    Raises ResourceError if the host cannot be reached, refuses or is too slow, NodeError for a strange
    answer.
    """
    from http.client import HTTPException

    data = json.dumps(body, ensure_ascii=True, allow_nan=False).encode()
    deadline = time.monotonic() + timeout
    connection = _connection(endpoint, timeout)
    try:
        connection.request(
            "POST",
            f"{endpoint.path}/chat/completions",
            data,
            {
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Authorization": f"Bearer {key}",
                "Connection": "close",
            },
        )
        status, answer = _answer(connection, deadline, check)
    except (OSError, HTTPException) as error:
        reason = (
            "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        )
        raise ResourceError(
            f"{endpoint.host} cannot be asked: {reason}", hint="check the address, or raise the timeout"
        ) from None
    finally:
        connection.close()
    if status != 200:
        _refused(endpoint, status, answer)
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


def _answer(connection: HTTPConnection, deadline: float, check: Callable[[], None]) -> tuple[int, bytes]:
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
        if size > MAX_ANSWER:
            raise HTTPException(f"its answer is longer than {MAX_ANSWER} bytes")
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
