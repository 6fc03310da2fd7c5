"""Guidance as a component of the pipeline: a guider of diffusers, made for each run since it counts steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .families import Begin, Call, Keep
from .guidance import ComponentGuidance


def put_guider(pipe: Any, call: Call, begin: Begin) -> Keep:
    """Give the pipeline its guider, which counts all steps of the denoise also where only some are run.

    kept: `average`, what a guider with momentum remembers of the steps before.
    """
    import diffusers

    guide = call.guide
    if not isinstance(guide, ComponentGuidance):
        guide = ComponentGuidance(
            class_name="ClassifierFreeGuidance", settings={"guidance_scale": call.guidance}
        )
    guider: Any = getattr(diffusers, guide.class_name)(**guide.settings)
    tap, set_state = getattr(pipe.scheduler, "_tap", None), guider.set_state
    first = tap.start if tap is not None else 0
    guider.set_state = lambda step, num_inference_steps, timestep: set_state(
        step + first, call.steps, timestep
    )
    if begin.kept and "average" in begin.kept:
        guider.momentum_buffer = _remembering(guide.settings, begin.kept["average"])
    pipe.guider = guider

    def keep(tensors: Mapping[str, Any]) -> dict[str, Any]:
        buffer = getattr(guider, "momentum_buffer", None)
        return {} if buffer is None else {"average": buffer.running_average}

    return keep


def _remembering(settings: Mapping[str, Any], average: Any) -> Any:
    from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer

    buffer: Any = MomentumBuffer(settings["adaptive_projected_guidance_momentum"])
    buffer.running_average = average
    return buffer
