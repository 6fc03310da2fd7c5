"""Looks into a media file that a stranger sent, in a short-lived child process with limits.

A decoder that crashes, hangs or eats memory costs the child only. Run as `python -m graphflow.server.probe
media FILE`, it prints one line of JSON: what it found, or `{"error": ...}`. With `carried` in place of
`media` that is the provenance in the file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphflow.assets import AssetError
from graphflow.provenance import read_provenance

SECONDS = 30.0
"""How long the child may take; one frame is decoded."""

CPU_SECONDS = 20
MEMORY_BYTES = 2 * 2**30
OPEN_FILES = 64
MAX_PIXELS = 100_000_000
"""Of one frame."""

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
    command = [sys.executable, "-m", "graphflow.server.probe", what, str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise _refused(path, f"could not be looked into within {SECONDS:g} s") from None
    line = done.stdout.decode("utf-8", "replace").strip().rpartition("\n")[2]
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        raise _refused(path, "ended the process that looked into it") from None
    if set(found) == {"error"}:
        raise _refused(path, str(found["error"])[:300])
    return found


def _refused(path: Path, reason: str) -> AssetError:
    hint = "send a picture, video or sound file that other programs can open"
    return AssetError(f"the file {reason}", code="asset.broken", hint=hint)


def _limit() -> None:
    """Take away what a decoder does not need. On systems without such limits only the time is limited."""
    try:
        import resource
    except ImportError:
        return
    for kind, value in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_DATA, MEMORY_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))


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


def main(what: str, path: str) -> None:
    """The child's work."""
    _limit()
    try:
        found = look(Path(path)) if what == "media" else read_provenance(path) or {}
    except StopIteration:
        found = {"error": "holds nothing that can be decoded"}
    except Exception as error:  # border: decoders may raise anything; the text is all that is wanted
        text = str(error).replace(path, "the file").replace(os.path.dirname(path), "")
        found = {"error": f"cannot be decoded: {text or type(error).__name__}"}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
