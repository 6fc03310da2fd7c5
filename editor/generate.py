"""Writes what the editor takes from the server's code: its messages as TypeScript types
(editor/src/generated/protocol.ts), and examples of which wire fits which port (tests/golden/type_fits.json).

python editor/generate.py          # writes the file
python editor/generate.py --check  # only says whether it is as it should be
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, TypeAdapter

from graphflow.events import Event
from graphflow.schema import shape
from graphflow.server import pages
from graphflow.server.protocol import PROTOCOL, Answer, Request
from graphflow.types import levels
from graphflow.values import Image, Recipe, SavedFile, Value, Video

ROOT = Path(__file__).parents[1]
PROTOCOL_FILE = ROOT / "editor" / "src" / "generated" / "protocol.ts"
FITS_FILE = ROOT / "tests" / "golden" / "type_fits.json"

PAGES: tuple[type[BaseModel], ...] = (
    pages.Catalogue,
    pages.TemplateInfo,
    pages.ResultInfo,
)
"""What addresses answer that the editor reads, beside the messages."""

HEAD = """// Written by editor/generate.py from the server's models; change those instead.
// What has a default may be left out of a request; an answer has everything.
"""

Schema = Mapping[str, Any]


def text() -> str:
    """The whole file."""
    names: dict[str, Schema] = {}
    unions: dict[str, list[Schema]] = {}
    for name, kind in (("Answer", Answer), ("Event", Annotated[Event, Field(discriminator="type")])):
        schema = TypeAdapter(kind).json_schema(mode="serialization")  # type: ignore[arg-type]
        names |= schema["$defs"]
        unions[name] = schema["oneOf"]
    for page in PAGES:
        schema = page.model_json_schema(mode="serialization")
        names |= {**schema.pop("$defs", {}), page.__name__: schema}
    told = {name: {**schema, "required": list(schema["properties"])} for name, schema in names.items()}
    asked = TypeAdapter(Request).json_schema()  # type: ignore[arg-type]
    unions["Request"] = asked["oneOf"]
    names = {**asked["$defs"], **told}
    parts = [HEAD, f"export const PROTOCOL = {PROTOCOL};\n"]
    parts += [_declaration(name, names[name]) for name in sorted(names)]
    parts += [_union(name, members) for name, members in unions.items()]
    return "\n".join(parts)


def _declaration(name: str, schema: Schema) -> str:
    required = set(schema.get("required", ()))
    lines = [*_comment(schema.get("description", "")), f"export interface {name} {{"]
    for field, kind in schema.get("properties", {}).items():
        optional = "" if field in required or "const" in kind else "?"
        lines.append(f"  {_name(field)}{optional}: {type_text(kind)};")
    return "\n".join([*lines, "}", ""])


def _comment(doc: str) -> Iterator[str]:
    first = " ".join(doc.split("\n\n")[0].split()).replace("*/", "* /")
    if first:
        yield f"/** {first} */"


def _union(name: str, members: list[Schema]) -> str:
    return "\n".join([f"export type {name} =", *(f"  | {type_text(one)}" for one in members)]) + ";\n"


def _name(field: str) -> str:
    return field if field.isidentifier() else json.dumps(field)


def type_text(schema: Schema | bool) -> str:
    """The TypeScript type of a JSON Schema."""
    if isinstance(schema, bool):
        return "unknown"
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " | ".join(dict.fromkeys(map(type_text, schema[word])))
    return _plain(schema)


def _plain(schema: Schema) -> str:
    match schema.get("type"):
        case "string":
            return "Uint8Array" if schema.get("format") == "binary" else "string"
        case "integer" | "number":
            return "number"
        case "boolean":
            return "boolean"
        case "null":
            return "null"
        case "array":
            inner = type_text(schema.get("items", True))
            return f"({inner})[]" if " | " in inner else f"{inner}[]"
        case "object":
            return f"Record<string, {type_text(schema.get('additionalProperties', True))}>"
    return "unknown"


T, N = TypeVar("T"), TypeVar("N", int, float)

HINTS: tuple[Any, ...] = (
    Any, int, float, bool, str, None, Image, Video, SavedFile, Value, Recipe, T, N,
    list[int], list[Video], list[list[Video]], list[T], list[Any], int | None, Video | None, Image | Video,
    list[Image] | Video, Literal["a", "b"], Literal["a"], Literal[1, 2], Literal["a", 1],
    tuple[int, str], tuple[int, ...], tuple[int, int], dict[str, int], dict[str, float],
)  # fmt: skip
"""Each is tried as the type of a wire and of a port."""


def fits() -> str:
    """What `graphflow.types.levels` says of every pair: `null` refuses, a number is the depth of mapping."""
    rows = [
        {
            "want": shape(_type(want)),
            "have": shape(_type(have)),
            "levels": levels(_type(want), _type(have), {}),
        }
        for want in HINTS
        for have in HINTS
    ]
    bases = {"Image": ["Value"], "Video": ["Value"], "SavedFile": ["Value"], "Recipe": ["Value"]}
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    return f'{{"bases": {json.dumps({**bases, "int": ["float"]})},\n "pairs": [\n{lines}\n]}}\n'


def _type(hint: Any) -> Any:
    return type(None) if hint is None else hint


def main(arguments: list[str]) -> int:
    stale = []
    for path, wanted in ((PROTOCOL_FILE, text()), (FITS_FILE, fits())):
        if (path.read_text("utf-8") if path.is_file() else "") == wanted:
            continue
        stale.append(path.relative_to(ROOT).as_posix())
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, "utf-8")
    if stale and "--check" in arguments:
        print(f"not up to date: {', '.join(stale)}; run python editor/generate.py")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
