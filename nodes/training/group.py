"""Several processes that train one LoRA: each does a share of a step's batches; gradients are added up."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphflow_nodes.diffusion.processes import LONGEST_WAIT, MEETING, beside
from graphflow_nodes.diffusion.recipes import Denoiser

from graphflow.errors import NodeError
from graphflow.node import Context
from graphflow.values import decode, encode

from .lesson import Example
from .values import Expert, TrainSettings

HEADER, TENSORS = "work.msgpack", "work.safetensors"


@dataclass(frozen=True)
class Work:
    """What every process of a training is given."""

    denoiser: Denoiser
    settings: TrainSettings
    seed: int
    expert: Expert
    examples: Sequence[Example]
    preference: tuple[float, float] | None = None
    """`beta` and `anchor`, if it learns from preferences."""


@dataclass(frozen=True)
class Group:
    """One of several processes that do every step together. Each does the same with the same gradients, so
    their weights stay the same."""

    rank: int
    size: int
    links: Any
    """torch's process group over gloo: gradients of a LoRA are small, and it works on every device."""

    def share(self, parts: int) -> range:
        """The batches of a step that this process does."""
        return range(self.rank, parts, self.size)

    def add_up(self, parameters: Sequence[Any], loss: float) -> float:
        """Make every gradient the sum over all processes; returns the sum of the losses.

        Raises NodeError if another process has ended.
        """
        import torch

        pieces = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        flat = torch.cat([piece.detach().float().flatten().cpu() for piece in pieces])
        whole = torch.cat([flat, torch.tensor([loss], dtype=torch.float32)])
        try:
            self.links.allreduce([whole]).wait()
        except RuntimeError as error:
            raise NodeError(
                "another process of the training has ended",
                where="processes",
                hint="it may have run out of memory; try fewer processes",
            ) from error
        place = 0
        for one in parameters:
            one.grad = whole[place : place + one.numel()].view(one.shape).to(one.device, one.dtype)
            place += one.numel()
        return float(whole[-1])


def check_share(settings: TrainSettings, processes: int) -> None:
    """Raises NodeError unless every process has a batch of its own in each step."""
    if settings.accumulate < processes:
        raise NodeError(
            f"a step has {settings.accumulate} batches, which {processes} processes cannot share",
            where="processes",
            hint=f"set accumulate to {processes} or a multiple of it",
        )


def devices_for(device: str, processes: int) -> list[str]:
    """A device for each process: GPUs from the given one on, or the CPU for all.

    Raises NodeError if there are too few GPUs.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda" or processes == 1:
        return [device] * processes
    import torch

    first, there = int(number or 0), torch.cuda.device_count()
    if there < processes:
        raise NodeError(
            f"{processes} processes need as many GPUs; there are {there}",
            where="processes",
            hint=f"choose at most {there}",
        )
    return [f"{kind}:{(first + place) % there}" for place in range(processes)]


@contextmanager
def gathered(ctx: Context, processes: int, work: Work) -> Iterator[Group | None]:
    """The group of this process and of others that it starts for the time of the training; None for one.

    They end with this process: their connection closes. Raises NodeError if one of them cannot begin.
    """
    if processes == 1:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="graphflow-") as name:
        folder = Path(name)
        devices = devices_for(ctx.device, processes)
        _write(folder, {**packed(work), "state": ctx.restore(), "devices": devices})
        with beside(folder, "graphflow_nodes.training.member", processes) as others:
            others.await_ready(_not_begun, ctx.check)
            yield joined(folder, 0, processes)


def _not_begun(told: str) -> NodeError:
    return NodeError(f"a process of the training could not begin: {told}", where="processes")


def joined(folder: Path, rank: int, size: int) -> Group:
    """The group, once all have come; they meet over a file and talk over this machine's loopback."""
    import torch.distributed as dist

    torch_dist: Any = dist
    options = torch_dist.ProcessGroupGloo._Options()
    options._timeout = LONGEST_WAIT
    options._devices = [torch_dist.ProcessGroupGloo.create_device(hostname="127.0.0.1")]
    store = torch_dist.FileStore(str(folder / MEETING), size)
    return Group(rank, size, torch_dist.ProcessGroupGloo(store, rank, size, options))


def packed(work: Work) -> dict[str, Any]:
    """As plain data and values, which travel."""
    return {**vars(work), "examples": [tuple(vars(one).values()) for one in work.examples]}


def unpacked(told: Mapping[str, Any]) -> Work:
    """The same on the other side."""
    fields = {one.name: told[one.name] for one in dataclasses.fields(Work)}
    return Work(**{**fields, "examples": [Example(*one) for one in told["examples"]]})


def _write(folder: Path, work: Mapping[str, Any]) -> None:
    from safetensors.torch import save_file

    header, tensors = encode(dict(work))
    (folder / HEADER).write_bytes(header)
    save_file(
        {name: one.detach().cpu().contiguous().clone() for name, one in tensors.items()}, folder / TENSORS
    )


def read(folder: Path) -> dict[str, Any]:
    """What `gathered` wrote for the other processes."""
    from safetensors.torch import load_file

    found: dict[str, Any] = decode((folder / HEADER).read_bytes(), load_file(folder / TENSORS))
    return found
