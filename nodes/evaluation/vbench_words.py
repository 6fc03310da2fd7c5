"""VBench's dimensions that read words off a clip: colour, scene, action, style; and imaging quality."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Context, node
from graphflow.values import Tensor, Video

from .captioner import Captioner
from .detector import Detector
from .imaging import QualityRater
from .recogniser import Recogniser
from .values import Missing, Scores
from .vbench_parts import scores_of, spread, tensor_of
from .video_text import VideoText

Words = Annotated[str, Field(min_length=1, max_length=200)]
COLOURS = (
    "white", "red", "pink", "blue", "silver", "purple", "orange", "green", "gray", "yellow", "black", "grey",
)  # fmt: skip
"""Words by which VBench knows that a caption speaks of a colour."""
SURE, BEST = 0.85, 5
"""An action counts if it is among the best five and at least so probable."""
LONGEST = 512
"""Pixels of the longer side at which VBench rates quality."""

_PARTS = (".vbench_parts", ".values", ".frames", ".weights")


@node("evaluation/vbench_imaging", depends=(*_PARTS, ".imaging", ".embedder"))
def vbench_imaging(video: Video, rater: QualityRater, ctx: Context) -> Scores:
    """Imaging quality: the mean mark of the frames over 100, of frames of at most 512 pixels.

    VBench rates with MUSIQ trained on SPAQ, which transformers does not have.
    """
    import torch

    frames = tensor_of(video, least=1)
    longer = max(frames.shape[1:3])
    if longer > LONGEST:
        size = [int(side * LONGEST / longer) for side in frames.shape[1:3]]
        planes = frames.permute(0, 3, 1, 2).float()
        small = torch.nn.functional.interpolate(planes, size=size, mode="bilinear", antialias=True)
        frames = small.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    with ctx.use(rater) as rate:
        marks = rate(frames) / 100
    return scores_of("imaging_quality", marks, "higher", "noise, blur, wrong exposure")


@node("evaluation/vbench_colour", depends=(*_PARTS, ".detector", ".captioner"))
def vbench_colour(
    video: Video,
    detector: Detector,
    captioner: Captioner,
    ctx: Context,
    *,
    thing: Words,
    colour: Words,
    least: Annotated[float, Field(ge=0, le=1)] = 0.2,
) -> Scores:
    """Colour: of those of 16 frames in which the thing is told with any colour, the share with the right one.

    VBench takes boxes and their captions from one model, GRiT; here a detector finds the thing and a
    captioner tells of what is in its boxes. least: the score from which a detection counts.
    Words are looked for anywhere in a caption, as VBench does.
    A clip in which no caption of the thing names a colour lacks the dimension: VBench leaves it out too.
    """
    frames = tensor_of(video, least=1)
    picked = frames[spread(len(frames))]
    told: list[list[str]] = []
    with ctx.use(detector) as detect, ctx.use(captioner) as tell:
        for number, frame in enumerate(picked):
            ctx.progress(number, len(picked))
            parts = [cut(frame, one.box) for one in detect(frame, [thing], least)]
            told.append([tell(part[None])[0].lower() for part in parts if part.numel()])
    named = [captions for captions in told if any(one in caption for caption in captions for one in COLOURS)]
    if not named:
        reason = f"no frame shows a {thing} whose colour is told"
        return Scores(missing=(Missing(metric="color", reason=reason),))
    right = [float(any(colour.lower() in caption for caption in captions)) for captions in named]
    return scores_of("color", right, "higher", f"{thing} is not {colour}")


def cut(frame: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    """The part of a frame, (height, width, 3), inside left, top, right, bottom, rounded outwards."""
    left, top, right, bottom = box
    height, width = frame.shape[:2]
    rows = slice(max(0, math.floor(top)), min(height, math.ceil(bottom)))
    columns = slice(max(0, math.floor(left)), min(width, math.ceil(right)))
    return frame[rows, columns]


@node("evaluation/vbench_scene", depends=(*_PARTS, ".captioner"))
def vbench_scene(video: Video, captioner: Captioner, ctx: Context, *, scene: Words) -> Scores:
    """Scene: the share of 16 frames whose caption has every word of the scene, such as "ice rink".

    VBench captions with Tag2Text, which transformers does not have.
    """
    frames = tensor_of(video, least=1)
    with ctx.use(captioner) as tell:
        told = [caption.lower() for caption in tell(frames[spread(len(frames))])]
    words = scene.lower().split()
    shown = [float(all(word in caption for word in words)) for caption in told]
    return scores_of("scene", shown, "higher", f"{scene} is not to be seen")


@node("evaluation/vbench_action", depends=(*_PARTS, ".recogniser"))
def vbench_action(video: Video, recogniser: Recogniser, ctx: Context, *, action: Words) -> Scores:
    """Human action: 1 if the action is among the five likeliest and at least 0.85 probable, else 0.

    action: as the recogniser names it, case aside. VBench recognises with UMT-L/16, which transformers does
    not have. Raises NodeError for an action that the recogniser does not know.
    """
    frames = tensor_of(video, least=1)
    with ctx.use(recogniser) as recognise:
        sure = {name.lower(): one for name, one in recognise(frames).items()}
    wanted = action.lower()
    if wanted not in sure:
        known = ", ".join(sorted(sure)[:5])
        raise NodeError(f"the recogniser does not know {action!r}", where="action", hint=f"such as {known}")
    best = sorted(sure, key=lambda name: -sure[name])[:BEST]
    seen = wanted in best and sure[wanted] >= SURE
    return scores_of("human_action", [float(seen)], "higher", f"nobody is {action}")


@node("evaluation/vbench_video_text", depends=(*_PARTS, ".video_text"))
def vbench_video_text(
    video: Video,
    model: VideoText,
    ctx: Context,
    *,
    text: Words,
    dimension: Literal["temporal_style", "overall_consistency"] = "overall_consistency",
) -> Scores:
    """Temporal style and overall consistency: the cosine of the clip as a whole, by eight frames, and a text.

    VBench takes ViCLIP, which transformers does not have.
    """
    frames = tensor_of(video, least=1)
    with ctx.use(model) as fit:
        likeness = fit(frames, text)
    return scores_of(dimension, [likeness], "higher", "clips that do not show what the text says")
