"""Packs: what can be loaded is loaded, what cannot is told, and nothing stops the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphflow.node import node, spec_of
from graphflow.registry import Registry, load_registry

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


def test_a_folder_that_is_not_there_holds_no_packs(tmp_path: Path) -> None:
    assert load(tmp_path / "nowhere") == ([], {})


def test_the_packs_that_come_along_all_load() -> None:
    registry = load_registry()
    assert registry.failures == () and registry.get("std/text") and registry.get("std/nothing") is None


def test_functions_can_be_added_and_only_nodes_are_taken() -> None:
    @node("here/x")
    def x() -> int:
        return 1

    assert Registry().with_nodes([x]).get("here/x") is spec_of(x)
    with pytest.raises(TypeError, match="not declared"):
        Registry().with_nodes([len])
