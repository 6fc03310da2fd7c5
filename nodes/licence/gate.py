"""A gate for values: it lets pass only what the licences of all models behind it allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

from graphflow.errors import NodeError
from graphflow.node import Origin, node

from .terms import Use, answer

T = TypeVar("T")

Mode = Literal["fail", "warn"]

_HINT = (
    "use another model, or set mode to warn; a model's licence can be told in graphflow.json beside it, "
    'as "licence": "apache-2.0"'
)


def _value(*, use: Use, mode: Mode, unknown: Mode) -> str:
    return "value"


def judge(origins: Sequence[Origin], *, use: Use, mode: Mode, unknown: Mode) -> str:
    """What is to be said of the models behind a value; empty if all of them allow the use without conditions.

    Raises NodeError if one of them does not, and the mode for that is `fail`.
    """
    refused: list[str] = []
    told: list[str] = []
    for name, licence, verdict, why in _answers(origins, use):
        text = f"{name} ({licence or 'licence unknown'}): {why or verdict}"
        fails = {"no": mode, "unknown": unknown}.get(verdict) == "fail"
        if fails:
            refused.append(text)
        elif verdict != "yes":
            told.append(text)
    if refused:
        raise NodeError(
            f"use {use!r} is not cleared: {'; '.join(refused)}", where="use", code="licence", hint=_HINT
        )
    return f"use {use!r}: {'; '.join(told)}" if told else ""


def _answers(origins: Sequence[Origin], use: Use) -> list[tuple[str, str, str, str]]:
    """Name, licence, verdict and reason of every origin, each model once."""
    found = dict.fromkeys((origin.name, origin.licence) for origin in origins)
    answers = [(name, licence, answer(licence, use)) for name, licence in found]
    return [(name, licence, said.verdict, said.why) for name, licence, said in answers]


@node("licence/gate", branch=_value, gate=judge, depends=(".terms",))
def licence_gate(value: T, *, use: Use = "publish", mode: Mode = "fail", unknown: Mode = "fail") -> T:
    """Let a value pass only if the licences of all models behind it allow what is meant to be done with it.

    Asked while planning, of every model that any step before it uses, so that nothing is computed in vain.
    use: publish, commercial, train_same_model (such as a LoRA for it), train_other_models or
        train_image_editor.
    mode: what to do if a licence forbids it. unknown: what to do if a licence is not known or was not read.
        Conditions, such as a territory or a limit of revenue, are always told and never refuse.
    The notes on licences carry where and when they were read; they are no legal advice.
    Raises NodeError naming the models, their licences and the clauses.
    """
    return value
