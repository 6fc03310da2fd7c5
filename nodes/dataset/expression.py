"""A small language for conditions over columns, read by hand: no name means anything but a column.

    motion >= 2 and camera in ("static", "pan_left") and not overlay > 0.02

Numbers, texts in quotes, `true`, `false`, `none`; columns by name; `+ - * /`; `< <= > >= == !=`, also chained
(`2 <= motion <= 20`); `in (...)`; `and`, `or`, `not`; brackets. A comparison with an empty cell is false,
except `== none` and `!= none`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from graphflow.errors import NodeError

Row = Mapping[str, Any]
Term = Callable[[Row], Any]

MAX_DEPTH = 40

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)
          |(?P<name>[A-Za-z_][A-Za-z0-9_.]*)
          |(?P<text>"[^"]*"|'[^']*')
          |(?P<sign><=|>=|==|!=|[<>+\-*/(),]))""",
    re.VERBOSE,
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORDS = {"and", "or", "not", "in", "true", "false", "none"}
_CONSTANTS = {"true": True, "false": False, "none": None}


@dataclass(frozen=True)
class Condition:
    """A condition that was understood. Call it with a row of cells by column."""

    text: str
    columns: frozenset[str]
    term: Term

    def __call__(self, row: Row) -> bool:
        """Whether the row meets it. Raises NodeError for a column that the row does not have."""
        for name in self.columns:
            if name not in row:
                near = get_close_matches(name, row, 1)
                raise NodeError(
                    f"there is no column {name!r}",
                    where="where",
                    hint=f"did you mean {near[0]!r}?"
                    if near
                    else f"there are: {', '.join(sorted(row)[:40])}",
                )
        value = self.term(row)
        if not isinstance(value, bool):
            raise NodeError(f"{self.text!r} gives {value!r}, not true or false", where="where")
        return value


def condition(text: str) -> Condition:
    """The condition that a text means. Raises NodeError, with the place, for what is not understood."""
    reader = _Reader(text)
    term = reader.any_of(0)
    if reader.token is not None:
        raise reader.error("something is left over")
    return Condition(text, frozenset(reader.columns), term)


class _Reader:
    """Recursive descent: or, and, not, comparison, sum, product, atom."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.columns: set[str] = set()
        self.tokens = list(_tokens(text))
        self.place = 0

    @property
    def token(self) -> str | None:
        return self.tokens[self.place][1] if self.place < len(self.tokens) else None

    @property
    def kind(self) -> str:
        return self.tokens[self.place][0] if self.place < len(self.tokens) else "end"

    def take(self, *wanted: str) -> str | None:
        """The next token if it is one of these."""
        if self.kind in ("name", "sign") and self.token in wanted:
            self.place += 1
            return self.tokens[self.place - 1][1]
        return None

    def error(self, what: str) -> NodeError:
        at = self.tokens[self.place][2] if self.place < len(self.tokens) else len(self.text)
        shown = f"{self.text[:at]}>>>{self.text[at:]}" if self.text else ""
        return NodeError(
            f"the condition is not understood: {what}: {shown}", where="where", hint="see dataset/filter"
        )

    def any_of(self, depth: int) -> Term:
        if depth > MAX_DEPTH:
            raise self.error("it is nested too deeply")
        terms = [self.all_of(depth)]
        while self.take("or"):
            terms.append(self.all_of(depth))
        return terms[0] if len(terms) == 1 else lambda row: any(_truth(term(row)) for term in terms)

    def all_of(self, depth: int) -> Term:
        terms = [self.negated(depth)]
        while self.take("and"):
            terms.append(self.negated(depth))
        return terms[0] if len(terms) == 1 else lambda row: all(_truth(term(row)) for term in terms)

    def negated(self, depth: int) -> Term:
        count = 0
        while self.take("not"):
            count += 1
        term = self.comparison(depth)
        return (lambda row: not _truth(term(row))) if count % 2 else term

    def comparison(self, depth: int) -> Term:
        left = self.sum(depth)
        if self.take("in"):
            return _within(left, self.listed(depth), False)
        if self.kind == "name" and self.token == "not":
            self.place += 1
            if not self.take("in"):
                raise self.error("'in' is missing")
            return _within(left, self.listed(depth), True)
        parts: list[tuple[str, Term, Term]] = []
        while sign := self.take("<", "<=", ">", ">=", "==", "!="):
            right = self.sum(depth)
            parts.append((sign, left, right))
            left = right
        if not parts:
            return left
        return lambda row: all(_compared(sign, one(row), two(row)) for sign, one, two in parts)

    def listed(self, depth: int) -> list[Term]:
        if not self.take("("):
            raise self.error("a list in brackets is missing")
        terms = [self.sum(depth)]
        while self.take(","):
            terms.append(self.sum(depth))
        if not self.take(")"):
            raise self.error("a bracket is not closed")
        return terms

    def sum(self, depth: int) -> Term:
        term = self.product(depth)
        while sign := self.take("+", "-"):
            term = _calculated(sign, term, self.product(depth))
        return term

    def product(self, depth: int) -> Term:
        term = self.atom(depth)
        while sign := self.take("*", "/"):
            term = _calculated(sign, term, self.atom(depth))
        return term

    def atom(self, depth: int) -> Term:
        if self.take("("):
            term = self.any_of(depth + 1)
            if not self.take(")"):
                raise self.error("a bracket is not closed")
            return term
        if self.take("-"):
            if depth > MAX_DEPTH:
                raise self.error("it is nested too deeply")
            return _calculated("-", lambda row: 0, self.atom(depth + 1))
        kind, token = self.kind, self.token
        if (
            token is None
            or kind == "sign"
            or (token in _WORDS and token not in _CONSTANTS and kind == "name")
        ):
            raise self.error("a value is missing")
        self.place += 1
        if kind == "name" and token not in _CONSTANTS:
            self.columns.add(token)
            return lambda row: row[token]
        value: Any = float(token) if kind == "number" else _CONSTANTS.get(token, token[1:-1])
        return lambda row: value


def _tokens(text: str) -> list[tuple[str, str, int]]:
    found = []
    place = 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise NodeError(
                f"the condition is not understood: {text[:place]}>>>{text[place:]}",
                where="where",
                hint="columns, numbers, quoted texts, and, or, not, in, comparisons and + - * / are known",
            )
        found.append((match.lastgroup, match.group(match.lastgroup), match.start(match.lastgroup)))
        place = match.end()
    return found


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise NodeError(f"{value!r} stands where true or false is needed", where="where", hint="compare it")
    return value


def _within(left: Term, terms: list[Term], negate: bool) -> Term:
    return lambda row: any(_compared("==", left(row), term(row)) for term in terms) is not negate


def _compared(sign: str, left: Any, right: Any) -> bool:
    if sign in ("==", "!="):
        return (left == right) is (sign == "==")
    if left is None or right is None:
        return False
    if isinstance(left, str) is not isinstance(right, str):
        raise NodeError(
            f"{left!r} and {right!r} cannot be put in order", where="where", hint="quotes make texts"
        )
    return _COMPARE[sign](left, right)


def _calculated(sign: str, one: Term, two: Term) -> Term:
    def value(row: Row) -> Any:
        left, right = one(row), two(row)
        if left is None or right is None:
            return None
        if isinstance(left, str) or isinstance(right, str):
            raise NodeError(f"one cannot calculate with {left!r} and {right!r}", where="where")
        if sign == "/":
            return None if right == 0 else left / right
        return left + right if sign == "+" else left - right if sign == "-" else left * right

    return value
