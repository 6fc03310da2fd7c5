"""What cannot work, told before anything runs: inputs that do not go together, models that cannot be opened.

Nodes check their own inputs (`@node(check=...)`), recipes look at their files (`Recipe.inspect`) and at the
kind of device (`Recipe.check_kind`). The same inputs are looked at once, however many steps share them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from graphflow.claims import UNKNOWN, Foreseen, Sketch
from graphflow.errors import GraphflowError, NodeError, Problem, describe, told
from graphflow.graph import Graph
from graphflow.known import Recent
from graphflow.node import NodeSpec
from graphflow.refs import Const, Many, Out, Ref
from graphflow.steps import Facts, Plan, Step
from graphflow.values import Image, Recipe, Video

Outlines = Mapping[str, Mapping[str, Any]]
"""What the outputs of steps will look like, as far as their nodes tell, by step key and output."""


@dataclass
class Findings:
    """What was found out about steps that have not run."""

    outlines: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    refused: dict[str, GraphflowError] = field(default_factory=dict)
    """Steps that cannot work, by key."""
    notices: dict[str, str] = field(default_factory=dict)
    """What nodes have to tell of steps, by key."""


def look(
    steps: Iterable[Step],
    memo: dict[bytes, Any],
    *,
    whole: Recent[Recipe] | None = None,
    kind: str = "",
    stored: Mapping[str, Mapping[str, Any]] | None = None,
) -> Findings:
    """Check steps that are in graph order. memo: keeps what was found, for the next time.

    whole: models that were found to be such that they can be opened here; others are looked at, and added.
    None: no model need be here. kind: of the device that they will be used on, if that is known. stored:
    what is known of the outputs of steps that need not run, by key.
    Nodes that read the outside world are not asked again what they read, nor for each item of a list, of
    which there may be thousands.
    """
    found = Findings(dict(stored or {}))
    for step in steps:
        if (
            step.spec.fingerprint is not None
            and not step.spec.fold
            and (step.item or step.key in found.outlines)
        ):
            continue
        try:
            if whole is not None:
                _inspect(step, memo, whole, kind)
            if step.spec.check is not None:
                known = {name: outline(step, name, found.outlines) for name in step.spec.looks_at}
                outputs = _once(memo, step, step.spec.check, known, tuple(known.values()))
                found.outlines[step.key] = {**found.outlines.get(step.key, {}), **(outputs or {})}
                if isinstance(outputs, Foreseen) and outputs.notice:
                    found.notices[step.key] = outputs.notice
        except GraphflowError as error:
            found.refused[step.key] = error
    return found


def _inspect(step: Step, memo: dict[bytes, Any], whole: Recent[Recipe], kind: str) -> None:
    """Look whether the models that a step is given can be opened here, unless that was done."""
    for recipe in recipes(step):
        token = str(id(recipe)).encode()  # nobody else's while the table holds the recipe
        if whole.get(token) is None:
            _once(memo, step, partial(_openable, recipe, kind), {}, (recipe,))
            whole[token] = recipe


def _openable(recipe: Recipe, kind: str) -> None:
    recipe.inspect()
    if kind:
        recipe.check_kind(kind)


def refusals(plan: Plan, facts: Facts) -> dict[str, GraphflowError]:
    """The steps of a plan that would run and cannot, by key. The plan is told what nodes have to say."""
    todo = set(plan.todo)
    specs = {step.spec.id: step.spec for key, step in plan.steps.items() if key in todo}
    if not any(spec.device or spec.check is not None for spec in specs.values()):
        return {}
    ordered = sorted(plan.steps.values(), key=lambda step: step.order)
    whole = facts.known.whole if facts.models else None
    stored = _sketches(plan, todo, facts)
    found = look(ordered, facts.memo, whole=whole, kind=facts.kind, stored=stored)
    told = {plan.steps[key].node: text for key, text in reversed(found.notices.items()) if key in todo}
    plan.foreseen = told
    return {key: error for key, error in found.refused.items() if key in todo}


def _sketches(plan: Plan, todo: Collection[str], facts: Facts) -> dict[str, dict[str, Any]]:
    """The sizes of pictures and videos that are there and that checks of steps to run look at."""
    found: dict[str, dict[str, Any]] = {}
    for key in todo:
        step = plan.steps[key]
        for name in step.spec.looks_at:
            ref = step.inputs.get(name)
            if not isinstance(ref, Out) or ref.key in todo or ref.key in found:
                continue
            made = plan.steps.get(ref.key)
            if made is not None and made.spec.outputs.get(ref.output) in (Image, Video):
                outputs = (facts.peek(ref.key) or {}).items()
                found[ref.key] = {name: drawn for name, value in outputs if (drawn := sketch(value))}
    return found


def sketch(value: Any) -> Sketch | None:
    """The size of a picture or video, of which the tensors need not be there; None for anything else."""
    shape: Any = getattr(getattr(value, "frames", getattr(value, "pixels", None)), "shape", ())
    if isinstance(value, Video) and len(shape) == 4:
        return Sketch(shape[2], shape[1], shape[0], value.fps)
    return Sketch(shape[1], shape[0]) if isinstance(value, Image) and len(shape) == 3 else None


def problems(graph: Graph, plan: Plan) -> list[Problem]:
    """What a plan found wrong, as problems of the document that it was made from."""
    found = []
    for error in plan.failures.values():
        node, _, name = error.where.partition(".")
        path = f"nodes.{node}"
        if name:
            made = graph.nodes[node]
            wired = name in made.spec.ports or name in made.inputs
            path += f".{'inputs' if wired else 'params'}.{name}"
        found.append(Problem(error.error_code, path, error.message, error.hint))
    return found


# ------------------------------------------------------------------------------ what is known of a step


def outline(step: Step, name: str, outlines: Outlines) -> Any:
    """An input as far as it is known before the step runs; None if nothing is wired to it."""
    if name in step.inputs:
        return _outline(step.inputs[name], outlines)
    return step.settings.get(name)


def _outline(ref: Ref, outlines: Outlines) -> Any:
    match ref:
        case Const(value=value):
            return value
        case Out(key=key, output=output, index=index):
            value = outlines.get(key, {}).get(output, UNKNOWN)
            for i in index:
                value = value[i] if isinstance(value, list) and i < len(value) else UNKNOWN
            return value
        case Many(items=items):
            return [_outline(item, outlines) for item in items]
    return UNKNOWN


def recipes(step: Step) -> Iterator[Recipe]:
    """The models that a step is given, as far as they are known."""
    if not step.spec.device:
        return
    waiting: list[Any] = [ref for name, ref in step.inputs.items() if name in step.spec.ports]
    while waiting:
        match waiting.pop():
            case Many(items=items) | Const(value=list() as items):
                waiting.extend(items)
            case Const(value=Recipe() as recipe) | (Recipe() as recipe):
                yield recipe


def _once(
    memo: dict[bytes, Any],
    step: Step,
    ask: Callable[..., Any],
    arguments: Mapping[str, Any],
    looked_at: Collection[Any],
) -> Any:
    """What `ask` says of these very objects. They stay in the memo, so no other can take their identity.

    Objects, not content keys: keys know nothing of where a model is placed, and a check may look at that.
    """
    owner = step.spec.id if arguments else ""
    token = f"check {owner} {[_identity(one) for one in looked_at]}".encode()
    if token not in memo:
        try:
            outcome = ask(**arguments)
        except GraphflowError as error:
            outcome = error.with_traceback(None)
        except (Exception, SystemExit) as error:  # border: a check is foreign code
            outcome = NodeError(describe(error))
        memo[token] = looked_at, outcome
    outcome = memo[token][1]
    if isinstance(outcome, GraphflowError):
        raise outcome
    return outcome


def _identity(value: Any) -> Any:
    return [_identity(item) for item in value] if type(value) is list else id(value)


# ------------------------------------------------------------------------------ a node's own code


@contextmanager
def border(id: str, spec: NodeSpec) -> Iterator[None]:
    """Whatever a node's own code raises while planning is the failure of node `id`, at the input it names."""
    try:
        yield
    except GraphflowError as error:
        place = f"{id}.{error.where}" if error.where in spec.ports or error.where in spec.settings else id
        raise NodeError(told(error), where=place, hint=error.hint, code=error.error_code) from error
    except (Exception, SystemExit) as error:  # border: planning; a node is foreign code
        raise NodeError(describe(error), where=id) from error
