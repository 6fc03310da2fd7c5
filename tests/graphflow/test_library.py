"""Kept workflows: what was saved is whole and findable, nobody overwrites what they have not seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from graphflow import files, library, workflow
from graphflow.errors import GraphflowError, StorageError
from graphflow.library import KEEP, Library, LibraryError
from graphflow.workflow import Document
from tests.graphflow.test_files import BAD
from tests.support.engine import raw


def doc(value: int = 0, name: str = "") -> Document:
    return workflow.from_raw({**raw({"out": "n"}, n=("num", {"value": value})), "name": name})


@pytest.fixture
def shelf(tmp_path: Path) -> Library:
    return Library(tmp_path / "workflows")


# --------------------------------------------------------------------------------- saving


def test_what_was_saved_is_opened_again_also_by_the_next_program(shelf: Library) -> None:
    kept = shelf.save("My clip", doc(1), None)
    again = Library(shelf.root).get("My clip")
    assert (again.document, again.version) == (doc(1), kept.version)
    assert shelf.names() == ["My clip"] and shelf.has("My clip")


def test_saving_over_a_version_that_was_not_seen_is_refused_and_says_so(shelf: Library) -> None:
    first = shelf.save("a", doc(1), None)
    second = shelf.save("a", doc(2), first.version)
    for seen, word in ((first.version, "meanwhile"), (None, "already"), ("0" * 32, "meanwhile")):
        with pytest.raises(LibraryError, match=word) as caught:
            shelf.save("a", doc(3), seen)
        assert caught.value.error_code == "workflow.conflict" and caught.value.hint
    assert shelf.get("a").version == second.version
    shelf.delete("a")
    with pytest.raises(LibraryError, match="deleted"):
        shelf.save("a", doc(3), second.version)


def test_of_many_who_save_at_once_one_wins_and_the_others_are_told(shelf: Library) -> None:
    seen = shelf.save("a", doc(0), None).version
    outcomes: list[str] = []

    def save(value: int) -> None:
        try:
            outcomes.append(shelf.save("a", doc(value), seen).version)
        except LibraryError as error:
            outcomes.append(error.error_code)

    threads = [threading.Thread(target=save, args=(i,)) for i in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("workflow.conflict") == 7 and shelf.get("a").version in outcomes


def test_saving_the_same_again_makes_no_version(shelf: Library) -> None:
    first = shelf.save("a", doc(1), None)
    assert shelf.save("a", doc(1), None) == first  # even by somebody who has not seen it
    assert len(shelf.versions("a")) == 1


def test_the_last_versions_are_kept_and_can_be_opened(shelf: Library) -> None:
    seen = None
    for value in range(KEEP + 5):
        seen = shelf.save("a", doc(value), seen).version
    found = shelf.versions("a")
    assert [one.document for one in found] == [doc(value) for value in range(KEEP + 4, 4, -1)]
    assert shelf.get("a", found[-1].version).document == doc(5)
    with pytest.raises(LibraryError, match="no such version"):
        shelf.get("a", "0" * 32)


def test_a_file_edited_by_hand_is_another_version_and_a_spoilt_one_is_told(shelf: Library) -> None:
    seen = shelf.save("a", doc(1), None).version
    (path,) = (shelf.root / "a").glob("*.json")
    path.write_bytes(workflow.dump(doc(2)))
    with pytest.raises(LibraryError, match="meanwhile"):
        shelf.save("a", doc(3), seen)
    path.write_bytes(b"{")
    assert shelf.all()[0].summary() == (0, "")
    with pytest.raises(GraphflowError, match="not valid JSON"):
        _ = shelf.get("a").document


# --------------------------------------------------------------------------------- arranging


def test_a_renamed_workflow_takes_its_versions_with_it(shelf: Library) -> None:
    seen = shelf.save("a", doc(1), None).version
    shelf.save("a", doc(2), seen)
    shelf.rename("a", "b")
    assert shelf.names() == ["b"] and len(shelf.versions("b")) == 2
    shelf.rename("b", "B")  # some systems take these for the same name
    assert shelf.names() == ["B"]


def test_a_copy_begins_anew(shelf: Library) -> None:
    seen = shelf.save("a", doc(1), None).version
    shelf.save("a", doc(2), seen)
    shelf.duplicate("a", "b")
    assert shelf.get("b").document == doc(2) and len(shelf.versions("b")) == 1


@pytest.mark.parametrize("taken", ["a", "A"])
def test_a_name_that_is_taken_is_refused_everywhere(shelf: Library, taken: str) -> None:
    shelf.save("a", doc(1), None)
    shelf.save("b", doc(2), None)
    gone = shelf.delete("b").id
    shelf.save("c", doc(3), None)
    for change in (
        lambda: shelf.rename("c", taken),
        lambda: shelf.duplicate("c", taken),
        lambda: shelf.restore(gone, taken),
    ):
        with pytest.raises(LibraryError) as caught:
            change()
        assert caught.value.error_code == "workflow.exists"
    assert [one.document for one in shelf.all()] == [doc(1), doc(3)]


def test_what_was_deleted_comes_back_with_its_versions(shelf: Library) -> None:
    seen = shelf.save("a", doc(1), None).version
    shelf.save("a", doc(2), seen)
    gone = shelf.delete("a")
    assert not shelf.names() and [one.name for one in shelf.deleted()] == ["a"]
    shelf.save("a", doc(9), None)
    shelf.restore(gone.id, "b")
    assert [one.document for one in shelf.versions("b")] == [doc(2), doc(1)]
    assert not shelf.deleted()
    with pytest.raises(LibraryError, match="not in the trash"):
        shelf.restore(gone.id)


def test_the_trash_has_an_end_and_is_in_order_though_the_clock_goes_back(
    shelf: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "KEEP_DELETED", 3)
    times = iter(range(2 * 10**18, 0, -(10**17)))
    monkeypatch.setattr(library.time, "time_ns", lambda: next(times))
    for name in "abcde":
        shelf.save(name, doc(), None)
        shelf.delete(name)
    assert [one.name for one in shelf.deleted()] == ["e", "d", "c"]


def test_every_change_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, bool]] = []
    shelf = Library(tmp_path, changed=lambda name, version: told.append((name, version is not None)))
    shelf.save("a", doc(1), None)
    shelf.save("a", doc(1), None)
    shelf.rename("a", "b")
    shelf.duplicate("b", "c")
    shelf.restore(shelf.delete("c").id)
    assert told == [
        ("a", True), ("a", False), ("b", True), ("c", True), ("c", False), ("c", True),
    ]  # fmt: skip


# --------------------------------------------------------------------------------- attacks


HOSTILE = [*BAD, "a/b", ".versions", ".trash", ".hidden", "x" * 101, "é" * 128, "a/000001.json", "%2e%2e/x"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_reaches_nothing(tmp_path: Path, name: str) -> None:
    shelf = Library(tmp_path / "in" / "workflows")
    shelf.save("good", doc(1), None)
    gone = shelf.delete("good").id
    shelf.save("good", doc(1), None)
    before = sorted(tmp_path.rglob("*"))
    changes: list[Any] = [
        lambda: shelf.get(name),
        lambda: shelf.versions(name),
        lambda: shelf.save(name, doc(2), None),
        lambda: shelf.rename(name, "b"),
        lambda: shelf.rename("good", name),
        lambda: shelf.duplicate("good", name),
        lambda: shelf.delete(name),
        lambda: shelf.restore(gone, name),
    ]
    for change in changes:
        with pytest.raises((LibraryError, StorageError)) as caught:
            change()
        assert caught.value.error_code in ("storage.name", "workflow.missing")
    with pytest.raises(LibraryError):
        shelf.restore(name)
    assert not shelf.has(name) and sorted(tmp_path.rglob("*")) == before


@given(name=st.text(max_size=120))
@settings(max_examples=150, deadline=None)
def test_any_name_is_refused_or_stays_inside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    place = tmp_path_factory.mktemp("any")
    shelf = Library(place / "workflows")
    try:
        shelf.save(name, doc(1), None)
    except GraphflowError as error:
        assert error.error_code == "storage.name"
    else:
        assert shelf.names() == [name] and shelf.get(name).document == doc(1)
    assert all(path.is_relative_to(place / "workflows") for path in place.rglob("*"))


def test_links_and_strange_files_in_the_folder_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "000001.json").write_bytes(workflow.dump(doc(1)))
    shelf = Library(tmp_path / "workflows")
    shelf.save("good", doc(2), None)
    (shelf.root / "link").symlink_to(secret)
    (shelf.root / "file").write_text("x")
    (shelf.root / "empty").mkdir()
    (shelf.root / "good" / "notes.txt").write_text("x")
    assert shelf.names() == ["good"]
    with pytest.raises(StorageError, match="leads out"):
        shelf.get("link")


# --------------------------------------------------------------------------------- crashes

CRASH = """
import sys
from pathlib import Path
from graphflow import workflow
from graphflow.library import Library
shelf = Library(Path(sys.argv[1]))
document = workflow.parse(sys.argv[3])
seen = shelf.get("a").version
if sys.argv[2] == "save":
    shelf.save("a", document, seen)
elif sys.argv[2] == "duplicate":
    shelf.duplicate("a", "b")
"""

POINTS = [name for name in files.FAULTPOINTS if name.startswith("file.")]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("change", ["save", "duplicate"])
def test_killed_while_saving_the_old_one_or_the_new_is_there(tmp_path: Path, point: str, change: str) -> None:
    shelf = Library(tmp_path)
    shelf.save("a", doc(1), None)
    arguments = [sys.executable, "-c", CRASH, str(tmp_path), change, workflow.dump(doc(2)).decode()]
    done = subprocess.run(arguments, env={**os.environ, "GRAPHFLOW_FAULT": point}, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    after = Library(tmp_path)
    assert after.get("a").document in (doc(1), doc(2))
    if after.has("b"):
        assert after.get("b").document == doc(1)
    after.save("b", doc(3), after.get("b").version if after.has("b") else None)  # whatever was left there
    files.sweep(tmp_path)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".json"}


def test_a_full_disk_refuses_and_leaves_what_was_there(
    shelf: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = shelf.save("a", doc(1), None).version

    def full(*arguments: object) -> None:
        raise StorageError("the disk is full", code="storage.full")

    with monkeypatch.context() as broken, pytest.raises(StorageError, match="full"):
        broken.setattr(library.files, "write_atomic", full)
        shelf.save("a", doc(2), seen)
    assert shelf.get("a").version == seen
    shelf.save("a", doc(2), seen)


# --------------------------------------------------------------------------------- all together


class LibraryAgainstModel(RuleBasedStateMachine):
    """The library beside a dictionary of lists."""

    names = st.sampled_from(["a", "b", "c"])
    values = st.integers(0, 3)

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory(prefix="graphflow-")
        self.shelf = Library(Path(self.folder.name))
        self.model: dict[str, list[int]] = {}
        self.trash: list[tuple[str, str, list[int]]] = []

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(name=names, value=values)
    def save(self, name: str, value: int) -> None:
        seen = self.shelf.get(name).version if name in self.model else None
        self.shelf.save(name, doc(value), seen)
        kept = self.model.setdefault(name, [])
        if not kept or kept[0] != value:
            self.model[name] = [value, *kept][:KEEP]

    @rule(name=names, to=names)
    def rename(self, name: str, to: str) -> None:
        if name in self.model and to not in self.model:
            self.shelf.rename(name, to)
            self.model[to] = self.model.pop(name)

    @rule(name=names)
    def delete(self, name: str) -> None:
        if name in self.model:
            self.trash.insert(0, (self.shelf.delete(name).id, name, self.model.pop(name)))

    @rule(pick=st.integers(0, 5), to=names)
    def restore(self, pick: int, to: str) -> None:
        if pick < len(self.trash) and to not in self.model:
            id, _, kept = self.trash.pop(pick)
            self.shelf.restore(id, to)
            self.model[to] = kept

    @invariant()
    def agree(self) -> None:
        assert self.shelf.names() == sorted(self.model)
        for name, kept in self.model.items():
            assert [one.document for one in self.shelf.versions(name)] == [doc(value) for value in kept]
        assert [(one.id, one.name) for one in self.shelf.deleted()] == [one[:2] for one in self.trash]


TestLibraryAgainstModel = LibraryAgainstModel.TestCase
TestLibraryAgainstModel.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
