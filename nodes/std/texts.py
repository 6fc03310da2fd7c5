"""Text: join, fill in, split, replace."""

from __future__ import annotations

import re
from collections.abc import Mapping

from graphflow.errors import NodeError
from graphflow.node import node

Word = str | int | float | None

_FIELD = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]")


@node("std/join", fold=True)
def join(items: list[str], *, separator: str = ", ") -> str:
    """One text from several, with `separator` between them; empty texts are left out."""
    return separator.join(item for item in items if item)


@node("std/format", fold=True)
def format_text(
    a: Word = None, b: Word = None, c: Word = None, d: Word = None, *, template: str = "{a}"
) -> str:
    """Fill `{a}` to `{d}` of a template with what is wired; a list in a port makes one text for each item.

    `{{` and `}}` stand for braces. Nothing but plain names is understood.
    Raises NodeError for an unknown or unwired name and for a brace on its own.
    """
    return fill(template, {"a": a, "b": b, "c": c, "d": d})


@node("std/split_lines", fold=True)
def split_lines(text: str) -> list[str]:
    """The lines of a text, without surrounding blanks and without empty lines."""
    return [line.strip() for line in text.splitlines() if line.strip()]


@node("std/replace", fold=True)
def replace(text: str, *, find: str, by: str = "") -> str:
    """Every occurrence of `find` in a text replaced `by` another text; an empty `find` changes nothing."""
    return text.replace(find, by) if find else text


def fill(template: str, values: Mapping[str, Word]) -> str:
    """`template` with each `{name}` replaced by its value, taken as it is.

    >>> fill("a {a} ball {{x}}", {"a": "red"})
    'a red ball {x}'
    """

    def put(match: re.Match[str]) -> str:
        whole, name = match.group(), match.group(1)
        if whole in ("{{", "}}"):
            return whole[0]
        if name is None:
            raise NodeError(
                f"the template has a {whole!r} on its own at character {match.start()}",
                hint="write {{ or }} for a brace, {a} for what is wired to port a",
            )
        value = values.get(name)
        if value is None:
            wired = ", ".join(f"{{{key}}}" for key, given in values.items() if given is not None)
            raise NodeError(
                f"the template asks for {{{name}}}, but nothing is wired to it",
                hint=f"wired now: {wired or 'nothing'}",
            )
        return str(value)

    return _FIELD.sub(put, template)
