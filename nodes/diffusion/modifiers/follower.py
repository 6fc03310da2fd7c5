"""A process that does its part of every call of a denoiser that works on several devices.

`python -m graphflow_nodes.diffusion.modifiers.follower FOLDER RANK SIZE THREADS` opens the denoiser of the
recipe in the folder, and does what the first process tells until that ends.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

from graphflow.values import decode

from ..processes import say_ready
from ..recipes import Denoiser
from .parallel import RECIPE, Parallel, cut, hear, joined


def follow(folder: Path, rank: int, size: int, threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    recipe: Denoiser = decode((folder / RECIPE).read_bytes(), {})
    live = recipe.base().open("cpu")
    with ExitStack() as stack:
        experts = stack.enter_context(recipe.applied(live, "cpu"))
        say_ready(folder, rank)
        stack.enter_context(joined(folder, rank, size))
        modules = experts.named()
        for module in modules.values():
            stack.enter_context(cut(module, Parallel(ulysses=size)))
        stack.enter_context(torch.no_grad())
        while (told := hear())[0]:
            call = decode(*told)
            modules[call["part"]](*call["args"], **call["named"])


if __name__ == "__main__":
    follow(Path(sys.argv[1]), *map(int, sys.argv[2:]))
