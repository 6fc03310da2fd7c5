"""`graphflow models fit`: which ways of placing and storing the models of a workflow fit into a machine."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphflow.cli.options import AsJson, Assignments, DataDir, PackFolders, opened_by
from graphflow.cli.output import bytes_text, count_text, not_counted, say, say_json, table
from graphflow.cli.run import WorkflowName, open_workspace
from graphflow.errors import DocumentError, GraphflowError, ResourceError, from_code

if TYPE_CHECKING:
    from graphflow.forecast import Forecast, Peak
    from graphflow.graph import Graph
    from graphflow.steps import Plan
    from graphflow.workspace import Workspace

CATALOGUE = "graphflow_nodes.diffusion.catalogue"
GIB = 2**30
MOST = 1_000_000
"""GiB; more than any machine has, so that a slip of the pen is told."""
SIDES = (1.0, 0.85, 0.75, 0.66, 0.5, 0.33, 0.25)
LENGTHS = (1.0, 0.75, 0.5, 0.33, 0.25, 0.0)
"""Parts of the wanted size and length that are tried when nothing fits; no length is one frame."""

MOST_NAMES = 4
"""Nodes named in a line of a table."""

_WAYS = ("", "fp8", "int8", "nf4")
"""Ways of storing weights that the table tells of."""

Size = tuple[int, int, int]
"""Width, height, frames."""


@dataclass(frozen=True)
class Machine:
    """What there is, in bytes."""

    device: int
    host: int

    def excess(self, peak: Peak) -> float:
        """How many times its memory, of whichever kind is shorter, a plan would need."""
        return max(peak.device / self.device, peak.host / self.host)


def fit(
    ctx: typer.Context,
    ref: WorkflowName,
    vram: Annotated[float, typer.Option("--vram", min=0.1, max=MOST, help="Memory of the device, GiB.")],
    ram: Annotated[float, typer.Option("--ram", min=0.1, max=MOST, help="Main memory, GiB.")] = 32,
    assignments: Assignments = None,
    data_dir: DataDir = None,
    json: AsJson = False,
    packs: PackFolders = None,
) -> None:
    """Tell which ways of placing and storing the models of a workflow fit, expected fastest first.

    Loads nothing; published models need not even be here. If nothing fits, the nearest size that does is
    named and the exit code is 3.
    """
    opened = opened_by(ctx)
    workspace = open_workspace(opened, data_dir, packs, device="cpu", create=False)
    machine = Machine(round(vram * GIB), round(ram * GIB))
    with _outlines() as (folder, names):
        graph = workspace.graph(opened.document, opened.values(assignments or []), folder=opened.folder)
        planner = _Planner(workspace, _with_stand_ins(graph, folder, names))
        found = planner.forecast({})
        ranked = found.ranked(machine.device, machine.host)
        fitting = [peak for peak, fits in ranked if fits]
        if not found.needs:
            raise ResourceError(f"nothing in workflow {opened.document.name!r} uses a model")
        nearest = None if fitting else planner.nearest(machine)
    if json:
        say_json(_as_json(found, ranked, nearest))
    else:
        _tell(found, fitting or sorted((peak for peak, _ in ranked), key=machine.excess))
    if not fitting:
        raise _refusal(found, ranked, nearest, machine)


# ------------------------------------------------------------------------------- planning in outline


@contextmanager
def _outlines() -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder for outlines of published models, and a table for what people call them, by place.

    Errors about an outline name the model instead.
    """
    names: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="graphflow-") as folder:
        try:
            yield Path(folder), names
        except DocumentError:  # of the workflow; planning has not begun
            raise
        except GraphflowError as error:
            message, hint = error.message, error.hint
            for place, name in names.items():
                message, hint = message.replace(place, name), hint.replace(place, name)
            raise from_code(error.error_code, message, where=error.where, hint=hint) from error


def _with_stand_ins(graph: Graph, folder: Path, names: dict[str, str]) -> Graph:
    """The graph with outlines in place of published models that are not on this machine.

    names: gets what each model is called, by the place of its outline.
    """
    try:
        catalogue = importlib.import_module(CATALOGUE)
    except ImportError:
        return graph
    nodes = dict(graph.nodes)
    for id, node in graph.nodes.items():
        model, revision = node.settings.get("model"), node.settings.get("revision")
        outline = catalogue.stand_in(model, revision, folder) if isinstance(model, str) else None
        if outline is not None:
            names[str(outline)] = str(model)
            changed = {**node.settings, "model": str(outline), "revision": None, "download": False}
            nodes[id] = replace(node, settings={k: v for k, v in changed.items() if k in node.settings})
    return replace(graph, nodes=nodes)


class _Planner:
    """Plans one graph again and again with other sizes; models are folded and weighed once."""

    def __init__(self, workspace: Workspace, graph: Graph) -> None:
        self.workspace = workspace
        self.graph = graph
        self.memo: dict[bytes, Any] = {}
        self.models: Mapping[bytes, Any] = {}

    def plan(self, sizes: Mapping[str, Size]) -> Plan:
        from graphflow.plan import plan
        from graphflow.steps import Facts

        nodes = dict(self.graph.nodes)
        for id, size in sizes.items():
            settings = {**nodes[id].settings, **dict(zip(_SIZED, size, strict=True))}
            nodes[id] = replace(nodes[id], settings=settings)
        facts = Facts(lambda step: False, lambda key: None, memo=self.memo, models=False)
        return plan(replace(self.graph, nodes=nodes), facts)

    def forecast(self, sizes: Mapping[str, Size]) -> Forecast:
        """Raises what a node raised while planning: what needs it would be missing in the sum."""
        from graphflow.forecast import forecast

        planned = self.plan(sizes)
        for error in planned.failures.values():
            raise error
        found = forecast(planned, known=self.models)
        self.models = found.models
        return found

    def nearest(self, machine: Machine) -> tuple[Peak, dict[str, Size]] | None:
        """The largest clip that fits, and its fastest way; None if even one small frame does not fit."""
        wanted = dict(_clips(self.plan({})))
        for side, length in sorted(
            ((side, length) for side in SIDES for length in LENGTHS),
            key=lambda pair: -(pair[0] ** 2) * max(pair[1], 0.01),
        ):
            sizes = {id: _smaller(clip, side, length) for id, clip in wanted.items()}
            try:
                peak, fits = self.forecast(sizes).ranked(machine.device, machine.host)[0]
            except GraphflowError:
                continue  # a size that another node of the workflow cannot take
            if fits:
                return peak, sizes
        return None


_SIZED = ("width", "height", "frames")


def _clips(plan: Plan) -> Iterator[tuple[str, Any]]:
    """Nodes whose settings say how large a clip is, with the clip that they made while planning."""
    from graphflow.refs import Const

    for id, outputs in plan.refs.items():
        for ref in outputs.values():
            if isinstance(ref, Const) and all(hasattr(ref.value, name) for name in (*_SIZED, "geometry")):
                yield id, ref.value


def _smaller(clip: Any, side: float, length: float) -> Size:
    """A smaller clip of the same shape, as the model can make it."""
    multiple, step = clip.geometry.multiple, clip.geometry.temporal
    width, height = (max(1, round(size * side / multiple)) * multiple for size in (clip.width, clip.height))
    frames = clip.frames if length == 1 else int((clip.frames - 1) * length) // step * step + 1
    return width, height, frames


# ----------------------------------------------------------------------------------------- the answer


def _tell(found: Forecast, peaks: list[Peak]) -> None:
    rows = [
        (model.name, *(bytes_text(model.footprint(way).whole) for way in _WAYS), _users(found, token))
        for token, model in found.models.items()
    ]
    table(("weights", "as they are", *_WAYS[1:], "used by"), rows)
    say()
    needs = [(need.node, _need_text(need.estimate)) for need in found.needs]
    table(("node", "beside its models"), needs)
    say()
    least_changed = {peak.strategy.placing: peak for peak in reversed(peaks)}
    shown = [peak for peak in peaks if least_changed[peak.strategy.placing] is peak]
    best = [(*_way(found, p), bytes_text(p.device), p.node, bytes_text(p.host)) for p in shown]
    table(("placing", "stored", "settings", "device", "highest at", "main memory"), best)
    if found.unknown:
        say(not_counted(found.unknown))


def _users(found: Forecast, token: bytes) -> str:
    nodes = found.users[token]
    return ", ".join(nodes[:MOST_NAMES]) + ", ..." * (len(nodes) > MOST_NAMES)


def _need_text(estimate: Any) -> str:
    if estimate is None:
        return "not known"
    thrifty = [f"{bytes_text(size)} with {name}" for name, size in estimate.thrifty.items()]
    guess = [] if estimate.measured else ["a guess: nobody measured this kind of model"]
    return ", ".join([bytes_text(estimate.device), *thrifty, *guess])


def _way(found: Forecast, peak: Peak) -> tuple[str, str, str]:
    """Placing, storing and settings of a strategy, for people."""
    strategy = peak.strategy
    settings = [f"{n.node}: {name}" for n in found.needs if n.estimate for name in n.estimate.thrifty]
    stored = strategy.stored or "as they are"
    return (strategy.placing, stored, ", ".join(settings) if strategy.thrifty else "")


def _refusal(
    found: Forecast,
    ranked: list[tuple[Peak, bool]],
    nearest: tuple[Peak, dict[str, Size]] | None,
    machine: Machine,
) -> ResourceError:
    least = min((peak for peak, _ in ranked), key=lambda peak: (machine.excess(peak), peak.device))
    text = (
        f"it does not fit: the least is {bytes_text(least.device)} on the device at {least.node!r} and "
        f"{bytes_text(least.host)} of main memory beside what driver, Python and system take"
    )
    if nearest is None:
        host = least.host / machine.host > least.device / machine.device
        lacks = (
            f"the weights alone need more than {bytes_text(machine.host)} of main memory; " if host else ""
        )
        hint = f"{lacks}even one small frame does not fit: choose a smaller model"
        return ResourceError(text, hint=hint, code="resource.memory")
    peak, sizes = nearest
    clips = ", ".join(f"{w} x {h}, {count_text(f, 'frame')}" for w, h, f in dict.fromkeys(sizes.values()))
    way = ", ".join(filter(None, _way(found, peak)))
    return ResourceError(text, hint=f"nearest that fits: {clips} ({way})", code="resource.memory")


def _as_json(
    found: Forecast, ranked: list[tuple[Peak, bool]], nearest: tuple[Peak, dict[str, Size]] | None
) -> dict[str, Any]:
    return {
        "models": [
            {
                "name": model.name,
                "nodes": list(found.users[token]),
                "ways": {way: asdict(one) for way, one in model.footprints.items()},
            }
            for token, model in found.models.items()
        ],
        "nodes": [
            {
                "node": need.node,
                "device": need.estimate.device if need.estimate else None,
                "thrifty": dict(need.estimate.thrifty) if need.estimate else {},
                "measured": need.estimate.measured if need.estimate else False,
            }
            for need in found.needs
        ],
        "strategies": [{**_peak_json(peak), "fits": fits} for peak, fits in ranked],
        "nearest": None
        if nearest is None
        else {**_peak_json(nearest[0]), "sizes": {id: list(size) for id, size in nearest[1].items()}},
        "unknown": found.unknown,
    }


def _peak_json(peak: Peak) -> dict[str, Any]:
    return {
        **asdict(peak.strategy),
        "device": peak.device,
        "host": peak.host,
        "node": peak.node,
        "by_node": dict(peak.by_node),
    }
