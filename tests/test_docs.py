"""Every Python example of the README and the guide runs, page by page; every JSON example is valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graphflow import workflow
from graphflow.graph import build
from graphflow.registry import load_registry

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [DOCS.parent / "README.md", *sorted((DOCS / "guide").glob("*.md"))]


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Code blocks with the line on which each begins."""
    text = page.read_text()
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [(text.count("\n", 0, match.start()) + 2, match.group(1)) for match in found]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPHFLOW_DATA_DIR", str(tmp_path / "data"))
    namespace: dict[str, object] = {"__name__": "guide"}
    for line, source in blocks(page, "python"):
        exec(compile("\n" * (line - 1) + source, str(page), "exec"), namespace)


def test_the_example_document_is_valid() -> None:
    for _, source in blocks(DOCS / "workflow.md", "json"):
        document = workflow.parse(source)
        build(document, load_registry())
