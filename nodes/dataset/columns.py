"""Names of columns that trainers expect, and the rows they name."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from graphflow.values import Image

from .values import EditPair, Item

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Picture:
    """An encoded picture in a cell."""

    data: bytes
    """PNG."""


@dataclass(frozen=True)
class Made:
    """What made a dataset, as its rows and card tell it."""

    workflow_sha: str
    """sha256 of the workflow document."""
    models: Sequence[Mapping[str, str]]
    """Name, identity and licence of every model behind it."""

    @property
    def licence(self) -> str:
        """The models' licences as JSON."""
        return json.dumps({m.get("name", ""): m.get("licence", "") for m in self.models}, sort_keys=True)


def made_by(provenance: Mapping[str, Any]) -> Made:
    """What a run's record tells of it."""
    text = json.dumps(provenance.get("workflow", {}), sort_keys=True)
    models = provenance.get("models")
    return Made(
        hashlib.sha256(text.encode()).hexdigest(),
        [dict(model) for model in models] if isinstance(models, (list, tuple)) else [],
    )


def png(image: Image) -> bytes:
    """A picture as PNG; equal pixels give equal bytes."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(image.pixels.contiguous().numpy()).save(buffer, "PNG")
    return buffer.getvalue()


def _canonical(pair: EditPair, made: Made) -> Row:
    return {
        "id": pair.id,
        "source": Picture(png(pair.before)),
        "edited": Picture(png(pair.after)),
        "instruction": pair.instruction,
        "instruction_inverse": pair.inverse,
        "edit_type": pair.edit_type,
        "source_caption": pair.caption_before,
        "edited_caption": pair.caption_after,
        "clip_id": pair.source,
        "frame_src": pair.frame_before,
        "frame_tgt": pair.frame_after,
        "model_ref": pair.model or ", ".join(model.get("name", "") for model in made.models),
        "seed": -1 if pair.seed is None else pair.seed,
        "workflow_sha": made.workflow_sha,
        "scores": json.dumps(pair.scores, sort_keys=True),
        "licence": made.licence,
        "split": pair.split or "train",
    }


def _instruct_pix2pix(pair: EditPair, made: Made) -> Row:
    return {
        "original_image": Picture(png(pair.before)),
        "edit_prompt": pair.instruction,
        "edited_image": Picture(png(pair.after)),
        "original_prompt": pair.caption_before,
        "edited_prompt": pair.caption_after,
    }


def _omniedit(pair: EditPair, made: Made) -> Row:
    followed, kept, natural = (
        _tenth(pair.scores.get(f"judge_{name}")) for name in ("followed", "kept", "natural")
    )
    return {
        "omni_edit_id": pair.id,
        "task": pair.edit_type,
        "src_img": Picture(png(pair.before)),
        "edited_img": Picture(png(pair.after)),
        "edited_prompt_list": [pair.instruction],
        "sc_score_1": followed,
        "sc_score_2": kept,
        "pq_score": natural,
        "o_score": math.sqrt(min(followed, kept) * natural),
    }


def _tenth(mark: Any) -> float:
    """A mark of 0..100 as OmniEdit's 0..10; 0 if no judge gave one."""
    return float(mark) / 10 if isinstance(mark, (int, float)) else 0.0


def _finetrainers(pair: EditPair, made: Made) -> Row:
    return {
        "control_image": Picture(png(pair.before)),
        "image": Picture(png(pair.after)),
        "edited_prompt_list": [pair.instruction],
    }


def _musubi(pair: EditPair, made: Made) -> Row:
    return {
        "image_path": Picture(png(pair.after)),
        "control_path": Picture(png(pair.before)),
        "caption": pair.instruction,
    }


MAPS: Mapping[str, Callable[[EditPair, Made], Row]] = MappingProxyType(
    {
        "canonical": _canonical,
        "instruct_pix2pix": _instruct_pix2pix,
        "omniedit": _omniedit,
        "finetrainers": _finetrainers,
        "musubi": _musubi,
    }
)
"""How a pair becomes a row for: everything we know; diffusers' `train_instruct_pix2pix`; OmniEdit's readers;
finetrainers' control trainer; musubi-tuner's Kontext, Qwen-Edit and FramePack one-frame data."""


def rows_of(pairs: Sequence[EditPair], columns: str, made: Made) -> Iterator[tuple[Item, Row]]:
    """Each pair and its row, encoded one by one."""
    for pair in pairs:
        yield pair, MAPS[columns](pair, made)
