"""The defect bench: clips with one defect each, and how well metrics tell them from clean ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import node
from graphflow.values import Video

from .bench_values import Bench, Case, Cell
from .values import Scores

Strengths = Literal["all", "weakest", "strongest"]
_DRAWING = (".defects", ".scene", ".scenes", ".vision", ".bench_values")


@node("evaluation/defect_cases", depends=(".defects", ".bench_values"))
def defect_cases(
    *,
    scenes: Annotated[int, Field(ge=2, le=1000)] = 5,
    defects: Annotated[str, Field(max_length=2000)] = "",
    strengths: Strengths = "all",
    frames: Annotated[int, Field(ge=9, le=1000)] = 25,
    side: Annotated[int, Field(ge=32, le=2048)] = 96,
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0,
) -> list[Case]:
    """What clips the bench is made of: every scene without a defect, and with each defect at its strengths.

    scenes: how many; five kinds in turn (a glide, a throw, a bounce, a collision, a body with limbs).
    defects: names with commas or spaces between them; empty is all. seed: of the first scene.
    Raises NodeError for an unknown defect.
    """
    from .defects import DEFECTS

    pick = {"all": slice(None), "weakest": slice(0, 1), "strongest": slice(-1, None)}[strengths]
    wanted = [("clean", 0.0)]
    for name in _named(defects, list(DEFECTS)):
        wanted += [(name, float(strength)) for strength in DEFECTS[name].strengths[pick]]
    places = range(seed, seed + scenes)
    return [
        Case(defect=name, strength=strength, seed=place, frames=frames, side=side)
        for name, strength in wanted
        for place in places
    ]


def _named(text: str, known: list[str]) -> list[str]:
    names = [name for name in text.replace(",", " ").split() if name]
    for name in names:
        if name not in known:
            raise NodeError(
                f"there is no defect {name!r}", where="defects", hint=f"there are {', '.join(known)}"
            )
    return names or known


@node("evaluation/defect_clip", depends=_DRAWING)
def defect_clip(case: Case) -> Video:
    """Draw one clip of the bench: uint8 frames, (frames, side, side, 3), at 16 a second."""
    import torch

    from .defects import FPS
    from .defects import defect_clip as drawn

    frames = drawn(case.defect, case.strength, case.seed, case.frames, case.side)
    return Video(frames=torch.from_numpy(frames), fps=FPS)


@node("evaluation/case_label", fold=True, depends=(".bench_values",))
def case_label(case: Case) -> str:
    """What a clip of the bench shows, such as `flicker 0.05, scene 2`."""
    return case.label


@node("evaluation/defect_bench", depends=(".separation", ".bench_values", ".values"))
def defect_bench(cases: list[Case], scores: list[Scores]) -> Bench:
    """How well each metric tells clips with each defect from clean ones, over all strengths and scenes.

    Intervals are 95 %, by drawing scenes with replacement. Directions and claims are the metrics' own; one
    that judges nothing is taken in the direction in which the defect moves it.
    Raises ValueMismatch if the lists differ in length, NodeError if there are no clean clips.
    """
    from .separation import separated

    if len(cases) != len(scores):
        raise ValueMismatch(f"{len(cases)} cases and {len(scores)} scores", hint="measure every clip")
    if not any(case.defect == "clean" for case in cases):
        raise NodeError("there are no clean clips to compare with", hint="leave `clean` among the cases")
    cells: list[Cell] = []
    metrics = {one.metric: one for each in scores for one in each.measurements}
    defects = [name for name in dict.fromkeys(case.defect for case in cases) if name != "clean"]
    for name, known in metrics.items():
        values = [each.named(name) for each in scores]
        rows = [(c.defect, c.seed, v.value) for c, v in zip(cases, values, strict=True) if v is not None]
        clean = [(seed, value) for defect, seed, value in rows if defect == "clean"]
        for defect in defects:
            found = [(seed, value) for other, seed, value in rows if other == defect]
            if clean and found:
                auc, low, high = separated(clean, found, known.direction)
                claimed = defect in known.sees
                cells.append(
                    Cell(
                        metric=name,
                        defect=defect,
                        auc=auc,
                        low=low,
                        high=high,
                        claimed=claimed,
                        clips=len(found),
                    )
                )
    return Bench(cells=tuple(cells))
