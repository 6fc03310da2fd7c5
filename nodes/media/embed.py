"""Writing a run's provenance into the files it saves; `graphflow.provenance` reads it back.

Every format carries the same ASCII text: canonical JSON, or `zlib:` and base64 where that is long.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

KEY = "graphflow"
"""Name of the entry in every format that has names."""

MAX_TEXT = 1_000_000
"""Longest JSON embedded, in characters; a longer one is replaced by a note with its size and hash."""

MAX_JPEG_TEXT = 60_000
"""Longest text in a JPEG, whose EXIF block holds 64 KB."""

_PLAIN = 16_000
"""Longest JSON that is stored as it is."""


def provenance_text(provenance: Mapping[str, Any], *, whole: bool = True, limit: int = MAX_TEXT) -> str:
    """The text to embed: at most `limit` characters, ASCII, the same for the same provenance.

    whole: False leaves only the key of the step, by which the engine knows its own files.
    Raises ValueError if the provenance is not plain JSON (NaN and infinity are not).
    """
    key = str(provenance.get("key", ""))[:100]
    text = _canonical(dict(provenance) if whole else {"key": key})
    if len(text) <= min(_PLAIN, limit):
        return text
    if len(text) <= MAX_TEXT:
        packed = "zlib:" + base64.b64encode(zlib.compress(text.encode(), 9)).decode()
        if len(packed) <= limit:
            return packed
    digest = hashlib.sha256(text.encode()).hexdigest()
    note = {"omitted": "too large to embed", "characters": len(text), "sha256": digest}
    return _canonical({**note, "key": key})


def exif_with(text: str) -> bytes:
    """An EXIF block whose UserComment is `text`."""
    from PIL import Image

    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + text.encode("ascii")
    return exif.tobytes()


def add_gif_comment(source: Path, target: Path, text: str) -> None:
    """Copy a GIF, with a comment block before its first frame."""
    comment = f"{KEY}:{text}".encode("ascii")
    blocks = b"".join(bytes([len(part)]) + part for part in _parts(comment, 255))
    with source.open("rb") as original, target.open("wb") as file:
        file.write(_gif_head(original))
        file.write(b"!\xfe" + blocks + b"\0")
        shutil.copyfileobj(original, file, 1 << 20)


def _gif_head(file: BinaryIO) -> bytes:
    """All that stands before the first frame: size, colours, and how often it repeats."""
    head = file.read(13)
    if head[10] & 0x80:
        head += file.read(3 << (1 + (head[10] & 7)))
    at = file.tell()
    loop = file.read(19)
    if loop.startswith(b"!\xff\x0bNETSCAPE2.0"):
        return head + loop
    file.seek(at)
    return head


def _canonical(data: Mapping[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _parts(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]
