"""Packs: what can be loaded is loaded, what cannot is told, and nothing stops the rest."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from graphflow.node import node, spec_of
from graphflow.registry import ENTRY_POINTS, Registry, load_registry

GOOD = "from graphflow.node import node\n@node('{pack}/one')\ndef one() -> int: return 1\n"


def pack(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text.replace("{pack}", name.removesuffix(".py").replace("-", "_")))


def load(folder: Path) -> tuple[list[str], dict[str, str]]:
    registry = load_registry([folder], installed=False)
    return sorted(registry.specs), {failure.pack: failure.reason for failure in registry.failures}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise RuntimeError('broken here')", "broken here"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import no_such_library_at_all", "no_such_library_at_all"),
        ("def (", "SyntaxError"),
        ("from graphflow.node import node\n@node('x/y')\ndef f(a): ...", "has no type"),
        ("raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})", "could not be read"),
    ],
    ids=["raises", "exits", "import", "syntax", "declaration", "odd"],
)
def test_a_broken_pack_is_told_and_the_rest_loads(tmp_path: Path, text: str, reason: str) -> None:
    pack(tmp_path, "apack.py", GOOD)
    pack(tmp_path, "bad.py", text)
    pack(tmp_path, "zpack.py", GOOD)
    ids, failures = load(tmp_path)
    assert ids == ["apack/one", "zpack/one"] and list(failures) == ["bad"] and reason in failures["bad"]


def test_two_packs_with_one_id_are_told_and_the_first_stays(tmp_path: Path) -> None:
    pack(tmp_path, "a.py", GOOD.replace("{pack}", "same"))
    pack(tmp_path, "b.py", GOOD.replace("{pack}", "same"))
    ids, failures = load(tmp_path)
    assert ids == ["same/one"] and "'same/one'" in failures["b"]


def test_one_pack_that_declares_an_id_twice_is_told(tmp_path: Path) -> None:
    pack(tmp_path, "a.py", GOOD + "@node('a/one')\ndef other() -> int: return 2\n")
    ids, failures = load(tmp_path)
    assert ids == [] and "twice" in failures["a"]


def test_a_pack_may_name_a_node_twice_and_import_nodes_of_others(tmp_path: Path) -> None:
    pack(tmp_path, "a.py", GOOD + "also = one\n")
    pack(tmp_path, "b.py", "from graphflow_packs.a import one as theirs\n" + GOOD)
    assert load(tmp_path) == (["a/one", "b/one"], {})


def test_a_package_is_a_pack_and_hidden_things_are_not(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    pack(tmp_path / "big", "inner.py", GOOD.replace("{pack}", "big"))
    (tmp_path / "big" / "__init__.py").write_text("from .inner import one\n")
    for name in ("_private.py", ".hidden.py", "notes.txt"):
        pack(tmp_path, name, "raise SystemExit")
    (tmp_path / "empty").mkdir()
    assert load(tmp_path) == (["big/one"], {})


def test_a_pack_says_in_its_first_sentence_what_it_is_for(tmp_path: Path) -> None:
    pack(tmp_path, "a.py", '"""Sums: of\n many. Imports nothing."""\n' + GOOD)
    pack(tmp_path, "b.py", GOOD)
    registry = load_registry([tmp_path], installed=False)
    assert registry.about == registry.with_nodes([]).about == {"a": "Sums: of many", "b": ""}


def test_a_folder_that_is_not_there_holds_no_packs(tmp_path: Path) -> None:
    assert load(tmp_path / "nowhere") == ([], {})


def test_the_packs_that_come_along_all_load() -> None:
    registry = load_registry()
    assert registry.failures == () and registry.get("std/text") and registry.get("std/nothing") is None


def test_an_installed_pack_is_imported_when_one_of_its_nodes_is_asked_for() -> None:
    script = """
import sys
from graphflow.registry import load_registry
registry = load_registry()
for id in (None, "licence/gate", "std/text"):
    assert id is None or registry.get(id)
    print([name.partition(".")[2] for name in sys.modules if name.startswith("graphflow_nodes.")])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    nothing, first, second = map(ast.literal_eval, done.stdout.splitlines())
    assert nothing == [] and "licence" in first and "std" not in first and "std" in second
    assert "control" not in second


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Registry]:
    """A registry of installed packs, each with nodes of these ids."""

    def make(**packs: list[str]) -> Registry:
        monkeypatch.syspath_prepend(tmp_path)
        for name, ids in packs.items():
            functions = "".join(f"@node('{id}')\ndef f{i}() -> int: return 1\n" for i, id in enumerate(ids))
            (tmp_path / f"installed_{name}.py").write_text(f"from graphflow.node import node\n{functions}")
            monkeypatch.delitem(sys.modules, f"installed_{name}", raising=False)
        points = [EntryPoint(name, f"installed_{name}", ENTRY_POINTS) for name in packs]
        monkeypatch.setattr("graphflow.registry.entry_points", lambda group: points)
        return load_registry()

    return make


@pytest.mark.parametrize("asked", ["b/y", "a/x", "no/such"])
def test_a_pack_keeps_the_ids_of_its_name_whoever_is_asked_for_first(
    installed: Callable[..., Registry], asked: str
) -> None:
    registry = installed(a=["a/x", "b/y"], b=["b/y"])
    registry.get(asked)
    assert list(registry.specs) == ["b/y"] and registry.specs["b/y"].function.__module__ == "installed_b"
    assert [failure.pack for failure in registry.failures] == ["a"]


def test_an_id_of_another_name_is_found_too(installed: Callable[..., Registry]) -> None:
    assert installed(a=["other/x"], b=["b/y"]).get("other/x") is not None


def test_functions_can_be_added_and_only_nodes_are_taken() -> None:
    @node("here/x")
    def x() -> int:
        return 1

    assert Registry().with_nodes([x]).get("here/x") is spec_of(x)
    with pytest.raises(TypeError, match="not declared"):
        Registry().with_nodes([len])
