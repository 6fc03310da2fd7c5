"""Looks into a media file that a stranger sent, in a short-lived child process with limits.

A decoder that crashes, hangs or eats memory costs the child only; see `graphflow.limited`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graphflow.assets import AssetError
from graphflow.errors import StorageError
from graphflow.limited import Fields, asked
from graphflow.provenance import read_provenance

SECONDS = 30
"""How long the child may take; one frame is decoded."""

MAX_PIXELS = 100_000_000
"""Of one frame."""

MAX_TOLD = 2**26
"""Bytes of what a file may say of itself."""

IMAGES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif"}

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,wav,flac,mp3,ogg"
"""Containers that FFmpeg may open: none that names other files, as playlists do."""


def probe(path: Path) -> Mapping[str, Any]:
    """What is inside: kind (`image`, `video`, `audio`), width, height, frames, fps, seconds.

    Raises AssetError if the file cannot be decoded, or the child had to be stopped.
    """
    return _asked_of_child("media", path)


def carried(path: Path) -> dict[str, Any]:
    """The provenance that a saved file carries; empty if it has none. Raises AssetError as `probe` does."""
    return _asked_of_child("carried", path)


def _asked_of_child(what: str, path: Path) -> dict[str, Any]:
    fields = {"what": what, "path": os.path.abspath(path)}
    needs = ("av", "PIL.Image")
    try:
        with asked(f"{__name__}:found", fields, needs=needs, silent_seconds=SECONDS) as answers:
            answer = next(answers)
            text = bytearray(min(answer.size, MAX_TOLD))
            answer.into(text)
            found: dict[str, Any] = dict(json.loads(text))
    except StorageError as error:
        raise _refused(f"cannot be looked into: {error.message}") from None
    if set(found) == {"error"}:
        raise _refused(str(found["error"])[:300])
    return found


def _refused(reason: str) -> AssetError:
    hint = "send a picture, video or sound file that other programs can open"
    return AssetError(f"the file {reason}", code="asset.broken", hint=hint)


def look(path: Path) -> dict[str, Any]:
    """What is inside a file, found in this process. Raises what the decoders raise."""
    if path.suffix in (".png", ".jpg", ".jpeg", ".webp", ".gif"):
        return _look_at_image(path)
    return _look_at_container(path)


def _look_at_image(path: Path) -> dict[str, Any]:
    from PIL import Image

    with Image.open(path, formats=tuple(IMAGES)) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError(f"is {width} x {height}: more than {MAX_PIXELS} pixels")
        if IMAGES[str(image.format)] != path.suffix.replace(".jpeg", ".jpg"):
            raise ValueError(f"is {image.format}, not what its name says")
        image.load()
        return {"kind": "image", "width": width, "height": height}


def _look_at_container(path: Path) -> dict[str, Any]:
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    with av.open(str(path), container_options=options) as container:
        seconds = round(container.duration / av.time_base, 3) if container.duration else None
        if not container.streams.video:
            next(iter(container.decode(audio=0)))
            return {"kind": "audio", "seconds": seconds, "rate": container.streams.audio[0].rate}
        stream = container.streams.video[0]
        if stream.width * stream.height > MAX_PIXELS:
            raise ValueError(f"is {stream.width} x {stream.height}: more than {MAX_PIXELS} pixels")
        frame = next(iter(container.decode(stream)))
        rate = stream.average_rate
        return {
            "kind": "video",
            "width": frame.width,
            "height": frame.height,
            "frames": stream.frames or None,
            "fps": round(float(rate), 3) if rate else None,
            "seconds": seconds,
            "sound": bool(container.streams.audio),
        }


def found(fields: Fields, data: bytes) -> Iterator[tuple[Fields, bytes]]:
    """In the child: what is in a file, or the provenance that it carries, as JSON; or `{"error": ...}`."""
    path = fields["path"]
    try:
        told = look(Path(path)) if fields["what"] == "media" else read_provenance(path) or {}
    except StopIteration:
        told = {"error": "holds nothing that can be decoded"}
    except Exception as error:  # border: decoders may raise anything; the text is all that is wanted
        text = str(getattr(error, "strerror", None) or error)  # of an OSError without number and path
        text = text.replace(f" {path!r}", "").replace(path, "the file").replace(os.path.dirname(path), "")
        told = {"error": f"cannot be decoded: {text or type(error).__name__}"}
    yield {}, json.dumps(told).encode()
