"""Names stay inside their folder; files are whole or not there."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphflow import files
from graphflow.errors import StorageError

GOOD = [
    "a",
    "a.mp4",
    "clips/dog.mp4",
    "a/b/c/d/e",
    "...a",
    ".hidden",
    "a..b",
    "..a",
    "a b",
    "~",
    "~/x",
    "%2e%2e",
    "%2e%2e%2fetc",
    "%252e%252e",
    "．．",  # noqa: RUF001 - full-width dots are a name like any other
    "ｅｔｃ",  # noqa: RUF001
    "－",  # noqa: RUF001
    "-rf",
    "$HOME",
    "console",
    "com",
    "com10",
    "lpt",
    "nula",
    "auxiliary.txt",
    "x" * 255,
    "é" * 127,
    "/".join(["d" * 100] * 10),
    "名前.png",
    "\u202egpj.exe",
    "a'b",
    "a;b",
    "a&b",
    "a\u2028b",
]

BAD = [
    "",
    ".",
    "..",
    "/",
    "//",
    "./",
    "../",
    "./a",
    "a/.",
    "a/./b",
    "a/..",
    "a/../b",
    "a/../../b",
    "../a",
    "../../../../etc/passwd",
    "/etc/passwd",
    "//server/share",
    "///a",
    "a//b",
    "a/",
    "\\",
    "..\\a",
    "a\\..\\..\\b",
    "\\\\server\\share",
    "\\\\?\\C:\\a",
    "C:",
    "C:\\a",
    "C:/a",
    "c:a",
    "a:b",
    "file:///etc/passwd",
    "a\0",
    "\0",
    "a\0.mp4",
    "a\n",
    "a\r\nb",
    "a\tb",
    "\x7f",
    "\x1b[31m",
    "a.",
    "a..",
    "a ",
    " a",
    "a/b. ",
    ".../a",
    "...",
    "con",
    "CON",
    "Con.txt",
    "con.tar.gz",
    "con .txt",
    "a/con",
    "con/a",
    "prn",
    "aux",
    "nul",
    "NUL.mp4",
    "com1",
    "COM9.x",
    "com0",
    "com¹",
    "lpt1",
    "lpt³.png",
    "conin$",
    "CONOUT$.txt",
    "a*b",
    "a?b",
    'a"b',
    "a<b",
    "a>b",
    "a|b",
    "x" * 256,
    "é" * 128,
    "a/" + "x" * 256,
    "/".join(["d"] * 513),
    "/".join(["d" * 200] * 6),
    "\ud800",
    "a/\udcff",
]


@pytest.mark.parametrize("name", GOOD)
def test_inside_accepts(tmp_path: Path, name: str) -> None:
    path = files.inside(tmp_path, name)
    assert path == tmp_path / name
    assert path.is_relative_to(tmp_path.resolve())


@pytest.mark.parametrize("name", BAD)
def test_inside_refuses(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError) as caught:
        files.inside(tmp_path, name)
    assert caught.value.error_code == "storage.name"
    assert caught.value.hint


def test_inside_refuses_links_that_lead_out_and_follows_those_that_stay(tmp_path: Path) -> None:
    root, evil = tmp_path / "root", tmp_path / "root-evil"
    root.mkdir(), evil.mkdir()
    (root / "out").symlink_to(evil)
    (root / "up").symlink_to("..")
    (root / "self").symlink_to(".")
    (root / "circle").symlink_to("circle")
    (root / "real").mkdir()
    (root / "in").symlink_to("real")
    for name in ("out", "out/a", "up", "up/root-evil", "self", "circle/a", "in/../../root-evil"):
        with pytest.raises(StorageError):
            files.inside(root, name)
    assert files.inside(root, "in/a") == root / "real" / "a"
    assert files.inside(root, "self/a") == root / "a"


def test_inside_works_below_a_linked_root(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert files.inside(tmp_path / "link", "a") == tmp_path / "real" / "a"


PARTS = st.one_of(
    st.sampled_from(["..", ".", "", "a", "b", "..%2f", "\\", "con", "C:", "~", "\0", "link", "..\\.."]),
    st.text(max_size=20),
)


@given(parts=st.lists(PARTS, max_size=8), separator=st.sampled_from(["/", "//", "\\", ""]))
def test_inside_gives_a_path_below_its_root_or_refuses(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], separator: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "root"
    root.mkdir(exist_ok=True)
    if not (root / "link").is_symlink():
        (root / "link").symlink_to("..")
    try:
        path = files.inside(root, separator.join(parts))
    except StorageError:
        return
    assert path != root.resolve()
    assert os.path.commonpath([path.resolve(), root.resolve()]) == str(root.resolve())


# ---------------------------------------------------------------------------------- writing


def test_write_atomic_replaces_the_whole_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.json"
    files.write_atomic(path, b"one")
    files.write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["a.json"]


def test_a_file_has_the_usual_permissions(tmp_path: Path) -> None:
    plain, ours = tmp_path / "plain", tmp_path / "ours"
    plain.touch()
    files.write_atomic(ours, b"")
    assert ours.stat().st_mode == plain.stat().st_mode


def test_replacing_keeps_the_old_file_when_the_writer_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), files.replacing(path, suffix=".mp4") as temporary:
        assert temporary.parent == tmp_path and temporary.name.endswith(".tmp.mp4")
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_replacing_takes_a_file_that_the_writer_made_anew(tmp_path: Path) -> None:
    with files.replacing(tmp_path / "a") as temporary:
        assert temporary.name.endswith(".tmp")
        temporary.unlink()
        temporary.write_bytes(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "storage.full"),
        (errno.EDQUOT, "storage.full"),
        (errno.EACCES, "storage.denied"),
        (errno.EROFS, "storage.denied"),
        (errno.EIO, "storage.broken"),
        (errno.EMFILE, "storage.busy"),
    ],
)
@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_every_failing_call_is_a_clear_error_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(files.os, call, fail)
        with pytest.raises(StorageError) as caught:
            files.write_atomic(path, b"new")
    assert caught.value.error_code == code
    assert caught.value.where == str(path)
    assert caught.value.hint
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_writers_error_about_another_file_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "a"):
        (tmp_path / "missing").read_bytes()
    with pytest.raises(ConnectionResetError), files.replacing(tmp_path / "a"):
        raise ConnectionResetError(errno.ECONNRESET, "reset")
    assert os.listdir(tmp_path) == []


def test_a_folder_in_the_way_and_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="folder"):
        files.write_atomic(tmp_path / "folder", b"")
    with pytest.raises(StorageError):
        files.write_atomic(tmp_path / "file" / "a", b"")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_writing_goes_on_after_a_short_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(files.os, "write", lambda fd, data: real(fd, bytes(data)[:3]))
    files.write_atomic(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


# --------------------------------------------------------------------------------- sweeping


def test_sweep_removes_orphans_and_nothing_else(tmp_path: Path) -> None:
    orphan = tmp_path / "deep" / "graphflow-0123456789abcdef.tmp"
    movie = tmp_path / "graphflow-0123456789abcdef.tmp.mp4"
    others = [
        tmp_path / name
        for name in ("a.tmp", "graphflow-1.tmp", "graphflow-0123456789abcdef.tmp.d/x", "b.mp4")
    ]
    for path in (orphan, movie, *others):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert files.sweep(tmp_path) == 2
    assert not orphan.exists() and not movie.exists()
    assert all(path.exists() for path in others)


def test_one_folder_is_swept_without_those_in_it(tmp_path: Path) -> None:
    inner = tmp_path / "deep" / "graphflow-0123456789abcdef.tmp"
    inner.parent.mkdir()
    (tmp_path / inner.name).touch()
    inner.touch()
    assert files.sweep_folder(tmp_path) == 1 and inner.exists()
    assert files.sweep_folder(tmp_path / "nowhere") == 0


def test_sweep_spares_a_live_writer_in_this_process_and_in_another(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from graphflow import files\n"
        "with files.replacing(Path(sys.argv[1])) as t:\n"
        "    t.write_text('x'); print('ready', flush=True); sys.stdin.readline()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "theirs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child, files.replacing(tmp_path / "ours"):
        assert child.stdout and child.stdin
        child.stdout.readline()
        assert files.sweep(tmp_path) == 0
        child.stdin.write(b"\n")
        child.stdin.flush()
        assert child.wait() == 0
    assert sorted(os.listdir(tmp_path)) == ["ours", "theirs"]


def test_sweep_removes_what_a_killed_writer_left(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from graphflow import files\n"
        "files.write_atomic(Path(sys.argv[1]), b'x')"
    )
    env = os.environ | {"GRAPHFLOW_FAULT": "file.written"}
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "a"], env=env).returncode == -9
    assert len(os.listdir(tmp_path)) == 1
    assert files.sweep(tmp_path) == 1
    assert os.listdir(tmp_path) == []


def test_without_locks_sweep_goes_by_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_try_lock", lambda fd: None)
    young, old = (tmp_path / f"graphflow-{digit * 16}.tmp" for digit in "ab")
    young.touch(), old.touch()
    os.utime(old, (0, 0))
    assert files.sweep(tmp_path) == 1
    assert young.exists() and not old.exists()


# ---------------------------------------------------------------------------------- locking


def test_a_lock_is_held_by_one_thread_at_a_time(tmp_path: Path) -> None:
    path, inside, most, first = tmp_path / "a.lock", [0], [0], []

    def work() -> None:
        with files.locked(path) as at_once:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            first.append(at_once)
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1 and len(first) == 5 and first[0]


def test_waiting_for_a_lock_can_be_cancelled(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    caught = []

    def wait() -> None:
        try:
            with files.locked(tmp_path / "a.lock", stop):
                pass
        except Stop:
            caught.append(True)

    with files.locked(tmp_path / "a.lock") as at_once:
        assert at_once
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()
    assert caught == [True]


def test_where_nothing_can_be_locked_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with files.locked(tmp_path / "file" / "a.lock") as at_once:
        assert at_once


def test_old_free_locks_are_removed_and_held_ones_stay(tmp_path: Path) -> None:
    with files.locked(tmp_path / "held.lock"):
        for name in ("held", "free", "young"):
            (tmp_path / f"{name}.lock").touch()
        for name in ("held", "free"):
            os.utime(tmp_path / f"{name}.lock", (0, 0))
        files.remove_free_locks(tmp_path)
        assert sorted(p.stem for p in tmp_path.iterdir()) == ["held", "young"]


# ------------------------------------------------------------------------------ fault points


def test_every_fault_point_in_the_code_is_listed() -> None:
    used = set()
    for path in Path(files.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(call, ast.Call)
                and getattr(call.func, "attr", getattr(call.func, "id", "")) == "faultpoint"
            ):
                (name,) = call.args
                assert isinstance(name, ast.Constant), path
                used.add(name.value)
    assert used == set(files.FAULTPOINTS)
    assert len(set(files.FAULTPOINTS)) == len(files.FAULTPOINTS)


def test_a_fault_point_does_nothing_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPHFLOW_FAULT", raising=False)
    files.faultpoint("file.written")
    monkeypatch.setenv("GRAPHFLOW_FAULT", "file.synced")
    files.faultpoint("file.written")
