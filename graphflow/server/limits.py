"""Everything a client may make large; one frozen model, so that a limit has one home."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

MIB = 2**20


class ServerLimits(BaseModel):
    """Sizes in bytes, times in seconds. The document's own limits stand in graphflow.workflow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clients: int = 128
    """Websockets at a time."""
    message_bytes: int = 9 * MIB
    """Largest message of a client: the largest document and what is around it."""
    chunk_bytes: int = MIB
    """Largest piece of an upload on the websocket."""
    body_bytes: int = 9 * MIB
    """Largest body of a request, uploads left out."""
    upload_bytes: int = 2 * 2**30
    """Largest uploaded file."""
    uploads_bytes: int = 50 * 2**30
    """All uploaded files together."""
    uploads_days: float = 30.0
    """An upload older than this that no kept workflow and no run names is removed when the server starts."""
    uploads: int = 4
    """Uploads that one client may have open."""
    messages_per_second: float = 200.0
    """Of one websocket; likewise requests by HTTP that change something, of one address."""
    message_burst: int = 1_000
    """Messages that a client may send at once before the rate counts."""
    requests: int = 100
    """Requests of one client that are being answered or wait for their turn."""
    questions: int = 4
    """Questions of one client that are answered side by side."""
    control_messages: int = 20_000
    """Messages that wait for a client before it is dropped."""
    control_bytes: int = 16 * MIB
    send_seconds: float = 4.0
    """A client that takes no message for so long is dropped."""
    replay_events: int = 5_000
    """A client that missed more events gets one snapshot instead."""
    watched_runs: int = 200
    """Runs that one client may watch."""


LIMITS = ServerLimits()
