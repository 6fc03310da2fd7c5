"""Reading provenance: from every format as other software writes it, and from hostile bytes."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from graphflow.errors import StorageError
from graphflow.provenance import MAX_TEXT, canonical_json, read_provenance

DATA = {"key": "ab", "workflow": {"nodes": [1, 2.5, None, True, "rötlich ☃ \x00"]}}
TEXT = canonical_json(DATA)

Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def png(text: str, *, packed: bool = False, key: str = "graphflow") -> bytes:
    info = PngInfo()
    info.add_text("Comment", "graphflow")
    info.add_itxt(key, text, zip=packed)
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def photo(text: str, format: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "a description that comes first"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + text.encode()
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2)).save(buffer, format, exif=exif, comment=b"graphflow")
    return buffer.getvalue()


def gif(text: str) -> bytes:
    frames = [Image.new("RGB", (2, 2), (i, 0, 0)) for i in (0, 200)]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, "GIF", save_all=True, append_images=frames[1:], comment=f"graphflow:{text}".encode()
    )
    return buffer.getvalue()


def video(text: str, format: str, codec: str, **options: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format, options=options) as container:
        container.metadata.update({"title": "a title", "graphflow": text})
        stream = container.add_stream(codec, 8)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def archive(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("graphflow.json", text)
        file.writestr("frame_00000.png", b"x")
    return buffer.getvalue()


TAGS = {"movflags": "use_metadata_tags"}

MADE = {
    "png": png(TEXT),
    "packed png": png(TEXT, packed=True),
    "jpeg": photo(TEXT, "JPEG"),
    "webp": photo(TEXT, "WEBP"),
    "gif": gif(TEXT),
    "mp4": video(TEXT, "mp4", "libx264", **TAGS),
    "fast mp4": video(TEXT, "mp4", "libx264", movflags="use_metadata_tags+frag_keyframe+empty_moov"),
    "mov": video(TEXT, "mov", "libx264", **TAGS),
    "webm": video(TEXT, "webm", "libvpx-vp9"),
    "mkv": video(TEXT, "matroska", "libx264"),
    "zip": archive(TEXT),
}


def read(data: bytes, tmp_path: Path) -> object:
    file = tmp_path / "any.name"
    file.write_bytes(data)
    return read_provenance(file)


@pytest.mark.parametrize("name", MADE)
def test_it_is_found_by_content_whatever_the_name(name: str, tmp_path: Path) -> None:
    assert read(MADE[name], tmp_path) == DATA


@pytest.mark.parametrize("name", MADE)
def test_changed_files_never_raise(name: str, tmp_path: Path) -> None:
    rng = random.Random(name)
    for turn in range(90):
        changed = bytearray(MADE[name][: rng.randrange(1 << 20) if turn % 3 == 0 else None])
        for _ in range(rng.choice((0, 1, 10))):
            changed[rng.randrange(len(changed))] = rng.choice((0, 255, rng.randrange(256)))
        found = read(bytes(changed), tmp_path)
        assert found is None or isinstance(found, dict)


@pytest.mark.parametrize("name", MADE)
def test_every_cut_off_file_is_read_or_has_none(name: str, tmp_path: Path) -> None:
    data = MADE[name]
    for length in [*range(0, min(len(data), 300), 3), *range(300, len(data), 97)]:
        assert read(data[:length], tmp_path) in (None, DATA)


@given(st.dictionaries(st.text(), Json, max_size=4))
def test_any_json_comes_back(data: dict[str, object]) -> None:
    text = canonical_json(data)
    assert text.isascii() and json.loads(text) == data
    assert canonical_json(json.loads(text)) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_what_is_not_json_has_no_canonical_form(value: object) -> None:
    with pytest.raises(ValueError):
        canonical_json(value)
    with pytest.raises(TypeError):
        canonical_json(object())


BAD_TEXTS = {
    "not json": "graphflow",
    "a list": "[1]",
    "nan": '{"a": NaN}',
    "infinity": '{"a": 1e999}',
    "deep": '{"a":' * 70 + "1" + "}" * 70,
    "very deep": '{"a":' * 100_000,
    "huge number": '{"a": ' + "1" * 5000 + "}",
    "large": '{"a": "' + "x" * MAX_TEXT + '"}',
    "bomb": "zlib:" + base64.b64encode(zlib.compress(b'{"a": "' + b" " * 50_000_000 + b'"}', 9)).decode(),
    "cut bomb": "zlib:" + base64.b64encode(zlib.compress(TEXT.encode())[:-6]).decode(),
    "bad base64": "zlib:!!!!",
    "bad zlib": "zlib:AAAA",
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_texts_that_are_no_provenance(name: str, tmp_path: Path) -> None:
    assert read(png(BAD_TEXTS[name]), tmp_path) is None
    assert read(video(BAD_TEXTS[name], "mp4", "libx264", **TAGS), tmp_path) is None


def test_a_packed_text_is_unpacked(tmp_path: Path) -> None:
    packed = "zlib:" + base64.b64encode(zlib.compress(TEXT.encode())).decode()
    assert read(png(packed), tmp_path) == DATA


def test_a_png_bomb_is_not_inflated(tmp_path: Path) -> None:
    bomb = zlib.compress(b" " * 50_000_000, 9)
    body = b"iTXtgraphflow\0\1\0\0\0" + bomb
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    assert read(png("{}", key="other")[:33] + chunk, tmp_path) is None


def test_many_blocks_end_the_search(tmp_path: Path) -> None:
    assert (
        read(b"\x89PNG\r\n\x1a\n" + (struct.pack(">I4s", 0, b"tEXt") + b"\0" * 4) * 210_000, tmp_path) is None
    )


@pytest.mark.parametrize(
    "data", [b"", b"text", b"RIFF", b"\xff\xd8\xff", b"PK\3\4", b"\0\0\0\1ftyp" + b"\0" * 20]
)
def test_other_files_have_none(data: bytes, tmp_path: Path) -> None:
    assert read(data, tmp_path) is None


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(StorageError) as caught:
            read_provenance(path)
        assert caught.value.where == str(path)


def test_reading_needs_no_decoder(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(MADE["mp4"])
    code = (
        "import sys; from graphflow.provenance import read_provenance; "
        "found = read_provenance(sys.argv[1]); "
        "sys.exit(not found or any(m in sys.modules for m in ('torch', 'av', 'PIL', 'numpy')))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.mp4")], check=True)
