"""Who may ask: every combination of Host, Origin, source, method and token, and what real requests get."""

from __future__ import annotations

import asyncio
import http.client
from http.cookies import SimpleCookie

import pytest
from starlette.datastructures import Headers
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from graphflow.server.guard import Policy, judge, policy
from tests.graphflow.server.conftest import NUMBERS, TOKEN, Serve

RULES = policy(TOKEN, "127.0.0.1", 8188, "https://video.example.org")
HOME = "127.0.0.1:8188"
OURS = "http://127.0.0.1:8188"
EVIL = "https://evil.example"
COOKIE = f"other=1; {RULES.cookie}={RULES.cookie_value}"
BEARER = f"Bearer {TOKEN}"


def verdict(
    method: str = "GET",
    path: str = "/api/runs",
    *,
    kind: str = "http",
    host: str | None = HOME,
    query: str = "",
    more: list[tuple[str, str]] | None = None,
    rules: Policy = RULES,
) -> int:
    pairs = [("host", host)] if host is not None else []
    raw = [(name.encode(), value.encode()) for name, value in [*pairs, *(more or [])]]
    return judge(rules, kind, method, path, query, Headers(raw=raw)).status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (HOME, 0),
        ("localhost:8188", 0),
        ("LOCALHOST:8188", 0),
        ("[::1]:8188", 0),
        ("video.example.org", 0),
        ("evil.example", 421),
        ("127.0.0.1", 421),
        ("127.0.0.1:80", 421),
        ("127.0.0.1:8188.evil.example", 421),
        ("evil.example:8188", 421),
        ("localhost.:8188", 421),
        ("", 421),
        (None, 421),
    ],
)
def test_only_our_own_names_are_answered_even_with_the_token(host: str | None, status: int) -> None:
    assert verdict(host=host, more=[("authorization", BEARER)]) == status
    assert verdict(path="/healthz", host=host) == status


def test_two_hosts_are_refused() -> None:
    assert verdict(more=[("host", HOME), ("authorization", BEARER)]) == 421


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "shown", ["nothing", "bearer", "cookie", "wrong bearer", "wrong cookie", "token in cookie"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "origin",
    [None, OURS, EVIL, "null", OURS + ".evil.example", "http://127.0.0.1", "https://video.example.org"],
)
def test_every_combination_of_origin_method_and_token(
    kind: str, shown: str, method: str, origin: str | None
) -> None:
    more = [("origin", origin)] if origin is not None else []
    more += {
        "nothing": [],
        "bearer": [("authorization", BEARER)],
        "cookie": [("cookie", COOKIE)],
        "wrong bearer": [("authorization", BEARER + "x")],
        "wrong cookie": [("cookie", f"{RULES.cookie}=x")],
        "token in cookie": [("cookie", f"{RULES.cookie}={TOKEN}")],
    }[shown]
    ours = origin in (OURS, "https://video.example.org")
    if origin is not None and not ours and not (origin == "null" and shown == "bearer"):
        expected = 403
    elif shown == "bearer":
        expected = 0
    elif shown != "cookie":
        expected = 401
    else:  # a browser says its Origin whenever it changes something
        expected = 0 if ours or (method == "GET" and kind == "http") else 403
    path = "/ws" if kind == "websocket" else "/api/runs"
    if kind == "websocket" and method == "POST":
        return
    assert verdict(method, path, kind=kind, more=more) == expected


@pytest.mark.parametrize(
    ("path", "site", "mode", "dest", "status"),
    [
        ("/", "cross-site", "navigate", "document", 0),  # a link on another page, or a login proxy
        ("/", "same-site", "navigate", "document", 0),
        ("/", "cross-site", "navigate", "iframe", 403),
        ("/", "cross-site", "no-cors", "image", 403),
        ("/", "cross-site", "cors", "empty", 403),
        ("/api/runs", "cross-site", "navigate", "document", 403),
        ("/api/runs", "same-site", "cors", "empty", 403),  # another port of this machine
        ("/api/runs", "same-origin", "cors", "empty", 0),
        ("/api/runs", "none", "navigate", "document", 0),
    ],
)
def test_other_sites_may_only_link_to_the_start_page(
    path: str, site: str, mode: str, dest: str, status: int
) -> None:
    more = [("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest), ("cookie", COOKIE)]
    assert verdict(path=path, more=more) == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 0),
        ("POST", "/healthz", 405),
        ("GET", "/", 0),
        ("GET", "/assets/index.js", 0),
        ("POST", "/", 405),
        ("PUT", "/assets/index.js", 405),
        ("GET", "/metrics", 401),
        ("GET", "/api/docs", 401),
        ("OPTIONS", "/api/run/x", 401),
        ("DELETE", "/api/runs", 401),
    ],
)
def test_what_is_open_without_a_token(method: str, path: str, status: int) -> None:
    assert verdict(method, path) == status


def test_the_token_in_the_address_counts_on_the_start_page_only() -> None:
    assert verdict(path="/", query=f"token={TOKEN}") == 303
    assert verdict(path="/", query="token=wrong") == 0
    assert verdict(path="/api/runs", query=f"token={TOKEN}") == 401
    assert verdict(path="/ws", kind="websocket", query=f"token={TOKEN}") == 401


def test_the_cookie_does_not_hold_the_token_and_is_another_one_on_another_port() -> None:
    other = policy(TOKEN, "127.0.0.1", 8189)
    assert TOKEN not in RULES.cookie_value and other.cookie != RULES.cookie


def test_opening_the_printed_address_sets_a_cookie_and_hides_the_token(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            entered = await live.ask("GET", f"/?token={TOKEN}", auth=False)
            assert (entered.status, entered.headers["location"]) == (303, "/")
            text = entered.headers["set-cookie"]
            assert "HttpOnly" in text and "SameSite=strict" in text
            (name, morsel), *_ = SimpleCookie(text).items()
            cookie = {"Cookie": f"{name}={morsel.value}"}
            assert (await live.ask("GET", "/api/runs", headers=cookie, auth=False)).status == 200
            forged = await live.ask("POST", "/api/runs", {"document": NUMBERS}, cookie, auth=False)
            assert forged.status == 403
            origin = {**cookie, "Origin": f"http://127.0.0.1:{live.port}"}
            assert (
                await live.ask("POST", "/api/runs", {"document": NUMBERS}, origin, auth=False)
            ).status == 202

    asyncio.run(story())


def test_every_answer_carries_the_safe_headers(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            for path in ("/healthz", "/", "/api/docs", "/api/none", "/none"):
                headers = (await live.ask("GET", path)).headers
                policy_text = headers["content-security-policy"]
                for part in ("default-src 'none'", "script-src 'self';", "frame-ancestors 'none'"):
                    assert part in policy_text
                assert "unsafe-inline" not in policy_text.partition("style-src")[0]
                assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
                assert "server" not in headers

    asyncio.run(story())


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("127.0.0.1", {}, 401),
        ("127.0.0.1", {"Authorization": "Bearer wrong"}, 401),
        ("127.0.0.1", {"Authorization": BEARER, "Origin": EVIL}, 403),
        ("evil.example", {"Authorization": BEARER}, 421),
        ("127.0.0.1", {"Authorization": BEARER, "Host": HOME}, 400),  # a second Host: no request at all
        ("127.0.0.1", {"Authorization": BEARER}, 101),
    ],
)
def test_the_websocket_is_guarded_alike(
    serve: Serve, host: str, headers: dict[str, str], status: int
) -> None:
    """host: what the request says; it goes to the server in any case."""

    async def story() -> None:
        async with serve() as live:
            url, here = f"ws://{host}:{live.port}/ws", {"host": "127.0.0.1", "port": live.port}
            try:
                async with connect(url, additional_headers=headers, proxy=None, **here) as made:
                    assert made.response is not None
                    answered = made.response.status_code
            except InvalidStatus as refused:
                answered = refused.response.status_code
                assert not live.server.hub.listeners
            assert answered == status

    asyncio.run(story())


OUTSIDE = ("server/token", "pyproject.toml", "etc/passwd", "app.py")
"""Files that exist, some levels above what is served."""

UP = (
    "..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "%25252e%25252e", "....", "..;", "..%00", "%00..", "..%20",
    "..%09", "..%0d%0a", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%ef%bc%8e%ef%bc%8e", "%e2%80%a5",
    "..%ef%bc%8f", "%u002e%u002e", "..%c0%af", "..%e2%88%95", "..%3f", "..%23",
)  # fmt: skip
"""Ways to write the folder above: plain, encoded once or more, overlong, wide, two in one, with nulls."""

BETWEEN = ("/", "%2f", "%5c", "%252f", "\\")
"""Ways to write what stands between folders."""

ABSOLUTE = (
    "/etc/passwd", "%2fetc%2fpasswd", "C:%5cWindows%5cwin.ini", "c:/windows/win.ini",
    "C%3a%2fWindows%2fwin.ini", "%5c%5chost%5cshare%5cx", "%5c%5c%3f%5cC:%5cx", "file:%2f%2f%2fetc%2fpasswd",
    "~root%2f.profile", "~/.ssh/id", "CON", "NUL.txt", "COM1", "x::$DATA", "x%3a%3a$DATA",
)  # fmt: skip
"""Places by their full name, drives, other machines, homes, and names that mean a device."""

SERVED = (
    "/{}", "/assets/{}", "/api/{}", "/api/uploads/{}", "/api/workflows/{}", "/api/templates/{}",
    "/api/templates/{}/picture", "/api/runs/{}", "/api/runs/{}/document", "/api/runs/{}/events",
    "/api/runs/{}/files/0", "/api/results/{}", "/api/results/" + "0" * 64 + "/{}",
)  # fmt: skip
"""Where a name from the network may stand."""


def hostile_paths() -> list[str]:
    """Every way up and every full name; each way at several addresses, so that each meets most of them."""
    ways = [between.join([up] * 4 + file.split("/")) for up in UP for between in BETWEEN for file in OUTSIDE]
    turned = [SERVED[i % len(SERVED)].format(way) for i, way in enumerate(ways)]
    return [*PATHS, *turned, *(place.format(name) for place in SERVED for name in ABSOLUTE)]


PATHS = [
    "/../pyproject.toml", "/..%2fpyproject.toml", "/%2e%2e/pyproject.toml", "/%252e%252e/pyproject.toml",
    "/assets/..%5c..%5cserver.py", "//etc/passwd", "/api/../server/token", "/server/token",
    "/api/workflows/..%2f..%2fpyproject", "/api/workflows/%2fetc%2fpasswd",
    "/api/workflows/text_to_video.json",
    "/api/workflows/text_to_video%00", "/api/uploads/..%2f..%2fserver%2ftoken", "/api/uploads/%2e%2e",
    "/api/runs/..%2f..%2fserver%2ftoken", "/api/runs/%00", "/api/runs/x/files/-1", "/api/runs/x/files/0x0",
    "/api/workflows/.trash", "/api/workflows/%2etrash%2fx", "/api/workflows/good%2f000001.json",
    "/api/templates/..%2f..%2fserver%2ftoken", "/api/templates/..%2fx/picture", "/api/templates/%00/picture",
    "/api/results/..%2f..%2fserver%2ftoken", "/api/results/x/out", "/api/results/%2e%2e/%2e%2e",
    "/api/results/" + "0" * 64 + "/..%2f..%2fserver%2ftoken", "/api/results/" + "0" * 64 + "/out?item=../x",
    "/api/runs/..%2fx/document", "/api/runs/%00/document", "/assets/..%2f..%2fapp.py",
    "/index.html%00", "/index.html/..%2f..%2fapp.py",
    "/api/runs/%ff%fe", "/%c0%ae%c0%ae/x", "/%ef%bc%8e%ef%bc%8e/x",
]  # fmt: skip


def test_no_path_leads_out_of_what_is_served(serve: Serve) -> None:
    """Over one connection, written as they are; what is no path at all is refused before it is read."""
    paths = hostile_paths()
    assert len(set(paths)) > 600

    async def story() -> None:
        async with serve() as live:
            (live.server.dispatch.out_dir.parent / "server").mkdir(parents=True, exist_ok=True)
            secret = b"the token of this server"
            (live.server.dispatch.out_dir.parent / "server" / "token").write_bytes(secret)
            found = await asyncio.to_thread(answers, live.port, paths)
            for path, (status, body) in zip(paths, found, strict=True):
                assert status in (400, 404, 405, 422), (path, status)
                assert secret not in body and b"root:" not in body and b"[project]" not in body, path
                assert str(live.server.dispatch.out_dir.parent).encode() not in body, path

    asyncio.run(story())


def answers(port: int, paths: list[str]) -> list[tuple[int, bytes]]:
    """GET each path with the token, byte for byte."""
    found = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for path in paths:
        connection.putrequest("GET", path)
        connection.putheader("Authorization", BEARER)
        connection.endheaders()
        answer = connection.getresponse()
        found.append((answer.status, answer.read()))
    connection.close()
    return found
