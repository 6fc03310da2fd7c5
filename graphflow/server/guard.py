"""Who may ask: one decision, in one place, before anything else is looked at.

In this order: the Host must be ours (against DNS rebinding), an Origin must be ours (against other web
pages), what a browser says of the request's source must not be another site, and then the token must be
shown: as `Authorization: Bearer`, or by a cookie that the address with the token set.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = ("GET", "HEAD")

OPEN = ("/healthz",)
"""Needs no token: says only that the server is up."""

GUARDED = ("/api/", "/ws", "/metrics")
"""Needs the token; the rest is the editor's own files, which hold no secret."""

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; font-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Only the editor's own files, and no code made from text."""

HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""On every answer that does not set them itself."""


@dataclass(frozen=True)
class Policy:
    """hosts: exact values of the Host header, lower case. origins: exact values of Origin."""

    token: str
    hosts: frozenset[str]
    origins: frozenset[str]
    cookie: str = "graphflow"
    """Name of the cookie: cookies of all ports of a machine lie in one jar."""
    secure: bool = False
    """Whether browsers reach the server by https."""

    @property
    def cookie_value(self) -> str:
        """Derived from the token, so that a cookie that leaks is not the token."""
        return hmac.new(self.token.encode(), b"graphflow cookie", hashlib.sha256).hexdigest()

    def knows_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.token.encode())

    def knows_cookie(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.cookie_value.encode())


def policy(token: str, host: str, port: int, public_url: str = "") -> Policy:
    """The policy of a server that listens on `host` and `port` and may be reached as `public_url` too."""
    names = ["127.0.0.1", "localhost", "[::1]"]
    if host not in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::"):
        names.append(f"[{host}]" if ":" in host else host.lower())
    hosts = {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())
    origins = {f"http://{name}" for name in hosts}
    public = urlsplit(public_url)
    if public.netloc:
        hosts.add(public.netloc.lower())
        origins.add(f"{public.scheme}://{public.netloc.lower()}")
    secure = public.scheme == "https"
    return Policy(token, frozenset(hosts), frozenset(origins), f"graphflow-{port}", secure)


@dataclass(frozen=True)
class Verdict:
    """status 0: go on. 303: the token was in the address; set the cookie and leave it there."""

    status: Literal[0, 303, 401, 403, 405, 421] = 0
    reason: str = ""


def judge(policy: Policy, kind: str, method: str, path: str, query: str, headers: Headers) -> Verdict:
    """What to do with a request. Pure. kind: `http` or `websocket`."""
    hosts = headers.getlist("host")
    if len(hosts) != 1 or hosts[0].lower() not in policy.hosts:
        return Verdict(421, "this server does not go by that name; see --public-url")
    origins = headers.getlist("origin")
    bearer = _bearer(policy, headers.getlist("authorization"))
    landing = method == "GET" and path == "/" and kind == "http"
    foreign = [origin for origin in origins if origin not in policy.origins]
    if len(origins) > 1 or (foreign and not (foreign == ["null"] and bearer)):
        return Verdict(403, "requests from other web pages are refused")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        navigated = (
            headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        )
        if not (landing and navigated):
            return Verdict(403, "requests from other sites are refused")
    if path in OPEN:
        return Verdict() if method in SAFE else Verdict(405, "only GET")
    if landing and any(policy.knows_token(one) for one in parse_qs(query).get("token", [])):
        return Verdict(303)
    if not path.startswith(GUARDED):
        return Verdict() if method in SAFE and kind == "http" else Verdict(405, "only GET")
    if bearer:
        return Verdict()
    if not _cookie(policy, headers.getlist("cookie")):
        return Verdict(401, "the token is missing or wrong: open the address that the server printed")
    if (method not in SAFE or kind == "websocket") and not origins:
        return Verdict(403, "a request with a cookie must say its Origin")
    return Verdict()


def _bearer(policy: Policy, values: Sequence[str]) -> bool:
    if len(values) != 1:
        return False
    scheme, _, token = values[0].partition(" ")
    return scheme.lower() == "bearer" and policy.knows_token(token.strip())


def _cookie(policy: Policy, values: Sequence[str]) -> bool:
    for value in values:
        try:
            morsel = SimpleCookie(value).get(policy.cookie)
        except CookieError:
            continue
        if morsel is not None and policy.knows_cookie(morsel.value):
            return True
    return False


class Guard:
    """ASGI middleware that puts `judge` before an application and safe headers on its answers."""

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self.app = app
        self.policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        method = scope.get("method", "GET")
        query = scope["query_string"].decode("latin-1")
        verdict = judge(self.policy, scope["type"], method, scope["path"], query, Headers(scope=scope))

        async def send_guarded(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if verdict.status == 0:
            await self.app(scope, receive, send_guarded)
        else:
            answer = self._entrance() if verdict.status == 303 else _refusal(verdict)
            await answer(scope, receive, send_guarded)

    def _entrance(self) -> Response:
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(
            self.policy.cookie, self.policy.cookie_value, max_age=90 * 24 * 3600, path="/",
            secure=self.policy.secure, httponly=True, samesite="strict",
        )  # fmt: skip
        return answer


def _refusal(verdict: Verdict) -> Response:
    body = {"error": {"code": f"server.{verdict.status}", "message": verdict.reason, "hint": ""}}
    return JSONResponse(body, status_code=verdict.status)
