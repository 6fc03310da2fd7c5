"""The noise schedule and the solver: at which noise levels a denoise steps, and how it gets there."""

from __future__ import annotations

import functools
import hashlib
import inspect
import itertools
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import Value

from .tap import attributes

Solver = Literal["euler", "unipc", "dpm_multistep", "dpm_singlestep", "deis", "sa", "lcm"]

_FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}

SOLVERS: Mapping[Solver, tuple[str, str, Mapping[str, Any]]] = {
    "euler": ("FlowMatchEulerDiscreteScheduler", "shift", {}),
    "lcm": ("FlowMatchLCMScheduler", "shift", {}),
    "unipc": ("UniPCMultistepScheduler", "flow_shift", _FLOW),
    "dpm_multistep": ("DPMSolverMultistepScheduler", "flow_shift", _FLOW),
    "dpm_singlestep": ("DPMSolverSinglestepScheduler", "flow_shift", _FLOW),
    "deis": ("DEISMultistepScheduler", "flow_shift", _FLOW),
    "sa": ("SASolverScheduler", "flow_shift", _FLOW),
}
"""By name: diffusers' class, the entry of its config that holds the shift, and what models of flow need."""


class Scheduler(Value):
    """A noise schedule and its solver, as class and config. Has no weights, so it is not a recipe:
    every denoise builds its own, because a live scheduler remembers the steps of its run.
    """

    class_name: str
    config: dict[str, Any]
    sigmas: tuple[float, ...] | None = None
    """Noise levels of the steps, in place of those that the class makes; shifted as its config says."""

    def count(self, steps: int | None) -> int | None:
        """The number of steps, if noise levels are given. Raises NodeError if `steps` says another."""
        if self.sigmas is None or steps == len(self.sigmas):
            return steps
        if steps is not None:
            raise NodeError(
                f"the scheduler has noise levels for {len(self.sigmas)} steps, not {steps}",
                where="steps",
                hint="leave steps empty",
            )
        return len(self.sigmas)

    def levels(self, pipeline: str, *, by_token: bool = False) -> dict[str, Any]:
        """The given noise levels as an argument of the pipeline's call.

        pipeline: its class name in diffusers. by_token: see Task.
        Raises NodeError if it cannot work with this scheduler.
        """
        import diffusers

        cls, solver = getattr(diffusers, pipeline), self._class()
        if by_token and not _takes(solver.step, "per_token_timesteps"):
            raise NodeError(
                f"{pipeline} has a noise level for each token, which {self.class_name} does not know",
                where="scheduler",
                hint="choose the solver euler",
            )
        if by_token and self.config.get("use_dynamic_shifting"):
            raise NodeError(
                f"the shift of this scheduler follows the size of the video, which {pipeline} does not tell",
                where="scheduler",
                hint="use the scheduler of the denoiser's own model",
            )
        if by_token:
            return {}
        if _hands_over_levels(cls) and not _takes(solver.set_timesteps, "sigmas"):
            raise NodeError(
                f"{pipeline} makes its own noise levels, which {self.class_name} does not take",
                where="scheduler",
                hint="choose the solver euler",
            )
        if self.sigmas is None:
            return {}
        if not _takes(cls.__call__, "sigmas"):
            raise NodeError(
                f"{pipeline} takes no noise levels",
                where="scheduler",
                hint="leave sigmas empty, and set the shift instead",
            )
        import numpy

        return {"sigmas": numpy.array(self.sigmas)}  # some solvers calculate with them as they are

    def build(self) -> Any:
        """A new diffusers scheduler. Raises NodeError if diffusers has no such class."""
        unused = _unused(self._class(), json.dumps(self.config))
        made: Any = object.__new__(type(unused))
        vars(made).update(attributes(unused))
        return made

    def _class(self) -> Any:
        import diffusers

        found = getattr(diffusers, self.class_name, None)
        if not (isinstance(found, type) and issubclass(found, diffusers.SchedulerMixin)):
            raise NodeError(
                f"diffusers has no scheduler called {self.class_name!r}",
                hint="choose a sampler, or see whether a newer diffusers has it",
            )
        return found

    def digest(self) -> str:
        """sha256 of what it is; a stopped denoise goes on only with an equal one."""
        text = json.dumps([self.class_name, self.config, self.sigmas], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@functools.lru_cache(maxsize=64)
def _unused(scheduler: Any, config: str) -> Any:
    """A scheduler that has made no step, of a class and its config as JSON: to read a config takes a hundred
    times as long as to copy what came of it."""
    return scheduler.from_config(json.loads(config))


def _hands_over_levels(pipeline: Any) -> bool:
    """Whether a pipeline gives its scheduler noise levels, whether its own or those it was called with."""
    return "sigmas" in inspect.unwrap(pipeline.__call__).__code__.co_varnames


def _takes(function: Any, name: str) -> bool:
    return name in inspect.signature(function).parameters


@node("diffusion/scheduler", fold=True)
def scheduler(
    scheduler: Scheduler,
    *,
    solver: Solver | None = None,
    shift: Annotated[float, Field(gt=0, le=1000)] | None = None,
    sigmas: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] | None = None,
    exact: bool = False,
) -> Scheduler:
    """Change the solver of a scheduler, its shift, or the noise levels of its steps.

    solver: empty keeps it. `unipc`, `dpm_multistep`, `dpm_singlestep` and `deis` need fewer steps than
        `euler`; `sa` and `lcm` add noise at each step, `lcm` is for distilled models.
    shift: moves steps towards high noise; empty keeps it.
    sigmas: the noise level at the start of each step, falling, 1 is pure noise; the shift is applied to them
        too. For models whose pipeline takes them, such as HunyuanVideo, LTX-2 and LTX-Video from 0.9.5 on;
        others are refused.
    exact: take the noise levels as they are, without any shift, as distilled models and refinements want.
    Raises NodeError for a change that the scheduler or the solver cannot take.
    """
    changed = scheduler if solver is None else _solved_by(scheduler, solver)
    if shift is not None:
        changed = changed.model_copy(
            update={"config": {**changed.config, _shift_entry(changed): float(shift)}}
        )
    if sigmas is not None:
        if any(before <= after for before, after in itertools.pairwise(sigmas)):
            raise NodeError("noise levels must fall from step to step", where="sigmas")
        changed = changed.model_copy(update={"sigmas": tuple(sigmas)})
    return _unshifted(changed, shift) if exact else changed


def _unshifted(scheduler: Scheduler, shift: float | None) -> Scheduler:
    """With its noise levels as they are. Raises NodeError if there are none."""
    if scheduler.sigmas is None or shift is not None:
        raise NodeError(
            "exact noise levels must be given, and are not shifted",
            where="exact",
            hint="set sigmas, and leave shift empty",
        )
    off = {"use_dynamic_shifting": False, "shift_terminal": None}
    config = {**scheduler.config, **{name: off[name] for name in off.keys() & scheduler.config.keys()}}
    static = scheduler.model_copy(update={"config": config})
    return static.model_copy(update={"config": {**config, _shift_entry(static): 1.0}})


def _solved_by(scheduler: Scheduler, solver: Solver) -> Scheduler:
    """The same schedule with another solver."""
    class_name, entry, needed = SOLVERS[solver]
    own = scheduler.config
    if own.get("use_dynamic_shifting") and entry == "shift":
        config = dict(own)  # both classes know all of it
    elif own.get("use_dynamic_shifting"):
        raise NodeError(
            "the shift of this scheduler follows the size of the video, which the solver does not know",
            where="solver",
            hint="choose euler or lcm",
        )
    else:
        shift = own.get("shift", own.get("flow_shift"))
        config = {**needed, "num_train_timesteps": own.get("num_train_timesteps", 1000)}
        config.update({} if shift is None else {entry: shift})
    return scheduler.model_copy(update={"class_name": class_name, "config": config})


def _shift_entry(scheduler: Scheduler) -> str:
    """Where the shift stands in the config. Raises NodeError if it cannot be set."""
    entries = {class_name: entry for class_name, entry, _ in SOLVERS.values()}
    reason = f"the shift of a {scheduler.class_name} cannot be set"
    if scheduler.class_name not in entries:
        raise NodeError(reason, where="shift", hint="choose a solver too")
    if scheduler.config.get("use_dynamic_shifting"):
        raise NodeError(f"{reason}: it follows the size of the video", where="shift", hint="leave it empty")
    return entries[scheduler.class_name]
