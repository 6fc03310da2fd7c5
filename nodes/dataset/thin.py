"""What is in the list twice: near-copies by perceptual hash, and by what any model sees."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.errors import NodeError, StorageError
from graphflow.node import Context, node
from graphflow.values import Image, Recipe, rows

from .settings import Stage
from .values import Clip, EditPair, I, Item, Session, accept, refuse

Embed = Callable[[Image], list[float]]
"""An opened embedder: one frame to a vector."""

PAIRS = 1 << 18
"""Pairs of items that are compared at a time: a few megabytes, however many items there are."""


@node("dataset/deduplicate", depends=(".values", ".hashing", ".frames", ".filter"))
def deduplicate(
    items: list[I],
    *,
    distance: Annotated[int, Field(ge=0, le=32)] = 4,
    keep: Literal["first", "sharpest", "longest"] = "first",
    stage: Stage = "duplicate",
) -> list[I]:
    """Refuse what looks like another item that is kept.

    distance: bits of 64 in which the perceptual hashes of two near-duplicates may differ; 0 finds copies,
    about 4 other encodings, 10 also other crops. Edit pairs are duplicates only if both pictures are and the
    instruction is the same; sessions, if their first and last pictures are and all instructions are the same.
    keep: which of them stays; of equal ones the first.
    Compares all with all, 10 000 items in seconds. Gives all items in their order.
    Raises NodeError for clips without the column `phash`.
    """
    import numpy

    seen = [
        (-_rank(item, keep), place, _code(item), _group(item))
        for place, item in enumerate(items)
        if not item.rejected
    ]
    if not seen:
        return items
    seen.sort(key=lambda one: one[:2])
    _, places, codes, groups = zip(*seen, strict=True)
    del seen
    hashes = numpy.frombuffer(b"".join(codes), numpy.uint8).reshape(len(codes), -1)
    copies = {places[own]: places[other] for own, other in _twins(hashes, groups, distance).items()}
    stay = {*copies.values()}
    names = {place: item.id for place, item in enumerate(items) if place in stay}

    def judged(place: int, item: I) -> I:
        if item.rejected:
            return item
        if place in copies:
            return refuse(item, stage, f"looks like {names[copies[place]]}")
        return accept(item, stage)

    return rows(itertools.starmap(judged, enumerate(items)))


def _twins(bytes_each: Any, groups: Sequence[str], distance: int) -> dict[int, int]:
    """Of items in order of preference: which is a copy of which kept one before it. bytes_each: their hashes,
    uint8, (items, bytes)."""
    import numpy

    twins: dict[int, int] = {}
    spare = -bytes_each.shape[1] % 8
    words = numpy.ascontiguousarray(numpy.pad(bytes_each, ((0, 0), (0, spare)))).view(numpy.uint64)
    names = numpy.unique(numpy.array(groups), return_inverse=True)[1]
    most = distance * bytes_each.shape[1] // 8
    size = max(1, PAIRS // len(words))
    for begin in range(0, len(words), size):
        block, before = slice(begin, begin + size), slice(0, begin + size)
        far = sum(
            numpy.bitwise_count(word[block, None] ^ word[None, before]).astype(numpy.int16)
            for word in words.T
        )
        near = (far <= most) & (names[block, None] == names[None, before])
        for row, found in enumerate(near):
            own = begin + row
            first = next((int(o) for o in numpy.flatnonzero(found[:own]) if int(o) not in twins), None)
            if first is not None:
                twins[own] = first
    return twins


def _rank(item: Item, keep: str) -> float:
    name = {"sharpest": "sharpness", "longest": "seconds"}.get(keep)
    value = item.scores.get(name) if name else 0
    return float(value) if isinstance(value, (int, float)) else 0.0


def _group(item: Item) -> str:
    if isinstance(item, Session):
        return "\n".join(item.instructions)
    return item.instruction if isinstance(item, EditPair) else ""


def _code(item: Item) -> bytes:
    """The perceptual hash of an item."""
    import numpy

    from .frames import luma
    from .hashing import bits, from_text

    if isinstance(item, (EditPair, Session)):
        pictures = (
            (item.before, item.after) if isinstance(item, EditPair) else (item.images[0], item.images[-1])
        )
        codes = [bits(luma(one.pixels.numpy())) for one in pictures]
        return numpy.packbits(numpy.concatenate(codes)).tobytes()
    text = item.scores.get("phash")
    if not isinstance(text, str):
        raise NodeError(f"{item.id} has no column 'phash'", hint="measure the clips first")
    return numpy.packbits(from_text(text)).tobytes()


class Embedder(Recipe):
    """Something that turns a frame into a vector, near for what looks or means alike, such as CLIP or DINO.

    A pack of its own adds one: a subclass whose `open` gives an `Embed`.
    """


@node(
    "dataset/deduplicate_by_meaning",
    depends=(".values", ".caption", ".reading", "graphflow_nodes.media.decode"),
)
def deduplicate_by_meaning(
    clips: list[Clip],
    embedder: Embedder,
    ctx: Context,
    *,
    likeness: Annotated[float, Field(ge=0, le=1)] = 0.95,
    stage: Stage = "alike",
) -> list[Clip]:
    """Refuse clips whose middle frame is as good as another's to any embedder that is wired.

    likeness: cosine from which two are the same; the one that comes first stays (after A. Abbas et al.,
    SemDeDup, 2023, without the clustering, which 10 000 clips do not need). A file that cannot be read any
    more is refused. Raises NodeError if the embedder gives vectors of different lengths.
    """
    import numpy

    found, vectors = _embedded(clips, embedder, ctx)
    alive = sorted(vectors)
    if not alive:
        return found
    if len({len(vectors[place]) for place in alive}) > 1:
        raise NodeError(
            f"{type(embedder).__name__} gave vectors of different lengths",
            hint="report this to the makers of the embedder's pack",
        )
    each = numpy.array([vectors[place] for place in alive], dtype=numpy.float32)
    each /= numpy.maximum(1e-12, numpy.linalg.norm(each, axis=1, keepdims=True))
    stays: list[int] = []
    for own, place in enumerate(alive):
        close = each[stays] @ each[own] if stays else numpy.zeros(0)
        if len(close) and close.max() >= likeness:
            other = found[alive[stays[int(close.argmax())]]]
            found[place] = refuse(found[place], stage, f"as {other.id}: likeness is {close.max():.3f}")
        else:
            stays.append(own)
            found[place] = accept(found[place], stage)
    return found


def _embedded(
    clips: list[Clip], embedder: Embedder, ctx: Context
) -> tuple[list[Clip], dict[int, list[float]]]:
    """The clips, those refused that cannot be read, and the vectors of the others by place."""
    from .caption import middle_frame

    found, vectors = [*clips], {}
    with ctx.use(embedder) as embed:
        for place, clip in enumerate(clips):
            ctx.progress(place, len(clips))
            if clip.rejected:
                continue
            try:
                vectors[place] = [float(value) for value in embed(middle_frame(clip))]
            except StorageError as error:
                found[place] = refuse(clip, "read", error.message)
    return found, vectors
