"""Contact sheets: many frames on one picture, with captions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import Image, Video

from .tensors import array_of, check_picture, check_video, scaled, tensor_of

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw

BACKGROUND = (24, 25, 28)
INK = (222, 224, 228)
FAINT = (140, 144, 152)
GAP = 6
"""Pixels between cells and around the sheet."""

TITLE_SIZE = 15
CAPTION_SIZE = 12
CAPTION_LINES = 3
"""Most lines below a cell."""

MAX_PIXELS = 64_000_000
"""Largest sheet."""


class Cell(NamedTuple):
    """One picture of a sheet: a uint8 array (height, width, 3) and what stands below it."""

    array: Any
    caption: str


class Row(NamedTuple):
    """Cells beside each other and what stands above them."""

    title: str
    cells: list[Cell]


@node("media/contact_sheet", depends=(".tensors",))
def contact_sheet(
    items: Video | Image | list[Video] | list[Image],
    labels: list[str] | None = None,
    *,
    frames: Annotated[int, Field(ge=1, le=256)] = 8,
    columns: Annotated[int, Field(ge=1, le=64)] | None = None,
    cell: Annotated[int, Field(ge=16, le=2048)] = 160,
    captions: bool = True,
) -> Image:
    """One picture that shows a video, several videos or several images.

    A video: `frames` frames spread evenly from first to last, each with its number and time.
    Several videos: one row for each, with its label above. Several images: a grid, labels below.
    labels: one for each item, such as the prompts; without them items are numbered.
    columns: cells in a row; empty chooses. cell: longer side of a cell in pixels; captions: write text.
    Raises NodeError if there is nothing to show, a label is missing or the sheet would pass 64 megapixels.
    """
    shown: list[Video | Image] = [*items] if isinstance(items, list) else [items]
    names = _names(len(shown), labels, numbered=isinstance(items, list))
    if not shown:
        raise NodeError("there is nothing to show", hint="wire at least one video or image")
    if all(isinstance(item, Image) for item in shown):
        rows = _image_rows([i for i in shown if isinstance(i, Image)], names, columns)
    else:
        rows = [
            r for item, name in zip(shown, names, strict=True) for r in _rows(item, name, frames, columns)
        ]
    return Image(pixels=tensor_of(_Sheet(cell, captions).draw(rows)))


def spread(count: int, wanted: int) -> list[int]:
    """`wanted` positions in 0..count-1, evenly spread and with both ends; all of them if there are fewer.

    >>> spread(9, 3)
    [0, 4, 8]
    """
    if wanted >= count:
        return list(range(count))
    if wanted == 1:
        return [count // 2]
    return [round(i * (count - 1) / (wanted - 1)) for i in range(wanted)]


def _names(count: int, labels: list[str] | None, *, numbered: bool) -> list[str]:
    if labels is None:
        return [str(i) if numbered else "" for i in range(count)]
    if len(labels) != count:
        raise NodeError(f"{count} items have {len(labels)} labels", hint="wire one label for each item")
    return labels


def _rows(item: Video | Image, title: str, wanted: int, columns: int | None) -> list[Row]:
    if isinstance(item, Image):
        check_picture(item.pixels)
        return [Row(title, [Cell(array_of(item.pixels), "")])]
    check_video(item)
    picked = spread(len(item.frames), wanted)
    cells = [Cell(array_of(item.frames[i]), f"{i} / {i / item.fps:.2f} s") for i in picked]
    return _wrapped(title, cells, columns or min(len(cells), 8))


def _image_rows(images: list[Image], names: list[str], columns: int | None) -> list[Row]:
    for image in images:
        check_picture(image.pixels)
    cells = [Cell(array_of(image.pixels), name) for image, name in zip(images, names, strict=True)]
    return _wrapped("", cells, columns or min(math.ceil(math.sqrt(len(cells))), 8))


def _wrapped(title: str, cells: list[Cell], columns: int) -> list[Row]:
    parts = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    return [Row(title if i == 0 else "", part) for i, part in enumerate(parts)]


@dataclass(frozen=True)
class _Sheet:
    """Draws rows: cells are fitted into `cell` x `cell`, small ones enlarged without blur."""

    cell: int
    captions: bool

    def draw(self, rows: Sequence[Row]) -> Any:
        import numpy
        from PIL import Image as Pillow
        from PIL import ImageDraw

        sizes = [[self._size(cell.array) for cell in row.cells] for row in rows]
        width = GAP + max(sum(w + GAP for w, _ in row) for row in sizes)
        heights = [self._height(row, size) for row, size in zip(rows, sizes, strict=True)]
        height = GAP + sum(heights)
        if width * height > MAX_PIXELS:
            raise NodeError(
                f"the sheet would be {width} x {height} pixels", hint="show fewer frames or smaller cells"
            )
        sheet = Pillow.new("RGB", (width, height), BACKGROUND)
        top = GAP
        for row, size, taken in zip(rows, sizes, heights, strict=True):
            self._draw_row(sheet, ImageDraw.Draw(sheet), row, size, top)
            top += taken
        return numpy.asarray(sheet)

    def _draw_row(
        self, sheet: Picture, pen: ImageDraw, row: Row, sizes: list[tuple[int, int]], top: int
    ) -> None:
        from PIL import Image as Pillow

        if row.title and self.captions:
            _write(pen, row.title, GAP, top, sheet.width - 2 * GAP, TITLE_SIZE, 1, INK)
            top += TITLE_SIZE + GAP
        left = GAP
        for cell, (width, height) in zip(row.cells, sizes, strict=True):
            method = "nearest" if width >= cell.array.shape[1] else "area"
            sheet.paste(Pillow.fromarray(scaled(cell.array, width, height, method)), (left, top))
            if cell.caption and self.captions:
                _write(pen, cell.caption, left, top + height + 2, width, CAPTION_SIZE, CAPTION_LINES, FAINT)
            left += width + GAP

    def _height(self, row: Row, sizes: list[tuple[int, int]]) -> int:
        title = TITLE_SIZE + GAP if row.title and self.captions else 0
        lines = 0
        if self.captions:
            pairs = zip(row.cells, sizes, strict=True)
            lines = max(len(_lines(c.caption, w, CAPTION_SIZE, CAPTION_LINES)) for c, (w, _) in pairs)
        caption = lines * (CAPTION_SIZE + 3) + 2 if lines else 0
        return title + max(height for _, height in sizes) + caption + GAP

    def _size(self, array: Any) -> tuple[int, int]:
        height, width = array.shape[:2]
        longer = max(height, width)
        if longer <= self.cell:
            factor = self.cell // longer  # whole, so that every pixel stays a square
            return width * factor, height * factor
        return max(1, width * self.cell // longer), max(1, height * self.cell // longer)


def _write(
    pen: ImageDraw,
    text: str,
    left: int,
    top: int,
    width: int,
    size: int,
    lines: int,
    ink: tuple[int, int, int],
) -> None:
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    for line in _lines(text, width, size, lines):
        pen.text((left, top), line, fill=ink, font=font)
        top += size + 3


def _lines(text: str, width: int, size: int, most: int) -> list[str]:
    """A text broken into at most `most` lines of `width` pixels; what is too long ends in dots."""
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    words = text[:1000].encode("utf-8", "replace").decode().split()
    lines: list[str] = []
    while words and len(lines) < most:
        count = 1
        if len(lines) < most - 1:
            while count < len(words) and font.getlength(" ".join(words[: count + 1])) <= width:
                count += 1
        else:
            count = len(words)
        lines.append(_shortened(" ".join(words[:count]), width, font))
        words = words[count:]
    return lines


def _shortened(line: str, width: int, font: Any) -> str:
    if font.getlength(line) <= width:
        return line
    line = line[:width]  # no letter is narrower than a pixel
    while line and font.getlength(line + "...") > width:
        line = line[:-1]
    return line.rstrip() + "..."
