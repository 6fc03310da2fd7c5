"""The editor's own files: built once, so what has a hash in its name is kept by browsers for good."""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

HASHED = "assets/"
"""Folder of the files whose names change with their content."""

FOR_GOOD = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
"""By suffix; what the machine says of them is not relied on: a wrong type and no browser runs the script."""


class EditorFiles(StaticFiles):
    """Serves `folder`. A page that a person goes to and that is not there is the editor itself."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        name = path.replace("\\", "/").strip("/")
        if name.startswith("api/"):
            raise HTTPException(404)
        if "." not in name and "text/html" in Headers(scope=scope).get("accept", ""):
            path = "index.html"
        response = await super().get_response(path, scope)
        found = response.status_code in (200, 206, 304)
        response.headers["cache-control"] = FOR_GOOD if found and name.startswith(HASHED) else ASK_AGAIN
        suffix = Path(path).suffix
        if found and suffix in _TYPES:
            response.headers["content-type"] = f"{_TYPES[suffix]}; charset=utf-8"
        return response
