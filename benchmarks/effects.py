"""Whether a trigger calls its effect and nothing else does: two templates, from nothing to the ratio.

    python -m benchmarks.effects
    python -m benchmarks.effects --template effect_cakeify_train --tries 8 --steps 800

Fails unless the effect with the trigger is at least five times as strong as without, on prompts that training
never saw. Prints strengths, the ratio, when effects begin and how long all of it took; the figures of
docs/guide/training.md are from it, by three seeds. Ten minutes a template on two free cores.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

TEMPLATES = ("effect_cakeify_train", "effect_3d_dissolve_train")
LEAST = 5.0
"""With the trigger over without."""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--template", action="append", choices=TEMPLATES)
    asked.add_argument("--tries", type=int, default=6)
    asked.add_argument("--steps", type=int)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--data", type=Path, help="a folder to keep results in, to go on after a break")
    options = asked.parse_args()
    low = [name for name in options.template or TEMPLATES if measured(name, options) < LEAST]
    if low:
        raise SystemExit(
            f"the trigger of {', '.join(low)} calls its effect less than {LEAST:g} times as well"
        )


def measured(name: str, options: argparse.Namespace) -> float:
    """Run a template; print and return its ratio."""
    from graphflow import templates, workflow
    from graphflow.workspace import Workspace

    document, home = templates.find(name)
    raw = document.model_dump(mode="json", by_alias=True, exclude_none=True)
    raw["outputs"] = {"called": "called", "uncalled": "uncalled", "ratio": "ratio", "change": "change_called"}
    values: dict[str, Any] = {"tries": options.tries, "seed": options.seed}
    if options.steps is not None:
        values["steps"] = options.steps
    with tempfile.TemporaryDirectory(prefix="graphflow-") as place:
        data = options.data or Path(place)
        started = time.perf_counter()
        with Workspace(data) as workspace:
            graph = workspace.graph(workflow.from_raw(raw), values, folder=home)
            result = workspace.run(graph, out_dir=data / "out")
            assert result.status == "finished", result.failures
            told(name, result, time.perf_counter() - started)
            return float(result.value("ratio").named("effect_ratio").value)


def told(name: str, result: Any, seconds: float) -> None:
    """The figures of a run, one line each."""
    print(f"{name}: {seconds:.0f} s, {result.computed} steps computed")
    for label in ("called", "uncalled"):
        strengths = result.value(label)
        listed = " ".join(f"{one:.2f}" for one in strengths)
        print(f"  {label:9} {statistics.mean(strengths):.3f}   ({listed})")
    for one in result.value("ratio").measurements:
        print(f"  {one.metric:19} {one.value:.3f}")
    begun = [scores.named("effect_onset") for scores in result.value("change")]
    frames = " ".join("-" if one is None else f"{one.value:.0f}" for one in begun)
    print(f"  begins in frame     {frames}", flush=True)


if __name__ == "__main__":
    main()
