"""Guidance as a component of the pipeline: a guider of diffusers, made for each run since it counts steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .families import Begin, Call, Keep
from .guidance import ComponentGuidance, ScheduledGuidance


def put_guider(pipe: Any, call: Call, begin: Begin) -> Keep:
    """Give the pipeline its guider, which counts all steps of the denoise also where only some are run.

    kept: `average`, what a guider with momentum remembers of the steps before.
    """
    import diffusers

    guide = _component(call)
    guider: Any = getattr(diffusers, guide.class_name)(**guide.settings)
    tap, set_state = getattr(pipe.scheduler, "_tap", None), guider.set_state
    first = tap.start if tap is not None else 0

    def at_step(step: int, num_inference_steps: int, timestep: Any) -> None:
        set_state(step + first, call.steps, timestep)
        if isinstance(call.guide, ScheduledGuidance):
            guider.guidance_scale = max(1.0, call.guide.at(step + first, call.steps))

    guider.set_state = at_step
    if begin.kept and "average" in begin.kept:
        guider.momentum_buffer = _remembering(guide.settings, begin.kept["average"])
    pipe.guider = guider

    def keep(tensors: Mapping[str, Any]) -> dict[str, Any]:
        buffer = getattr(guider, "momentum_buffer", None)
        return {} if buffer is None else {"average": buffer.running_average}

    return keep


def _component(call: Call) -> ComponentGuidance:
    """The guider that the call asks for; of a schedule the one for its most guided step, as the pipeline asks
    before the first what any of them needs."""
    if isinstance(call.guide, ComponentGuidance):
        return call.guide
    scale, schedule = call.guidance, call.guide
    if isinstance(schedule, ScheduledGuidance):
        scale = max(1.0, *(schedule.at(index, call.steps) for index in range(call.steps)))
    return ComponentGuidance(class_name="ClassifierFreeGuidance", settings={"guidance_scale": scale})


def _remembering(settings: Mapping[str, Any], average: Any) -> Any:
    from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer

    buffer: Any = MomentumBuffer(settings["adaptive_projected_guidance_momentum"])
    buffer.running_average = average
    return buffer
