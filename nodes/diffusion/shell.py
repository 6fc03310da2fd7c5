"""Pipeline shells: the standard diffusers pipeline, built around only the components that a phase needs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from .families import Family


def shell(family: Family, members: Mapping[str, Any], *, task: str = "text_to_video", **config: Any) -> Any:
    """The family's pipeline for `task` around `members`; every other component is absent.

    Building one costs nothing and copies nothing: components are shared, not moved.
    config: pipeline settings that are no components, such as `boundary_ratio`; only those the class knows.
    """
    import diffusers

    cls = getattr(diffusers, family.tasks[task].pipeline)
    wanted = parameters(cls.__init__)
    absent = {name: None for name, p in wanted.items() if name != "self" and p.default is p.empty}
    known = {name: value for name, value in config.items() if name in wanted}
    pipe = cls(**{**absent, **family.absent, **members, **known})
    pipe.set_progress_bar_config(disable=True)
    return pipe


@functools.cache
def parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    """What a function of a library takes, by name."""
    return inspect.signature(function).parameters


@contextmanager
def cancel_points(modules: list[Any], check: Callable[[], None]) -> Iterator[None]:
    """Call `check` before every block inside `modules`, so that a cancel need not wait for a whole step."""

    def before(module: Any, args: Any) -> None:
        check()

    with ExitStack() as stack:
        for module in modules:
            for block in _blocks(module):
                stack.callback(block.register_forward_pre_hook(before).remove)
        yield


def _blocks(module: Any) -> Iterator[Any]:
    """The members of the outermost module lists: a transformer's blocks, a VAE's stages."""
    import torch

    for child in module.children():
        if isinstance(child, torch.nn.ModuleList):
            yield from (block for block in child if block is not None)  # some lists have gaps
        else:
            yield from _blocks(child)
