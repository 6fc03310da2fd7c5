"""Uploads: kept whole or not at all, looked into by a child with limits, named in workflows by their id."""

from __future__ import annotations

import io
import json
import random
import shutil
import wave
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from graphflow import assets
from graphflow.assets import AssetError, Assets
from graphflow.provenance import KEY
from graphflow.server import probe as probing
from graphflow.server.probe import carried, look, probe
from tests.support.engine import document


def store(root: Path, facts: Mapping[str, Any] | None = None, limit: int = 10**7) -> Assets:
    return Assets(root, probe if facts is None else lambda path: facts, limit=limit)


def put(where: Assets, name: str, data: bytes) -> assets.Asset:
    incoming = where.begin(name, len(data))
    incoming.write(data)
    return incoming.finish()


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, "red").save(data, kind)
    return data.getvalue()


def sound() -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    return data.getvalue()


def video(path: Path) -> bytes:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for _ in range(4):
            frame = av.VideoFrame(32, 16, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def test_an_upload_is_there_after_a_restart_with_what_was_found_inside(tmp_path: Path) -> None:
    kept = put(store(tmp_path), "Dog Picture.PNG", picture())
    again = store(tmp_path).get(kept.id)
    assert again == kept and again.path.read_bytes() == picture()
    assert (again.name, again.media_type) == ("Dog Picture.PNG", "image/png")
    assert again.facts == {"kind": "image", "width": 8, "height": 6}


def test_texts_call_an_upload_by_the_name_under_which_it_was_sent(tmp_path: Path) -> None:
    where = store(tmp_path)
    kept = put(where, "My Dog.png", picture())
    assert where.worded(f"{kept.path}: too small, {kept.path}") == "My Dog.png: too small, My Dog.png"
    gone = kept.path.parent.parent / ("0" * 32) / "file.png"
    assert where.worded(f"no {gone} is left") == "no an upload that is gone is left"
    assert where.worded(f"{tmp_path}/else") == f"{tmp_path}/else"


def test_sound_and_video_are_recognised(tmp_path: Path) -> None:
    heard = put(store(tmp_path), "a.wav", sound())
    assert heard.facts == {"kind": "audio", "seconds": 1.0, "rate": 8000}
    seen = put(store(tmp_path), "a.mp4", video(tmp_path / "made.mp4"))
    facts = {name: seen.facts[name] for name in ("kind", "width", "height", "frames", "fps", "sound")}
    assert facts == {"kind": "video", "width": 32, "height": 16, "frames": 4, "fps": 8.0, "sound": False}


@pytest.mark.parametrize("size", [None, 10])
def test_bytes_that_are_missing_or_too_many_leave_nothing(tmp_path: Path, size: int | None) -> None:
    where = store(tmp_path / "in", {}, limit=20)
    short = where.begin("a.txt", size)
    if size is not None:
        short.write(b"123")
    with pytest.raises(AssetError, match="only 3 of 10 bytes came" if size else "the file is empty"):
        short.finish()
    short.close()
    long = where.begin("a.txt", size)
    with pytest.raises(AssetError, match="more than"):
        long.write(b"1" * 21)
    long.close()
    assert not [*(tmp_path / "in").rglob("*")]


def test_a_file_without_its_record_was_never_completed(tmp_path: Path) -> None:
    kept = put(store(tmp_path, {}), "a.txt", b"x")
    (kept.path.parent / "asset.json").unlink()
    with pytest.raises(AssetError, match="no such upload"):
        store(tmp_path, {}).get(kept.id)


@pytest.mark.parametrize("id", ["", "..", "../x", "a" * 31, "A" * 32, "a" * 32, "a" * 31 + "/", "\0" * 32])
def test_only_an_id_that_was_given_out_opens_a_file(tmp_path: Path, id: str) -> None:
    with pytest.raises(AssetError) as caught:
        store(tmp_path, {}).get(id)
    assert caught.value.error_code == "asset.unknown"


def test_names_of_uploads_become_paths_wherever_they_stand_in_settings(tmp_path: Path) -> None:
    where = store(tmp_path, {})
    id = put(where, "a.txt", b"x").id
    found = where.resolve(
        document(n=("num", {"a": f"asset:{id}", "b": [{"c": f"asset:{id}"}], "d": f"see asset:{id}"}))
    )
    path = str(where.get(id).path)
    assert found.nodes["n"].params == {"a": path, "b": [{"c": path}], "d": f"see asset:{id}"}
    with pytest.raises(AssetError):
        where.resolve(document(n=("num", {"a": "asset:" + "0" * 32})))


# --------------------------------------------------------------------------- room for all together


def test_all_uploads_together_have_a_limit_also_those_that_are_still_coming(tmp_path: Path) -> None:
    where = Assets(tmp_path, lambda path: {}, limit=100, total=100)
    first = put(where, "a.txt", b"x" * 40)
    coming = where.begin("b.txt", 50)
    with pytest.raises(AssetError) as caught:
        where.begin("c.txt", 11)
    assert caught.value.error_code == "asset.full" and "--upload-space" in caught.value.hint
    unknown = where.begin("d.txt")
    unknown.write(b"x" * 10)
    with pytest.raises(AssetError, match="no room"):
        unknown.write(b"x")
    unknown.close()
    coming.close()
    assert put(where, "e.txt", b"x" * 60).size == 60, "what did not come takes no room"
    again = Assets(tmp_path, lambda path: {}, limit=100, total=100)
    with pytest.raises(AssetError, match="no room"):
        again.begin("f.txt", 1)
    shutil.rmtree(first.path.parent)
    assert put(again, "g.txt", b"x" * 40).size == 40, "room that somebody made is seen"


def test_old_uploads_that_nothing_names_go_and_no_others(tmp_path: Path) -> None:
    where = store(tmp_path, {})
    named, unnamed = put(where, "a.txt", b"x"), put(where, "b.txt", b"x")
    later = max(named.time, unnamed.time) + 1
    broken = where.begin("c.txt", 5)
    broken.write(b"12")  # its server was killed
    assert where.tidy(lambda: pytest.fail("nothing is that old"), named.time - 1) == []
    assert not (tmp_path / broken.id).exists()
    assert where.tidy(lambda: {named.id}, later) == [unnamed.id]
    assert where.all() == [named] and [path.name for path in tmp_path.iterdir()] == [named.id]


# ------------------------------------------------------------------------------ hostile media


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jpg", picture("PNG")),  # another format than its name says
        ("a.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("a.png", picture()[:40]),
        ("a.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n"),  # a playlist that names other files
        ("a.mp4", b"ffconcat version 1.0\nfile /etc/hostname\n"),
        ("a.mp4", b""),
        ("a.wav", b"RIFF\xff\xff\xff\xffWAVE"),
    ],
)
def test_media_that_are_not_what_they_seem_are_refused(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(AssetError) as caught:
        probe(path)
    assert caught.value.error_code == "asset.broken" and str(tmp_path) not in caught.value.message


def test_a_picture_of_too_many_pixels_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "MAX_PIXELS", 100)
    (tmp_path / "a.png").write_bytes(picture(size=(11, 10)))
    with pytest.raises(ValueError, match="more than 100 pixels"):
        look(tmp_path / "a.png")


def test_a_file_that_crashes_its_decoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tests/graphflow/test_limited.py` shows all that a child may do."""
    (tmp_path / "lab_crash.py").write_text("import os\ndef found(fields, data):\n    os.abort()\n    yield\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(probing, "__name__", "lab_crash")
    with pytest.raises(AssetError, match="crashed") as caught:
        probe(tmp_path / "a.mp4")
    assert caught.value.error_code == "asset.broken"


def test_mutated_media_are_decoded_or_refused(tmp_path: Path) -> None:
    chance = random.Random(5)
    good = {
        "a.png": picture(),
        "b.jpg": picture("JPEG"),
        "c.mp4": video(tmp_path / "made.mp4"),
        "d.wav": sound(),
    }
    for i in range(60):
        name, data = chance.choice([*good.items()])
        bad = bytearray(data)
        for _ in range(chance.randint(1, 20)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        (tmp_path / f"{i}-{name}").write_bytes(bad[: chance.randint(1, len(bad))])
    for path in sorted(tmp_path.glob("*-*")):
        with suppress(AssetError):
            assert "kind" in probe(path)
        with suppress(AssetError):
            assert isinstance(carried(path), dict)


def test_the_workflow_in_a_file_is_read_by_the_child(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    assert carried(path) == {}
    told = PngImagePlugin.PngInfo()
    told.add_itxt(KEY, json.dumps({"workflow": {"graphflow": 1}, "error": "not one of ours"}))
    Image.new("RGB", (4, 4)).save(path, pnginfo=told)
    assert carried(path) == {"workflow": {"graphflow": 1}, "error": "not one of ours"}


def test_uploads_are_listed_by_kind_newest_first_and_paths_become_names_again(tmp_path: Path) -> None:
    where = store(tmp_path / "up")
    first, second = put(where, "a.png", picture()), put(where, "b.txt", b"x")
    assert where.all() == [second, first] and where.all("image") == [first] and where.all("video") == []
    (where.root / "stray").mkdir()
    assert len(where.all()) == 2
    raw = {"a": [str(first.path), "text", 3], "b": {"c": str(second.path)}}
    assert where.named(raw) == {"a": [f"asset:{first.id}", "text", 3], "b": {"c": f"asset:{second.id}"}}
    for other in (
        str(where.root),
        f"{where.root}/x/y.png",
        f"{where.root}/{first.id}/../x",
        str(tmp_path / "o"),
    ):
        assert where.named(other) == other
