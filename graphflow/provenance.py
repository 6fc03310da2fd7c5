"""Reading back the workflow that a saved file carries. Trusts nothing; needs no torch, no decoder.

    read_provenance(path)  ->  the mapping that `Context.provenance` was when the file was saved, or None

Each format is recognised by its first bytes and walked by its own block lengths: PNG text chunks, JPEG and
WebP EXIF user comments, GIF and WAV comments, FLAC, MP4, QuickTime, Matroska and WebM tags, zip members.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from graphflow.errors import StorageError

KEY = "graphflow"
"""Name of the entry in every format that has names."""

MAX_TEXT = 1_000_000
"""Longest provenance read, in bytes, after unpacking; longer ones are taken as absent."""

MAX_BLOCKS = 200_000
"""Most blocks of one file looked at."""

MAX_DEPTH = 64
"""Deepest nesting of the JSON that is accepted."""


def canonical_json(data: object) -> str:
    """The one spelling of plain JSON data: sorted keys, no spaces, ASCII only.

    Raises ValueError for NaN and infinity, TypeError for what is not JSON.

    >>> canonical_json({"b": 1, "a": [True, None]})
    '{"a":[true,null],"b":1}'
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def read_provenance(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The provenance inside a saved file, or None if it has none that is whole and well formed.

    A provenance too large to embed reads as `{"omitted": ..., "characters": ..., "sha256": ...}`.
    Raises StorageError only if the file itself cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return next(filter(None, map(_parsed, _texts(file))), None)
    except (ValueError, struct.error, zlib.error, EOFError):
        return None  # not the format that its first bytes promised
    except OSError as error:
        raise StorageError(
            f"cannot be read: {error.strerror or error}", where=os.fspath(path), hint="check the path"
        ) from None


def _texts(file: BinaryIO) -> Iterator[bytes]:
    """Every candidate text of a file, by what its first bytes say it is."""
    head = file.read(16)
    file.seek(0)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png_texts(file)
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg_texts(file)
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"WAVE"):
        return _riff_texts(file)
    if head.startswith(b"fLaC"):
        return _flac_texts(file)
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return _gif_texts(file)
    if head[4:8] in (b"ftyp", b"moov", b"wide", b"free", b"skip", b"mdat"):
        return _mp4_texts(file, 0, _size(file), ())
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _matroska_texts(file, 0, _size(file), ())
    if head.startswith(b"PK\x03\x04"):
        return _zip_texts(file)
    return iter(())


def _parsed(text: bytes) -> dict[str, Any] | None:
    """The mapping that an embedded text stands for, or None."""
    try:
        if text.startswith(b"zlib:"):
            text = _inflated(base64.b64decode(text[5:], validate=True))
        if len(text) > MAX_TEXT:
            return None
        data = json.loads(text.decode("utf-8"), parse_constant=_refuse)
        if not isinstance(data, dict) or _too_deep(data):
            return None
        canonical_json(data)  # refuses 1e999, which the parser takes for infinity
        return data
    except (ValueError, RecursionError, binascii.Error, zlib.error):
        return None


def _inflated(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(packed, MAX_TEXT + 1)
    if len(text) > MAX_TEXT or not unpacker.eof:
        raise ValueError("too large or cut off")
    return text


def _too_deep(data: object) -> bool:
    level = [data]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# ------------------------------------------------------------------------------------- small readers


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise EOFError("the file ends early")
    return data


def _limited() -> Iterator[int]:
    """Counts blocks; raises ValueError when a file has more than a saved file could have."""
    yield from range(MAX_BLOCKS)
    raise ValueError("too many blocks")


# ------------------------------------------------------------------------------------------- images


def _png_texts(file: BinaryIO) -> Iterator[bytes]:
    file.seek(8)
    for _ in _limited():
        length, kind = struct.unpack(">I4s", _exactly(file, 8))
        if kind == b"IEND":
            return
        if kind == b"iTXt" and length <= 2 * MAX_TEXT:
            name, _, rest = _exactly(file, length).partition(b"\0")
            if name == KEY.encode() and len(rest) > 2:
                text = rest[2:].split(b"\0", 2)[-1]  # after the language and the translated name
                yield _inflated(text) if rest[0] else text
            file.seek(4, os.SEEK_CUR)
        else:
            file.seek(length + 4, os.SEEK_CUR)


def _jpeg_texts(file: BinaryIO) -> Iterator[bytes]:
    file.seek(2)
    for _ in _limited():
        mark, kind, length = struct.unpack(">BBH", _exactly(file, 4))
        if mark != 0xFF or kind == 0xDA or length < 2:  # 0xDA: pixels begin, nothing of ours follows
            return
        block = _exactly(file, length - 2)
        if kind == 0xE1 and block.startswith(b"Exif\0\0"):
            yield from _exif_texts(block[6:])


def _riff_texts(file: BinaryIO) -> Iterator[bytes]:
    file.seek(12)
    for _ in _limited():
        header = file.read(8)
        if len(header) < 8:
            return
        kind, length = struct.unpack("<4sI", header)
        following = file.tell() + length + length % 2
        if kind in (b"EXIF", b"LIST") and length <= 2 * MAX_TEXT:
            block = _exactly(file, length)
            yield from _exif_texts(block.removeprefix(b"Exif\0\0")) if kind == b"EXIF" else _info_texts(block)
        file.seek(following)


def _info_texts(block: bytes) -> Iterator[bytes]:
    """The comments in a RIFF list of notes."""
    at = 4 if block.startswith(b"INFO") else len(block)
    while at + 8 <= len(block):
        kind, length = struct.unpack_from("<4sI", block, at)
        text = block[at + 8 : at + 8 + length].rstrip(b"\0")
        if kind == b"ICMT" and text.startswith(f"{KEY}:".encode()):
            yield text[len(KEY) + 1 :]
        at += 8 + length + length % 2


def _flac_texts(file: BinaryIO) -> Iterator[bytes]:
    file.seek(4)
    for _ in _limited():
        head = int.from_bytes(_exactly(file, 4), "big")
        kind, length = head >> 24 & 0x7F, head & 0xFFFFFF
        if kind == 4 and length <= 2 * MAX_TEXT:
            block = _exactly(file, length)
            at = 4 + int.from_bytes(block[:4], "little") + 4  # after the writer's name and the count
            while at + 4 <= len(block):
                size = int.from_bytes(block[at : at + 4], "little")
                name, _, text = block[at + 4 : at + 4 + size].partition(b"=")
                if name.lower() == KEY.encode():
                    yield text
                at += 4 + size
        else:
            file.seek(length, os.SEEK_CUR)
        if head >> 31:
            return


def _exif_texts(block: bytes) -> Iterator[bytes]:
    """The user comment of an EXIF block (a small TIFF)."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return
    (first,) = struct.unpack_from(f"{order}I", block, 4)
    for tag, _, where in _tiff_entries(block, order, first):
        if tag == 0x8769:
            for inner, length, start in _tiff_entries(block, order, where):
                if inner == 0x9286 and start + length <= len(block):
                    yield block[start + 8 : start + length]  # after the name of the character set


def _tiff_entries(block: bytes, order: str, start: int) -> Iterator[tuple[int, int, int]]:
    (count,) = struct.unpack_from(f"{order}H", block, start)
    for i in range(min(count, 1000)):
        tag, _, length, where = struct.unpack_from(f"{order}HHII", block, start + 2 + 12 * i)
        yield tag, length, where


def _gif_texts(file: BinaryIO) -> Iterator[bytes]:
    file.seek(10)
    flags = _exactly(file, 3)[0]
    _skip_colours(file, flags)
    for _ in _limited():
        mark = _exactly(file, 1)
        if mark == b"!":
            comment = _exactly(file, 1) == b"\xfe"
            text = b"".join(_gif_blocks(file, keep=comment))
            if comment and text.startswith(f"{KEY}:".encode()):
                yield text[len(KEY) + 1 :]
        elif mark == b",":
            _skip_colours(file, _exactly(file, 9)[8])
            file.seek(1, os.SEEK_CUR)
            for _ in _gif_blocks(file, keep=False):
                pass
        else:
            return


def _skip_colours(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << (1 + (flags & 7)), os.SEEK_CUR)


def _gif_blocks(file: BinaryIO, *, keep: bool) -> Iterator[bytes]:
    total = 0
    while length := _exactly(file, 1)[0]:
        total += length
        if not keep:
            file.seek(length, os.SEEK_CUR)
        elif total > 2 * MAX_TEXT:
            raise ValueError("a comment is too large")
        else:
            yield _exactly(file, length)


# ------------------------------------------------------------------------------------------- videos

_MP4_PATHS = ((b"moov",), (b"moov", b"udta"), (b"moov", b"udta", b"meta"), (b"moov", b"meta"))


def _mp4_boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two positions: name, first byte of the content, end."""
    for _ in _limited():
        if start + 8 > end:
            return
        file.seek(start)
        length, name = struct.unpack(">I4s", _exactly(file, 8))
        content = start + 8
        if length == 1:
            (length,) = struct.unpack(">Q", _exactly(file, 8))
            content += 8
        stop = end if length == 0 else start + length
        if not content <= stop <= end:
            return
        yield name, content, stop
        start = stop


def _mp4_texts(file: BinaryIO, start: int, end: int, above: tuple[bytes, ...]) -> Iterator[bytes]:
    names: list[bytes] = []
    for name, content, stop in _mp4_boxes(file, start, end):
        here = (*above, name)
        if here in _MP4_PATHS:
            yield from _mp4_texts(file, content + _meta_prefix(file, name, content), stop, here)
        elif above and above[-1] == b"meta" and stop - content <= 4 * MAX_TEXT:
            if name == b"keys":
                file.seek(content)
                names = _mp4_names(_exactly(file, stop - content))
            elif name == b"ilst":
                yield from _mp4_values(file, content, stop, names)


def _meta_prefix(file: BinaryIO, name: bytes, content: int) -> int:
    """4 if a `meta` box has the version field of MP4, 0 if it has none, as in QuickTime."""
    file.seek(content)
    return 4 if name == b"meta" and _exactly(file, 8)[4:8] != b"hdlr" else 0


def _mp4_names(block: bytes) -> list[bytes]:
    (count,) = struct.unpack_from(">I", block, 4)
    names, at = [], 8
    for _ in range(min(count, 1000)):
        (length,) = struct.unpack_from(">I", block, at)
        if length < 8:
            break
        names.append(block[at + 8 : at + length])
        at += length
    return names


def _mp4_values(file: BinaryIO, start: int, end: int, names: list[bytes]) -> Iterator[bytes]:
    for index, content, stop in _mp4_boxes(file, start, end):
        number = int.from_bytes(index, "big")
        if 1 <= number <= len(names) and names[number - 1] == KEY.encode():
            for name, inner, inner_stop in _mp4_boxes(file, content, stop):
                if name == b"data" and 8 <= inner_stop - inner <= 2 * MAX_TEXT:
                    file.seek(inner + 8)  # after the type and the locale
                    yield _exactly(file, inner_stop - inner - 8)


_SEGMENT, _TAGS, _TAG, _SIMPLE, _NAME, _STRING = 0x18538067, 0x1254C367, 0x7373, 0x67C8, 0x45A3, 0x4487
_MATROSKA_PATHS = ((_SEGMENT,), (_SEGMENT, _TAGS), (_SEGMENT, _TAGS, _TAG))


def _matroska_texts(file: BinaryIO, start: int, end: int, above: tuple[int, ...]) -> Iterator[bytes]:
    for id, content, stop in _ebml(file, start, end):
        here = (*above, id)
        if here in _MATROSKA_PATHS:
            yield from _matroska_texts(file, content, stop, here)
        elif above == _MATROSKA_PATHS[-1] and id == _SIMPLE and stop - content <= 2 * MAX_TEXT:
            fields = {}
            for inner, first, last in _ebml(file, content, stop):
                file.seek(first)
                fields[inner] = _exactly(file, last - first)
            if fields.get(_NAME, b"").rstrip(b"\0").lower() == KEY.encode():
                yield fields.get(_STRING, b"").rstrip(b"\0")


def _ebml(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The elements between two positions: id, first byte of the content, end."""
    for _ in _limited():
        if start >= end:
            return
        file.seek(start)
        id, id_length = _ebml_number(file, keep_mark=True)
        length, size_length = _ebml_number(file, keep_mark=False)
        content = start + id_length + size_length
        unknown = length == (1 << (7 * size_length)) - 1
        stop = end if unknown else min(content + length, end)
        yield id, content, stop
        start = stop


def _ebml_number(file: BinaryIO, *, keep_mark: bool) -> tuple[int, int]:
    """A number that tells its own length: its value and that length."""
    first = _exactly(file, 1)[0]
    length = 9 - first.bit_length()
    if length > 8:
        raise ValueError("not a Matroska number")
    rest = _exactly(file, length - 1)
    lead = first if keep_mark else first & (0xFF >> length)
    return int.from_bytes(bytes([lead]) + rest, "big"), length


def _zip_texts(file: BinaryIO) -> Iterator[bytes]:
    """The first member, if it is ours: saved frames begin with it and store it as it is."""
    header = struct.unpack("<4sHHHHHIIIHH", _exactly(file, 30))
    flags, method, length, name_length, extra_length = header[2], header[3], header[8], header[9], header[10]
    name = _exactly(file, name_length)
    if name == f"{KEY}.json".encode() and flags & 9 == 0 and method == 0 and length <= 2 * MAX_TEXT:
        file.seek(extra_length, os.SEEK_CUR)
        yield _exactly(file, length)
