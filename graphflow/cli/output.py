"""Words and tables for people: plain aligned text in a pipe, rich tables in a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from graphflow.errors import DocumentError, GraphflowError, Problem, shorten

NARROW = 24
"""Columns up to this width are never wrapped in a terminal."""

MAX_PROBLEMS = 50
"""Problems of one document that people are shown; `graphflow validate --json` gives all."""


def say(text: str = "") -> None:
    """One line on stdout."""
    print(text, flush=True)


def warn(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr, flush=True)


def say_json(value: Any) -> None:
    """A value as JSON on stdout, for programs."""
    say(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def tell(error: GraphflowError) -> None:
    """An error on stderr: what, where, and what to do."""
    where = f"{error.where}: " if error.where else ""
    if isinstance(error, DocumentError):
        tell_problems(error.problems, f"error: {where}")
        return
    warn(f"error: {where}{error.message} [{error.error_code}]")
    if error.hint:
        warn(f"  {error.hint}")


def tell_problems(problems: Sequence[Problem], before: str) -> None:
    """Each on a line of stderr; of very many the first, and how many there are."""
    for problem in problems[:MAX_PROBLEMS]:
        warn(shorten(f"{before}{problem}"))
    if len(problems) > MAX_PROBLEMS:
        warn(f"{before}... and {count_text(len(problems) - MAX_PROBLEMS, 'problem')} more")


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "") -> None:
    """Rows under headers. In a terminal a rich table, else columns of plain text, whole and unwrapped."""
    found = [[str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(headers, found, title)
        return
    if title:
        say(title)
    widths = [max(map(len, column)) for column in zip(headers, *found, strict=True)]
    for row in [headers, *found] if any(headers) else found:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _rich_table(headers: Sequence[str], rows: list[list[str]], title: str) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    sheet = Table(box=SIMPLE, title=title or None, title_justify="left", show_header=any(headers))
    for index, header in enumerate(headers):
        narrow = all(len(row[index]) <= NARROW for row in rows)
        sheet.add_column(header, no_wrap=narrow, overflow="fold")
    for row in rows:
        sheet.add_row(*(Text(cell) for cell in row))
    Console().print(sheet)


def seconds_text(seconds: float) -> str:
    """A duration for people.

    >>> seconds_text(0.0123), seconds_text(2.345), seconds_text(125.0), seconds_text(7300)
    ('12 ms', '2.3 s', '2 min 5 s', '2 h 1 min')
    """
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def bytes_text(size: int) -> str:
    """A size for people, in powers of ten as disks are sold.

    >>> bytes_text(999), bytes_text(1_500), bytes_text(12_345_678), bytes_text(50 * 2**30)
    ('999 B', '1.5 kB', '12.3 MB', '53.7 GB')
    """
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def not_counted(nodes: Sequence[str]) -> str:
    """The sentence about nodes of which a forecast of memory knows the weights alone."""
    need = "needs beside its models" if len(nodes) == 1 else "need beside their models"
    return f"not in the forecast, weights alone are: what {', '.join(nodes)} {need}"


def count_text(count: int, word: str) -> str:
    """A number and its noun.

    >>> count_text(1, "node"), count_text(3, "node")
    ('1 node', '3 nodes')
    """
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def first_line(text: str) -> str:
    """The first line of a docstring."""
    return text.strip().partition("\n")[0]
