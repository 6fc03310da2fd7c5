"""Which clips a step learns from: every clip once an epoch, batches of one shape."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from .noise import generator


def batch_at(shapes: Sequence[Hashable], size: int, at: int, seed: int) -> list[int]:
    """The places of the clips in batch number `at`, counted from 0 over all epochs.

    shapes: one for each clip; only clips of equal shape stand in one batch. size: of a batch; the last of a
    shape in an epoch is filled up from its beginning. Order is drawn anew for each epoch, from the seed
    alone.
    """
    per_epoch = sum(-(-shapes.count(shape) // size) for shape in set(shapes))
    epoch, place = divmod(at, per_epoch)
    return _epoch(shapes, size, epoch, seed)[place]


def _epoch(shapes: Sequence[Hashable], size: int, epoch: int, seed: int) -> list[list[int]]:
    import torch

    source = generator("batches", seed, epoch)
    batches: list[list[int]] = []
    for shape in dict.fromkeys(shapes):
        members = [place for place, one in enumerate(shapes) if one == shape]
        order = [members[i] for i in torch.randperm(len(members), generator=source).tolist()]
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            while len(batch) < size:
                batch += order[: size - len(batch)]
            batches.append(batch)
    return [batches[i] for i in torch.randperm(len(batches), generator=source).tolist()]
