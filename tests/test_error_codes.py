"""Every error's code is stable and stands in docs/errors.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAKERS = ("Problem", "problem")
"""Calls whose first argument is a code; others are given one by the name `code`."""

TABLED = re.compile(r"(storage|worker)\.[a-z]+")
"""Codes that are looked up."""


def codes_in(tree: ast.AST) -> Iterator[str]:
    """Codes that stand literally in a module: of an error or a problem, a class or a table."""
    for part in ast.walk(tree):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and TABLED.fullmatch(part.value):
            yield part.value
        elif isinstance(part, ast.Call):
            name = getattr(part.func, "id", getattr(part.func, "attr", ""))
            given = [keyword.value for keyword in part.keywords if keyword.arg == "code"]
            yield from _texts([*given, *(part.args[:1] if name in MAKERS else [])])
        elif isinstance(part, ast.ClassDef):
            for line in part.body:
                target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
                if getattr(target, "id", "") == "code":
                    yield from _texts([getattr(line, "value", None)])


def _texts(values: list[ast.expr | None]) -> Iterator[str]:
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
            yield value.value


def test_every_code_is_documented() -> None:
    listed = set(re.findall(r"`([a-z0-9_.]+)`", (ROOT / "docs" / "errors.md").read_text("utf-8")))
    files = [path for folder in ("graphflow", "nodes") for path in (ROOT / folder).rglob("*.py")]
    found = {code: path.name for path in files for code in codes_in(ast.parse(path.read_text("utf-8")))}
    found.pop("error", None)  # of the class that all others come from
    assert len(found) > 60
    assert {code: name for code, name in found.items() if code not in listed} == {}
