"""Videos made by a service: a closed model such as Sora, or one's own server that speaks the same protocol.

A service is a recipe; a pack of its own may add another by subclassing `RemoteVideo`. The one here speaks
OpenAI's video interface (platform.openai.com/docs/api-reference/videos): `POST /videos` starts a job,
`GET /videos/ID` tells how far it is, `GET /videos/ID/content` gives the file. It is off until the environment
holds a key for the host.
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import Field

from graphflow.endpoint import Endpoint, Question, ask, ask_json, key_for, parse_endpoint, parsed
from graphflow.errors import NodeError, ResourceError
from graphflow.node import Context, Origin, node
from graphflow.values import PLACEMENT, Image, Recipe, Video

from .decode import Cut, decode_video
from .tensors import array_of

MAX_FILE = 2_000_000_000
"""Bytes of a finished video."""
MAX_FRAMES = 4096
_JOB = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_SLICE = 0.1
"""Seconds between two looks at whether the run was cancelled."""


@dataclass(frozen=True)
class Order:
    """What a service is asked to make."""

    prompt: str
    size: str
    seconds: int
    image: Image | None


@dataclass(frozen=True)
class State:
    """How far a job is."""

    done: bool
    percent: float
    failure: str = ""
    """Why it will never be done; empty if it may be."""


Check = Callable[[], None]
"""A cancel point."""


class Service(Protocol):
    """An opened service."""

    def start(self, order: Order, check: Check) -> str:
        """Order a video. Returns the job's name, by which the others know it."""

    def look(self, job: str, check: Check) -> State:
        """How far it is."""

    def fetch(self, job: str, check: Check) -> bytes:
        """The file of a finished job."""


class RemoteVideo(Recipe):
    """A service that makes videos. `open` gives a `Service`."""

    patience: Annotated[float, Field(gt=0, le=86_400), PLACEMENT] = 1800.0
    """Seconds to wait for a video."""
    pause: Annotated[float, Field(gt=0, le=600), PLACEMENT] = 5.0
    """Seconds between two questions."""


class OpenAIVideo(RemoteVideo):
    """A model behind OpenAI's video interface. The key is never part of it."""

    endpoint: str
    model: str

    def origins(self) -> tuple[Origin, ...]:
        return (Origin(f"remote:{self.endpoint}:{self.model}"),)

    def open(self, device: str) -> Service:
        """Raises ResourceError if the environment has no key for the endpoint's host."""
        endpoint = parse_endpoint(self.endpoint)
        return _OpenAI(endpoint, key_for(endpoint), self.model)


@node("media/video_service", fold=True)
def video_service(
    *,
    endpoint: Annotated[str, Field(min_length=1)] = "https://api.openai.com/v1",
    model: Annotated[str, Field(min_length=1, max_length=200)] = "sora-2",
    patience: Annotated[float, Field(gt=0, le=86_400)] = 1800.0,
    pause: Annotated[float, Field(gt=0, le=600)] = 5.0,
) -> OpenAIVideo:
    """A service that makes videos, by OpenAI's interface.

    Prompts and images are sent there, and it may cost money.
    endpoint: base address; https, or http on this machine. The key is read from the environment, from the
        variable that the error names; without one nothing is sent.
    patience: seconds to wait for a video. pause: seconds between two questions.
    Raises NodeError for an address that is not allowed.
    """
    parse_endpoint(endpoint)
    return OpenAIVideo(endpoint=endpoint, model=model, patience=patience, pause=pause)


@node("media/remote_video", depends=(".decode", ".containers"))
def remote_video(
    service: RemoteVideo,
    ctx: Context,
    image: Image | None = None,
    *,
    prompt: Annotated[str, Field(min_length=1, max_length=32_000)],
    size: Annotated[str, Field(pattern=r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$")] = "1280x720",
    seconds: Annotated[int, Field(ge=1, le=600)] = 4,
) -> Video:
    """Let a service make a video, and wait for it.

    image: the first frame, for services that take one; of the video's size. size: width x height.
    The result is kept like any other: the same order is not sent twice. A run that was stopped while it
    waited goes on waiting for the same job.
    Raises ResourceError if the service cannot be asked, refuses or is too slow, StorageError for a file that
    is no video.
    """
    order = Order(prompt, size, seconds, image)
    with ctx.use(service) as opened:
        job = (ctx.restore() or {}).get("job")
        if job is None:
            job = opened.start(order, ctx.check)
            ctx.checkpoint(lambda: {"job": job})
        _wait(opened, job, service, ctx)
        content = opened.fetch(job, ctx.check)
    with tempfile.TemporaryDirectory(prefix="graphflow-") as folder:
        path = Path(folder) / "remote.mp4"
        path.write_bytes(content)
        frames, rate = decode_video(path, Cut(0.0, None, None, None, MAX_FRAMES, False), ctx.progress)
    return Video(frames=frames, fps=rate)


def _wait(opened: Service, job: str, service: RemoteVideo, ctx: Context) -> None:
    """Until the job is done. Raises ResourceError if it fails or patience ends."""
    deadline = time.monotonic() + service.patience
    while True:
        state = opened.look(job, ctx.check)
        if state.failure:
            raise ResourceError(
                f"the service made no video: {state.failure}", hint="change the prompt or the image"
            )
        ctx.progress(int(state.percent), 100)
        if state.done:
            return
        until = time.monotonic() + service.pause
        while time.monotonic() < until:
            if time.monotonic() > deadline:
                raise ResourceError(
                    f"the video was not ready after {service.patience:g} seconds",
                    hint="run again to go on waiting for the same job, or raise patience",
                )
            ctx.check()
            time.sleep(min(_SLICE, service.pause))


class _OpenAI:
    """OpenAI's video interface, with the key that opens it."""

    def __init__(self, endpoint: Endpoint, key: str, model: str) -> None:
        self._endpoint, self._key, self._model = endpoint, key, model

    def start(self, order: Order, check: Check) -> str:
        fields = {
            "model": self._model,
            "prompt": order.prompt,
            "size": order.size,
            "seconds": str(order.seconds),
        }
        body, media_type = multipart(fields, None if order.image is None else _png(order.image))
        question = Question("POST", "/videos", body, media_type)
        return _job(
            parsed(self._endpoint, ask(self._endpoint, self._key, question, timeout=300, check=check))
        )

    def look(self, job: str, check: Check) -> State:
        found = ask_json(self._endpoint, self._key, f"/videos/{job}", None, timeout=60, check=check)
        status = found.get("status") if isinstance(found, dict) else None
        if status not in ("queued", "in_progress", "completed", "failed"):
            raise NodeError(
                "the service told a state that is not known",
                hint="the endpoint must speak OpenAI's video interface",
            )
        error = found.get("error")
        reason = error.get("message") if isinstance(error, dict) else None
        percent = found.get("progress")
        known = isinstance(percent, int | float) and 0 <= percent <= 100
        return State(
            done=status == "completed",
            percent=100.0 if status == "completed" else float(percent) if known else 0.0,
            failure=str(reason or "it gives no reason")[:500] if status == "failed" else "",
        )

    def fetch(self, job: str, check: Check) -> bytes:
        question = Question("GET", f"/videos/{job}/content")
        return ask(self._endpoint, self._key, question, timeout=1800, check=check, most=MAX_FILE)


def _job(found: Any) -> str:
    job = found.get("id") if isinstance(found, dict) else None
    if not isinstance(job, str) or not _JOB.fullmatch(job) or job in (".", ".."):
        raise NodeError(
            "the service answered without a job", hint="the endpoint must speak OpenAI's video interface"
        )
    return job


def multipart(fields: Mapping[str, str], image: bytes | None) -> tuple[bytes, str]:
    """A form with text fields and perhaps a picture, and its media type (RFC 7578).

    The boundary is made from the content, so the same order gives the same bytes.
    """
    parts = [(f'name="{name}"', "", value.encode()) for name, value in fields.items()]
    if image is not None:
        parts.append(('name="input_reference"; filename="image.png"', "Content-Type: image/png\r\n", image))
    digest = hashlib.sha256(b"\0".join(content for _, _, content in parts)).hexdigest()
    boundary = f"graphflow-{digest}".encode()
    body = b"".join(
        b"--%s\r\nContent-Disposition: form-data; %s\r\n%s\r\n%s\r\n"
        % (boundary, name.encode(), kind.encode(), content)
        for name, kind, content in parts
    )
    return body + b"--%s--\r\n" % boundary, f"multipart/form-data; boundary={boundary.decode()}"


def _png(image: Image) -> bytes:
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(array_of(image.pixels)).save(buffer, "PNG")
    return buffer.getvalue()
