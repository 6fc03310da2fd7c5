"""What the defect bench passes on: cases to render, and how well metrics tell them from clean clips."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graphflow.values import Value


class Case(Value):
    """One clip of the bench: which defect (or `clean`), how strong, in which scene."""

    defect: str
    strength: float
    seed: Annotated[int, Field(ge=0)]
    frames: Annotated[int, Field(ge=9, le=1000)]
    side: Annotated[int, Field(ge=32, le=2048)]

    @property
    def label(self) -> str:
        """Such as `flicker 0.05, scene 2`."""
        return f"{self.defect} {self.strength:g}, scene {self.seed}"


class Cell(Value):
    """How one metric sees one defect. auc: chance that a clip with the defect gets a worse value than a clean
    one, 0.5 is blindness; low, high: its 95 % interval over scenes; claimed: the metric says it sees this."""

    metric: str
    defect: str
    auc: float
    low: float
    high: float
    claimed: bool
    clips: int


class Bench(Value):
    """All metrics against all defects."""

    cells: tuple[Cell, ...]

    def metrics(self) -> list[str]:
        """In the order in which they first appear."""
        return list(dict.fromkeys(cell.metric for cell in self.cells))

    def defects(self) -> list[str]:
        """In the order in which they first appear."""
        return list(dict.fromkeys(cell.defect for cell in self.cells))
