"""Prompts that differ in one thing, for grids; and what two prompts differ in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args

from graphflow.errors import NodeError
from graphflow.node import node

from .build import checked
from .fields import Part, with_subject, without
from .values import StructuredPrompt, Subject

Axis = Literal[
    "shot.size", "shot.angle", "shot.view", "shot.composition", "shot.lens", "camera.move",
    "camera.intensity", "camera.text", "lighting.time", "lighting.source", "lighting.quality",
    "lighting.direction", "lighting.tone", "lighting.text", "motion.speed", "motion.subjects", "motion.scene",
    "description", "environment", "style", "atmosphere", "trigger", "subject.name", "subject.action",
    "subject.appearance", "subject.expression", "subject.position",
]  # fmt: skip
"""`subject.` is the first main subject."""


class Variations(NamedTuple):
    """Prompts and what each was varied to, as lists that belong together."""

    prompts: list[StructuredPrompt]
    labels: list[str]


@node("prompts/vary", fold=True, depends=(".values", ".words", ".build", ".fields"))
def vary(prompt: StructuredPrompt, *, axis: Axis = "shot.size", values: str = "") -> Variations:
    """The prompt once for each value of one field; wired on, everything after it runs for each.

    values: one a line; empty is every word of a field with a fixed vocabulary, such as `shot.size`.
    Raises NodeError for a word the field does not know, or no values for a field of free text.
    """
    wanted = [line.strip() for line in values.splitlines() if line.strip()] or _vocabulary(axis)
    return Variations([_changed(prompt, axis, value) for value in wanted], wanted)


@node("prompts/drop", fold=True, depends=(".values", ".words", ".fields"))
def drop(prompt: StructuredPrompt, *, part: Part) -> StructuredPrompt:
    """The prompt without one of its parts; `others` are the subjects that are not main ones."""
    return without(prompt, part)


@node("prompts/diff", fold=True, depends=(".values", ".words"))
def diff(a: StructuredPrompt, b: StructuredPrompt) -> list[str]:
    """What differs, one line a field: `shot.size: 'medium' -> 'wide'`."""
    before, after = dict(_leaves(a.model_dump())), dict(_leaves(b.model_dump()))
    places = [*before, *(place for place in after if place not in before)]
    return [
        f"{place}: {before.get(place)!r} -> {after.get(place)!r}"
        for place in places
        if before.get(place) != after.get(place)
    ]


def _vocabulary(axis: Axis) -> list[str]:
    group, _, name = axis.rpartition(".")
    owner = Subject if group == "subject" else StructuredPrompt
    if group and group != "subject":
        owner = StructuredPrompt.model_fields[group].annotation  # type: ignore[assignment]
    words = [word for word in get_args(owner.model_fields[name].annotation) if word]
    if not words:
        raise NodeError(f"{axis} is free text and has no list of words", hint="write values, one a line")
    return words


def _changed(prompt: StructuredPrompt, axis: Axis, value: str) -> StructuredPrompt:
    group, _, name = axis.rpartition(".")
    if group == "subject":
        main = next((i for i, subject in enumerate(prompt.subjects) if subject.main), None)
        if main is None:
            raise NodeError("the prompt has no main subject to vary", hint="wire prompts/subject first")
        checked(Subject, **{name: value})
        return with_subject(prompt, main, **{name: value})
    if not group:
        checked(StructuredPrompt, **{name: value})
        return prompt.model_copy(update={name: value})
    part = getattr(prompt, group)
    checked(type(part), **{name: value})
    changes = {name: value}
    if axis in ("camera.move", "camera.intensity"):
        changes["text"] = ""  # free words would hide the change
    return prompt.model_copy(update={group: part.model_copy(update=changes)})


def _leaves(tree: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Plain values inside dictionaries and tuples, by dotted place."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, tuple) else None
    if items is None:
        yield place, tree
        return
    for name, part in items:
        yield from _leaves(part, f"{place}.{name}" if place else str(name))
