"""Datasets as folders: edit pairs, sessions and clips, with a card, a contact sheet and a list of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Context, FileName, node
from graphflow.values import Image, SavedFile

from .publish import CARD, name_of, publish, stands
from .values import EditPair, I, Session, kept, refuse

PairFormat = Literal["parquet", "webdataset", "imagefolder", "jsonl"]
Columns = Literal["canonical", "instruct_pix2pix", "omniedit", "finetrainers", "musubi"]
RowsAFile = Annotated[int, Field(ge=1, le=1_000_000)]

SHOWN = 24
"""Items on a contact sheet."""

_PARTS = (
    ".publish", ".values", ".columns", ".writers", ".card", ".funnel", ".reading",
    "graphflow_nodes.media.sheet",
)  # fmt: skip

REPEATED = "repeated"
"""The stage of what is in the list twice."""

Write = Callable[[Path, str, Iterable[tuple[str, Mapping[str, Any]]], int, int], None]


class Export(NamedTuple):
    """A dataset that was written. sheet: a picture of some of it, with the workflow inside; manifest:
    `graphflow.json` in the dataset's folder, which lists its files; rows: how many there are."""

    sheet: SavedFile
    manifest: SavedFile
    rows: int


@node("dataset/export_pairs", cache=False, effect=stands, depends=_PARTS)
def export_pairs(
    pairs: list[EditPair],
    ctx: Context,
    *,
    name: FileName = "edit_pairs",
    format: PairFormat = "parquet",
    columns: Columns = "canonical",
    rows_a_file: RowsAFile = 1000,
) -> Export:
    """Write the pairs that no filter refused as a dataset for training image editors.

    format: `parquet` and `imagefolder` are loaded by `datasets`, `webdataset` is tar files, `jsonl` is lines
    with paths. columns: `canonical` has all that is known; `instruct_pix2pix`, `omniedit`, `finetrainers` and
    `musubi` have the names that those trainers expect. rows_a_file: rows of one parquet or tar file. Makes a
    folder named by its content, with `README.md` (counts, what was left out and why, models and licences), a
    contact sheet and `graphflow.json`. It appears whole or not at all; a second run adds nothing. Raises
    NodeError if no pair is left, StorageError if it cannot be written.
    """
    from .card import Facts, card, counted
    from .columns import MAPS, made_by, rows_of
    from .funnel import funnel_of

    pairs = once(pairs)
    good = something(kept(pairs))
    made = made_by(ctx.provenance)
    write = _writer(format)

    def fill(folder: Path) -> None:
        for split, part in by_split(good).items():
            entries = (
                (pair.id, row) for pair, row in _progress(ctx, rows_of(part, columns, made), len(part))
            )
            write(folder, split, entries, len(part), rows_a_file)
        facts = Facts(
            name_of(folder), "Pairs of pictures and the instruction that makes one from the other.", format,
            [*MAPS[columns](good[0], made)], counted([pair.split or "train" for pair in good]),
            counted([pair.edit_type for pair in good]), made, funnel_of(pairs),
        )  # fmt: skip
        (folder / CARD).write_text(card(facts), "utf-8")

    sheet, manifest = publish(ctx, name, _sheet(good, _pair_picture, lambda pair: pair.instruction), fill)
    return Export(sheet, manifest, len(good))


@node("dataset/export_sessions", cache=False, effect=stands, depends=_PARTS)
def export_sessions(
    sessions: list[Session],
    ctx: Context,
    turns: list[EditPair] | None = None,
    *,
    name: FileName = "edit_sessions",
) -> Export:
    """Write sessions as JSONL: for each the paths of its images in order and the turns between them.

    A line is `{"id", "clip_id", "images": [...], "captions": [...], "turns": [{"instruction", "edit_type",
    "from", "to"}]}`; `from` and `to` count the images. turns: the pairs that sessions were made of, refused
    ones too, so that the card tells what was left out of them. Folder, card, sheet and guarantees as in
    `dataset/export_pairs`. Raises NodeError if there is no session, StorageError if it cannot be written.
    """
    from .card import Facts, card, counted
    from .columns import made_by, png
    from .funnel import funnel_of
    from .writers import write_lines

    sessions = once(sessions)
    good = something(kept(sessions))
    made = made_by(ctx.provenance)

    def line(session: Session, folder: Path) -> dict[str, Any]:
        paths = [f"images/{session.id}_{place:02}.png" for place in range(len(session.images))]
        for path, image in zip(paths, session.images, strict=True):
            (folder / path).write_bytes(png(image))
        turns = [
            {"instruction": told, "edit_type": kind, "from": place, "to": place + 1}
            for place, (told, kind) in enumerate(zip(session.instructions, session.edit_types, strict=True))
        ]
        row = {"id": session.id, "clip_id": session.source, "images": paths, "captions": session.captions}
        return {**row, "turns": turns, "workflow_sha": made.workflow_sha, "licence": made.licence}

    def fill(folder: Path) -> None:
        (folder / "images").mkdir()
        for split, part in by_split(good).items():
            lines = (line(session, folder) for session in _progress(ctx, part, len(part)))
            write_lines(folder / f"{split}.jsonl", lines)
        kinds = counted([kind for session in good for kind in session.edit_types])
        facts = Facts(
            name_of(folder), "Sessions of edits that follow each other.", "jsonl",
            ["id", "clip_id", "images", "captions", "turns", "workflow_sha", "licence"],
            counted([session.split or "train" for session in good]), kinds, made, funnel_of(sessions),
            funnel_of(turns or []),
        )  # fmt: skip
        (folder / CARD).write_text(card(facts), "utf-8")

    sheet, manifest = publish(
        ctx, name, _sheet(good, lambda s: joined(s.images), lambda s: "; ".join(s.instructions), 1), fill
    )
    return Export(sheet, manifest, len(good))


def _writer(format: PairFormat) -> Write:
    from . import writers

    return {
        "parquet": writers.write_parquet,
        "webdataset": writers.write_webdataset,
        "imagefolder": writers.write_imagefolder,
        "jsonl": writers.write_jsonl,
    }[format]


def something(items: list[Any]) -> list[Any]:
    """The items. Raises NodeError if there are none."""
    if not items:
        raise NodeError("there is nothing to write", hint="look at the funnel: which filter refuses all?")
    return items


def once(items: list[I]) -> list[I]:
    """The items, those refused whose id another has already: their files would have one name."""
    if len({item.id for item in items if not item.rejected}) == sum(not item.rejected for item in items):
        return items
    taken: set[str] = set()
    found = []
    for item in items:
        again = not item.rejected and item.id in taken
        taken.update(() if item.rejected else (item.id,))
        found.append(refuse(item, REPEATED, "an item with its id is there already") if again else item)
    return found


def by_split(items: Sequence[Any]) -> dict[str, list[Any]]:
    """Items by the part they are in; all are for training where nothing was split."""
    parts: dict[str, list[Any]] = {}
    for item in items:
        parts.setdefault(item.split or "train", []).append(item)
    return dict(sorted(parts.items()))


def _progress(ctx: Context, items: Iterable[Any], total: int) -> Iterator[Any]:
    for done, item in enumerate(items):
        ctx.progress(done, total)
        yield item


def _sheet(
    items: Sequence[Any],
    picture: Callable[[Any], Image],
    label: Callable[[Any], str],
    columns: int | None = None,
) -> Image:
    """Some of the items, spread over the list."""
    from .reading import contact_sheet, spread

    shown = [items[place] for place in spread(len(items), SHOWN)]
    cell = 288 if columns is None else 960
    sheet: Image = contact_sheet(
        [picture(item) for item in shown], [label(item) for item in shown], frames=1, columns=columns,
        cell=cell, captions=True,
    )  # fmt: skip
    return sheet


def _pair_picture(pair: EditPair) -> Image:
    return joined([pair.before, pair.after])


def joined(images: Sequence[Image]) -> Image:
    """Pictures of one size side by side, with a light line between them."""
    import torch

    line = torch.full(
        (images[0].pixels.shape[0], max(1, images[0].pixels.shape[1] // 32), 3), 230, dtype=torch.uint8
    )
    parts = [part for image in images for part in (line, image.pixels)][1:]
    return Image(pixels=torch.cat(parts, dim=1))
