"""One phase of a modular pipeline, by diffusers' own blocks around only the parts that the phase needs.

What the whole pipeline keeps in one state object travels in a `ModularState`; defaults are filled in as the
pipeline's own call does it, and random numbers go on where they stopped. So the phases one by one give the
bits of the whole.
"""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from graphflow.errors import NodeError
from graphflow.node import Context

from ..shell import cancel_points
from .definitions import Definition, Phase
from .recipes import ModularModel, fresh
from .resume import resume
from .stand_ins import WeightlessPart
from .state import ModularState, needed_after, packed, unpacked

_SEGMENTS = ("num_segments", "num_latent_chunk", "num_chunks")
"""What pipelines call the number of denoises that make one long clip."""


class Done(NamedTuple):
    """A phase that has run: the pipeline's whole state, and the live parts while they last."""

    state: Any
    """diffusers' PipelineState."""
    pipeline: Any
    generator: Any


class Work(NamedTuple):
    """What a phase is to do."""

    definition: Definition
    phase: Phase
    model: ModularModel
    before: ModularState
    given: Mapping[str, Any]
    """Inputs of the pipeline by its names, as it takes them."""
    guidance: Mapping[str, float]
    seed: int | None


@contextmanager
def performed(ctx: Context, work: Work) -> Iterator[Done]:
    """Run the phase; its live parts stay open inside the `with` block.

    Raises NodeError, before weights are loaded, for a part that the model lacks or a size that does not fit.
    """
    import diffusers
    import torch

    blocks = getattr(diffusers, work.definition.blocks)()
    state = _begin(blocks, work, ctx.device)
    generator = _generator(work)
    state.set("generator", generator)
    block = copy.deepcopy(blocks.sub_blocks[work.phase.name])  # all pipelines share them; ours is changed
    _check_left_out(blocks, state, work)
    names = _needed(block, state, work)
    pipeline = _pipeline(blocks, work, ctx.device, names)
    _check_size(pipeline, state, work)
    with ExitStack() as stack:
        live = {name: fresh(stack.enter_context(ctx.use(work.model.parts[name]))) for name in names}
        steps = _Reporter(ctx, state)
        if "scheduler" in live:  # that of the frames, where sound has its own
            _count(live["scheduler"], steps)
        resume(block, ctx, live, generator, steps)
        pipeline.update_components(**live)
        modules = [part for part in live.values() if isinstance(part, torch.nn.Module)]
        with _quiet(block), cancel_points(modules, ctx.check), torch.no_grad():
            ctx.check()
            try:
                _, state = block(pipeline, state)
            except ValueError as error:
                raise NodeError(f"{work.definition.name} refuses this: {error}") from error
        yield Done(state, pipeline, generator)


def after(work: Work, done: Done) -> ModularState:
    """What later phases need of a phase's state. Raises NodeError for what cannot travel."""
    before, phase = work.before, work.phase
    seed = before.seed if work.seed is None else work.seed
    bundles = {name: list(dict.fromkeys(held)) for name, held in done.state.kwargs_mapping.items()}
    wanted = needed_after(work.definition, phase, bundles) - {"generator"}
    values = {name: packed(name, each) for name, each in done.state.values.items() if name in wanted}
    return before.model_copy(
        update={
            "done": (*before.done, phase.name),
            "values": values,
            "bundles": {name: [each for each in held if each in wanted] for name, held in bundles.items()},
            "guidance": {**before.guidance, **work.guidance},
            "seed": seed,
            "rng": None if seed is None else done.generator.get_state(),
        }
    )


def _begin(blocks: Any, work: Work, device: str) -> Any:
    """The pipeline's state before the phase, as `ModularPipeline.__call__` would have begun it."""
    from diffusers.modular_pipelines.modular_pipeline import PipelineState

    values = {name: unpacked(each, device) for name, each in work.before.values.items()}
    mapping = {name: list(held) for name, held in work.before.bundles.items()}
    state = PipelineState(values=values, kwargs_mapping=mapping)
    for each in blocks.inputs:
        if each.name in work.given:
            state.set(each.name, work.given[each.name], each.kwargs_type)
        elif each.name is not None and each.name not in state.values:
            state.set(each.name, each.default, each.kwargs_type)
    return state


def _generator(work: Work) -> Any:
    """Goes on where an earlier phase stopped; a seed that is not the earlier one begins anew."""
    import torch

    before = work.before
    seed = before.seed if work.seed is None else work.seed
    generator = torch.Generator("cpu").manual_seed(seed or 0)
    if before.rng is not None and seed == before.seed:
        generator.set_state(before.rng)
    return generator


def _needed(block: Any, state: Any, work: Work) -> list[str]:
    """Parts that the blocks which will run ask for. Raises NodeError if the model lacks one."""
    chosen = _chosen(block, state)
    asked = {spec.name for spec in chosen.expected_components} if chosen is not None else set()
    names = [name for name in work.definition.loaded if name in asked]
    for name in names:
        if name not in work.model.parts:
            raise NodeError(
                f"model {work.model.source.model!r} has no {name}, which {work.phase.name} needs",
                where="model",
                hint="choose a complete model, or leave out the inputs that ask for it",
            )
    return names


def _chosen(block: Any, state: Any) -> Any:
    """The blocks inside a block that run with what is given; None if it does nothing."""
    if not block.sub_blocks:  # nothing to choose
        return block
    return block.get_execution_blocks(**{n: each for n, each in state.values.items() if each is not None})


def _check_left_out(blocks: Any, state: Any, work: Work) -> None:
    """Refuse to leave out an earlier phase that the pipeline itself would run, and that this one hears."""
    for each in work.definition.before(work.phase):
        heard = any(one.name in each.outputs for one in work.phase.inputs)
        if not heard or each.name in work.before.done:
            continue
        if _chosen(blocks.sub_blocks[each.name], state) is not None:
            raise NodeError(
                f"{work.phase.name} needs what {each.name} makes of these settings",
                where="state",
                hint=f"wire modular/{work.definition.slug}_{each.name} before it",
            )


def _pipeline(blocks: Any, work: Work, device: str, names: list[str]) -> Any:
    """The pipeline with its own small parts, and weightless stand-ins for those that are not opened yet."""
    pipeline = blocks.init_pipeline()
    pipeline.update_components(**work.model.configs)
    for name, part in work.model.parts.items():
        if part.library != "transformers" and part.is_network():
            setattr(pipeline, name, WeightlessPart(part, device))
    guidance = {**work.before.guidance, **work.guidance}
    for name, scale in guidance.items():
        guider = getattr(pipeline, name)
        pipeline.update_components(**{name: guider.new(guidance_scale=scale)})
    return pipeline


def _check_size(pipeline: Any, state: Any, work: Work) -> None:
    """Refuse a size that is no whole number of the denoiser's patches."""
    if "transformer" not in work.phase.components:
        return
    patch = getattr(getattr(pipeline.transformer, "config", None), "patch_size", 1)
    names = ("vae_spatial_compression_ratio", "vae_scale_factor_spatial")
    cell = next((getattr(pipeline, name) for name in names if hasattr(pipeline, name)), 1)
    step = int(cell) * int(patch[-1] if isinstance(patch, list | tuple) else patch)
    for name in ("height", "width"):
        size = state.values.get(name)
        if isinstance(size, int) and size % step:
            below = max(size // step, 1) * step
            raise NodeError(
                f"{name} {size} is no multiple of {step}",
                where=name,
                hint=f"choose {below} or {below + step}",
            )


# ------------------------------------------------------------------------------------------- progress


class _Reporter:
    """Tells of each step of a denoise; also a cancel point."""

    def __init__(self, ctx: Context, state: Any) -> None:
        self._ctx, self._state, self.done = ctx, state, 0
        self.heard: Callable[[Any], None] | None = None

    def __call__(self, steps: int, samples: Any) -> None:
        values = self._state.values
        segments = next((values[name] for name in _SEGMENTS if values.get(name)), 1)
        self.done += 1
        if self.heard is not None:
            self.heard(samples)
        self._ctx.progress(self.done, max(self.done, steps * segments))


def _count(scheduler: Any, report: Callable[[int, Any], None]) -> None:
    """Let a scheduler report its steps. It is changed in place."""
    base: Any = type(scheduler)
    scheduler.__class__ = _counting(base)
    scheduler._report = report


@functools.cache
def _counting(base: Any) -> Any:
    """The subclass of a scheduler's class that reports each step; copies of it, as for sound, are silent."""

    class Counting(base):  # type: ignore[misc]
        _report: Callable[[int, Any], None]

        @functools.wraps(base.step)  # pipelines read the signature to see what is supported
        def step(self, *args: Any, **kwargs: Any) -> Any:
            result = base.step(self, *args, **kwargs)
            self._report(len(self.timesteps), result[0])
            return result

        def __deepcopy__(self, memo: dict[int, Any]) -> Any:
            made: Any = object.__new__(base)
            held = {name: value for name, value in vars(self).items() if name != "_report"}
            vars(made).update(copy.deepcopy(held, memo))
            return made

    Counting.__name__, Counting.__qualname__ = base.__name__, base.__qualname__
    return Counting


@contextmanager
def _quiet(block: Any) -> Iterator[None]:
    """Without bars for loops, and without a traceback in the log for an error that is raised anyway."""
    waiting = [block]
    while waiting:
        each = waiting.pop()
        if hasattr(each, "set_progress_bar_config"):
            each.set_progress_bar_config(disable=True)
        waiting += each.sub_blocks.values()
    log = logging.getLogger("diffusers.modular_pipelines.modular_pipeline")

    def other(record: logging.LogRecord) -> bool:
        return "Error in block" not in str(record.msg)

    log.addFilter(other)
    try:
        yield
    finally:
        log.removeFilter(other)
