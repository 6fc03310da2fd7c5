"""Whether a clip of the toy world shows what its caption says, read from pixels. Nothing learnt."""

from __future__ import annotations

import re
from typing import Annotated

from graphflow_nodes.evaluation.values import Measurement, Missing, Scores
from pydantic import Field

from graphflow.node import node
from graphflow.values import Video

METRIC = "text_fit"


@node(
    "toyworld/caption_fit",
    depends=(".captions", ".render", ".score", ".world", "graphflow_nodes.evaluation.values"),
)
def caption_fit(
    video: Video, *, caption: Annotated[str, Field(max_length=2000)], motion: bool = False
) -> Scores:
    """How much of a caption a clip shows: the share of the words for shape, colour, background and size that
    are seen in it.

    motion: whether its direction counts too; without it, clips of one caption that move differently are
        equal. A caption in other words than the toy world's asks for nothing, and text_fit is missing.
    """
    from .score import read

    asked = asked_for(caption, motion)
    if not asked:
        reason = "the caption says nothing of the toy world"
        return Scores(missing=(Missing(metric=METRIC, reason=reason),))
    seen = read(video.frames)
    met = [getattr(seen, name) == word for name, word in asked.items()]
    found = Measurement(
        metric=METRIC,
        value=sum(met) / len(met),
        direction="higher",
        unit="share of words",
        claims="a clip that does not show what its caption says",
    )
    return Scores(measurements=(found,))


def asked_for(caption: str, motion: bool) -> dict[str, str]:
    """The attributes that a caption names, each with the toy world's own word.

    >>> asked_for("A big yellow ball goes left on brown", motion=True)
    {'shape': 'circle', 'color': 'yellow', 'background': 'brown', 'size': 'large', 'motion': 'left'}
    """
    from .captions import MOTION_PHRASES, SYNONYMS
    from .world import BACKGROUNDS, COLORS, SHAPES, SIZES

    text = f" {' '.join(re.findall(r'[a-z]+', caption.lower()))} "
    tables = {"shape": SHAPES, "color": tuple(COLORS), "background": tuple(BACKGROUNDS), "size": tuple(SIZES)}
    phrases = {
        name: {word: (word, *SYNONYMS.get(word, ())) for word in words} for name, words in tables.items()
    }
    if motion:
        phrases["motion"] = dict(MOTION_PHRASES)
    found = {}
    for name, table in phrases.items():
        named = [word for word, ways in table.items() if any(f" {way} " in text for way in ways)]
        if len(named) == 1:
            found[name] = named[0]
    return found
