"""One model on several devices at once: each has a part of a clip's tokens.

The pipeline runs in this process alone. Every other device has a process with a copy of the model
(`follower.py`), which is told the inputs of each call and works on its part of them; diffusers' context
parallelism cuts the tokens, exchanges what attention needs and puts the results together here.
"""

from __future__ import annotations

import importlib
import os
import socket
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError, ResourceError
from graphflow.values import Value, encode

from ..processes import LONGEST_WAIT, MEETING, beside

Degree = Annotated[int, Field(ge=1, le=1024)]

RECIPE = "recipe.msgpack"
DEPRECATED = "`torch.distributed._functional_collectives"
"""Begins what torch tells of functions that diffusers uses."""


class Parallel(Value):
    """Into how many parts the work on one clip is cut; the product of the degrees is the number of devices.

    ring and ulysses cut the tokens of a clip; ulysses exchanges attention heads. tensor cuts the weights.
    """

    ring: Degree = 1
    ulysses: Degree = 1
    tensor: Degree = 1

    @property
    def devices(self) -> int:
        """How many devices it takes."""
        return self.ring * self.ulysses * self.tensor


def lent(device: str) -> int:
    """How many devices a step may have: of a CPU each core is one."""
    return os.cpu_count() or 1 if device == "cpu" else 1


def check_parallel(parallel: Parallel, device: str) -> None:
    """Raises NodeError unless a step has as many devices as the degrees ask for, and they can work so."""
    if parallel.devices > lent(device):
        raise NodeError(
            f"the parallel recipe asks for {parallel.devices} devices; this runner gives a step "
            f"{lent(device)}: {device!r}",
            where="parallel",
            hint="set all degrees to 1, or use a runner that has several devices for one step",
        )
    if parallel.ring > 1 or parallel.tensor > 1:
        reason = "ring attention wants more of attention than torch tells on a CPU"
        if parallel.tensor > 1:
            reason = "diffusers knows no way to cut the weights of a video model"
        raise NodeError(reason, where="parallel", hint="set ulysses alone")


def check_plan(parallel: Parallel, model: Any) -> None:
    """Raises NodeError if diffusers does not know how to cut the tokens of a model, or fails to."""
    name, heads = type(model).__name__, int(model.config.get("num_attention_heads", 0))
    reason = ""
    if getattr(model, "_cp_plan", None) is None:
        reason = f"diffusers does not know how to cut the tokens of {name}"
    elif name.startswith("LTX"):
        reason = f"the mask of {name} is for all heads of attention, where a part has some"
    elif heads % parallel.ulysses:
        reason = f"the {heads} heads of this model's attention cannot be shared by {parallel.ulysses} devices"
    if reason:
        raise NodeError(reason, where="parallel", hint="set all degrees to 1, or one that divides the heads")


def check_tokens(parallel: Parallel, tokens: int) -> None:
    """Raises NodeError if the tokens of a clip cannot be cut into equal parts."""
    if tokens % parallel.devices:
        raise NodeError(
            f"the {tokens} tokens of this clip cannot be shared by {parallel.devices} devices",
            where="latents",
            hint="choose another size or length, such as twice as wide",
        )


@contextmanager
def shared_out(modules: Mapping[str, Any], parallel: Parallel, recipe: Value) -> Iterator[None]:
    """The modules with a part of their work done by followers, which live as long.

    recipe: how a follower opens them. Raises ResourceError if a follower cannot begin or ends too early.
    """
    import torch
    import torch.distributed as dist

    if dist.is_initialized():
        raise NodeError("this process works on several devices already", where="parallel", hint="wait for it")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="graphflow-")))
        (folder / RECIPE).write_bytes(encode(recipe).header)
        size, threads = parallel.devices, torch.get_num_threads()
        followers = stack.enter_context(beside(folder, f"{__package__}.follower", size, size, threads))
        followers.await_ready(_not_begun)
        stack.enter_context(joined(folder, 0, parallel.devices))
        for name, module in modules.items():
            stack.enter_context(cut(module, parallel))
            told = _Told(name)
            stack.callback(module.register_forward_pre_hook(told, with_kwargs=True).remove)
        try:
            yield
            tell(b"", {})
        except RuntimeError as error:
            if not followers.alive():
                raise ResourceError(
                    "a process of the parallel denoiser has ended",
                    hint="it may have run out of memory; set a smaller degree",
                ) from error
            raise


def _not_begun(told: str) -> ResourceError:
    return ResourceError(f"a process of the parallel denoiser could not begin: {told}")


@contextmanager
def joined(folder: Path, rank: int, size: int) -> Iterator[None]:
    """In the group of all processes, once all have come; they meet over a file and talk over loopback."""
    import torch.distributed

    dist: Any = torch.distributed
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    before = os.environ.get("GLOO_SOCKET_IFNAME")
    os.environ["GLOO_SOCKET_IFNAME"] = loopback
    try:
        store = dist.FileStore(str(folder / MEETING), size)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=LONGEST_WAIT)
        yield
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
        if before is None:
            os.environ.pop("GLOO_SOCKET_IFNAME", None)
        else:
            os.environ["GLOO_SOCKET_IFNAME"] = before


@contextmanager
def cut(module: Any, parallel: Parallel) -> Iterator[None]:
    """A module that works on this process's part of the tokens.

    `enable_parallelism` asks for the number of accelerators and divides by it, which on a CPU is 0; so the
    mesh that it would make is made here.
    """
    import torch
    import torch.distributed as dist
    from diffusers.hooks.context_parallel import remove_context_parallel
    from diffusers.models._modeling_parallel import ParallelConfig
    from torch.distributed.device_mesh import init_device_mesh

    config_class: Any = importlib.import_module("diffusers").ContextParallelConfig

    def resolved(config: Any) -> Any:
        mesh = init_device_mesh("cpu", config.mesh_shape, mesh_dim_names=config.mesh_dim_names)
        whole = ParallelConfig(context_parallel_config=config)
        whole.setup(dist.get_rank(), dist.get_world_size(), torch.device("cpu"), mesh=mesh)
        module._parallel_config = whole
        return whole

    module._resolve_parallel_config = resolved
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", DEPRECATED, FutureWarning)
            config = config_class(ulysses_degree=parallel.ulysses)
            module.enable_parallelism(config=config)
            yield
    finally:
        del module._resolve_parallel_config
        module._parallel_config = None
        for each in module.modules():
            if hasattr(getattr(each, "processor", None), "_parallel_config"):
                each.processor._parallel_config = None
        remove_context_parallel(module, module._cp_plan)


class _Told:
    """A hook on a module that tells all followers what it is called with."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, module: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        found = encode({"part": self._name, "args": list(args), "named": dict(named)})
        tell(found.header, found.tensors)


def tell(header: bytes, tensors: Mapping[str, Any]) -> None:
    """Send something to all followers; an empty header is the end."""
    import torch
    import torch.distributed as dist
    from safetensors.torch import save

    apart = {name: one.detach().cpu().contiguous().clone() for name, one in tensors.items()}
    body = save(apart) if apart else b""
    dist.broadcast(torch.tensor([len(header), len(body)]), 0)
    if header:
        dist.broadcast(torch.frombuffer(bytearray(header + body), dtype=torch.uint8), 0)


def hear() -> tuple[bytes, dict[str, Any]]:
    """What the first process tells."""
    import torch
    import torch.distributed as dist
    from safetensors.torch import load

    sizes = torch.zeros(2, dtype=torch.int64)
    dist.broadcast(sizes, 0)
    split, rest = sizes.tolist()
    if not split:
        return b"", {}
    content = torch.empty(split + rest, dtype=torch.uint8)
    dist.broadcast(content, 0)
    raw = content.numpy().tobytes()
    return raw[:split], load(raw[split:]) if rest else {}
