"""Writes editor/src/generated/protocol.ts: the server's messages as TypeScript types.

python editor/generate.py          # writes the file
python editor/generate.py --check  # only says whether it is as it should be
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter

from graphflow.events import Event
from graphflow.server import pages
from graphflow.server.protocol import PROTOCOL, Answer, Request

TARGET = Path(__file__).parent / "src" / "generated" / "protocol.ts"

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


def main(arguments: list[str]) -> int:
    wanted = text()
    found = TARGET.read_text("utf-8") if TARGET.is_file() else ""
    if "--check" in arguments:
        if wanted != found:
            print("editor/src/generated/protocol.ts is not up to date: run python editor/generate.py")
        return int(wanted != found)
    if wanted != found:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
