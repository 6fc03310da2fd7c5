"""A page of its own: one HTML file without anything from elsewhere; every text is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

STYLE = """
:root { color-scheme: light dark; --ink: #1d2026; --faint: #6b7280; --paper: #fff; --line: #d8dbe0;
  --good: #1a7f4b; --bad: #b3261e; --panel: #f4f5f7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e6ea; --faint: #9aa1ac; --paper: #17191d;
  --line: #363a42; --good: #5fce97; --bad: #f28b82; --panel: #202329; } }
* { box-sizing: border-box; }
body { font: 14px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 1120px; padding: 24px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 32px 0 8px; }
h3 { font-size: 14px; margin: 16px 0 6px; overflow-wrap: anywhere; }
p, figcaption { color: var(--faint); margin: 0 0 8px; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 3px 10px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); } .faint { color: var(--faint); }
.clip { background: var(--panel); border-radius: 8px; padding: 12px; margin: 12px 0; }
.row { display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start; }
img { max-width: 100%; image-rendering: pixelated; border-radius: 4px; display: block; }
figure { margin: 0; } svg { max-width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 11px; }
.pair .row { display: grid; grid-template-columns: 1fr 1fr; }
.pair img { width: 100%; max-height: 70vh; object-fit: contain; }
.choices { position: sticky; bottom: 0; display: flex; justify-content: center; gap: 8px; padding: 12px 0;
  background: var(--paper); } .choices[hidden] { display: none; }
button, input { font: inherit; color: var(--ink); background: var(--panel); border: 1px solid var(--line);
  border-radius: 8px; padding: 8px 16px; } button { flex: 0 1 200px; cursor: pointer; }
button:hover, button:focus-visible { border-color: var(--ink); }
textarea { width: 100%; height: 12em; font-family: monospace; }
"""


class Mark(NamedTuple):
    """HTML that is finished: made of escaped texts only."""

    html: str


def text(value: object) -> Mark:
    """A text as it is, whatever stands in it."""
    return Mark(escape(str(value), quote=True).encode("utf-8", "replace").decode())


def tag(name: str, *inside: Mark, **attributes: object) -> Mark:
    """An element; attributes are escaped, `class_` stands for `class`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value).html}"' for key, value in attributes.items()
    )
    body = "".join(one.html for one in inside)
    return Mark(f"<{name}{given}>" if name in ("img", "input") else f"<{name}{given}>{body}</{name}>")


def joined(parts: Iterable[Mark]) -> Mark:
    return Mark("".join(part.html for part in parts))


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> Mark:
    """A table; cells that are Marks stand as they are, all others are escaped."""
    top = tag("tr", *(tag("th", _cell(one)) for one in head))
    body = joined(tag("tr", *(tag("td", _cell(one)) for one in row)) for row in rows)
    return tag("div", tag("table", tag("thead", top), tag("tbody", body)), class_="wide")


def _cell(value: object) -> Mark:
    return value if isinstance(value, Mark) else text(value)


def picture(data: bytes, media_type: str, alternative: str, width: int) -> Mark:
    """A picture inside the page. width: at which it is shown, pixels."""
    source = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    return tag("img", src=source, alt=alternative, width=width)


def page(title: str, *body: Mark, script: str = "") -> bytes:
    """The whole file. script: our own, let through by its hash; nothing else may run or be fetched."""
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    policy = f"{rules}; script-src 'sha256-{allowed}'" if script else rules
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><title>{text(title).html}</title>'
        f"<style>{STYLE}</style>"
    )
    tail = f"<script>{script}</script>" if script else ""
    whole = f'<html lang="en"><head>{head}</head><body>{joined(body).html}{tail}</body></html>'
    return f"<!doctype html>\n{whole}\n".encode()


def number(value: float) -> str:
    """Short, with as many digits as matter."""
    if value == round(value) and abs(value) < 1e6:
        return str(round(value))
    return f"{value:.3g}" if abs(value) < 0.01 or abs(value) >= 1e5 else f"{value:.3f}"
