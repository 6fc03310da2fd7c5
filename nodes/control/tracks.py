"""Who is who: estimators list people in any order, so each is followed by where it was before."""

from __future__ import annotations

from graphflow.values import Tensor


def follow(bodies: Tensor, hands: Tensor, face: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """People put into the same place in every frame; the nearest pairs of two frames are matched first.

    bodies: (frames, people, points, 3); hands and face have the same first two dimensions.
    Who vanishes keeps the place, so that it is found again there.
    """
    import torch

    count = bodies.shape[1]
    if count < 2:
        return bodies, hands, face
    result = tuple(part.clone() for part in (bodies, hands, face))
    last = bodies[0].clone()
    for number in range(1, len(bodies)):
        order = _matched(last, bodies[number])
        for part, source in zip(result, (bodies, hands, face), strict=True):
            part[number] = source[number][order]
        seen = result[0][number][..., 2].amax(-1) > 0
        last = torch.where(seen[:, None, None], result[0][number], last)
    return result[0], result[1], result[2]


def _matched(before: Tensor, now: Tensor) -> list[int]:
    """For each place the person of this frame that takes it."""
    import torch

    here, there = _middle(before), _middle(now)
    away = torch.cdist(here, there)
    seen, known = now[..., 2].amax(-1) > 0, before[..., 2].amax(-1) > 0
    away[:, ~seen] = torch.inf  # nobody: takes what is left
    away[~known] = 1e12  # a free place: taken when no known person is left
    order: dict[int, int] = {}
    for flat in away.flatten().argsort(stable=True).tolist():
        place, person = divmod(flat, len(now))
        if place not in order and person not in order.values():
            order[place] = person
    return [order[place] for place in range(len(now))]


def _middle(people: Tensor) -> Tensor:
    """The mean place of each person's visible points, (people, 2)."""
    weight = (people[..., 2:] > 0).float()
    return (people[..., :2] * weight).sum(-2) / weight.sum(-2).clamp(min=1)
