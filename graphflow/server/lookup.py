"""Addresses to look things up: nodes, types, models, templates, workflows, uploads, results of nodes."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from graphflow import models, schema, templates
from graphflow.queued import Unknown
from graphflow.server.desk import Desk, raw_document, template
from graphflow.server.giving import serve_file, to_json, with_tag
from graphflow.server.infos import asset_info, workflow_info
from graphflow.server.pages import Catalogue, ParameterInfo, ResultInfo, TemplateInfo
from graphflow.server.showing import Showing
from graphflow.workflow import Document

PARALLEL = 2
"""Files made at a time because somebody wants to see a result."""


@dataclass
class Lookup:
    """The addresses below `/api` that change nothing."""

    desk: Desk
    showing: Showing
    _catalogue: bytes = b""
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL))

    # ------------------------------------------------------------------------ what there is

    async def catalogue(self, request: Request) -> Response:
        """All that an editor must know: every node, the types, what converts, JSON Schema of a workflow."""
        if not self._catalogue:
            self._catalogue = await asyncio.to_thread(self._make_catalogue)
        return with_tag(request, self._catalogue)

    def _make_catalogue(self) -> bytes:
        found = schema.catalogue(self.desk.workspace.registry)
        return to_json(Catalogue.model_validate(found).model_dump())

    async def nodes(self, request: Request) -> Response:
        """JSON Schema of every node: ports, settings, outputs."""
        registry = self.desk.workspace.registry
        return with_tag(request, await asyncio.to_thread(schema.nodes_schema, registry.specs))

    async def document_schema(self, request: Request) -> Response:
        """JSON Schema of a workflow."""
        return with_tag(request, schema.document_schema())

    async def models(self, request: Request) -> Response:
        """Models: embedded ones, those in the Hugging Face cache, the catalogue of published ones."""
        found = await asyncio.to_thread(models.overview)
        for model in found["embedded"]:
            del model["folder"]
        return with_tag(request, found)

    # ------------------------------------------------------------------------ workflows

    async def templates(self, request: Request) -> Response:
        """The workflows that come with graphflow."""
        found = await asyncio.to_thread(lambda: list(templates.listing()))
        return with_tag(request, [template_info(name, document).model_dump() for name, document in found])

    async def template(self, request: Request) -> Response:
        """One of the workflows that come with graphflow."""
        document = await asyncio.to_thread(template, request.path_params["template"])
        return with_tag(request, raw_document(document))

    async def picture(self, request: Request) -> Response:
        """What a template makes, as a picture."""
        name = request.path_params["template"]
        path = await asyncio.to_thread(templates.picture, name)
        if path is None:
            raise Unknown("there is no such picture", where=name[:80])
        facts = path.stat()
        tag = f"{facts.st_mtime_ns:x}-{facts.st_size:x}"
        return await serve_file(request, path, "image/png", path.name, tag)

    async def workflows(self, request: Request) -> Response:
        """The workflows that the server keeps."""
        kept = await asyncio.to_thread(self.desk.library.all)
        return with_tag(request, [workflow_info(one).model_dump() for one in kept])

    async def workflow(self, request: Request) -> Response:
        """One workflow as JSON: a kept one, or else a template."""
        document = await asyncio.to_thread(self.desk.named, request.path_params["workflow"])
        return with_tag(request, raw_document(document))

    # ------------------------------------------------------------------------ uploads and results

    async def uploads(self, request: Request) -> Response:
        """Uploaded files, newest first; `?kind=image` (video, audio, text, application): only those."""
        kind = request.query_params.get("kind", "")
        found = await asyncio.to_thread(self.desk.assets.all, kind if kind.isalpha() else "")
        return JSONResponse([asset_info(asset).model_dump() for asset in found])

    async def result(self, request: Request) -> Response:
        """What there is to see of a node's result, by its key."""
        key = _key(request)
        outputs = await asyncio.to_thread(self.showing.outputs, key)
        return JSONResponse(ResultInfo(key=key, outputs=outputs).model_dump())

    async def shown(self, request: Request) -> Response:
        """An output of a node as a file, whole or in ranges; `?item=0.2`: an item of a list."""
        item = request.query_params.get("item", "")
        if not re.fullmatch(r"([0-9]{1,6}(\.[0-9]{1,6})*)?", item):
            raise Unknown("there is no such item", where=item[:80])
        index = tuple(map(int, filter(None, item.split("."))))
        async with self._turns:
            found = await asyncio.to_thread(
                self.showing.picture, _key(request), request.path_params["output"], index
            )
        return await serve_file(request, found.path, found.media_type, found.name, found.tag, lasting=True)


def template_info(name: str, document: Document) -> TemplateInfo:
    """What clients are told of a template."""
    parameters: dict[str, Any] = {
        one: ParameterInfo(description=par.description, default=par.default)
        for one, par in document.parameters.items()
    }
    has_picture = templates.picture(name) is not None
    return TemplateInfo(
        name=name, description=document.description, parameters=parameters, nodes=len(document.nodes),
        picture=f"/api/templates/{name}/picture" if has_picture else None,
    )  # fmt: skip


def _key(request: Request) -> str:
    key = str(request.path_params["key"])
    if not re.fullmatch(r"[0-9a-f]{64}", key):
        raise Unknown("there is no such result", where=key[:80])
    return key
