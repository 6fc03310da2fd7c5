"""LTX-Video from 0.9.5 on: text to video, keyframes at any place, extension of a video, refinement.

All of it is LTXConditionPipeline, which has a schedule of its own. Its keyframes are tokens before those of
the clip, and it draws its noise itself: so to go on at a later step its own preparations are made again, and
what it held then is put back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graphflow.values import Video

from ..pixels import pil, pils
from ..values import Blank, Given, Keyframe, Latents
from . import Begin, Call, Configs, Keep, Solver, Task, ltx

_SETTINGS = ("image_cond_noise_scale",)
"""Of what condition nodes set, the pipeline's own arguments."""


def serves(configs: Configs) -> tuple[str, ...]:
    """The same weights do everything."""
    return ("text_to_video", "image_to_video", "keyframes", "extension")


def schedule(steps: int) -> list[float]:
    """The noise level before each step: first slowly down from 1, then ever faster, to a last step to 0."""
    from diffusers.pipelines.ltx import pipeline_ltx_condition

    own: Any = pipeline_ltx_condition.linear_quadratic_schedule
    levels: list[float] = own(steps).tolist()
    return levels


def arguments(call: Call) -> dict[str, Any]:
    """Arguments of LTXConditionPipeline.__call__. Its own schedule is given to it as numbers: left to itself
    it passes a tensor where numpy 2 warns of tensors."""
    return {
        **ltx.arguments(call),
        "timesteps": [1000 * level for level in call.sigmas or schedule(call.steps)],
        "conditions": [_condition(frame) for frame in keyframes(call)] or None,
        "denoise_strength": call.latents.strength,
        **{name: value for name, value in call.given.settings.items() if name in _SETTINGS},
    }


def keyframes(call: Call) -> list[Keyframe]:
    """What is given, as keyframes: a video to be extended and a first image at the start, a last image at the
    end."""
    given, last = call.given, call.latents.frames - 1
    ends = [(given.video, 0), (given.image, 0), (given.last_image, last)]
    return [Keyframe(content=shown, index=at) for shown, at in ends if shown is not None] + [*given.keyframes]


def _condition(frame: Keyframe) -> Any:
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    content, index, strength = frame.content, frame.index, frame.strength
    if isinstance(content, Video) or (isinstance(content, Blank) and content.frames > 1):
        return LTXVideoCondition(video=pils(content), frame_index=index, strength=strength)
    return LTXVideoCondition(image=pil(content), frame_index=index, strength=strength)


def refuses(configs: Configs, given: Given) -> str:
    """A clip inside the video takes the place of whole latent frames, two at least."""
    step = ltx.geometry(configs).temporal
    for frame in given.keyframes:
        if frame.index == 0 or not isinstance(frame.content, Video):
            continue
        if frame.index % step:
            return f"takes a clip only at frames 0, {step}, {2 * step}, ..., not at {frame.index}"
        if len(frame.content.frames) <= step:
            return f"takes a clip after the start only of at least {step + 1} frames"
    return ""


def skipped(call: Call) -> int:
    """As in the pipeline's `get_timesteps`."""
    return call.steps - min(int(call.steps * call.latents.strength), call.steps)


def adjust(pipe: Any, call: Call, begin: Begin) -> Keep:
    """Let the pipeline go on at a later step, with noise from its own node, or at the step of a refinement.

    kept: `extra`, the keyframes' tokens; `first`, all tokens before the first step, to which the pipeline
    returns where it adds noise to keyframes.
    """
    import torch

    prepare, add_noise = pipe.prepare_latents, pipe.add_noise_to_image_conditioning_latents
    fresh, skip = begin.kept is None and call.latents.stage != "noise", skipped(call)
    held = dict(begin.kept or {})
    shape = call.latents.geometry.latent_shape(call.latents.width, call.latents.height, call.latents.frames)

    def prepare_latents(*args: Any, **settings: Any) -> tuple[Any, ...]:
        if fresh:
            tokens, *rest = prepare(*args, **settings)
            held["first"] = tokens
            return tokens, *rest
        generator, samples = settings["generator"], settings.pop("latents")
        state = generator.get_state()
        tokens, *rest = prepare(*args, **settings)
        generator.set_state(state)
        clip = ltx.pack(samples).to(tokens)
        return torch.cat([held["extra"], clip], 1) if "extra" in held else clip, *rest

    pipe.prepare_latents = prepare_latents
    pipe.get_timesteps = lambda sigmas, times, steps, strength: (sigmas[skip:], times[skip:], steps - skip)
    pipe.add_noise_to_image_conditioning_latents = lambda t, init_latents, *rest, **settings: add_noise(
        t, held["first"], *rest, **settings
    )

    def keep(tensors: Mapping[str, Any]) -> dict[str, Any]:
        if not keyframes(call):
            return {}
        return {"extra": tensors["latents"][:, : -math.prod(shape[2:])], "first": held["first"]}

    return keep


def unpack(samples: Any, latents: Latents) -> Any:
    """The clip's own tokens, which are the last ones, to (1, channels, frames, height, width). What the
    pipeline returns has that shape already."""
    if samples.ndim == 5:
        return samples
    shape = latents.geometry.latent_shape(latents.width, latents.height, latents.frames)
    return ltx.unpack(samples[:, -math.prod(shape[2:]) :], latents)


_TASK = Task(
    "LTXConditionPipeline",
    arguments,
    skipped=skipped,
    refuses=refuses,
    adjust=adjust,
    own_noise=lambda given: True,
    refines=True,
    by_token=True,
)

FAMILY = replace(
    ltx.FAMILY,
    name="ltx_condition",
    tasks=dict.fromkeys(("text_to_video", "image_to_video", "keyframes", "extension"), _TASK),
    solvers={"euler": Solver("FlowMatchEulerDiscreteScheduler", "shift")},
    serves=serves,
    pack=lambda samples: samples,
    unpack=unpack,
)
