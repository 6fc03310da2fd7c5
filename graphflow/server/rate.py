"""How fast a client may ask: a bucket of tokens for each websocket, and one for each address by HTTP."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from graphflow.known import Recent
from graphflow.server.guard import SAFE
from graphflow.server.limits import LIMITS, ServerLimits

ADDRESSES = 1_000
"""Addresses that are remembered; of more the one that was silent longest begins with a full bucket again."""


class Rate:
    """A bucket of tokens: `allow` takes one, they come back with time."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = per_second, burst, clock
        self._tokens, self._then = float(burst), clock()

    def allow(self) -> bool:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._rate)
        self._then = now
        self._tokens -= 1.0
        if self._tokens >= 0.0:
            return True
        self._tokens += 1.0
        return False

    def wait(self) -> float:
        """Seconds until there is a token again, counted from the last `allow`."""
        return max(0.0, 1.0 - self._tokens) / self._rate


class Throttle:
    """ASGI middleware: requests that change something come no faster than messages on a websocket.

    Stands behind the guard, so that only those who showed the token take from a bucket.
    """

    def __init__(self, app: ASGIApp, limits: ServerLimits = LIMITS) -> None:
        self.app = app
        self._limits = limits
        self._rates: Recent[Rate] = Recent(ADDRESSES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE:
            rate = self._rate_of((scope.get("client") or ("",))[0])
            if not rate.allow():
                await _too_many(rate.wait())(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _rate_of(self, address: str) -> Rate:
        token = address.encode()
        rate = self._rates.get(token)
        if rate is None:
            rate = Rate(self._limits.messages_per_second, self._limits.message_burst)
            self._rates[token] = rate
        return rate


def _too_many(seconds: float) -> JSONResponse:
    after = str(max(1, math.ceil(seconds)))
    text, hint = "too many requests", f"wait {after} s, or say it all on one websocket"
    body = {"error": {"code": "server.rate", "message": text, "hint": hint, "problems": []}}
    return JSONResponse(body, status_code=429, headers={"retry-after": after})
