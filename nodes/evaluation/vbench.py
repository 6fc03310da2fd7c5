"""VBench's dimensions as the original computes them, each with a model that is given."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Context, node
from graphflow.values import Video

from .aesthetic import Aesthetic
from .detector import Detection, Detector
from .embedder import Embedder
from .frames import frames_of
from .interpolator import Interpolator
from .judge import Judge
from .measure import PARTS
from .values import Flow, Measurement, Scores, ScoreTable
from .vbench_parts import scores_of, spread, tensor_of

Words = Annotated[str, Field(min_length=1, max_length=200)]
FLAT = 1e-9

_TABLE = (".vbench_table", ".vbench_parts", ".values", ".frames")


@node("evaluation/vbench_consistency", depends=(*_TABLE, ".embedder", ".weights"))
def vbench_consistency(
    video: Video, embedder: Embedder, ctx: Context, *, of: Literal["subject", "background"] = "subject"
) -> Scores:
    """Subject consistency (VBench uses DINO ViT-B/16) or background consistency (CLIP ViT-B/32).

    The mean over frames but the first of the mean likeness, at least 0, to the frame before and to the first.
    Raises NodeError for a clip of one frame.
    """
    frames = tensor_of(video, least=2)
    with ctx.use(embedder) as embed:
        looks = embed.images(frames)
    before = (looks[1:] * looks[:-1]).sum(-1).clamp(min=0)
    first = (looks[1:] @ looks[0]).clamp(min=0)
    alike = (before + first) / 2
    return scores_of(f"{of}_consistency", alike, "higher", f"a {of} that becomes another")


@node("evaluation/vbench_smoothness", depends=(*_TABLE, ".interpolator", ".vision", ".classic_flow", ".flow"))
def vbench_smoothness(video: Video, interpolator: Interpolator, ctx: Context) -> Scores:
    """Motion smoothness: every other frame is left out, made anew from its neighbours and compared.

    VBench interpolates with AMT-S. Raises NodeError for a clip of fewer than three frames.
    """
    frames = tensor_of(video, least=3)
    kept = frames[::2]
    with ctx.use(interpolator) as between:
        made = between(kept[:-1], kept[1:])
    wrong = (made.float() - frames[1::2][: len(made)].float()).abs().mean((1, 2, 3))
    return scores_of("motion_smoothness", 1 - wrong / 255, "higher", "frames that do not lie between others")


@node("evaluation/vbench_motion", depends=(*_TABLE, *PARTS))
def vbench_motion(video: Video, flow: Flow) -> Scores:
    """Temporal flickering and dynamic degree, by a given model's flow (VBench uses RAFT).

    Flickering is measured only on clips that stand still by VBench's filter; others lack it, with the reason.
    The flow must be of the clip at 8 frames a second: use media/change_fps before both.
    """
    import numpy as np

    from .clip import Clip, Motion
    from .movement import fastest
    from .suite import METRICS, measured

    frames = frames_of(video)
    parts = (flow.forward, flow.backward, flow.wide_forward, flow.wide_backward)
    clip = Clip(frames, 8.0, Motion(*(part.numpy() for part in parts)))
    fast = fastest(clip.speeds)
    scores = measured(clip, ["dynamic_degree"])
    moving = int((fast > 3 * clip.side / 256).sum()) >= round(2 * len(frames) / 16)
    if moving:
        from .values import Missing

        reason = "the clip moves, and VBench judges flicker by still clips"
        return scores.joined(Scores(missing=(Missing(metric="temporal_flickering", reason=reason),)))
    reading = METRICS["temporal_flickering"].measure(clip)
    curve = np.asarray(reading.curve)
    return scores.joined(scores_of("temporal_flickering", curve, "higher", "light that jumps", reading.value))


@node("evaluation/vbench_aesthetic", depends=(*_TABLE, ".aesthetic", ".embedder", ".weights"))
def vbench_aesthetic(video: Video, aesthetic: Aesthetic, ctx: Context) -> Scores:
    """Aesthetic quality: the mean mark of the frames over 10 (VBench: LAION's head over CLIP ViT-L/14)."""
    with ctx.use(aesthetic) as rate:
        marks = rate(tensor_of(video, least=1)) / 10
    return scores_of("aesthetic_quality", marks, "higher", "pictures that people do not like")


@node("evaluation/vbench_style", depends=(*_TABLE, ".embedder", ".weights"))
def vbench_style(
    video: Video,
    embedder: Embedder,
    ctx: Context,
    *,
    text: Annotated[str, Field(min_length=1, max_length=2000)],
    dimension: Literal["appearance_style", "temporal_style", "overall_consistency"] = "appearance_style",
) -> Scores:
    """How well frames fit a text: the mean cosine of frame and text.

    VBench takes CLIP ViT-B/32 for appearance_style, which is this; for the other two it takes ViCLIP, which
    sees eight frames at once: with an embedder of pictures they are a stand-in, see `vbench_video_text`.
    """
    frames = tensor_of(video, least=1)
    with ctx.use(embedder) as embed:
        fits = embed.images(frames) @ embed.texts([text])[0]
    return scores_of(dimension, fits, "higher", "pictures that do not show what the text says")


@node("evaluation/vbench_objects", depends=(*_TABLE, ".detector", ".weights"))
def vbench_objects(
    video: Video,
    detector: Detector,
    ctx: Context,
    *,
    first: Words,
    second: Annotated[str, Field(max_length=200)] = "",
    relation: Literal["none", "left", "right", "above", "below"] = "none",
    least: Annotated[float, Field(ge=0, le=1)] = 0.2,
) -> Scores:
    """Object class, multiple objects and spatial relationship: the share of 16 frames that show them.

    first, second: what is to be seen. relation: where the first is, seen from the second. least: the score
    from which a detection counts. VBench detects with GRiT.
    Raises NodeError for a relation without a second object.
    """
    if relation != "none" and not second:
        raise NodeError("a relation needs two objects", where="second", hint="name the second one")
    frames = tensor_of(video, least=1)
    picked = frames[spread(len(frames))]
    words = [first, *([second] if second else [])]
    shown, both, placed = [], [], []
    with ctx.use(detector) as detect:
        for number, frame in enumerate(picked):
            ctx.progress(number, len(picked))
            found = detect(frame, words, least)
            boxes = [[one for one in found if one.word == word] for word in words]
            shown.append(float(bool(boxes[0])))
            both.append(float(all(boxes)))
            if relation != "none":
                placed.append(max((related(a, b, relation) for a in boxes[0] for b in boxes[1]), default=0.0))
    scores = scores_of("object_class", shown, "higher", f"{first} is missing")
    if second:
        scores = scores.joined(
            scores_of("multiple_objects", both, "higher", f"{first} or {second} is missing")
        )
    if relation != "none":
        claims = f"{first} is not {relation} of {second}"
        scores = scores.joined(scores_of("spatial_relationship", placed, "higher", claims))
    return scores


def related(first: Detection, second: Detection, relation: str) -> float:
    """1 if the boxes lie so; boxes that overlap by more than 0.1 count 0.1 over their overlap."""
    ax, ay, bx, by = (*_middle(first.box), *_middle(second.box))
    along, across = (bx - ax, by - ay) if relation in ("left", "right") else (by - ay, bx - ax)
    forward = along if relation in ("left", "above") else -along
    if forward <= abs(across):
        return 0.0
    overlap = _overlap(first.box, second.box)
    return 1.0 if overlap <= 0.1 else 0.1 / overlap


@node("evaluation/ask_judge", depends=(*_TABLE, ".judge", ".weights"))
def ask_judge(
    video: Video,
    judge: Judge,
    ctx: Context,
    *,
    question: Annotated[str, Field(min_length=1, max_length=2000)],
    metric: Words = "judge",
    samples: Annotated[int, Field(ge=1, le=64)] = 4,
) -> Scores:
    """The probability that a judge answers yes to a question about the clip, such as "Is the ball red?".

    samples: frames that it sees, evenly spread. A judge's word is one opinion; hold it against people's.
    """
    frames = tensor_of(video, least=1)
    with ctx.use(judge) as answer:
        yes = answer(frames[spread(len(frames), samples)], question)
    one = Measurement(
        metric=metric, value=float(yes), direction="higher", unit="0..1", claims=f"no to: {question}"
    )
    return Scores(measurements=(one,))


@node("evaluation/vbench_total", fold=True, depends=(".vbench_table", ".values"))
def vbench_total(table: ScoreTable) -> ScoreTable:
    """VBench's scores of each system: every dimension on its scale, quality, semantic and, if all 16
    dimensions are there, the total, (4 quality + semantic) / 5.

    Each is the mean over the system's clips. Dimensions that are missing are left out of the two scores, and
    the unit says how many there are: such scores compare with each other, not with the leaderboard.
    Raises NodeError if a system has no dimension of VBench.
    """
    from .values import ScoreRow
    from .vbench_table import DIMENSIONS, QUALITY_WEIGHT, SEMANTIC_WEIGHT, normalised, weighed

    rows: list[ScoreRow] = []
    for system in table.systems():
        raw: dict[str, float] = {}
        for name in DIMENSIONS:
            found = [row.scores.named(name) for row in table.rows if row.system == system]
            values = [one.value for one in found if one is not None]
            if values:
                raw[name] = sum(values) / len(values)
        if not raw:
            raise NodeError(f"{system or 'the clips'} has no dimension of VBench", hint="measure some before")
        made = [_one(f"vbench_{name}", normalised(name, value), "0..1") for name, value in raw.items()]
        scores = {quality: weighed(raw, quality=quality) for quality in (True, False)}
        for quality, label in ((True, "vbench_quality"), (False, "vbench_semantic")):
            value = scores[quality]
            if value is not None:
                there = sum(DIMENSIONS[name].quality == quality for name in raw)
                everything = sum(known.quality == quality for known in DIMENSIONS.values())
                made.append(_one(label, value, f"{there} of {everything} dimensions"))
        if len(raw) == len(DIMENSIONS):
            total = QUALITY_WEIGHT * float(scores[True] or 0) + SEMANTIC_WEIGHT * float(scores[False] or 0)
            made.append(_one("vbench_total", total / (QUALITY_WEIGHT + SEMANTIC_WEIGHT), "0..1"))
        rows.append(ScoreRow(item="vbench", system=system, scores=Scores(measurements=tuple(made))))
    return ScoreTable(rows=tuple(rows))


def _one(metric: str, value: float, unit: str) -> Measurement:
    return Measurement(metric=metric, value=value, direction="higher", unit=unit)


def _middle(box: tuple[float, float, float, float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return both / max(sum(areas) - both, FLAT)
