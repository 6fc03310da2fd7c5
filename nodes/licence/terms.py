"""Licences by id: what may be done with what their models make. The facts are in `licences.json`.

They are a reader's notes with the place and date of reading, not legal advice; clause numbers in brackets.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Use = Literal["publish", "commercial", "train_same_model", "train_other_models", "train_image_editor"]
"""What is meant to be done with a result: show it, earn with it, train the model that made it (such as a LoRA
for it), train other models, or one that edits images."""

Verdict = Literal["yes", "conditions", "no", "unknown"]

FILE = Path(__file__).with_name("licences.json")

_PART_OF: Mapping[Use, Use] = {"train_image_editor": "train_other_models"}
"""A use that no licence names falls under another."""


class Answer(BaseModel):
    """Whether a licence allows a use, and what to heed."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    why: str = ""


class Terms(BaseModel):
    """One licence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    territory: str
    """Where it holds; empty if that is not known."""
    source: str
    read: str
    """Date on which the source was read."""
    uses: Annotated[dict[Use, tuple[Verdict, str]], Field(default_factory=dict)]

    def answer(self, use: Use) -> Answer:
        """What the licence says of a use; `unknown` if nobody has read that."""
        if use not in self.uses and use in _PART_OF:
            return self.answer(_PART_OF[use])
        verdict, why = self.uses.get(
            use, ("unknown", f"what it says of this was not read; see {self.source}")
        )
        return Answer(verdict=verdict, why=why)


@functools.cache
def licences() -> Mapping[str, Terms]:
    """Every licence there are notes of, by id."""
    return TypeAdapter(dict[str, Terms]).validate_json(FILE.read_bytes())


def answer(licence: str, use: Use) -> Answer:
    """What a licence says of a use."""
    if not licence:
        return Answer(verdict="unknown", why="its licence is not known")
    terms = licences().get(licence)
    return terms.answer(use) if terms else Answer(verdict="unknown", why="there are no notes of this licence")
