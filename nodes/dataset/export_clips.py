"""Curated clips as a dataset: cut out of their files, with captions and columns."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.errors import StorageError
from graphflow.node import Context, FileName, node
from graphflow.values import Image

from .caption import frames_of_clip, middle_frame
from .export import SHOWN, Export, RowsAFile, by_split, once, something
from .filter import row_of
from .publish import CARD, name_of, publish, stands
from .values import Clip, kept

Format = Literal["videofolder", "webdataset", "jsonl", "parquet"]

_PARTS = (
    ".publish", ".values", ".columns", ".writers", ".card", ".funnel", ".reading", ".caption", ".export",
    ".filter", "graphflow_nodes.media.sheet", "graphflow_nodes.media.decode", "graphflow_nodes.media.encode",
)  # fmt: skip


@node("dataset/export_clips", cache=False, effect=stands, depends=_PARTS)
def export_clips(
    clips: list[Clip],
    ctx: Context,
    *,
    name: FileName = "clips",
    format: Format = "videofolder",
    crf: Annotated[int, Field(ge=0, le=51)] = 16,
    rows_a_file: RowsAFile = 1000,
) -> Export:
    """Write the clips that no filter refused as a dataset for training video models.

    format: `videofolder`, `<split>/<id>.mp4` and `metadata.jsonl`, which `datasets` loads; `webdataset`, tar
    files of `<id>.mp4`, `<id>.txt` and `<id>.json`; `jsonl` and `parquet`, a table with the path, start, end
    and crop of each clip, and no pictures. crf: quality of the mp4, 0 is best. One clip is in memory at a
    time; sound is left out. Folder, card, sheet and guarantees as in `dataset/export_pairs`. Raises NodeError
    if no clip is left, StorageError if a clip cannot be read any more or nothing can be written.
    """
    from .card import Facts, card, counted
    from .columns import made_by
    from .funnel import funnel_of

    clips = once(clips)
    good = something(kept(clips))
    made = made_by(ctx.provenance)

    def fill(folder: Path) -> None:
        for split, part in by_split(good).items():
            _WRITERS[format](folder, split, _shown(ctx, part), len(part), (crf, rows_a_file))
        facts = Facts(
            name_of(folder), "Clips cut out of videos, with captions.", format, [*clip_row(good[0])],
            counted([clip.split or "train" for clip in good]),
            counted([str(clip.scores.get("camera", "")) for clip in good]), made, funnel_of(clips),
        )  # fmt: skip
        (folder / CARD).write_text(card(facts), "utf-8")

    sheet, manifest = publish(ctx, name, _sheet(good), fill)
    return Export(sheet, manifest, len(good))


def clip_row(clip: Clip, *, path: bool = False) -> dict[str, Any]:
    """What is told of a clip: what it was cut from, its caption, its columns. path: with the whole path."""
    crop = clip.crop or (0, 0, clip.height, clip.width)
    return {
        "id": clip.id,
        "source": clip.source,
        "path": clip.path if path else Path(clip.path).name,
        "start": clip.start,
        "end": clip.end,
        "crop": json.dumps(list(crop)),
        "caption": clip.caption,
        **{key: cell for key, cell in row_of(clip).items() if key in clip.scores},
    }


def _shown(ctx: Context, clips: Sequence[Clip]) -> Iterator[Clip]:
    for done, clip in enumerate(clips):
        ctx.progress(done, len(clips))
        yield clip


def _mp4(clip: Clip, path: Path, crf: int) -> None:
    from .reading import H264, encode_video

    frames = frames_of_clip(clip)
    arrays = (frame.contiguous().numpy() for frame in frames)
    text = json.dumps({"clip": clip.id, "caption": clip.caption}, sort_keys=True)
    encode_video(path, H264, arrays, clip.fps, crf=crf, text=text, sound=None)


def _videofolder(folder: Path, split: str, clips: Iterator[Clip], count: int, how: tuple[int, int]) -> None:
    from .writers import write_lines

    place = folder / split
    place.mkdir()

    def lines() -> Iterator[dict[str, Any]]:
        for clip in clips:
            _mp4(clip, place / f"{clip.id}.mp4", how[0])
            yield {"file_name": f"{clip.id}.mp4", **clip_row(clip)}

    write_lines(place / "metadata.jsonl", lines())


def _webdataset(folder: Path, split: str, clips: Iterator[Clip], count: int, how: tuple[int, int]) -> None:
    scratch = folder / "scratch.mp4"
    for part in range(max(1, -(-count // how[1]))):
        with tarfile.open(folder / f"{split}-{part:06}.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
            for clip in islice(clips, how[1]):
                _mp4(clip, scratch, how[0])
                told = json.dumps(clip_row(clip), sort_keys=True, ensure_ascii=False)
                for suffix, data in (
                    ("mp4", scratch.read_bytes()),
                    ("txt", clip.caption.encode()),
                    ("json", told.encode()),
                ):
                    info = tarfile.TarInfo(f"{clip.id}.{suffix}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    scratch.unlink(missing_ok=True)


def _jsonl(folder: Path, split: str, clips: Iterator[Clip], count: int, how: tuple[int, int]) -> None:
    from .writers import write_lines

    write_lines(folder / f"{split}.jsonl", (clip_row(clip, path=True) for clip in clips))


def _parquet(folder: Path, split: str, clips: Iterator[Clip], count: int, how: tuple[int, int]) -> None:
    from .table import write_table

    (folder / "data").mkdir(exist_ok=True)
    write_table(folder / "data" / f"{split}-00000-of-00001.parquet", [*clips])


_WRITERS = {"videofolder": _videofolder, "webdataset": _webdataset, "jsonl": _jsonl, "parquet": _parquet}


def _sheet(clips: Sequence[Clip]) -> Image:
    """The middle frames of some of the clips."""
    from .reading import contact_sheet, spread

    shown: list[Image] = []
    names: list[str] = []
    for clip in (clips[place] for place in spread(len(clips), SHOWN)):
        try:
            shown.append(middle_frame(clip, 320))
        except StorageError:
            continue  # the writer says so, with the reason
        names.append(clip.caption or clip.id)
    sheet: Image = contact_sheet(shown, names, frames=1, columns=None, cell=240, captions=True)
    return sheet
