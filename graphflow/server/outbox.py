"""What waits for one client: a bounded lane in order, and a lane that holds only the newest of each kind.

A client that does not read is dropped, never waited for: others and the run go on, memory stays bounded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable

from graphflow.server.limits import LIMITS, ServerLimits

Send = Callable[[bytes], Awaitable[None]]


class Outbox:
    """Messages for one client. `put` and `put_newest` never wait and belong to the loop's thread."""

    def __init__(self, limits: ServerLimits = LIMITS) -> None:
        self._limits = limits
        self._control: deque[bytes] = deque()
        self._bytes = 0
        self._newest: dict[Hashable, bytes] = {}
        self._wake = asyncio.Event()
        self._busy = False
        self.dead = False
        """The client is to be dropped: it read too slowly, or is gone."""

    def put(self, message: bytes) -> None:
        """Add a message that must arrive, behind those before it. Too many of them end the client."""
        if self.dead:
            return
        self._control.append(message)
        self._bytes += len(message)
        if len(self._control) > self._limits.control_messages or self._bytes > self._limits.control_bytes:
            self.kill()
        self._wake.set()

    def put_newest(self, kind: Hashable, message: bytes) -> None:
        """Add a message that a newer one of its kind replaces, if that comes before it was sent."""
        if not self.dead:
            self._newest[kind] = message
            self._wake.set()

    def forget(self, kind: Hashable) -> None:
        """Take back the newest message of a kind, if it was not sent yet."""
        self._newest.pop(kind, None)

    def kill(self) -> None:
        """Drop the client, and with it all that waits."""
        self.dead = True
        self._control.clear()
        self._newest.clear()
        self._bytes = 0
        self._wake.set()

    async def flush(self, seconds: float) -> None:
        """Wait until all is handed over, but not longer than this. For the last words to a client."""
        until = asyncio.get_running_loop().time() + seconds
        while (self._control or self._busy) and not self.dead and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.01)

    async def drain(self, send: Send) -> None:
        """Send until the client is to be dropped; control messages first. Returns then, never raises."""
        while not self.dead:
            await self._wake.wait()
            self._wake.clear()
            while not self.dead and (self._control or self._newest):
                message = self._next()
                self._busy = True
                try:
                    async with asyncio.timeout(self._limits.send_seconds):
                        await send(message)
                    self._busy = False
                except (TimeoutError, OSError, RuntimeError):  # RuntimeError: the connection was closed
                    self.kill()

    def _next(self) -> bytes:
        if self._control:
            message = self._control.popleft()
            self._bytes -= len(message)
            return message
        return self._newest.pop(next(iter(self._newest)))
