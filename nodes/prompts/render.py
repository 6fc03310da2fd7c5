"""From a structured prompt to the text that a model family understands best."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from pydantic import Field

from graphflow.node import node

from .fields import LEAST_NEEDED, filled, without
from .phrases import sentence
from .styles import STYLES, StyleName
from .values import StructuredPrompt, Task

PARTS = (".fields", ".phrases", ".styles", ".values", ".words")
"""Modules that decide what a rendered text says."""

MaxWords = Annotated[int, Field(ge=1, le=10_000)]

_SIGNS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W{_SIGNS}][^\s{_SIGNS}]*")
"""A run from a letter or digit on; scripts without blanks count each sign, punctuation alone none."""


class Rendered(NamedTuple):
    """The prompt as text, the negative prompt, and the parts that the text does not say."""

    text: str
    negative: str
    left_out: list[str]


@node("prompts/render", fold=True, depends=PARTS)
def render(
    prompt: StructuredPrompt,
    *,
    style: StyleName = "plain",
    task: Task = "text_to_video",
    max_words: MaxWords | None = None,
) -> Rendered:
    """Write a structured prompt in the caption style of a model family.

    style: wan, ltx, ltx2, hunyuan, hunyuan15, skyreels, or `plain` for any other model.
    task: with a given first picture only motion and camera are told, as the families advise.
    max_words: empty is the family's own limit. What is needed least is left out first; then words are cut.
    left_out: parts of the prompt that this style does not use or that found no room.
    """
    text, dropped = fitted(prompt, style, task, max_words)
    return Rendered(text, ", ".join(prompt.negative), [*unsaid(prompt, style, task), *dropped])


def fitted(
    prompt: StructuredPrompt, style: StyleName, task: Task, max_words: int | None = None
) -> tuple[str, list[str]]:
    """The text within the limit, and the parts that found no room."""
    limit = max_words or STYLES[style].limit(task)
    text = written(prompt, style, task)
    dropped: list[str] = []
    for part in LEAST_NEEDED:
        if limit is None or count_words(text) <= limit:
            break
        prompt = without(prompt, part)
        shorter = written(prompt, style, task)
        if shorter != text:
            text, dropped = shorter, [*dropped, part]
    return (text if limit is None else cut(text, limit)), dropped


def unsaid(prompt: StructuredPrompt, style: StyleName, task: Task) -> list[str]:
    """The parts of a prompt that make no difference to the text."""
    whole = written(prompt, style, task)
    return [part for part in filled(prompt) if written(without(prompt, part), style, task) == whole]


def written(prompt: StructuredPrompt, style: StyleName, task: Task) -> str:
    """The whole text, the trigger word first."""
    text = STYLES[style].write[task](prompt)
    return f"{prompt.trigger} {text}".strip()


def count_words(text: str) -> int:
    """How many words a text has; a sign of a script without blanks counts as one.

    >>> count_words("A red ball, rolling.")
    4
    """
    return len(_WORD.findall(text))


def cut(text: str, limit: int) -> str:
    """The first `limit` words of a text, up to its last whole sentence if that keeps half of them."""
    places = [match.end() for match in _WORD.finditer(text)]
    if len(places) <= limit:
        return text
    kept = text[: places[limit - 1]]
    ends = [match.end() for match in re.finditer("[.!?\u3002\uff01\uff1f](?=\\s|$)", kept)]
    if ends and count_words(kept[: ends[-1]]) * 2 >= limit:
        return kept[: ends[-1]]
    return sentence(kept.rstrip(",;: "))
