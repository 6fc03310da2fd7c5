"""`graphflow explain`: what a run would compute, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from graphflow.cli.options import AsJson, Assignments, DataDir, Offline, PackFolders, opened_by
from graphflow.cli.output import bytes_text, count_text, not_counted, say, say_json, table
from graphflow.cli.run import Device, Only, Out, WorkflowName, checked_targets, open_workspace

if TYPE_CHECKING:
    from graphflow.explain import Story
    from graphflow.forecast import Peak


def explain(
    ctx: typer.Context,
    ref: WorkflowName,
    assignments: Assignments = None,
    out: Out = Path("output"),
    data_dir: DataDir = None,
    only: Only = None,
    device: Device = None,
    json: AsJson = False,
    packs: PackFolders = None,
    offline: Offline = False,
) -> None:
    """Say what `run` with the same options would compute, and why; computes nothing itself.

    For each node: in the cache, to run (which setting or upstream node changed since the last run),
    folded into the plan, not needed, or waiting for a result that decides. Nodes that use a model come with
    the memory that they will need.
    """
    from graphflow import explain as explaining
    from graphflow.forecast import IN_TURN, Strategy, forecast

    opened = opened_by(ctx)
    values = opened.values(assignments or [])
    workspace = open_workspace(opened, data_dir, packs, device=device, create=False)
    graph = workspace.graph(opened.document, values, folder=opened.folder)
    plan = workspace.prepare(graph, out_dir=out, targets=checked_targets(graph, only)).plan()
    last = explaining.read(workspace.data_dir, explaining.identity(ref))
    stories = explaining.stories(graph, plan, workspace.environment, last, out_dir=str(out.absolute()))
    found = forecast(plan, plan.todo)
    shared = workspace.device == "cpu"
    alone, together = found.peak(Strategy(IN_TURN), shared=shared), found.peak(shared=shared)
    if json:
        say_json([{**asdict(story), "memory": together.by_node.get(story.node)} for story in stories])
    else:
        _tell(stories, alone, together, found.unknown)


def _tell(stories: Sequence[Story], alone: Peak, together: Peak, unknown: Sequence[str]) -> None:
    needed = together.by_node
    rows = [(s.node, s.type, state_text(s), _memory(s, needed), _why(s)) for s in stories]
    table(("node", "type", "", "memory" if needed else "", "why"), rows)
    steps = sum(story.steps for story in stories)
    cached = sum(story.cached for story in stories)
    say(f"{count_text(steps, 'step')} to run, {cached} in the cache")
    if needed:
        say(
            f"memory: {bytes_text(together.device)} at {together.node!r} as it is planned, at least "
            f"{bytes_text(alone.device)} if every model is let go after its last step"
        )
    if unknown:
        say(not_counted(unknown))


def _why(story: Story) -> str:
    return "; ".join((*story.reasons, story.hint) if story.hint else story.reasons)


def _memory(story: Story, needed: Mapping[str, int]) -> str:
    return bytes_text(needed[story.node]) if story.node in needed else ""


def state_text(story: Story) -> str:
    """The state, with counts where a node is mapped."""
    if story.state == "run" and story.steps + story.cached > 1:
        return f"run {story.steps}" + (f", {story.cached} cached" if story.cached else "")
    if story.state == "cached" and story.cached > 1:
        return f"{story.cached} cached"
    return story.state
