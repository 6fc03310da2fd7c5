"""Sessions: edits that follow each other, each beginning where the one before it ended."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node

from .values import EditPair, Session

MOST_TURNS = 19
"""As many turns as VINCIE's sessions of at most 20 frames have."""


@node("dataset/sessions", depends=(".values",))
def sessions(
    pairs: list[EditPair],
    *,
    shortest: Annotated[int, Field(ge=1, le=MOST_TURNS)] = 2,
    longest: Annotated[int, Field(ge=1, le=MOST_TURNS)] = MOST_TURNS,
) -> list[Session]:
    """Join the pairs of one clip, in order, into sessions of several turns.

    Pairs join where one ends on the frame that the next begins with; a refused pair, or one without an
    instruction, ends a session. shortest, longest: turns; a session has a frame more than turns.
    Raises NodeError if shortest is over longest.
    """
    if shortest > longest:
        raise NodeError("shortest is over longest", where="shortest", hint="swap them")
    runs: list[list[EditPair]] = []
    open_run: list[EditPair] = []
    for pair in pairs:
        good = not pair.rejected and pair.instruction
        follows = open_run and open_run[-1].frame_after == pair.frame_before
        if not good or not follows or len(open_run) == longest:
            runs.append(open_run)
            open_run = []
        if good:
            open_run.append(pair)
    runs.append(open_run)
    return [_session(run) for run in runs if len(run) >= shortest]


def _session(run: list[EditPair]) -> Session:
    first = run[0]
    return Session(
        id=f"{first.id}-{len(run)}",
        source=first.source,
        split=first.split,
        scores={"turns": len(run)},
        images=[first.before, *(pair.after for pair in run)],
        frames=[first.frame_before, *(pair.frame_after for pair in run)],
        instructions=[pair.instruction for pair in run],
        edit_types=[pair.edit_type for pair in run],
        captions=[first.caption_before, *(pair.caption_after for pair in run)],
    )
