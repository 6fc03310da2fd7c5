"""The workflow document: what is accepted is saved back byte by byte, what is not is told with its place."""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphflow import workflow
from graphflow.errors import DocumentError, Problem, StorageError
from graphflow.workflow import LIMITS, did_you_mean, dump, from_raw, load, parse, split_wire, with_values
from tests.support.engine import raw

GOLDEN = Path(__file__).parents[1] / "golden" / "migrations"

WHOLE_FILE = {"json.depth", "json.syntax", "json.encoding", "limit.size", "document.type"}
"""Codes of problems that have no single place."""


def problems(data: bytes | str) -> tuple[Problem, ...]:
    with pytest.raises(DocumentError) as caught:
        parse(data)
    return caught.value.problems


def told(value: Any) -> list[tuple[str, str]]:
    """Code and path of every problem of a raw document."""
    return [(p.code, p.path) for p in problems(json.dumps(value))]


FULL: dict[str, Any] = {
    "graphflow": 1,
    "name": "clip",
    "description": "Ein Ball, 名前",
    "parameters": {
        "prompt": {"to": "text.text", "description": "what to show", "default": "a ball"},
        "seed": {"to": ["noise.seed", "mix.seed"]},
    },
    "nodes": {
        "text": {"type": "std/text", "params": {"text": "hello"}, "ui": {"x": 1.5, "y": -2}},
        "noise": {"type": "x/noise", "version": 3, "inputs": {"a": "text", "b": ["text.out", "text"]}},
        "mix": {
            "type": "workflow:mixer",
            "params": {"big": 2**60, "list": [1, [2.0, None]], "z": {"b": 1, "a": 2}},
        },
    },
    "outputs": {"video": "mix.video"},
    "ui": {"zoom": 1, "groups": [{"b": 1, "a": 2}]},
}


# ------------------------------------------------------------------------------------- saving


def test_saving_and_reading_gives_the_same_document_and_the_same_bytes() -> None:
    document = from_raw(FULL)
    assert parse(dump(document)) == document
    assert dump(parse(dump(document))) == dump(document)


def test_saved_bytes_do_not_depend_on_the_order_in_which_things_were_written() -> None:
    def backwards(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: backwards(value[k]) for k in reversed(value)}
        return [backwards(v) for v in value] if isinstance(value, list) else value

    other = backwards(FULL)
    other["parameters"] = {k: other["parameters"][k] for k in FULL["parameters"]}
    assert dump(from_raw(other)) == dump(from_raw(FULL))


def test_a_saved_file_is_readable_utf8_with_one_newline_at_the_end_and_no_defaults() -> None:
    text = dump(from_raw(raw(b="num", a=("num", {"value": 1})))).decode()
    assert text.endswith("}\n") and text.index('"a"') < text.index('"b"')
    assert '"inputs"' not in text and '"version"' not in text and '"description"' not in text
    assert "名前" in dump(from_raw(FULL)).decode()


def test_parameters_and_outputs_keep_their_order_which_is_the_order_of_the_form() -> None:
    document = from_raw({**FULL, "outputs": {"z": "mix.z", "a": "mix.a"}})
    saved = json.loads(dump(document))
    assert list(saved["outputs"]) == ["z", "a"] and list(saved["parameters"]) == ["prompt", "seed"]


def test_unknown_nodes_survive_a_round_trip_untouched() -> None:
    node = {"type": "nobody/knows", "version": 9, "params": {"x": [1, {"y": None}]}, "inputs": {"q": "a.b"}}
    saved = json.loads(dump(from_raw({"graphflow": 1, "nodes": {"u": node}})))
    assert saved["nodes"]["u"] == node


# ------------------------------------------------------------------------------------- bad text


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "json.syntax"),
        (b"{", "json.syntax"),
        (b"garbage \x00", "json.syntax"),
        (b'{"graphflow": 1,}', "json.syntax"),
        (b'{"graphflow": NaN}', "json.syntax"),
        (b'{"a": Infinity}', "json.syntax"),
        (b'{"a": 1, "a": 2}', "json.syntax"),
        (b"\xef\xbb\xbf{}", "json.syntax"),
        (b'{"a": ' + b"9" * 5000 + b"}", "json.syntax"),
        (b"\xff\xfe", "json.encoding"),
        (b'{"a": "\xed\xa0\x80"}', "json.encoding"),
        (b"[" * 100_000, "json.depth"),
        (b"[" * 100 + b"]" * 100, "document.type"),
        (b'{"graphflow": 1, "ui": ' + b'{"a":' * 80 + b"1" + b"}" * 81, "json.depth"),
        (b"5", "document.type"),
        (b'"text"', "document.type"),
        (b"null", "document.type"),
        (b"[]", "document.type"),
        (b"{}", "document.version"),
        (b'{"graphflow": true}', "document.version"),
        (b'{"graphflow": "1"}', "document.version"),
        (b'{"graphflow": 1.0}', "document.version"),
        (b'{"graphflow": -1}', "document.version"),
        (b'{"graphflow": 2}', "document.newer"),
        (b'{"graphflow": 99999999999999999999999}', "document.newer"),
        (b" " * (LIMITS.document_bytes + 1), "limit.size"),
    ],
    ids=lambda value: value[:24].decode("latin1") if isinstance(value, bytes) else value,
)
def test_text_that_is_no_document_is_one_clear_problem(data: bytes, code: str) -> None:
    (problem,) = problems(data)
    assert problem.code == code and problem.message


def test_a_key_that_stands_twice_is_named_also_in_a_very_large_object() -> None:
    data = "{" + ",".join(f'"k{i}":0' for i in range(200_000)) + ',"k199999":1}'
    started = time.process_time()
    assert "'k199999' appears twice" in problems(data)[0].message
    assert time.process_time() - started < 2


def test_numbers_that_are_not_finite_and_half_characters_are_told_with_their_place() -> None:
    text = '{"graphflow": 1, "nodes": {"a": {"type": "t", "params": {"x": [1, 1e999], "y": "\\ud800"}}}}'
    assert sorted((p.code, p.path) for p in problems(text)) == [
        ("json.number", "nodes.a.params.x.1"),
        ("json.text", "nodes.a.params.y"),
    ]


def test_what_is_no_json_at_all_is_told_with_its_place() -> None:
    document = raw(a=("num", {"value": object()}))
    with pytest.raises(DocumentError) as caught:
        from_raw(document)
    assert [(p.code, p.path) for p in caught.value.problems] == [("json.type", "nodes.a.params.value")]


def test_a_comfyui_file_is_recognised() -> None:
    (problem,) = problems('{"last_node_id": 3, "nodes": [], "version": 0.4}')
    assert "ComfyUI" in problem.hint


def test_a_newer_document_is_refused_by_its_version() -> None:
    (problem,) = problems('{"graphflow": 7}')
    assert "version 7" in problem.message and problem.hint == "update graphflow"


# ------------------------------------------------------------------------------------- bad documents


def changed(place: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(FULL)
    *parents, last = place.split("/")
    inner: Any = document
    for part in parents:
        inner = inner[part]
    inner[last] = value
    return document


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        ("name", 3, "document.string_type"),
        ("nodes", [], "document.dict_type"),
        ("nodes/text", "std/text", "document.model_type"),
        ("nodes/text/type", None, "document.string_type"),
        ("nodes/text/type", "", "document.string_too_short"),
        ("nodes/text/type", "t" * 300, "document.string_too_long"),
        ("nodes/text/version", 0, "document.greater_than_equal"),
        ("nodes/text/version", 1.0, "document.int_type"),
        ("nodes/text/version", True, "document.int_type"),
        ("nodes/text/version", "1", "document.int_type"),
        ("nodes/text/version", 2**70, "document.less_than_equal"),
        ("nodes/text/params", [], "document.dict_type"),
        ("nodes/text/param", {}, "document.extra_forbidden"),
        ("nodes/noise/inputs/a", "a.b.c", "document.string_pattern_mismatch"),
        ("nodes/noise/inputs/a", "text\n", "document.string_pattern_mismatch"),
        ("nodes/noise/inputs/a", "../x", "document.string_pattern_mismatch"),
        ("outputs/video", 5, "document.string_type"),
        ("outputs/a b", "text", "document.string_pattern_mismatch"),
        ("nodes/a b", {"type": "t"}, "document.string_pattern_mismatch"),
        ("nodes/" + "n" * 65, {"type": "t"}, "document.string_pattern_mismatch"),
        ("parameters/seed/to", "noise", "document.string_pattern_mismatch"),
        ("parameters/seed/to", [], "document.too_short"),
        ("parameters/seed/default_", 1, "document.extra_forbidden"),
        ("extra", 1, "document.extra_forbidden"),
    ],
    ids=lambda value: str(value)[:24],
)  # fmt: skip
def test_each_wrong_part_is_told_with_its_place(place: str, value: Any, code: str) -> None:
    found = told(changed(place, value))
    assert (code, place.replace("/", ".")) in found
    assert {path for _, path in found} == {place.replace("/", ".")}


@pytest.mark.parametrize("wire", [5, None, {"node": "text"}, [5], ["text", None], [["text"]], 1.5, True])
def test_a_wire_that_is_no_wire_is_told_at_its_input(wire: Any) -> None:
    for code, path in told(changed("nodes/noise/inputs/a", wire)):
        assert path.startswith("nodes.noise.inputs.a") and code.startswith("document.")


@pytest.mark.parametrize("name", ["str", "wire", "list[x", "constrained-str", "function-x", "[key]"])
def test_a_place_is_told_in_full_whatever_its_parts_are_called(name: str) -> None:
    document = raw(a="num")
    document["nodes"]["a"]["inputs"] = {name: "not a wire!"}
    assert {path for _, path in told(document)} == {f"nodes.a.inputs.{name}"}
    if name.isidentifier():
        assert told({"graphflow": 1, "nodes": {name: {"type": 5}}}) == [
            ("document.string_type", f"nodes.{name}.type")
        ]


def test_all_problems_are_told_at_once() -> None:
    document = changed("nodes/text/type", 5)
    document["nodes"]["noise"]["version"] = "x"
    document["outputs"]["video"] = 1
    document["speed"] = 9
    assert [path for _, path in told(document)] == [
        "nodes.text.type", "nodes.noise.version", "outputs.video", "speed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("nodez", "did you mean 'nodes'?"),
        ("nodes/text/parms", "did you mean 'params'?"),
        ("parameters/seed/too", "did you mean 'to'?"),
        ("qqqqq", "known: "),
    ],
)
def test_a_misspelt_field_is_answered_with_the_right_one(place: str, hint: str) -> None:
    (problem,) = problems(json.dumps(changed(place, {})))
    assert hint in problem.hint


def test_a_hint_names_the_nearest_word_or_what_there_is() -> None:
    assert did_you_mean("denois", ["denoise", "decode"]) == "did you mean 'denoise'?"
    assert did_you_mean("q", {"a": 1, "b": 2}) == "known: a, b"
    assert did_you_mean("q", []) == ""
    assert did_you_mean("q", [f"n{i:02}" for i in range(20)]).endswith(", ...")


# ------------------------------------------------------------------------------------- limits


def test_a_document_at_the_limits_is_read_in_time_and_one_above_them_is_refused() -> None:
    started = time.process_time()
    most = {"graphflow": 1, "nodes": {f"n{i}": {"type": "t"} for i in range(LIMITS.nodes)}}
    assert len(parse(json.dumps(most)).nodes) == LIMITS.nodes
    most["nodes"]["more"] = {"type": "t"}
    assert told(most) == [("document.too_long", "nodes")]
    wires = {"graphflow": 1, "nodes": {"a": {"type": "t", "inputs": {"x": ["a"] * (LIMITS.edges + 1)}}}}
    assert told(wires) == [("limit.edges", "nodes")]
    assert time.process_time() - started < 5


def test_wrongness_everywhere_is_told_in_time() -> None:
    started = time.process_time()
    assert told({"graphflow": 1, "nodes": {f"n{i}": {"tipe": "t"} for i in range(5_000)}})
    assert time.process_time() - started < 5


def test_a_file_that_is_missing_or_a_folder_is_a_storage_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(StorageError):
            load(path)


def test_a_file_with_problems_is_named(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text("{}")
    with pytest.raises(DocumentError) as caught:
        load(tmp_path / "w.json")
    assert caught.value.where.endswith("w.json")


# ------------------------------------------------------------------------------------- parameters


def test_values_reach_all_their_targets_and_replace_wires() -> None:
    document = from_raw(changed("nodes/noise/inputs/seed", "text"))
    done = with_values(document, {"seed": 7})
    assert done.nodes["noise"].params["seed"] == done.nodes["mix"].params["seed"] == 7
    assert "seed" not in done.nodes["noise"].inputs
    assert "seed" not in document.nodes["noise"].params, "the document itself stays"


def test_a_default_is_used_when_nothing_is_given_and_overrides_the_nodes_own_value() -> None:
    document = from_raw(FULL)
    assert with_values(document, {}).nodes["text"].params == {"text": "a ball"}
    assert with_values(document, {"prompt": "x"}).nodes["text"].params == {"text": "x"}


def test_an_unknown_parameter_is_told_with_a_hint() -> None:
    with pytest.raises(DocumentError) as caught:
        with_values(from_raw(FULL), {"promt": 1})
    (problem,) = caught.value.problems
    assert (problem.code, problem.path, problem.hint) == ("param.unknown", "promt", "did you mean 'prompt'?")


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, object(), b"x", {1}, [math.nan], "\ud800", (1,)],
    ids=["nan", "inf", "object", "bytes", "set", "list", "surrogate", "tuple"],
)
def test_a_value_that_is_not_json_is_told_and_not_raised_through(value: Any) -> None:
    with pytest.raises(DocumentError) as caught:
        with_values(from_raw(FULL), {"prompt": value})
    assert caught.value.problems[0].path.startswith("prompt")


def test_a_wire_is_a_node_or_one_of_its_outputs() -> None:
    assert split_wire("a.b") == ("a", "b") and split_wire("a") == ("a", None)


# ------------------------------------------------------------------------------------- migrations


@pytest.mark.parametrize("old", sorted(GOLDEN.glob("*.before.json")), ids=lambda path: path.name)
def test_an_old_document_becomes_exactly_this_new_one(old: Path) -> None:
    new = old.with_name(old.name.replace(".before.", ".after."))
    assert dump(load(old)) == new.read_bytes()


def test_an_old_document_with_mistakes_is_told_like_a_new_one() -> None:
    document = {"graphflow": 0, "title": 5, "nodes": {"a": {"type": "t", "inputs": {"x": ["a", 1]}}, "b": 3}}
    found = told(document)
    assert {path.partition(".")[0] for _, path in found} == {"name", "nodes"}
    for nonsense in ({"nodes": 5}, {"outputs": [{}, []]}, {"nodes": {"a": {"inputs": []}}}):
        assert told({"graphflow": 0, **nonsense})


# ------------------------------------------------------------------------------------- laws

JUNK = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**30, 10**60)
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(
        ["", "a.b", "a.b.c", "text", "workflow:x", "\ud800", [], {}, [[]], {"a": []}, "x" * 300]
    )
)
NAMES = st.sampled_from(["text", "type", "params", "inputs", "to", "ui", "graphflow", "str", "", "a b", "名"])


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """FULL with a few things replaced, added or taken away anywhere."""
    document: Any = copy.deepcopy(FULL)
    for _ in range(draw(st.integers(0, 4))):
        inner: Any = document
        while isinstance(inner, (dict, list)) and inner:
            places = sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))
            place = draw(st.sampled_from(places))
            if draw(st.booleans()) or not isinstance(inner[place], (dict, list)) or not inner[place]:
                match draw(st.integers(0, 2)):
                    case 0:
                        inner[place] = copy.deepcopy(draw(JUNK))  # the next round may change it
                    case 1:
                        del inner[place]
                    case 2 if isinstance(inner, dict):
                        inner[draw(NAMES)] = copy.deepcopy(draw(JUNK))
                break
            inner = inner[place]
    return document


@settings(max_examples=400)
@given(mutated())
def test_a_document_is_either_saved_back_byte_by_byte_or_refused_with_codes_and_places(document: Any) -> None:
    text = json.dumps(document)
    try:
        read = parse(text)
    except DocumentError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.code and problem.message
            assert problem.path or problem.code in WHOLE_FILE, problem
        return
    saved = dump(read)
    assert dump(parse(saved)) == saved and parse(saved) == read


@settings(max_examples=200)
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_are_a_document_or_a_document_error(data: bytes | str) -> None:
    try:
        parse(data)
    except DocumentError as error:
        assert all(problem.code for problem in error.problems)


def test_the_module_says_which_version_it_writes() -> None:
    assert workflow.CURRENT == 1 and json.loads(dump(from_raw({"graphflow": 1})))["graphflow"] == 1
