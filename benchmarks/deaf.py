"""A client of the server that asks for everything and reads nothing, and what becomes of it."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

from graphflow.server import protocol as p


class Deaf:
    """A client that asks for everything and reads nothing, with small buffers. What it sees, Linux tells."""

    def __init__(self, port: int, token: str, run: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self._socket.connect(("127.0.0.1", port))
        lines = [
            "GET /ws HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13",
            f"Authorization: Bearer {token}", "", "",
        ]  # fmt: skip
        self._socket.sendall("\r\n".join(lines).encode())
        said = b""
        while not said.endswith(b"\r\n\r\n"):  # frames that come with the request would be lost with it
            said += self._socket.recv(1)
        assert b" 101 " in said, said
        self._ends = port, self._socket.getsockname()[1]
        for message in (p.Hello(id=1, protocol=p.PROTOCOL), p.Watch(id=2, run=run, previews=True)):
            self._socket.sendall(_frame(p.pack(message)))
        self._waiting = -1
        self._changed = 0.0
        self.gone = 0.0

    def look(self) -> None:
        """Note when the kernel took the last byte for it, and when the server lets go."""
        now, waiting = time.perf_counter(), _send_queue(*self._ends)
        if waiting is None:
            self.gone = self.gone or now
        elif waiting != self._waiting:
            self._waiting, self._changed = waiting, now

    async def until_gone(self, seconds: float) -> None:
        """Look on until the server lets go, but not longer than this."""
        end = time.perf_counter() + seconds
        while not self.gone and time.perf_counter() < end:
            self.look()
            await asyncio.sleep(0.02)

    def verdict(self) -> str:
        assert self._waiting > 0 and self._changed, "nothing ever waited for the client that reads nothing"
        assert self.gone, "the client that reads nothing was never full, or never dropped: try more previews"
        full = self.gone - self._changed
        return f"dropped {full:.1f} s after its buffers were full ({self._waiting / 2**20:.1f} MB)"

    def close(self) -> None:
        self._socket.close()


def _send_queue(port: int, peer: int) -> int | None:
    """Bytes that the kernel holds for `peer` on an open connection of `port`; None if there is none."""
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        ends = int(local.partition(":")[2], 16), int(remote.partition(":")[2], 16)
        if ends == (port, peer) and state == "01":
            return int(queues.partition(":")[0], 16)
    return None


def _frame(data: bytes) -> bytes:
    """A masked binary websocket frame with a mask of zeros."""
    size = len(data).to_bytes(1, "big") if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big")
    return b"\x82" + bytes([size[0] | 0x80]) + size[1:] + b"\0\0\0\0" + data
