"""Where a model's weights are while it works. Changes time and memory, never a result."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.values import Value

Strategy = Literal["resident", "model", "block", "leaf", "sequential"]

STREAMING = ("cuda", "xpu")
"""Kinds of device that copy while they compute."""
BLOCKWISE_VAES = ("AutoencoderKLWan",)
"""Classes of video VAEs that name their blocks to diffusers, as `_group_offload_block_modules`."""
LINE = 64
"""Bytes in a cache line."""


class Offload(Value):
    """Keep the weights in main memory or on disk, and bring them to the device in pieces.

    resident: all stays on the device. model: a whole module at a time. block: `blocks` of its blocks.
    leaf: single layers. sequential: single layers too, by accelerate's hooks, which rebuild each weight.
    """

    strategy: Strategy
    blocks: Annotated[int, Field(ge=1)] = 1
    """Blocks moved at once, for `block`."""
    stream: bool = False
    """Copy the next piece while the present one computes."""
    pinned: bool = True
    """With `stream`: keep all weights in pinned memory. False pins each piece when its turn comes, which
    needs less main memory and more time."""
    disk: bool = False
    """For `block` and `leaf`: keep the weights in a temporary folder instead of main memory."""


def check_offload(offload: Offload, device: str) -> None:
    """Raises NodeError if `device` cannot do it."""
    if offload.stream and device.partition(":")[0] not in STREAMING:
        raise NodeError(
            f"offloading with a stream needs a GPU; this run computes on {device!r}",
            where="offload",
            hint="set stream to false, or run on a GPU",
        )


def check_vae(offload: Offload | None, class_name: str) -> None:
    """Raises NodeError if a VAE of that class cannot be offloaded so. None is not at all."""
    strategy = "resident" if offload is None else offload.strategy
    if strategy == "sequential":  # pipelines and our decoding ask a VAE where it is
        raise NodeError(
            "a VAE cannot be offloaded sequentially", where="offload", hint="choose model, block or leaf"
        )
    if strategy == "block" and class_name not in BLOCKWISE_VAES:
        raise NodeError(
            f"{class_name} does not name its blocks, so it cannot be offloaded by blocks",
            where="offload",
            hint="choose model or leaf",
        )


@contextmanager
def placed(modules: Mapping[str, Any], offload: Offload | None, device: str) -> Iterator[None]:
    """The modules on `device`, or brought there by their offload hooks, in the order in which they work."""
    strategy = offload.strategy if offload is not None else "resident"
    with ExitStack() as stack:
        match strategy:
            case "resident":
                for module in modules.values():
                    _move(module, device)
            case "model":
                stack.enter_context(_one_at_a_time(list(modules.values()), device))
            case "sequential":
                for module in modules.values():
                    stack.enter_context(_sequential(module, device))
            case _:
                assert offload is not None
                for module in modules.values():
                    stack.enter_context(_in_groups(module, offload, device))
        yield


def _move(module: Any, device: str) -> None:
    """To `device`, if it is not there: some quantised modules refuse even a move to where they are."""
    import torch

    home = torch.device(device)
    if any(tensor.device != home for tensor in _tensors(module)):
        module.to(device)


def _tensors(module: Any) -> Iterator[Any]:
    """Parameters and buffers, tied ones twice: to look for those takes several times as long."""
    parts = [module]
    while parts:
        part = parts.pop()
        for tensor in (*part._parameters.values(), *part._buffers.values()):
            if tensor is not None:
                yield tensor
        parts.extend(child for child in part._modules.values() if child is not None)


@contextmanager
def _one_at_a_time(modules: list[Any], device: str) -> Iterator[None]:
    """Only the module that works is on the device; the first is there at once, pipelines look at it."""

    def bring(module: Any, args: Any) -> None:
        for other in modules:
            if other is not module:
                _move(other, "cpu")
        _move(module, device)

    with ExitStack() as stack:
        for module in modules:
            stack.callback(_move, module, "cpu")
            stack.callback(module.register_forward_pre_hook(bring).remove)
        bring(modules[0], ())
        yield


@contextmanager
def _sequential(module: Any, device: str) -> Iterator[None]:
    """Every weight comes when its layer works; in between the module holds none."""
    import torch
    from accelerate import cpu_offload
    from accelerate.hooks import remove_hook_from_submodules

    _move(module, "cpu")
    cpu_offload(module, execution_device=torch.device(device), offload_buffers=True)
    try:
        yield
    finally:
        remove_hook_from_submodules(module)


@contextmanager
def _in_groups(module: Any, offload: Offload, device: str) -> Iterator[None]:
    """Group offload by diffusers' hooks, removed on the way out, with all weights back in main memory."""
    import torch
    from diffusers.hooks.group_offloading import apply_group_offloading

    _move(module, "cpu")
    with ExitStack() as stack:
        if offload.disk:
            stack.enter_context(_untied(module))
        places = {id(tensor): tensor.data_ptr() % LINE for tensor in _tensors(module)} if offload.disk else {}
        # each module its own folder: the files in it are named after layers, and two experts name them alike
        folder = stack.enter_context(_temporary_folder()) if offload.disk else None
        stack.callback(_ungroup, module)
        apply_group_offloading(
            module,
            onload_device=torch.device(device),
            offload_device=torch.device("cpu"),
            offload_type=f"{offload.strategy}_level",
            num_blocks_per_group=offload.blocks if offload.strategy == "block" else None,
            use_stream=offload.stream,
            record_stream=offload.stream,
            low_cpu_mem_usage=offload.stream and not offload.pinned,
            offload_to_disk_path=folder,
            block_modules=_containers(module),
        )
        if offload.disk:
            for group in _groups(module):
                group._onload_from_disk = partial(_read_back, group._onload_from_disk, group, places)
        yield


@contextmanager
def _untied(module: Any) -> Iterator[None]:
    """A weight that two layers share as two: written to disk for the one, it would be gone for the other."""
    import torch

    seen: set[int] = set()
    tied = []
    for part in module.modules():
        for name, weight in part.named_parameters(recurse=False):
            if id(weight) in seen:
                tied.append((part, name, weight))
            seen.add(id(weight))
    try:
        for part, name, weight in tied:
            part._parameters[name] = torch.nn.Parameter(weight.data.clone(), requires_grad=False)
        yield
    finally:
        for part, name, weight in tied:
            part._parameters[name] = weight


@contextmanager
def _temporary_folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="graphflow-offload-") as folder:
        yield str(Path(folder))


def _containers(module: Any) -> list[str] | None:
    """The children of a transformers model that hold its blocks; diffusers' models name theirs themselves.

    Without them a text encoder, whose blocks lie one level deeper, would be moved as a whole.
    """
    from diffusers import ModelMixin

    return None if isinstance(module, ModelMixin) else sorted(_above_lists(module))


def _above_lists(module: Any) -> set[str]:
    """Names of the modules on the way down to the outermost module lists."""
    import torch

    lists = (torch.nn.ModuleList, torch.nn.Sequential)
    found: set[str] = set()
    for name, child in module.named_children():
        if not isinstance(child, lists) and any(isinstance(part, lists) for part in child.modules()):
            found |= {name} | _above_lists(child)
    return found


def _read_back(read: Callable[[], None], group: Any, places: Mapping[int, int]) -> None:
    """What diffusers does to read a group's weights from disk, and then each to where it lay before, seen
    modulo a cache line: the CPU adds products in an order that depends on it, and so do the last bits."""
    read()
    for tensor in group.tensor_to_key:
        if tensor.device.type == "cpu":
            tensor.data = _placed_at(tensor.data, places[id(tensor)])


def _placed_at(tensor: Any, place: int) -> Any:
    """A copy that begins `place` bytes after the start of a cache line."""
    import torch

    size = tensor.numel() * tensor.element_size()
    buffer = torch.empty(size + 2 * LINE, dtype=torch.uint8)
    start = (place - buffer.data_ptr()) % LINE
    return buffer[start : start + size].view(tensor.dtype).view(tensor.shape).copy_(tensor)


def _ungroup(module: Any) -> None:
    import torch
    from diffusers.hooks import group_offloading as names
    from diffusers.hooks.hooks import HookRegistry

    for group in _groups(module):
        if group.offload_to_disk_path is not None:
            group.onload_device, group.stream = torch.device("cpu"), None
            group.onload_()  # reads the weights back, into main memory
        else:
            group.offload_()
    registry = HookRegistry.check_if_exists_or_initialize(module)
    for hook in (
        names._GROUP_OFFLOADING,
        names._LAYER_EXECUTION_TRACKER,
        names._LAZY_PREFETCH_GROUP_OFFLOADING,
    ):
        registry.remove_hook(hook, recurse=True)
    registry.invalidate_child_registries_cache()


def _groups(module: Any) -> Iterable[Any]:
    """Every group of a module under group offload, once."""
    from diffusers.hooks.group_offloading import _GROUP_OFFLOADING

    found = {}
    for part in module.modules():
        registry = getattr(part, "_diffusers_hook", None)
        hook = registry.get_hook(_GROUP_OFFLOADING) if registry is not None else None
        if hook is not None:
            found[id(hook.group)] = hook.group
    return found.values()
