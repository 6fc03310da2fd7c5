"""`graphflow models`, `graphflow models show`: embedded models, those in the hub's cache, published ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from graphflow import models
from graphflow.cli.options import AsJson
from graphflow.cli.output import bytes_text, say, say_json, table
from graphflow.errors import DocumentError, Problem


def overview(ctx: typer.Context, json: AsJson = False) -> None:
    """List embedded models, those in the Hugging Face cache, and the catalogue of published ones."""
    if ctx.invoked_subcommand is not None:
        return
    found = models.overview()
    embedded, cached, published = found["embedded"], found["cached"], found["catalogue"]
    if json:
        say_json(found)
        return
    for model in embedded:
        _tell(model)
    if not embedded:
        say("no model is embedded in this installation")
    if cached:
        say()
        rows = [(str(one["model"]), bytes_text(int(str(one["bytes"])))) for one in cached]
        table(("in the Hugging Face cache", "size"), rows)
    if published:
        say()
        _tell_catalogue(published)


def show(
    name: Annotated[str, typer.Argument(help="A model's id or repository.")], json: AsJson = False
) -> None:
    """Show all that is known of one model: parts, memory, native settings, licence, what others measured."""
    from graphflow.workflow import did_you_mean

    embedded = dict(models.embedded_models())
    if name in embedded:
        found = models.facts(name, embedded[name])
        say_json(found) if json else _tell(found)
        return
    entries = {key: entry for entry in models.catalogue() for key in (entry.id, entry.repository)}
    if name not in entries:
        hint = did_you_mean(name, [*embedded, *entries]) or "`graphflow models` lists them"
        raise DocumentError([Problem("model.unknown", name, "no such model is known", hint)])
    found = models.entry_facts(entries[name])
    say_json(found) if json else _tell_entry(found)


# ------------------------------------------------------------------------------------ the catalogue


def _tell_catalogue(published: list[dict[str, Any]]) -> None:
    def verdict(found: dict[str, Any], use: str) -> str:
        return str(found["licence"]["uses"].get(use, {}).get("verdict", ""))

    rows = [
        (
            found["id"],
            ", ".join(found["tasks"][:2]) + (", ..." if len(found["tasks"]) > 2 else ""),
            bytes_text(found["bytes_bfloat16"]),
            bytes_text(found["bytes_on_disk"]),
            found["licence"]["id"] or "unknown",
            verdict(found, "commercial"),
            verdict(found, "train_other_models"),
            "yes" if found["runs_here"] else "no",
        )
        for found in published
    ]
    headers = ("published", "tasks", "bf16", "disk", "licence", "commercial", "train others", "runs here")
    table(headers, rows)
    say()
    say(
        "bf16: all weights in memory; disk: as the repository stores them. `graphflow models show NAME` tells"
    )
    say("more, `graphflow models fit --vram 16 --ram 32 WORKFLOW --set model=NAME` what fits into a machine.")


def _tell_entry(found: dict[str, Any]) -> None:
    say(f"{found['id']}  {found['pipeline'] or 'no pipeline'}, {found['repository']}")
    for name, text in _entry_rows(found):
        if text:
            say(f"  {name:<20} {text}")


def _entry_rows(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "tasks", ", ".join(found["tasks"])
    yield "runs here", "yes" if found["runs_here"] else "no family knows its pipeline"
    for part, facts in found["parts"].items():
        yield part, f"{facts['class']}, {facts['parameters'] / 1e9:.3f} billion numbers, {facts['basis']}"
    yield "estimated memory", f"{bytes_text(found['bytes_bfloat16'])} for all weights in bfloat16"
    yield "estimated on disk", bytes_text(found["bytes_on_disk"])
    for one in found["reported_by_source"]:
        yield "reported memory", f"{one['gigabytes']:g} GB: {one['what']} ({found['reported_by']})"
    yield "reported on disk", found["disk_reported"]
    native = found["native"]
    yield "native size", native_size(native)
    numbers = [f"{name} {native[name]:g}" for name in ("steps", "guidance", "shift") if name in native]
    yield "native settings", ", ".join(numbers)
    yield "sizes", ", ".join(found["sizes"])
    licence = found["licence"]
    yield "licence", f"{licence['id'] or 'unknown'}; read {licence['read']}: {licence['source']}"
    yield "territory", licence["territory"]
    for use, answer in licence["uses"].items():
        yield use.replace("_", " "), ": ".join(filter(None, (answer["verdict"], answer["why"])))
    yield "notes", found["notes"]
    yield "status", found["status"] if found["status"] != "ok" else ""


# ------------------------------------------------------------------------------------ on this machine


def _tell(found: dict[str, Any]) -> None:
    known = found["facts"]
    say(f"{found['name']}  {found['pipeline']}, {bytes_text(found['bytes'])}, embedded")
    rows = [("about", known.get("description")), ("native size", native_size(known))]
    rows += [(name, known.get(name)) for name in ("steps", "guidance", "license", "licence")]
    vocabulary = known.get("vocabulary")
    groups = vocabulary if isinstance(vocabulary, dict) else {"vocabulary": vocabulary}
    rows += [(str(group), words_text(words)) for group, words in groups.items()]
    prompts = known.get("example_prompts")
    rows += [("try", prompt) for prompt in prompts[:3]] if isinstance(prompts, list) else []
    for name, text in rows:
        if text:
            say(f"  {name:<12} {text}")


def native_size(known: dict[str, Any]) -> str:
    """What the model was made for.

    >>> native_size({"width": 64, "height": 48, "frames": 9, "fps": 8})
    '64 x 48 pixels, 9 frames at 8 a second'
    """
    if not known.get("width") or not known.get("height"):
        return ""
    size = f"{known['width']} x {known['height']} pixels"
    return f"{size}, {known.get('frames', '?')} frames at {known.get('fps', '?')} a second"


def words_text(words: Any) -> str:
    """Words of a vocabulary, synonyms in brackets.

    >>> words_text({"circle": ["ball", "disc"], "square": []})
    'circle (ball, disc), square'
    """
    if isinstance(words, dict):
        return ", ".join(
            f"{word} ({words_text(same)})" if same else str(word) for word, same in words.items()
        )
    return ", ".join(map(str, words)) if isinstance(words, list) else str(words or "")
