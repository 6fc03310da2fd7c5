"""Finding workflows: by name, by path, inside saved files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from graphflow.errors import DocumentError, StorageError
from graphflow.templates import find, from_media, listing, template_folder, templates
from tests.support.engine import raw


def test_every_template_is_a_document_with_a_name_and_a_description() -> None:
    assert templates().keys() == {path.stem for path in template_folder().glob("*.json")}
    for name, document in listing():
        assert document.nodes and document.description, name


def test_a_file_goes_before_a_template_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(iter(templates()), "")
    document, folder = find(name)
    assert folder == template_folder() and document.nodes
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.json").write_text(json.dumps(raw(n="num")))
    document, folder = find("mine.json")
    assert list(document.nodes) == ["n"] and folder == tmp_path


@pytest.mark.parametrize(
    "reference", ["", "nothing", "./nothing.json", "\0", "a/b/c", "x" * 5000, ".", "~nobody_here/x.json"]
)
def test_what_is_not_there_is_one_clear_error(reference: str) -> None:
    with pytest.raises(StorageError) as caught:
        find(reference)
    assert caught.value.error_code == "workflow.missing"


def test_a_file_that_carries_no_workflow_says_which_do(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"\x00" * 100)
    with pytest.raises(StorageError, match="no workflow inside") as caught:
        from_media(tmp_path / "clip.mp4")
    assert "saved by graphflow" in caught.value.hint


def test_a_folder_or_a_pipe_is_not_a_workflow(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for path, said in ((tmp_path, "this is a folder"), (tmp_path / "pipe.json", "this is no file")):
        with pytest.raises(StorageError, match=said) as caught:
            find(str(path))
        assert caught.value.error_code == "workflow.missing"


def test_a_saved_picture_is_known_by_what_it_holds_whatever_its_name(tmp_path: Path) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    made_by = PngInfo()
    made_by.add_itxt("graphflow", json.dumps({"workflow": raw(n="num")}))
    Image.new("RGB", (4, 4)).save(tmp_path / "clip.json", "PNG", pnginfo=made_by)
    document, folder = find(str(tmp_path / "clip.json"))
    assert list(document.nodes) == ["n"] and folder is None


def test_text_in_another_encoding_is_a_wrong_document_not_a_picture(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"graphflow": 1, "name": "ü"}', encoding="latin-1")
    with pytest.raises(DocumentError, match="UTF-8"):
        find(str(tmp_path / "mine.json"))


def test_a_wrong_file_is_a_document_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "wrong.JSON").write_text("[]")
    with pytest.raises(DocumentError) as caught:
        find(str(tmp_path / "wrong.JSON"))
    assert caught.value.where.endswith("wrong.JSON")
