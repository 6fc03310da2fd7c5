"""Prompts from settings and files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from graphflow_nodes.std import prompt_file, prompt_list

from graphflow.errors import StorageError
from graphflow.node import spec_of
from graphflow.testing import run_node


def test_one_prompt_a_line() -> None:
    assert run_node(prompt_list, prompts="a red ball\n\n  a blue box \r\n") == ["a red ball", "a blue box"]
    assert run_node(prompt_list) == []


def test_a_list_is_taken_as_it_is() -> None:
    assert run_node(prompt_list, prompts=["two\nlines", " a "]) == ["two\nlines", " a "]


def test_a_text_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes("\ufeffrün\n\nzwei\n".encode())
    assert run_node(prompt_file, path=str(file)) == ["rün", "zwei"]


def test_jsonl_by_name_or_by_setting(tmp_path: Path) -> None:
    lines = '{"prompt": "a", "text": "A"}\n\n{"prompt": "b", "text": "B"}\n'
    for name, format in (("x.jsonl", "auto"), ("x.txt", "jsonl")):
        file = tmp_path / name
        file.write_text(lines)
        assert run_node(prompt_file, path=str(file), format=format) == ["a", "b"]
        assert run_node(prompt_file, path=str(file), format=format, field="text") == ["A", "B"]
    assert run_node(prompt_file, path=str(tmp_path / "x.jsonl"), format="lines")[0].startswith("{")


@pytest.mark.parametrize("line", ["{", "[1]", "3", '{"prompt": 3}', "{}", "[" * 100_000, "1" * 5000])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(f'{{"prompt": "a"}}\n{line}\n')
    with pytest.raises(StorageError) as caught:
        run_node(prompt_file, path=str(file))
    assert "entry 2" in caught.value.where and caught.value.hint


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    os.mkfifo(tmp_path / "pipe")
    for path in ("", "a\0b", str(tmp_path), "/dev/zero", str(tmp_path / "none"), str(tmp_path / "binary")):
        with pytest.raises(StorageError) as caught:
            run_node(prompt_file, path=path)
        assert caught.value.hint
    with pytest.raises(StorageError):
        run_node(prompt_file, path=str(tmp_path / "pipe"))


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    spec = spec_of(prompt_file)
    assert spec is not None and spec.fingerprint is not None
    file = tmp_path / "x.txt"
    file.write_text("a")
    before = spec.fingerprint(path=str(file), format="auto", field="prompt")
    file.write_text("b")
    assert spec.fingerprint(path=str(file), format="auto", field="prompt") != before
