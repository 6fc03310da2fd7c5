"""How data and files are handed out: kept by browsers as long as they are right, and unable to act there."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from graphflow.assets import INLINE
from graphflow.errors import StorageError

USER_FILE_CSP = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
"""For files that somebody sent or a run made: whatever they hold, nothing in them may act."""

REVALIDATE = "private, no-cache"

LASTING = "private, max-age=31536000, immutable"


def with_tag(request: Request, data: Any) -> Response:
    """JSON that a client may keep as long as it asks whether it has changed. data: bytes are JSON already."""
    body = data if isinstance(data, bytes) else to_json(data)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": REVALIDATE}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def to_json(data: Any) -> bytes:
    """Plain data as the bytes of an answer."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False).encode()


async def serve_file(
    request: Request, path: Path, media_type: str, name: str, digest: str, *, lasting: bool = False
) -> Response:
    """A file that is not ours: shown in place only if its type is harmless, and never able to act.

    lasting: what stands at this address never changes, so it need not be asked for twice.
    Raises StorageError if it is not there any more.
    """
    headers = {
        "etag": f'"{digest}"',
        "cache-control": LASTING if lasting else REVALIDATE,
        "content-security-policy": USER_FILE_CSP,
    }
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if not await asyncio.to_thread(path.is_file):
        raise StorageError(
            "the file is not there any more", hint="run the workflow again", code="file.missing"
        )
    safe = media_type in INLINE
    return FileResponse(
        path,
        headers=headers,
        media_type=media_type if safe else "application/octet-stream",
        filename=name,
        content_disposition_type="inline" if safe else "attachment",
    )
