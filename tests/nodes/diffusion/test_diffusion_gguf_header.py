"""GGUF files that are broken are told by their header, before anything is loaded."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import gguf
import numpy
import pytest
from graphflow_nodes.diffusion.gguf_header import BLOCKS, check_gguf

from graphflow.errors import NodeError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """With values of every kind, and two tensors."""
    path = tmp_path / "small.gguf"
    writer = gguf.GGUFWriter(str(path), "wan")
    writer.add_uint8("u8", 1)
    writer.add_float64("f64", 0.5)
    writer.add_array("words", ["one", "two"])
    writer.add_array("numbers", [1, 2, 3])
    writer.add_tensor("a", numpy.ones((4, 32), numpy.float32))
    writer.add_tensor("b", numpy.ones((2, 34), numpy.uint8), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_sizes_of_blocks_are_the_formats() -> None:
    theirs = {int(kind): size for kind, size in gguf.GGML_QUANT_SIZES.items()}
    assert {kind: theirs[kind] for kind in BLOCKS} == BLOCKS


def test_a_whole_file_and_every_way_to_cut_it(file: Path) -> None:
    check_gguf(file)
    whole = file.read_bytes()
    data = 4 * 32 * 4 + 2 * 34
    for length in range(len(whole) - (-data % 32) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(NodeError, match=r"small\.gguf is not a GGUF file: it ") as error:
            check_gguf(file)
        assert error.value.hint == "download it anew"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"NOPE" + bytes(100), "it begins otherwise"),
        (b"GGUF" + struct.pack("<IQQ", 99, 0, 0), "its version is 99"),
        (b"GGUF" + struct.pack("<IQQ", 3, 10**12, 10**12), "it ends within its header"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<QI", 0, 77) + bytes(9), "a value of type 77"),
    ],
)
def test_no_gguf(tmp_path: Path, raw: bytes, said: str) -> None:
    file = tmp_path / "x.gguf"
    file.write_bytes(raw)
    with pytest.raises(NodeError, match=re.escape(said)):
        check_gguf(file)
