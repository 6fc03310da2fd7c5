"""Talks to a graphflow server from Python, over its websocket: `AsyncClient`, and `Client` without async.

with Client("http://127.0.0.1:8188/?token=...") as client:
    run = client.submit("text_to_video", prompt="a red ball moving right", seed=7)
    for event in client.events(run):
        print(event.type)
    client.download(run, "clips")

A connection that breaks is made again: events go on behind the last one seen, and a submission whose answer
was lost is sent again as the same request, so that it is one run.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from graphflow.async_client import AsyncClient, ServerError
from graphflow.errors import Problem
from graphflow.events import Event
from graphflow.server import protocol as p

__all__ = ["AsyncClient", "Client", "ServerError"]

T = TypeVar("T")


class Client:
    """`AsyncClient` for programs without async: the same methods, each waits for its answer.

    Use as a context manager or call `close`.
    """

    def __init__(self, url: str, *, token: str = "", name: str = "python") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="graphflow-client", daemon=True)
        self._thread.start()
        try:
            self._client = self._do(_opened(url, token, name))
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection. Runs go on."""
        if not self._loop.is_closed():
            self._do(self._client.close())
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def submit(self, workflow: str | Mapping[str, Any], /, **values: Any) -> str:
        return self._do(self._client.submit(workflow, **values))

    def submit_with(
        self, workflow: str | Mapping[str, Any], values: Mapping[str, Any], **options: Any
    ) -> str:
        return self._do(self._client.submit_with(workflow, values, **options))

    def validate(self, workflow: str | Mapping[str, Any], /, **values: Any) -> list[Problem]:
        return self._do(self._client.validate(workflow, **values))

    def explain(self, workflow: str | Mapping[str, Any], /, **values: Any) -> list[p.NodeStory]:
        return self._do(self._client.explain(workflow, **values))

    def cancel(self, run: str | None = None) -> None:
        self._do(self._client.cancel(run))

    def retry(self, run: str) -> str:
        return self._do(self._client.retry(run))

    def move(self, run: str, before: str | None = None) -> None:
        self._do(self._client.move(run, before))

    def prioritise(self, run: str, priority: int) -> None:
        self._do(self._client.prioritise(run, priority))

    def pause(self, on: bool = True) -> None:
        self._do(self._client.pause(on))

    def wait(self, run: str) -> p.RunInfo:
        return self._do(self._client.wait(run))

    def info(self, run: str) -> p.RunInfo:
        return self._do(self._client.info(run))

    def upload(self, path: Path | str) -> str:
        return self._do(self._client.upload(path))

    def uploads(self, kind: str = "") -> list[p.AssetInfo]:
        return self._do(self._client.uploads(kind))

    def delete_upload(self, asset: str) -> None:
        self._do(self._client.delete_upload(asset))

    def download(self, run: str, folder: Path | str) -> list[Path]:
        return self._do(self._client.download(run, folder))

    def workflows(self) -> list[p.WorkflowInfo]:
        return self._do(self._client.workflows())

    def open(self, name: str, version: str | None = None) -> tuple[dict[str, Any], str]:
        return self._do(self._client.open(name, version))

    def save(self, name: str, workflow: Mapping[str, Any], seen: str | None = None) -> str:
        return self._do(self._client.save(name, workflow, seen))

    def delete(self, name: str) -> str:
        return self._do(self._client.delete(name))

    def restore(self, trash: str, name: str | None = None) -> None:
        self._do(self._client.restore(trash, name))

    def inspect(self, asset: str) -> dict[str, Any] | None:
        return self._do(self._client.inspect(asset))

    def events(self, run: str, *, after: int = 0, previews: bool = False) -> Iterator[Event | p.Snapshot]:
        told = self._client.events(run, after=after, previews=previews)
        try:
            while (event := self._do(_next(told))) is not None:
                yield event
        finally:
            self._do(_ended(told))


async def _opened(url: str, token: str, name: str) -> AsyncClient:
    client = AsyncClient(url, token=token, name=name)
    await client.__aenter__()
    return client


async def _next(told: AsyncIterator[Any]) -> Any:
    return await anext(told, None)


async def _ended(told: Any) -> None:
    await told.aclose()
