"""Decoding pictures from anywhere, in a child process with limits, as careful as `decode.py` with videos."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from graphflow.errors import StorageError
from graphflow.limited import Fields, asked
from graphflow.node import Sketch

from .decode import DECODERS, MAX_BYTES

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

_BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    zlib.error,
)
"""What Pillow raises for broken files."""


def decode_image(source: Path | BinaryIO, where: str) -> Any:
    """The pixels of a picture, uint8 (height, width, 3), turned as its EXIF says, without transparency.

    where: the name that errors show. Raises StorageError for what is no picture, is broken or has more
    pixels than Pillow's `MAX_IMAGE_PIXELS`.
    """
    import numpy
    from PIL import Image as Pillow

    place, data = (os.path.abspath(source), b"") if isinstance(source, Path) else ("", source.read())
    fields = {"path": place, "where": where, "limit": Pillow.MAX_IMAGE_PIXELS}
    with asked(f"{__name__}:seen", fields, data, needs=DECODERS, where=where) as answers:
        answer = next(answers)
        height, width = answer.fields["height"], answer.fields["width"]
        if not (height > 0 < width and height * width * 3 == answer.size <= MAX_BYTES):
            raise ValueError(f"{answer.size} bytes of {height} x {width} pixels")
        pixels = numpy.empty((height, width, 3), "uint8")
        answer.into(pixels)
    return pixels


def extent_of(path: Path, where: str) -> Sketch:
    """The size that a picture will have, by its header alone. Raises StorageError for what is none."""
    fields = {"path": os.path.abspath(path), "where": where}
    with asked(f"{__name__}:measured", fields, needs=DECODERS, where=where) as answers:
        found = next(answers).fields
        width, height = int(found["width"]), int(found["height"])
        if not (width > 0 < height):
            raise ValueError(f"{width} x {height} pixels")
    return Sketch(width, height)


def measured(fields: Fields, data: bytes) -> Iterator[tuple[Fields, Any]]:
    """In the child: the size of a picture in a file, as it stands upright."""
    from PIL import ExifTags
    from PIL import Image as Pillow

    try:
        with Pillow.open(fields["path"], formats=IMAGE_FORMATS) as picture:
            width, height = picture.size
            if picture.getexif().get(ExifTags.Base.Orientation, 1) >= 5:  # lies on its side
                width, height = height, width
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning, *_BROKEN) as error:
        raise StorageError(f"the picture is broken: {error}", where=fields["where"]) from error
    yield {"height": height, "width": width}, b""


def seen(fields: Fields, data: bytes) -> Iterator[tuple[Fields, Any]]:
    """In the child: the pixels of a picture in a file, or else in these bytes."""
    import numpy
    from PIL import Image as Pillow
    from PIL import ImageOps, UnidentifiedImageError

    where, limit = fields["where"], fields["limit"]
    try:
        with Pillow.open(fields["path"] or io.BytesIO(data), formats=IMAGE_FORMATS) as picture:
            if limit is not None and picture.width * picture.height > limit:
                raise Pillow.DecompressionBombError
            upright = ImageOps.exif_transpose(picture)
            if upright.mode.startswith("I"):  # 16 bits a pixel
                one = (numpy.asarray(upright) >> 8).astype("uint8")
                pixels = numpy.repeat(one[..., None], 3, axis=2)
            else:
                pixels = numpy.asarray(upright.convert("RGB"))
    except UnidentifiedImageError:
        raise StorageError(
            "this is not a picture that can be read", where=where, hint=f"{', '.join(IMAGE_FORMATS)} are read"
        ) from None
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning):
        raise StorageError("the picture is too large", where=where, hint="scale it down first") from None
    except _BROKEN as error:
        raise StorageError(
            f"the picture is broken: {error}", where=where, hint="get a whole copy of the file"
        ) from error
    yield {"height": pixels.shape[0], "width": pixels.shape[1]}, numpy.ascontiguousarray(pixels)
