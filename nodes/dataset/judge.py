"""Judges of edit pairs: the interface for models, and one that looks with the pack's own eyes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from graphflow.errors import NodeError
from graphflow.node import Context, Origin, node
from graphflow.values import Image, Recipe

from .values import EditPair, with_scores


class Verdict(NamedTuple):
    """Marks of 0 to 100 and why."""

    followed: float
    """What was asked is done."""
    kept: float
    """Nothing else changed."""
    natural: float
    """The result looks like a picture that nobody edited."""
    reason: str = ""


Judge = Callable[[Image, Image, str], Verdict]
"""An opened judge: source, result, instruction to marks."""


class PairJudge(Recipe):
    """Something that marks edits, such as a vision-language model behind a prompt of its own.

    A pack of its own adds one: a subclass whose `open` gives a `Judge`. A judge should be compared with
    people before anything is refused on its word.
    """


class RuleJudge(PairJudge):
    """Looks at the two pictures alone, without the clip: says what it sees changed, and compares that.

    No weights. It knows plain backgrounds and things that stand out from them.
    """

    def origins(self) -> tuple[Origin, ...]:
        return ()  # no weights: results owe nothing to anybody

    def open(self, device: str) -> Judge:
        return _judged


@node("dataset/rule_judge", fold=True)
def rule_judge() -> RuleJudge:
    """A judge without weights, for pictures of things that stand out from a plain background."""
    return RuleJudge()


@node("dataset/judge_pairs", depends=(".values", ".describe", ".differ", ".objects", ".pair_scores"))
def judge_pairs(
    pairs: list[EditPair], judge: PairJudge, ctx: Context, *, prefix: str = "judge"
) -> list[EditPair]:
    """Have a judge mark each pair that no filter has refused.

    Adds the columns judge_followed, judge_kept and judge_natural, 0..100, and judge_reason. prefix: another
    first word, so that several judges can mark one list.
    Raises NodeError if the judge gives something else than it promises.
    """
    found = []
    with ctx.use(judge) as mark:
        for place, pair in enumerate(pairs):
            ctx.progress(place, len(pairs))
            if pair.rejected:
                found.append(pair)
                continue
            verdict = mark(pair.before, pair.after, pair.instruction)
            if not isinstance(verdict, Verdict) or not all(0 <= value <= 100 for value in verdict[:3]):
                raise NodeError(
                    f"{type(judge).__name__} gave {verdict!r:.200}, not three marks of 0 to 100",
                    hint="report this to the makers of the judge's pack",
                )
            scores = {f"{prefix}_{name}": value for name, value in verdict._asdict().items()}
            found.append(with_scores(pair, scores))
    return found


def _judged(before: Image, after: Image, instruction: str) -> Verdict:
    from .describe import described_alone
    from .pair_scores import pair_scores

    seen = described_alone(before, after)
    measured = pair_scores(before.pixels.numpy(), after.pixels.numpy())
    wanted, found = set(instruction.split(", then ")), set(seen.instruction.split(", then "))
    followed = 100.0 * len(wanted & found) / len(wanted) if instruction else 0.0
    more = len(found - wanted) if seen.instruction else 0
    rest = measured["unchanged_mae"]
    sharp = measured["sharp_ratio"]
    assert isinstance(rest, float) and isinstance(sharp, float)
    kept = max(0.0, 100.0 - 10 * rest - 50.0 * more)
    natural = 100.0 * min(1.0, sharp, 1 / max(1e-6, sharp))
    return Verdict(followed, kept, natural, f"seen: {seen.instruction or seen.edit_type}")
