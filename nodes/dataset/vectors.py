"""Motion as the encoder stored it: the vectors of a file's own blocks, which cost no search."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy

from graphflow.limited import Fields, asked

from .reading import opened
from .values import Clip, Score

MOST_FRAMES = 256
"""Frames of a clip that are looked at."""

_COLUMNS = ("motion_x", "motion_y", "motion_scale", "source", "w", "h")
"""What is used of a vector."""


def vector_scores(clip: Clip) -> dict[str, Score]:
    """`vector_motion` and `vector_motion_top`: the mean length of the blocks' vectors and of the longest
    twentieth.

    In percent of the shorter side a second, weighted by the blocks' area; a block without a vector stands
    still. A vector of a B-frame spans several frames and is divided by the way to the frame that it most
    likely refers to: the next on its side that is no B-frame. None for codecs that tell no vectors. Raises
    StorageError if the file cannot be read.
    """
    frames, refers = _frames(clip)
    side = min(clip.height, clip.width)
    means, tops = [], []
    for place, kind, vectors in frames:
        if kind == "I" or vectors is None:
            continue
        far, area = _lengths(vectors, place, refers)
        covered = min(1.0, float(area.sum()) / (clip.height * clip.width))
        if not area.sum():
            means.append(0.0)
            tops.append(0.0)
            continue
        means.append(float((far * area).sum() / area.sum()) * covered)
        order = numpy.argsort(-far)
        first = numpy.searchsorted(area[order].cumsum(), max(1.0, area.sum() / 20)) + 1
        tops.append(float((far[order][:first] * area[order][:first]).sum() / area[order][:first].sum()))
    if not means:
        return {"vector_motion": None, "vector_motion_top": None}
    scale = 100 * clip.fps / side
    return {
        "vector_motion": float(numpy.mean(means)) * scale,
        "vector_motion_top": float(numpy.mean(tops)) * scale,
    }


def _lengths(vectors: Any, place: int, refers: list[int]) -> tuple[Any, Any]:
    """Length of each vector in pixels a frame, and the area of its block."""
    scale = numpy.maximum(1, vectors["motion_scale"])
    far = numpy.hypot(vectors["motion_x"] / scale, vectors["motion_y"] / scale)
    at = bisect_left(refers, place)
    back = place - refers[at - 1] if at else 1
    later = next((one for one in refers[at:] if one > place), place + 1)
    distance = numpy.where(vectors["source"] < 0, max(1, back), max(1, later - place))
    return far / distance, vectors["w"].astype(float) * vectors["h"]


def _frames(clip: Clip) -> tuple[list[tuple[int, str, Any]], list[int]]:
    """Place, kind and vectors of the clip's frames, and the places of those that others may refer to."""
    found: list[tuple[int, str, Any]] = []
    refers: list[int] = []
    fields = {"path": os.path.abspath(clip.path), "start": clip.start, "end": clip.end, "fps": clip.fps}
    with asked(f"{__name__}:stored", fields, needs=("av",), where=clip.path) as answers:
        for answer in answers:
            rows = numpy.empty((len(_COLUMNS), answer.size // 4 // len(_COLUMNS)), "<i4")
            answer.into(rows)
            place, kind = int(answer.fields["place"]), str(answer.fields["kind"])
            if kind != "B":
                refers.append(place)
            if answer.fields["shown"]:
                vectors = dict(zip(_COLUMNS, rows, strict=True)) if rows.size else None
                found.append((place, kind, vectors))
    return found, refers


def stored(fields: Fields, data: bytes) -> Iterator[tuple[Fields, Any]]:
    """In the child: place and kind of each frame to the end of the clip, and the vectors of those in it."""
    from av.codec.context import Flags2
    from av.sidedata.sidedata import Type
    from av.video.frame import PictureType

    shown = 0
    with opened(Path(fields["path"]), "video") as (container, stream):
        stream.codec_context.flags2 |= Flags2.export_mvs
        unit = float(stream.time_base or 1)
        begin = (stream.start_time or 0) * unit
        if fields["start"] > 0:
            container.seek(int((begin + fields["start"]) / unit), stream=stream, backward=True)
        for frame in container.decode(stream):
            when = (frame.pts or 0) * unit - begin
            told = {"place": round(when * fields["fps"]), "kind": PictureType(frame.pict_type).name}
            if when < fields["start"] - 0.5 / fields["fps"]:
                yield {**told, "shown": False}, b""
                continue
            if when > fields["end"] - 0.5 / fields["fps"] or shown >= MOST_FRAMES:
                yield {**told, "shown": False}, b""
                break
            shown += 1
            vectors = frame.side_data.get(Type.MOTION_VECTORS)
            rows = None if vectors is None else vectors.to_ndarray()
            packed = b"" if rows is None else numpy.array([rows[name] for name in _COLUMNS], "<i4")
            yield {**told, "shown": True}, packed
