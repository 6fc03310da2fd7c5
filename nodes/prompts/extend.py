"""Prompt extension: by rules, or by a language model; the result is a value like any other."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Context, node
from graphflow.values import Seed, Value

from .complete import completed
from .phrases import heard, paragraph
from .render import PARTS, MaxWords, count_words, cut, fitted, written
from .styles import STYLES, StyleName
from .texts import from_text
from .values import StructuredPrompt, Task
from .writers import PromptWriter, Request

LIMIT = 300
"""Words for a language model where the family gives no limit."""

_WRAPPED = re.compile(r"^```\w*\s*(.*?)\s*```$|^\"(.*)\"$|^'(.*)'$|^“(.*)”$", re.DOTALL)


class Extension(Value):
    """How a text came about: what was asked of whom, and the answer as it was given."""

    source: str
    text: str = ""
    writer: str = "rules"
    """`rules`, or the language model."""
    instructions: str = ""
    """What the model was told; empty for rules."""
    answer: str = ""
    style: str
    task: str
    seed: int
    temperature: float


class Extended(NamedTuple):
    """The longer prompt, and the record of how it was made."""

    text: str
    record: Extension


@node(
    "prompts/extend",
    depends=(*PARTS, ".render", ".complete", ".texts", ".build", ".writers"),
)
def extend(
    prompt: StructuredPrompt | str,
    ctx: Context,
    writer: PromptWriter | None = None,
    *,
    style: StyleName = "wan",
    task: Task = "text_to_video",
    max_words: MaxWords | None = None,
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0,
    seed: Seed = 0,
) -> Extended:
    """A short prompt made into the long one that a model family likes.

    writer: a language model (`prompts/local_writer`, `prompts/remote_writer`); without one the family's
    defaults are filled in by rules, the same on every machine. It is not asked about a prompt that the family
    finds long enough (over 120 words for `ltx`).
    max_words: empty is the family's own limit; a longer answer is cut at the end of a sentence.
    temperature: 0 takes the most likely words; above, `seed` decides.
    The answer is stored under this node's key: the same request is not asked twice.
    Raises NodeError for an empty answer, and what the writer raises.
    """
    whole = prompt if isinstance(prompt, StructuredPrompt) else from_text(text=prompt)
    bare = whole.model_copy(update={"trigger": ""})
    source = prompt if isinstance(prompt, str) else written(bare, "plain", "text_to_video")
    source = paragraph(source, heard(bare.sound))
    record = Extension(source=source, style=style, task=task, seed=seed, temperature=temperature)
    enough = STYLES[style].enough
    if writer is None or (enough is not None and count_words(source) > enough):
        text, _ = fitted(completed(whole, style, task), style, task, max_words)
        return Extended(text, record.model_copy(update={"text": text}))
    limit = max_words or STYLES[style].limit(task) or LIMIT
    system = instructions(style, task, limit, whole.language)
    with ctx.use(writer) as write:
        answer = write(Request(system, source, limit * 3, temperature, seed), ctx.check)
    text = cut(tidy(answer), limit)
    if not count_words(text):
        raise NodeError(f"{writer.called()} answered with nothing", hint="try another seed or model")
    text = text if text.startswith(whole.trigger) else f"{whole.trigger} {text}"
    asked = {"writer": writer.called(), "instructions": system, "answer": answer, "text": text}
    return Extended(text, record.model_copy(update=asked))


def instructions(style: StyleName, task: Task, limit: int, language: str) -> str:
    """What a language model is told to do for a family and task."""
    least = STYLES[style].words.get(task, (0, 0))[0]
    length = f"{least} to {limit}" if 0 < least < limit else f"at most {limit}"
    given = "The first picture of the video is given; " if task == "image_to_video" else ""
    return (
        "You rewrite prompts for a text-to-video model. Keep every fact of the prompt and contradict none; "
        f"add only what fits. {given}Style: {STYLES[style].advice[task]}. "
        f"Write {length} words in one paragraph, in the language '{language}'. "
        "Keep text in quotes as it is. Answer with the prompt alone."
    )


def tidy(answer: str) -> str:
    """An answer as one paragraph, without the fence or the quotes around all of it."""
    text = answer.strip()
    match = _WRAPPED.match(text)
    if match is not None:
        text = next(group for group in match.groups() if group is not None)
    return " ".join(text.split())
