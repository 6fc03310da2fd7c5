"""Nodes that give a denoiser a step cache: parts that change little from step to step are not computed anew.

Faster, with slightly other results. A denoiser has one cache at most; on a model with two experts it is on
both. A denoise with a cache begins anew when it is resumed.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graphflow.node import node

from .modifiers.step_cache import Broadcast, Faster, FirstBlock, Magnitude, Share, StepCache, Taylor
from .recipes import Denoiser

Interval = Annotated[int, Field(ge=2, le=100)]
Timestep = Annotated[float, Field(ge=0, le=1000)]


def _with(denoiser: Denoiser, cache: StepCache) -> Denoiser:
    return denoiser.model_copy(update={"step_cache": cache})


@node("diffusion/first_block_cache", fold=True)
def first_block_cache(
    denoiser: Denoiser, *, threshold: Annotated[float, Field(ge=0, le=10)] = 0.05
) -> Denoiser:
    """Skip a step's other blocks where the first one's output changed little since the step before.

    threshold: relative change below which they are skipped; 0.05 seldom skips, 0.5 often.
    For Wan, LTX-Video 0.9 and HunyuanVideo 1.0; others are refused, with the reason, before they are loaded.
    """
    return _with(denoiser, FirstBlock(threshold=threshold))


@node("diffusion/magnitude_cache", fold=True)
def magnitude_cache(
    denoiser: Denoiser,
    *,
    ratios: Annotated[list[float], Field(min_length=2, max_length=1000)],
    threshold: Share = 0.06,
    max_skips: Annotated[int, Field(ge=1, le=100)] = 3,
    retention: Share = 0.2,
) -> Denoiser:
    """Skip steps by how the size of the blocks' output is known to drift (MagCache).

    ratios: that of each step to the step before, from a calibrating run of the same model; stretched to the
        steps of the denoise. threshold: drift that may pile up while skipping. max_skips: in a row.
    retention: part of the steps, from the first on, that are always computed.
    For Wan, LTX-Video 0.9 and HunyuanVideo 1.0.
    """
    chosen = Magnitude(ratios=tuple(ratios), threshold=threshold, max_skips=max_skips, retention=retention)
    return _with(denoiser, chosen)


@node("diffusion/taylor_cache", fold=True)
def taylor_cache(
    denoiser: Denoiser,
    *,
    interval: Interval = 5,
    warmup: Annotated[int, Field(ge=1, le=1000)] = 3,
    order: Annotated[int, Field(ge=0, le=4)] = 1,
    whole: bool = True,
) -> Denoiser:
    """Foresee a step from the last ones, by a Taylor series (TaylorSeer).

    interval: steps from one that is computed to the next. warmup: first steps, always computed.
    order: of the series; higher follows curves better and keeps more in memory.
    whole: foresee the model's output; otherwise that of each attention layer, which is closer and slower.
    For every model that has one output.
    """
    return _with(denoiser, Taylor(interval=interval, warmup=warmup, order=order, whole=whole))


@node("diffusion/attention_cache", fold=True)
def attention_cache(
    denoiser: Denoiser,
    *,
    interval: Interval = 2,
    cross_interval: Interval | None = None,
    begin: Timestep = 800.0,
    end: Timestep = 100.0,
) -> Denoiser:
    """Use the output of attention layers again in the following steps (pyramid attention broadcast).

    interval: steps from one that is computed to the next. cross_interval: the same for attention to the
        prompt; empty computes it always. begin, end: it acts between these timesteps, counted down from 1000.
    """
    chosen = Broadcast(interval=interval, cross_interval=cross_interval, begin=begin, end=end)
    return _with(denoiser, chosen)


@node("diffusion/faster_cache", fold=True)
def faster_cache(
    denoiser: Denoiser,
    *,
    interval: Interval = 2,
    weight: Share = 0.5,
    begin: Timestep = 681.0,
    end: Timestep = 0.0,
) -> Denoiser:
    """Foresee the output of attention layers from their last two (the attention half of FasterCache).

    interval: steps from one that is computed to the next.
    weight: how much of the last change is added; 0 uses the last output again, as attention_cache does.
    begin, end: it acts between these timesteps, counted down from 1000.
    For all models but LTX-2. The other half of FasterCache, which foresees the pass for the negative prompt,
    fails on video models.
    """
    return _with(denoiser, Faster(interval=interval, weight=weight, begin=begin, end=end))
