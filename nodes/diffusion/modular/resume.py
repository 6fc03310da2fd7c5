"""A phase of a modular pipeline that goes on where it stopped, bit for bit.

diffusers' loops have one method for one turn: a step of a denoise, or all steps of a chunk where a clip is
made chunk by chunk. What the turns so far have changed in the loop's state, the memory of its schedulers and
the state of the random generator are a checkpoint; inside a chunk, the samples after its last step too. After
a resume everything before the loop runs again, as it is cheap. Finished turns are left out, the next one
finds what the last one left, and the steps of a chunk that were made are not shown to it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from graphflow.node import Context, State
from graphflow.values import is_tensor

from ..tap import attributes, changes
from .state import packed, unpacked


class Steps(Protocol):
    """Counts the steps of a phase, for progress."""

    done: int
    heard: Callable[[Any], None] | None
    """Told the samples after each step."""


def resume(block: Any, ctx: Context, live: Mapping[str, Any], generator: Any, steps: Steps) -> None:
    """Let the loop inside a block offer checkpoints, and go on after the last one. The block is changed.

    live: parts of this run, by name; of its schedulers the memory is kept. Copies of them are found in the
    loop's own state.
    """
    from diffusers import SchedulerMixin

    schedulers = {name: part for name, part in live.items() if isinstance(part, SchedulerMixin)}
    for loop in _loops(block):
        turns = _Turns(loop, ctx, schedulers, generator, steps)
        loop.loop_step = turns
        for name, each in loop.sub_blocks.items():
            if {"timesteps", "latents"} <= {one.name for one in each.inputs}:
                loop.sub_blocks[name] = _Chunk(each, turns)


class _Turns:
    """Stands for a loop's `loop_step`."""

    def __init__(
        self, loop: Any, ctx: Context, schedulers: Mapping[str, Any], generator: Any, steps: Steps
    ) -> None:
        self._step: Callable[..., Any] = loop.loop_step
        self._made = {each.name for each in loop.intermediate_outputs}
        """What blocks of the loop make anew in each turn."""
        self._ctx, self._given, self._generator, self._steps = ctx, schedulers, generator, steps
        self._saved = ctx.restore()
        self._turn = 0
        """Turns that are done."""
        self._before: dict[str, tuple[Any, Any]] = {}
        """What the loop's state held before the first turn, with a mark of what was in it."""
        self._fresh: dict[str, dict[str, Any]] = {}
        """The same for schedulers."""
        self._kept: State | None = {"turn": 0}
        """While steps are made inside a turn: what the turns before left. None if it cannot be kept."""

    def __call__(self, components: Any, state: Any, **turn: Any) -> Any:
        if self._turn == 0:
            self._before = {name: (value, _mark(value)) for name, value in vars(state).items()}
            self._fresh = {name: attributes(one) for name, one in self._schedulers(state).items()}
        elif 0 in turn.values():  # the same loop for another part of a clip: checkpoints are of the first
            return self._step(components, state, **turn)
        saved = self._saved
        if saved is not None and self._turn < saved["turn"]:
            self._turn += 1
            if self._turn == saved["turn"]:
                self._restore(state, saved)
            return components, state
        components, state = self._step(components, state, **turn)
        self._turn += 1
        changed = self._changed(state)
        if not all(_travels(value) for value in changed.values()):  # a live thing that no turn makes anew
            self._kept = None
        elif "t" in turn:
            self._ctx.checkpoint(lambda: copy.deepcopy(self._left(state, changed)))
        else:
            self._kept = copy.deepcopy(self._left(state, changed))
            self._offer({})
        return components, state

    def begin(self, state: Any) -> int:
        """Before the steps of a turn: how many of them are not to be made again."""
        inside = (self._saved or {}).get("inside")
        if inside is None or self._saved is None or self._saved["turn"] != self._turn:
            return 0
        self._remember(state, inside)
        state.latents = unpacked(inside["samples"], state.latents.device).reshape(state.latents.shape)
        return int(inside["steps"])

    def listen(self, state: Any, first: int) -> None:
        """While the steps of a turn are made, offer a checkpoint after each."""
        made = first

        def heard(samples: Any) -> None:
            nonlocal made
            made += 1
            inside = {"samples": samples.detach().cpu(), "steps": made}
            self._offer({"inside": {**inside, **self._memory(state)}})

        self._steps.heard = heard

    def deaf(self) -> None:
        """After the steps of a turn."""
        self._steps.heard = None

    def _offer(self, more: State) -> None:
        if self._kept is not None:
            kept = self._kept
            self._ctx.checkpoint(lambda: copy.deepcopy({**kept, **more}))

    def _schedulers(self, state: Any) -> dict[str, Any]:
        from diffusers import SchedulerMixin

        own = {name: value for name, value in vars(state).items() if isinstance(value, SchedulerMixin)}
        return {**self._given, **own}

    def _changed(self, state: Any) -> dict[str, Any]:
        """What the turns so far have changed in the loop's state."""
        skipped = self._schedulers(state)
        return {
            name: value
            for name, value in vars(state).items()
            if not (name in skipped or value is self._generator or self._remade(name, value))
            and (name not in self._before or _mark(value) != self._before[name][1])
        }

    def _left(self, state: Any, changed: Mapping[str, Any]) -> State:
        return {"turn": self._turn, "state": _packed(changed), **self._memory(state)}

    def _memory(self, state: Any) -> State:
        """What schedulers and the generator remember, and the steps done."""
        held = {
            name: changes(self._fresh.get(name, {}), one) for name, one in self._schedulers(state).items()
        }
        return {
            "schedulers": {name: _packed(one) for name, one in held.items()},
            "rng": self._generator.get_state(),
            "done": self._steps.done,
        }

    def _remade(self, name: str, value: Any) -> bool:
        return name in self._made and type(value).__module__.startswith("diffusers")

    def _restore(self, state: Any, saved: State) -> None:
        for name, value in _live(saved["state"], self._ctx.device):
            setattr(state, name, value)
        self._remember(state, saved)
        self._kept = {name: value for name, value in saved.items() if name != "inside"}

    def _remember(self, state: Any, saved: State) -> None:
        for name, one in self._schedulers(state).items():
            for attribute, value in _live(saved["schedulers"].get(name, {}), self._ctx.device):
                setattr(one, attribute, value)
        self._generator.set_state(saved["rng"])
        self._steps.done = saved["done"]


class _Chunk:
    """Stands for a block of a loop that makes all steps of a turn by itself."""

    def __init__(self, block: Any, turns: _Turns) -> None:
        self._block, self._turns = block, turns

    def __getattr__(self, name: str) -> Any:
        return getattr(self._block, name)

    def __call__(self, components: Any, state: Any, **turn: Any) -> Any:
        if "t" in turn:  # the turn is a step
            return self._block(components, state, **turn)
        whole = state.timesteps
        first = self._turns.begin(state)
        state.timesteps = whole[first:]
        self._turns.listen(state, first)
        try:
            components, state = self._block(components, state, **turn)
        finally:
            self._turns.deaf()
        state.timesteps = whole
        return components, state


def _loops(block: Any) -> Iterator[Any]:
    """The outermost loops inside a block."""
    from diffusers.modular_pipelines.modular_pipeline import LoopSequentialPipelineBlocks

    if isinstance(block, LoopSequentialPipelineBlocks):
        yield block
        return
    for each in block.sub_blocks.values():
        yield from _loops(each)


def _mark(value: Any) -> Any:
    """Differs if a value has been replaced or written into since."""
    if is_tensor(value):
        return id(value), value._version
    if isinstance(value, list | tuple):
        return [_mark(each) for each in value]
    if isinstance(value, dict):
        return {name: _mark(each) for name, each in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else id(value)


def _travels(value: Any) -> bool:
    """Whether `packed` takes a value."""
    import torch
    from PIL.Image import Image as Picture

    if isinstance(value, list | tuple | dict):
        return all(map(_travels, value.values() if isinstance(value, dict) else value))
    plain = (bool, int, float, str, torch.dtype, Picture)
    return value is None or is_tensor(value) or isinstance(value, plain)


def _packed(values: Mapping[str, Any]) -> State:
    """Values as a checkpoint holds them."""
    beside = [
        name for name, each in values.items() if all(one.device.type == "cpu" for one in _tensors(each))
    ]
    return {"values": {name: packed(name, each) for name, each in values.items()}, "beside": beside}


def _live(saved: State, device: str) -> Iterator[tuple[str, Any]]:
    """The same again; those that lay on the CPU, whatever the device, lie there."""
    for name, value in saved.get("values", {}).items():
        yield name, unpacked(value, "cpu" if name in saved["beside"] else device)


def _tensors(value: Any) -> Iterator[Any]:
    if is_tensor(value):
        yield value
    elif isinstance(value, list | tuple | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _tensors(each)
