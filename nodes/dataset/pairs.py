"""Edit pairs: two frames of a clip become the source and the result of an edit."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import Image, Video

from .settings import Strategy
from .values import EditPair, Score, with_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray


PAIR_BANDS = (
    "0.004 <= changed_area <= 0.45 and unchanged_mae <= 6 and 0.5 <= sharp_ratio <= 2 and ssim >= 0.35"
    ' and (embed_sim >= 0.8 or edit_type in ("add", "remove", "slice", "recolor"))'
    " and (phash_distance > 0 or changed_area > 0.02) and exposure > 0.01"
)
"""The default condition on the two frames. Changed area says that something changed; a low SSIM does not have
to: it is 0.98 for a ball that crossed the frame."""

CLIP_BANDS = (
    "change_max < 27 and flicker < 0.08 and (unclear or step_excess < 0.08)"
    " and (unclear or mass_jump < 0.35) and (unclear or count_flips == 0) and (unclear or colour_jump < 40)"
    " and (unclear or shape_changes == 0) and (unclear or not cut_off)"
    ' and (unclear or colour_drift < 60 or edit_type == "recolor")'
)
"""The default condition on the clip between them: no cut, no flicker, nothing that jumps, goes for a while or
becomes something else at once."""

_MEASURES = (
    ".values", ".pair_scores", ".differ", ".objects", ".flow", ".frames", ".hashing", ".motion", ".shots",
    "graphflow_nodes.evaluation.classic_flow",
    "graphflow_nodes.evaluation.texture",
)  # fmt: skip


@node("dataset/frame_pairs", depends=(".values", ".sampling", ".frames", ".pair_scores"))
def frame_pairs(
    video: Video,
    *,
    strategy: Strategy = "first_last",
    every: Annotated[int, Field(ge=1)] = 8,
    most: Annotated[int, Field(ge=1, le=1000)] = 19,
    source: str = "",
    model: str = "",
    seed: int | None = None,
) -> list[EditPair]:
    """Choose frames of a clip that become the two sides of an edit.

    strategy: `first_last`, the ends; `every_k`, frames `every` apart, each with the next; `best_late_sharp`,
    the first and the sharpest of the last third; `max_change_min_bg`, the two that differ most in one place
    and least elsewhere; `keyframes`, frames that visibly differ, each with the next. most: pairs of one clip.
    source: what the clip was cut from or made of, so that a split keeps it together; empty is the clip
    itself. model, seed: what made the clip, for the record. A clip of one frame gives no pairs. Raises
    NodeError for frames that are not uint8 RGB.
    """
    from .sampling import pairs_of

    frames = array_of(video)
    clip = hashlib.sha256(frames.tobytes() + str(frames.shape).encode()).hexdigest()[:16]
    return [
        EditPair(
            id=f"{clip}-{first:04d}-{last:04d}",
            source=source or clip,
            before=Image(pixels=video.frames[first].clone()),
            after=Image(pixels=video.frames[last].clone()),
            frame_before=first,
            frame_after=last,
            model=model,
            seed=seed,
        )
        for first, last in pairs_of(frames, strategy, every, most)
    ]


@node("dataset/measure_pairs", depends=_MEASURES)
def measure_pairs(video: Video, pairs: list[EditPair]) -> list[EditPair]:
    """Measure pairs of a clip: the two frames, and all that happened between them.

    Adds the columns changed_area, unchanged_mae, sharp_ratio, embed_sim, ssim, phash_distance, exposure of
    the frames; change_max, flicker, path, objects_before, objects_after, unclear, step_excess, mass_jump,
    count_flips, colour_jump, colour_drift, shape_changes, cut_off of the clip between them. Raises NodeError
    if a pair is not of this clip.
    """
    from .pair_scores import between_scores, pair_scores, scene_of

    if not pairs:
        return []
    frames = array_of(video)
    scene = scene_of(frames)
    found = []
    for pair in pairs:
        if max(pair.frame_before, pair.frame_after) >= len(frames):
            raise NodeError(
                f"the pair {pair.id} is of frame {pair.frame_after}, the clip has {len(frames)}",
                hint="wire the clip that the pairs were taken from",
            )
        scores: dict[str, Score] = {
            **pair_scores(pair.before.pixels.numpy(), pair.after.pixels.numpy()),
            **between_scores(scene, pair.frame_before, pair.frame_after),
        }
        found.append(with_scores(pair, scores))
    return found


@node("dataset/swap_pairs", depends=(".values",))
def swap_pairs(pairs: list[EditPair]) -> list[EditPair]:
    """Beside each pair that has an inverse instruction, the pair that leads back; refused ones are left
    alone."""
    found = []
    for pair in pairs:
        found.append(pair)
        if pair.inverse and not pair.rejected:
            found.append(_swapped(pair))
    return found


def _swapped(pair: EditPair) -> EditPair:
    kind = {"add": "remove", "remove": "add", "slice": "join"}.get(pair.edit_type, pair.edit_type)
    return pair.model_copy(
        update={
            "id": f"{pair.id}-back",
            "before": pair.after,
            "after": pair.before,
            "frame_before": pair.frame_after,
            "frame_after": pair.frame_before,
            "instruction": pair.inverse,
            "inverse": pair.instruction,
            "caption_before": pair.caption_after,
            "caption_after": pair.caption_before,
            "edit_type": kind,
        }
    )


def array_of(video: Video) -> NDArray[Any]:
    """The frames as a numpy array. Raises NodeError unless they are uint8 (frames, height, width, 3)."""
    import numpy

    frames = numpy.asarray(video.frames.numpy())
    if frames.dtype != numpy.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not frames.size:
        raise NodeError(
            f"the video has frames of {frames.dtype} {frames.shape}, not uint8 (frames, height, width, 3)",
            hint="decode latents into frames first",
        )
    return frames
