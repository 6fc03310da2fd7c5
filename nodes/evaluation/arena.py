"""The arena: clips of two systems side by side, names hidden, votes counted; who is stronger, how sure, and
whether the raters agree."""

from __future__ import annotations

import json
import random
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import node
from graphflow.values import Seed, Value, Video

MAX_VOTES = 1_000_000


class Pair(Value):
    """Two clips to be judged: of which item, and what made the left and the right one."""

    item: str
    left: str
    right: str


class Vote(Value):
    """What one rater said of one pair: `left`, `right` or `same`."""

    pair: Pair
    choice: str
    rater: str = ""


class Standing(Value):
    """A system's place. strength: natural logarithm of its odds against the mean system, with interval."""

    system: str
    strength: float
    low: float
    high: float
    wins: float
    games: int


class Ranking(Value):
    """The strongest first. agreement: Krippendorff's alpha of the raters; None if no pair has two."""

    standings: tuple[Standing, ...]
    agreement: float | None
    votes: int
    items: int = 0
    """How many different items were voted on: intervals are drawn from them."""


class BlindPairs(NamedTuple):
    """Pairs in the order in which they are to be shown, and their clips."""

    pairs: list[Pair]
    left: list[Video]
    right: list[Video]


@node("evaluation/blind_pairs")
def blind_pairs(videos: list[Video], items: list[str], systems: list[str], *, seed: Seed = 0) -> BlindPairs:
    """All pairs of two systems for each item, in random order, each side drawn by lot.

    Raises ValueMismatch if the lists differ in length; NodeError if a system has two clips of one item (one
    sample a prompt: nobody may pick the best) or no item has clips of two systems.
    """
    if not len(videos) == len(items) == len(systems):
        raise ValueMismatch(
            f"{len(videos)} videos, {len(items)} items and {len(systems)} systems",
            hint="give one for each clip",
        )
    clips: dict[tuple[str, str], Video] = {}
    for video, item, system in zip(videos, items, systems, strict=True):
        if (item, system) in clips:
            raise NodeError(f"{system!r} has two clips of {item!r}", hint="show one sample of each")
        clips[item, system] = video
    rng = random.Random(seed)
    found: list[Pair] = []
    for item in dict.fromkeys(items):
        there = [system for system in dict.fromkeys(systems) if (item, system) in clips]
        for number, first in enumerate(there):
            for second in there[number + 1 :]:
                left, right = (first, second) if rng.random() < 0.5 else (second, first)
                found.append(Pair(item=item, left=left, right=right))
    if not found:
        raise NodeError("no item has clips of two systems", hint="give the same items to both")
    rng.shuffle(found)
    return BlindPairs(
        found, [clips[one.item, one.left] for one in found], [clips[one.item, one.right] for one in found]
    )


@node("evaluation/read_votes", fold=True)
def read_votes(*, votes: Annotated[str, Field(max_length=50_000_000)] = "[]") -> list[Vote]:
    """Votes as the arena's page gives them: JSON, a list of objects with item, left, right, choice and rater.

    Raises NodeError, naming the entry, for anything else.
    """
    try:
        entries = json.loads(votes)
    except ValueError as error:
        raise NodeError(f"the votes are no JSON: {error}", hint="paste what the arena's page gives") from None
    if not isinstance(entries, list) or len(entries) > MAX_VOTES:
        raise NodeError(f"votes are a list of at most {MAX_VOTES} objects", hint="paste what the page gives")
    return [_vote(entry, place) for place, entry in enumerate(entries)]


def _vote(entry: Any, place: int) -> Vote:
    names = ("item", "left", "right", "choice")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in names):
        raise NodeError(f"vote {place} has not the texts {', '.join(names)}")
    if entry["choice"] not in ("left", "right", "same"):
        raise NodeError(f"vote {place} chooses {entry['choice'][:40]!r}", hint="left, right or same")
    if entry["left"] == entry["right"]:
        raise NodeError(f"vote {place} sets {entry['left'][:40]!r} against itself", hint="two systems a vote")
    pair = Pair(item=entry["item"], left=entry["left"], right=entry["right"])
    return Vote(pair=pair, choice=entry["choice"], rater=str(entry.get("rater", "")))


@node("evaluation/rank", depends=(".statistics", ".vision"))
def rank(votes: list[Vote], *, seed: Seed = 0) -> Ranking:
    """Bradley-Terry strengths of the systems, the strongest first.

    Intervals are 95 %, by drawing items with replacement, since votes on one item hang together. A tie is
    half a win for both. Without votes the ranking is empty.
    """
    import numpy as np

    from .statistics import strengths

    if not votes:
        return Ranking(standings=(), agreement=None, votes=0)
    names = sorted({name for vote in votes for name in (vote.pair.left, vote.pair.right)})
    items = sorted({vote.pair.item for vote in votes})
    wins = np.zeros((len(items), len(names), len(names)))
    for vote in votes:
        left, right = names.index(vote.pair.left), names.index(vote.pair.right)
        share = {"left": 1.0, "right": 0.0, "same": 0.5}[vote.choice]
        wins[items.index(vote.pair.item), left, right] += share
        wins[items.index(vote.pair.item), right, left] += 1 - share
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(items), np.full(len(items), 1 / len(items)), 200)
    rounds = np.stack([strengths(np.einsum("i,ijk->jk", counts, wins)) for counts in drawn])
    low, high = np.quantile(rounds, [0.025, 0.975], axis=0)
    total = wins.sum(0)
    value = strengths(total)
    games = (total + total.T).sum(1).round().astype(int)
    standings = [
        Standing(
            system=name,
            strength=float(value[n]),
            low=float(low[n]),
            high=float(high[n]),
            wins=float(total[n].sum()),
            games=int(games[n]),
        )
        for n, name in enumerate(names)
    ]
    ordered = sorted(standings, key=lambda one: (-one.strength, one.system))
    return Ranking(standings=tuple(ordered), agreement=_agreement(votes), votes=len(votes), items=len(items))


def _agreement(votes: list[Vote]) -> float | None:
    import numpy as np

    from .statistics import krippendorff_alpha

    pairs: dict[tuple[str, frozenset[str]], int] = {}
    raters = sorted({vote.rater for vote in votes})
    for vote in votes:
        pairs.setdefault((vote.pair.item, frozenset((vote.pair.left, vote.pair.right))), len(pairs))
    table = np.full((len(raters), len(pairs)), -1)
    for vote in votes:
        first, _ = sorted((vote.pair.left, vote.pair.right))
        named = {"left": vote.pair.left, "right": vote.pair.right}.get(vote.choice)
        place = pairs[vote.pair.item, frozenset((vote.pair.left, vote.pair.right))]
        table[raters.index(vote.rater), place] = 2 if named is None else int(named == first)
    if not ((table >= 0).sum(0) > 1).any():
        return None
    return krippendorff_alpha(table)
