"""What changed between two frames, in words: an instruction, the way back, and what kind of edit it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from .objects import Ground, Thing

MOVED = 0.05
"""Share of the frame's side that an object must move to have moved."""
GROWN = 1.35
"""How many times larger an object must be to have grown."""
OTHER_COLOUR = 60.0
"""Distance in RGB between two colours that one object has at one time and another."""
DIAGONAL = 0.5
"""A move is diagonal if the shorter of its two parts is at least so much of the longer."""

KINDS = ("move", "remove", "add", "recolor", "resize", "reshape", "slice", "background", "none", "unclear")

PLACES: Sequence[Sequence[str]] = (
    ("at the top left", "at the top", "at the top right"),
    ("on the left", "in the middle", "on the right"),
    ("at the bottom left", "at the bottom", "at the bottom right"),
)


@dataclass(frozen=True)
class Change:
    """One thing that changed."""

    kind: str
    name: str = ""
    """The object before, or after if there was none."""
    to: str = ""
    """Where it goes, what it becomes."""
    back: str = ""
    """The same for the way back."""
    renamed: str = ""
    """The object as it is called after."""


def difference(
    before: Sequence[Thing], after: Sequence[Thing], grounds: tuple[Ground, Ground] | None = None
) -> list[Change]:
    """What changed from one frame's objects to another's, the most visible first.

    grounds: the backgrounds of both frames, if each was looked at by itself.
    """
    changes = []
    if grounds is not None and grounds[0].plain and grounds[1].plain:
        one, two = (ground.colour for ground in grounds)
        if one != two:
            changes.append(Change("background", "background", two, one, "background"))
    pairs, gone, new = _matched(before, after)
    if len(pairs) + len(gone) == 1 and len(new) >= 1 and _same_stuff([*before], [*after]):
        pieces = len(after)
        name = before[0].name
        return [*changes, Change("slice", name, f"{pieces} pieces", "", name)]
    for thing, other in pairs:
        changes += _of_one(thing, other)
    changes += [Change("remove", thing.name, "", _place(thing), thing.name) for thing in gone]
    changes += [Change("add", thing.name, _place(thing), "", thing.name) for thing in new]
    return changes


def _of_one(one: Thing, two: Thing) -> list[Change]:
    """What changed of one object; a move is told only if it is the same object otherwise."""
    changes = []
    if colour_distance(one, two) > OTHER_COLOUR and one.colour != two.colour:
        changes.append(Change("recolor", one.name, two.colour, one.colour, two.name))
    if one.shape != two.shape and "object" not in (one.shape, two.shape):
        changes.append(Change("reshape", one.name, f"a {two.shape}", f"a {one.shape}", two.name))
    elif one.whole and two.whole and not 1 / GROWN < two.area / one.area < GROWN:
        grown = two.area > one.area
        changes.append(
            Change(
                "resize",
                one.name,
                "larger" if grown else "smaller",
                "smaller" if grown else "larger",
                two.name,
            )
        )
    if direction := _direction(two.x - one.x, two.y - one.y):
        changes.append(Change("move", one.name, direction, _opposite(direction), two.name))
    return changes


def _matched(
    before: Sequence[Thing], after: Sequence[Thing]
) -> tuple[list[tuple[Thing, Thing]], list[Thing], list[Thing]]:
    """Objects of both frames that are the same, those that went, those that came: the likest pair first."""
    costs = sorted(
        ((_cost(one, two), i, j) for i, one in enumerate(before) for j, two in enumerate(after)),
        key=lambda entry: entry[0],
    )
    left, right = dict(enumerate(before)), dict(enumerate(after))
    pairs = []
    alone = len(before) == len(after) == 1
    for cost, i, j in costs:
        if i in left and j in right and (cost < 1.6 or alone):
            pairs.append((left.pop(i), right.pop(j)))
    return pairs, list(left.values()), list(right.values())


def _cost(one: Thing, two: Thing) -> float:
    """How unlike two objects are: colour counts most, then shape and size, then the way between them."""
    colour = colour_distance(one, two) / 120
    shape = 0.4 if one.shape != two.shape else 0.0
    size = abs(math.log(two.area / one.area)) / 2
    return colour + shape + size + math.hypot(two.x - one.x, two.y - one.y) / 2


def colour_distance(one: Thing, two: Thing) -> float:
    """Between two objects' colours, in RGB of 0..255."""
    return math.dist(one.rgb, two.rgb)


def _same_stuff(before: Sequence[Thing], after: Sequence[Thing]) -> bool:
    """Whether several objects are one cut into pieces: together as large, and each of its colour or its
    filling."""
    if len(before) != 1 or len(after) < 2:
        return False
    area = sum(thing.area for thing in after)
    near = [t for t in after if abs(t.y - before[0].y) < 0.25]
    like = [t for t in near if colour_distance(t, before[0]) < OTHER_COLOUR]
    return len(near) == len(after) and len(like) * 2 >= len(after) and 0.6 < area / before[0].area < 1.6


def _direction(right: float, down: float) -> str:
    across, along = abs(right), abs(down)
    if max(across, along) < MOVED:
        return ""
    sideways = "to the right" if right > 0 else "to the left"
    upwards = "down" if down > 0 else "up"
    if min(across, along) > DIAGONAL * max(across, along) and min(across, along) >= MOVED:
        return f"{upwards} and {sideways}"
    return sideways if across > along else upwards


_OPPOSITES: Mapping[str, str] = MappingProxyType(
    {"to the right": "to the left", "to the left": "to the right", "up": "down", "down": "up"}
)


def _opposite(direction: str) -> str:
    return " and ".join(_OPPOSITES[part] for part in direction.split(" and "))


def _place(thing: Thing) -> str:
    column, row = (min(2, max(0, int(share * 3))) for share in (thing.x, thing.y))
    return PLACES[row][column]


# ------------------------------------------------------------------------------------------- words


def instruction(changes: Sequence[Change]) -> str:
    """What to do to get from before to after."""
    return _sentence([_told(change) for change in changes])


def inverse(changes: Sequence[Change]) -> str:
    """What to do to get from after to before."""
    return _sentence([_told(turned(change)) for change in reversed(changes)])


def kind(changes: Sequence[Change]) -> str:
    """The kind of edit: of several changes the first."""
    return changes[0].kind if changes else "none"


def turned(change: Change) -> Change:
    """The change that undoes one."""
    other = {"remove": "add", "add": "remove", "slice": "join"}.get(change.kind, change.kind)
    return Change(other, change.renamed, change.back, change.to, change.name)


def _told(change: Change) -> str:
    thing = f"the {change.name}"
    match change.kind:
        case "move":
            return f"move {thing} {change.to}"
        case "remove":
            return f"remove {thing}"
        case "add":
            return f"add {article(change.name)} {change.to}"
        case "recolor" | "resize":
            return f"make {thing} {change.to}"
        case "reshape":
            return f"turn {thing} into {change.to}"
        case "slice":
            return f"cut {thing} into {change.to}"
        case "join":
            return f"put the pieces of {thing} together"
        case _:
            return f"make the background {change.to}"


def _sentence(parts: Sequence[str]) -> str:
    return ", then ".join(parts)


def article(name: str) -> str:
    """The name with `a` or `an` before it."""
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def caption(things: Sequence[Thing], ground: Ground) -> str:
    """One frame in words.

    >>> import numpy
    >>> caption([], Ground(numpy.zeros((4, 4, 3), numpy.float32), True))
    'an empty black background'
    """
    behind = f"{ground.colour} background" if ground.plain else "background"
    if not things:
        return f"an empty {behind}"
    named = [f"{article(thing.name)} {_place(thing)}" for thing in things[:4]]
    return f"{' and '.join(named)} on a {behind}"


def told_as_event(change: Change) -> str:
    """A change as something that happens: "the red circle moves to the right"."""
    thing = f"the {change.name}"
    match change.kind:
        case "move":
            return f"{thing} moves {change.to}"
        case "remove":
            return f"{thing} disappears"
        case "add":
            return f"{article(change.name)} appears {change.to}"
        case "recolor" | "resize":
            return f"{thing} becomes {change.to}"
        case "reshape":
            return f"{thing} turns into {change.to}"
        case "slice":
            return f"{thing} comes apart into {change.to}"
        case _:
            return f"the background becomes {change.to}"
