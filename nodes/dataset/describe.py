"""Instructions for edit pairs: from what can be seen without weights, or from any model that is wired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from graphflow.errors import NodeError
from graphflow.node import Context, Origin, node
from graphflow.values import Image, Recipe, Video

from .pairs import array_of
from .values import EditPair

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .differ import Change
    from .objects import Ground, Thing

MOST_CHANGES = 2
"""More things that change at once are not one edit."""


class Described(NamedTuple):
    """A pair in words; what is not known is empty."""

    instruction: str
    inverse: str = ""
    edit_type: str = ""
    caption_before: str = ""
    caption_after: str = ""


Describe = Callable[[Image, Image], Described]
"""An opened captioner: source and result to words."""


class PairCaptioner(Recipe):
    """Something that says how one picture is made into another, such as a vision-language model.

    A pack of its own adds one: a subclass whose `open` gives a `Describe`. It should describe each frame,
    list the differences, and sum them up as one instruction (as L. Qu et al., VINCIE, 2025, found best).
    """


@node("dataset/describe_pairs", depends=(".pairs", ".values", ".differ", ".objects", ".frames"))
def describe_pairs(video: Video, pairs: list[EditPair]) -> list[EditPair]:
    """Say what changed in each pair, the way back and both frames, from the objects that stand out.

    video: the clip that the pairs are from, which shows what is background. Colours are the eleven that
    English has a word for; shapes are circle, square, triangle and object. Edit types: move, remove, add,
    recolor, resize, reshape, slice, background; none if nothing changed; unclear, with no instruction, if
    more than two things did or objects cannot be told from their background.
    """
    from .objects import ground_of

    if not pairs:
        return []
    frames = array_of(video)
    ground = ground_of(frames)
    return [_filled(pair, _described(frames, pair.frame_before, pair.frame_after, ground)) for pair in pairs]


@node("dataset/caption_pairs", depends=(".values",))
def caption_pairs(pairs: list[EditPair], captioner: PairCaptioner, ctx: Context) -> list[EditPair]:
    """Instructions by any captioner that is wired, for pairs that no filter has refused.

    Raises NodeError if the captioner gives something else than it promises.
    """
    found = []
    with ctx.use(captioner) as describe:
        for place, pair in enumerate(pairs):
            ctx.progress(place, len(pairs))
            if pair.rejected:
                found.append(pair)
                continue
            told = describe(pair.before, pair.after)
            if not isinstance(told, Described) or not all(isinstance(text, str) for text in told):
                raise NodeError(
                    f"{type(captioner).__name__} gave a {type(told).__name__}, not Described",
                    hint="report this to the makers of the captioner's pack",
                )
            found.append(_filled(pair, told))
    return found


class DifferenceCaptioner(PairCaptioner):
    """What `dataset/describe_pairs` does, for the two pictures alone: backgrounds must be plain."""

    def origins(self) -> tuple[Origin, ...]:
        return ()  # no weights: results owe nothing to anybody

    def open(self, device: str) -> Describe:
        return described_alone


@node("dataset/difference_captioner", fold=True)
def difference_captioner() -> DifferenceCaptioner:
    """A captioner without weights, for pictures of things that stand out from a plain background."""
    return DifferenceCaptioner()


def described_alone(before: Image, after: Image) -> Described:
    """What changed between two pictures, if both have a plain background."""
    from .differ import difference
    from .objects import ground_of, things_of

    one, two = before.pixels.numpy(), after.pixels.numpy()
    grounds = ground_of(one[None]), ground_of(two[None])
    if not (grounds[0].plain and grounds[1].plain):
        return Described("", edit_type="unclear")
    things = things_of(one, grounds[0]), things_of(two, grounds[1])
    return _told(difference(*things, grounds), things, grounds)


def _described(frames: NDArray[Any], first: int, last: int, ground: Ground) -> Described:
    from .differ import difference
    from .objects import ground_of, things_of

    grounds = ground_of(frames[first][None]), ground_of(frames[last][None])
    plain = grounds[0].plain and grounds[1].plain
    if not plain or (ground.plain and grounds[0].colour == grounds[1].colour):
        grounds = ground, ground  # the whole clip knows better than one frame
    things = things_of(frames[first], grounds[0]), things_of(frames[last], grounds[1])
    return _told(difference(*things, grounds), things, grounds)


def _told(
    changes: Sequence[Change], things: Sequence[Sequence[Thing]], grounds: Sequence[Ground]
) -> Described:
    from .differ import caption, instruction, inverse, kind

    captions = [caption(seen, ground) for seen, ground in zip(things, grounds, strict=True)]
    if len(changes) > MOST_CHANGES or max(map(len, things)) > 6:
        return Described("", "", "unclear", *captions)
    return Described(instruction(changes), inverse(changes), kind(changes), *captions)


def _filled(pair: EditPair, told: Described) -> EditPair:
    return pair.model_copy(update=told._asdict())
