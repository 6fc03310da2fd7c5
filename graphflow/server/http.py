"""The HTTP side: one function an address, each with the line that the OpenAPI page shows."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from graphflow import __version__, events
from graphflow.assets import AssetError
from graphflow.errors import DocumentError, GraphflowError, Problem, StorageError
from graphflow.queued import Refused, Unknown
from graphflow.server import protocol as p
from graphflow.server.desk import Asked, Desk
from graphflow.server.giving import serve_file
from graphflow.server.hub import Hub
from graphflow.server.infos import asset_info, problem_texts, run_info
from graphflow.server.limits import LIMITS, ServerLimits


class RunRequest(BaseModel):
    """Body of `POST /api/runs`: as the message `submit`."""

    model_config = p.Submit.model_config
    workflow: p.Text = ""
    document: dict[str, Any] | None = None
    values: dict[str, Any] = {}
    targets: list[p.NodeName] | None = None
    client: str = "http"
    priority: int = 0
    on_error: str = "skip"
    request: str | None = None


@dataclass
class Http:
    """The addresses under `/api`, `/healthz` and `/metrics`."""

    desk: Desk
    hub: Hub
    limits: ServerLimits = LIMITS
    since: float = field(default_factory=time.monotonic)

    # ------------------------------------------------------------------------ the server itself

    async def health(self, request: Request) -> Response:
        """Whether the server is up. Needs no token."""
        return JSONResponse({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """Figures for Prometheus."""
        counts = await asyncio.to_thread(self.desk.history.counts)
        lines = ["# TYPE graphflow_runs gauge"]
        lines += [f'graphflow_runs{{state="{state}"}} {count}' for state, count in counts.items()]
        for name, value in (
            ("graphflow_clients", len(self.hub.listeners)),
            ("graphflow_storage_trouble", int(bool(self.desk.dispatch.journal.trouble))),
            ("graphflow_up_seconds", round(time.monotonic() - self.since, 3)),
        ):
            lines += [f"# TYPE {name} gauge", f"{name} {value}"]
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

    async def about(self, request: Request) -> Response:
        """Version and protocol."""
        return JSONResponse({"graphflow": __version__, "protocol": p.PROTOCOL})

    # ------------------------------------------------------------------------ runs

    async def run_template(self, request: Request) -> Response:
        """Queue a run of a workflow by name; the body is its parameters as a JSON object."""
        values = await self._json(request)
        asked = Asked(request.path_params["workflow"], values=values)
        return await self._accepted(request, asked, {"client": "http"})

    async def run_document(self, request: Request) -> Response:
        """Queue a run of a workflow by name or as a document."""
        raw = await self._json(request)
        try:
            body = RunRequest.model_validate(raw)
        except ValidationError as error:
            raise DocumentError(
                [
                    Problem("server.body", ".".join(map(str, e["loc"])), e["msg"])
                    for e in error.errors(include_url=False)[:20]
                ]
            ) from None
        if body.on_error not in ("skip", "stop") or not -100 <= body.priority <= 100:
            raise DocumentError(
                [Problem("server.body", "", "on_error is skip or stop, priority -100 to 100")]
            )
        targets = tuple(body.targets) if body.targets is not None else None
        asked = Asked(body.workflow, body.document, body.values, targets)
        options = {"client": body.client[:64], "priority": body.priority, "on_error": body.on_error}
        return await self._accepted(request, asked, {**options, "request": body.request})

    async def _accepted(self, request: Request, asked: Asked, options: Mapping[str, Any]) -> Response:
        run = await asyncio.to_thread(lambda: self.desk.submit(asked, **options))
        await asyncio.to_thread(self.hub.changed, run.id)
        place = f"/api/runs/{run.id}"
        return JSONResponse(run_info(run).model_dump(), status_code=202, headers={"location": place})

    async def runs(self, request: Request) -> Response:
        """What runs and waits, and the last 100 that are over."""
        queue = await asyncio.to_thread(self.desk.history.queue)
        ended = await asyncio.to_thread(self.desk.history.ended)
        told = {"queue": queue[:1_000], "ended": ended}
        return JSONResponse(
            {name: [run_info(run).model_dump() for run in runs] for name, runs in told.items()}
        )

    async def run(self, request: Request) -> Response:
        """One run: its state, and its results when it is over."""
        info = await asyncio.to_thread(self.desk.info, request.path_params["run"])
        return JSONResponse(info.model_dump())

    async def document(self, request: Request) -> Response:
        """The workflow that a run is of, with all seeds drawn."""
        raw = await asyncio.to_thread(self.desk.document_of, request.path_params["run"])
        return JSONResponse(raw)

    async def events(self, request: Request) -> Response:
        """A run's stored events as JSON, behind number `after`."""
        try:
            after = int(request.query_params.get("after", "0"))
        except ValueError:
            after = 0
        id = request.path_params["run"]
        await asyncio.to_thread(self.desk.history.get, id)
        told = await asyncio.to_thread(self.desk.history.events, id, max(0, after), 10_000)
        text = ",".join(map(events.to_json, told))
        return Response(f"[{text}]", media_type="application/json")

    async def cancel(self, request: Request) -> Response:
        """Cancel a run."""
        id = request.path_params["run"]
        await asyncio.to_thread(self.desk.cancel, id)
        await asyncio.to_thread(self.hub.changed, id)
        return await self.run(request)

    async def retry(self, request: Request) -> Response:
        """Queue a failed or cancelled run once more."""
        run = await asyncio.to_thread(self.desk.retry, request.path_params["run"], "http")
        await asyncio.to_thread(self.hub.changed, run.id)
        return JSONResponse(run_info(run).model_dump(), status_code=202)

    async def result_file(self, request: Request) -> Response:
        """A file that a run made, by its number in the results; whole or in ranges."""
        run, number = request.path_params["run"], int(request.path_params["number"])
        path, media_type, digest = await asyncio.to_thread(self.desk.file_of, run, number)
        return await serve_file(request, path, media_type, path.name, digest)

    # ------------------------------------------------------------------------ uploads

    async def upload(self, request: Request) -> Response:
        """Send a file as the body; `?name=` is its name. Gives the id that workflows name as `asset:ID`."""
        name = PurePath(request.query_params.get("name", "").replace("\\", "/")).name
        length = request.headers.get("content-length", "")
        size = int(length) if length.isdecimal() else None
        incoming = await asyncio.to_thread(self.desk.assets.begin, name, size)
        try:
            async for piece in request.stream():
                if piece:
                    await asyncio.to_thread(incoming.write, piece)
            asset = await asyncio.to_thread(incoming.finish)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(incoming.close))
            raise
        return JSONResponse(asset_info(asset).model_dump(), status_code=201)

    async def asset(self, request: Request) -> Response:
        """An uploaded file; whole or in ranges."""
        asset = await asyncio.to_thread(self.desk.assets.get, request.path_params["asset"])
        return await serve_file(request, asset.path, asset.media_type, asset.name, asset.digest)

    async def delete_upload(self, request: Request) -> Response:
        """Delete an uploaded file, unless a run that waits or runs names it. Gives what it was."""
        asset = await asyncio.to_thread(self.desk.delete_upload, request.path_params["asset"])
        return JSONResponse(asset_info(asset).model_dump())

    # ------------------------------------------------------------------------ bodies

    async def _json(self, request: Request) -> dict[str, Any]:
        """The body as a JSON object. Raises DocumentError if it is none or too large."""
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > self.limits.body_bytes:
                text = f"the limit is {self.limits.body_bytes} bytes"
                raise DocumentError([Problem("limit.size", "", text)])
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise DocumentError([Problem("server.body", "", "send JSON, as application/json")])
        try:
            raw = json.loads(body or b"{}", parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise DocumentError([Problem("json.syntax", "", "the body is not valid JSON")]) from None
        if not isinstance(raw, dict):
            raise DocumentError([Problem("server.body", "", "the body is not a JSON object")])
        return raw


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


# ------------------------------------------------------------------------------------- errors

Endpoint = Callable[[Request], Awaitable[Response]]


NOT_FOUND = ("workflow.missing", "asset.unknown", "file.missing", "result.gone", "result.none")


def status_of(error: GraphflowError) -> int:
    """The HTTP status that tells what kind of error it is."""
    if isinstance(error, Unknown) or error.error_code in NOT_FOUND:
        return 404
    if isinstance(error, DocumentError):
        return 413 if any(problem.code == "limit.size" for problem in error.problems) else 422
    if isinstance(error, Refused):
        return 429 if error.error_code == "queue.full" else 409
    if isinstance(error, AssetError):
        return {"asset.size": 413, "asset.type": 415, "asset.full": 507, "asset.used": 409}.get(
            error.error_code, 422
        )
    return 507 if error.error_code == "storage.full" else 500 if isinstance(error, StorageError) else 422


async def on_error(request: Request, error: Exception) -> Response:
    """Any of our errors as JSON. Where a file lies is not told."""
    assert isinstance(error, GraphflowError)
    told: dict[str, Any] = {"code": error.error_code, "message": error.message, "hint": error.hint}
    told["problems"] = [problem.model_dump() for problem in problem_texts(error)[:200]]
    return JSONResponse({"error": told}, status_code=status_of(error))
