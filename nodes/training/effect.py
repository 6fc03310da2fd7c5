"""How much of an effect a LoRA brings: clips with it against clips without, at equal prompt and seed."""

from __future__ import annotations

import math
from typing import Annotated, Any

from graphflow_nodes.evaluation.values import Measurement, Missing, Scores
from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import node
from graphflow.values import Video

from .onset import onset_of

Share = Annotated[float, Field(ge=0, le=1)]


@node("training/measure_effect", depends=(".onset", "graphflow_nodes.evaluation.values"))
def measure_effect(video: Video, plain: Video, *, threshold: Share = 0.15, least: Share = 0.02) -> Scores:
    """Measure what an effect changes in a clip.

    video: with the effect; plain: the same prompt and seed without it, by the base model.
    threshold: a pixel counts as changed if a channel differs by more than that share. least: the effect
        begins where the share of changed pixels, by place and by colour, leaves the level and the noise of
        all frames before by more than this; it may fade again.
    Gives effect_area (mean share of changed pixels, with its curve over time), effect_peak, effect_onset (the
    frame) and before_onset (peak signal-to-noise ratio in dB of the frames before it).
    Raises ValueMismatch for clips of different size.
    """
    if video.frames.shape != plain.frames.shape:
        raise ValueMismatch(
            f"the clips are {tuple(video.frames.shape)} and {tuple(plain.frames.shape)}",
            where="plain",
            hint="make both with the same settings",
        )
    areas = areas_of(video.frames, plain.frames, threshold)
    tones = tones_of(video.frames, plain.frames, threshold)
    onset = onset_of([(area + tone) / 2 for area, tone in zip(areas, tones, strict=True)], least)
    area, peak = sum(areas) / len(areas), max(areas)
    found = [
        Measurement(
            metric="effect_area",
            value=area,
            unit="share of pixels",
            curve=tuple(areas),
            claims="how much of the clip is not as without the effect",
        ),
        Measurement(metric="effect_peak", value=peak, unit="share of pixels", frames=(areas.index(peak),)),
    ]
    if onset is None:
        absent = "no effect was seen"
        return Scores(
            measurements=tuple(found),
            missing=tuple(Missing(metric=name, reason=absent) for name in ("effect_onset", "before_onset")),
        )
    found.append(Measurement(metric="effect_onset", value=float(onset), unit="frame", frames=(onset,)))
    if onset == 0:
        late = Missing(metric="before_onset", reason="the effect is there from the first frame on")
        return Scores(measurements=tuple(found), missing=(late,))
    kept = psnr(video.frames[:onset], plain.frames[:onset])
    found.append(
        Measurement(
            metric="before_onset",
            value=kept,
            direction="higher",
            unit="dB",
            claims="the clip is as it was until the effect begins",
        )
    )
    return Scores(measurements=tuple(found))


def areas_of(frames: Any, plain: Any, threshold: float) -> list[float]:
    """The share of pixels in each frame, uint8 (frames, height, width, 3), that differ by more."""
    away = (frames.short() - plain.short()).abs().amax(-1)
    return [float(share) for share in (away > threshold * 255).float().mean((1, 2))]


def tones_of(frames: Any, plain: Any, threshold: float) -> list[float]:
    """The same where it does not matter in which place a pixel is: a thing that a LoRA has moved or shaped a
    little keeps its colours, one that is cut open does not. Of the channel that differs most."""
    ours, theirs = (part.flatten(1, 2).sort(1).values.short() for part in (frames, plain))
    away = (ours - theirs).abs() > threshold * 255
    return [float(share) for share in away.float().mean(1).amax(-1)]


def psnr(frames: Any, plain: Any) -> float:
    """In dB, at most 99."""
    error = float((frames.float() - plain.float()).square().mean()) / 255**2
    return min(99.0, -10 * math.log10(max(error, 1e-12)))


@node("training/effect_ratio", fold=True, depends=("graphflow_nodes.evaluation.values",))
def effect_ratio(
    called: list[float], uncalled: list[float], *, floor: Annotated[float, Field(gt=0, le=1)] = 0.01
) -> Scores:
    """How well a trigger alone calls an effect, from the effect's strength in clips with it and without it.

    called, uncalled: strengths, 0 is none. floor: less than that without the trigger counts as that much, so
        that nothing divided by nothing is not a success.
    Gives effect_called and effect_leaked (the means), effect_specificity (their difference) and effect_ratio.
    Raises NodeError for an empty list.
    """
    if not called or not uncalled:
        raise NodeError("there is nothing to compare", hint="measure at least one clip with and one without")
    high, low = sum(called) / len(called), sum(uncalled) / len(uncalled)
    rows = {
        "effect_called": (high, "higher", "strength with the trigger"),
        "effect_leaked": (low, "lower", "strength without the trigger"),
        "effect_specificity": (high - low, "higher", "what the trigger alone brings"),
        "effect_ratio": (high / max(low, floor), "higher", "strength with the trigger over strength without"),
    }
    return Scores(
        measurements=tuple(
            Measurement.model_validate(
                {"metric": name, "value": float(value), "direction": better, "claims": claim}
            )
            for name, (value, better, claim) in rows.items()
        )
    )
