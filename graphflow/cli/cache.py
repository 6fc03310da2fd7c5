"""`graphflow cache`: what is stored, whether it is sound, and making room."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphflow.cli import exits
from graphflow.cli.options import AsJson, DataDir, parse_size
from graphflow.cli.output import bytes_text, count_text, say, say_json, seconds_text, table, warn
from graphflow.errors import DocumentError, Problem, StorageError

if TYPE_CHECKING:
    from graphflow.cache.disk import DiskStore


def application() -> typer.Typer:
    """The commands below `cache`."""
    app = typer.Typer(help="Look at the cache, check it, make room in it.", no_args_is_help=True)
    app.command("stats")(stats)
    app.command("verify")(verify)
    app.command("gc")(gc)
    app.command("checkpoints")(checkpoints)
    return app


def stats(data_dir: DataDir = None, json: AsJson = False) -> None:
    """Count what the cache holds, and which nodes it saves most time for."""
    store = open_store(data_dir)
    counted = store.stats()
    by_node: dict[str, tuple[int, int, float]] = {}
    for entry in store.entries():
        count, size, seconds = by_node.get(entry.info.node, (0, 0, 0.0))
        by_node[entry.info.node] = (count + 1, size + entry.size, seconds + entry.info.seconds)
    nodes = sorted(by_node.items(), key=lambda pair: -pair[1][2])
    if json:
        rows = [{"node": n, "entries": c, "bytes": b, "seconds": s} for n, (c, b, s) in nodes]
        say_json({"folder": str(store.root), **_fields(counted), "nodes": rows})
        return
    say(f"folder       {store.root}")
    limit = f" of {bytes_text(counted.limit_bytes)}" if counted.limit_bytes else ""
    say(f"results      {counted.entries}, {bytes_text(counted.entry_bytes)}{limit}")
    say(f"checkpoints  {counted.checkpoints}, {bytes_text(counted.checkpoint_bytes)}")
    say(f"quarantine   {counted.quarantined}, {bytes_text(counted.quarantined_bytes)}")
    if nodes:
        say()
        table(
            ("node", "results", "size", "time saved"),
            [(n, str(c), bytes_text(b), seconds_text(s)) for n, (c, b, s) in nodes],
        )


def _fields(counted: object) -> dict[str, int | None]:
    from dataclasses import asdict

    return asdict(counted)  # type: ignore[call-overload,no-any-return]


def verify(
    data_dir: DataDir = None,
    repair: Annotated[
        bool, typer.Option("--repair/--no-repair", help="Set bad entries aside, so that they are recomputed.")
    ] = True,
) -> int:
    """Read every byte of every entry; a bad one is set aside and computed again when it is wanted."""
    found = open_store(data_dir).verify(repair)
    say(f"{count_text(found.checked, 'file')} checked, {len(found.bad)} bad")
    for key in found.bad:
        warn(f"bad  {key}" + ("  (set aside)" if repair else ""))
    return exits.STORAGE if found.bad else exits.OK


def gc(
    data_dir: DataDir = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="SIZE", help="Keep at most this much, such as 10GB or 0.")
    ] = None,
) -> None:
    """Make room: remove rubbish, and the least worthwhile results above the limit."""
    store = open_store(data_dir)
    limit = parse_size(size, "--size") if size is not None else store.limit
    assert limit is not None
    freed = store.gc(limit)
    say(f"{count_text(freed.files, 'file')} removed, {bytes_text(freed.bytes)} freed")


def checkpoints(
    data_dir: DataDir = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="KEY", help="Remove this one (the start of its key), or `all`."),
    ] = None,
    json: AsJson = False,
) -> None:
    """List long steps that were cut off and would resume; or remove some."""
    store = open_store(data_dir)
    found = store.checkpoints()
    if remove:
        for key in matching_keys([entry.key for entry in found], remove):
            store.drop_checkpoint(key)
            say(f"removed  {key}")
    elif json:
        say_json([{"key": e.key, "bytes": e.size, "created": e.info.created} for e in found])
    elif found:
        now = time.time()
        rows = [
            (e.key[:16], bytes_text(e.size), f"{seconds_text(max(now - e.info.created, 0.0))} ago")
            for e in found
        ]
        table(("key", "size", "written"), rows)
    else:
        say("no checkpoints")


def matching_keys(keys: list[str], wanted: list[str]) -> list[str]:
    """Keys named by their start. Raises DocumentError for a start that fits none or several."""
    if "all" in wanted:
        return keys
    found: list[str] = []
    for start in wanted:
        fits = [key for key in keys if key.startswith(start)]
        if len(fits) != 1:
            text = f"{len(fits)} checkpoints begin with {start!r}" if fits else f"no checkpoint {start!r}"
            raise DocumentError(
                [Problem("usage", "--remove", text, "`graphflow cache checkpoints` lists them")]
            )
        found += fits
    return found


def open_store(data_dir: Path | None) -> DiskStore:
    """The store in a data folder; what it has to say goes to stderr."""
    from graphflow.cache.disk import DiskStore
    from graphflow.workspace import DISK_BYTES, default_data_dir

    folder = data_dir.expanduser() if data_dir is not None else default_data_dir()
    if folder.exists() and not folder.is_dir():
        hint = "choose another --data-dir"
        raise StorageError("this is a file, not a folder", where=str(folder), hint=hint, code="storage.type")
    return DiskStore(
        folder / "cache", limit_bytes=DISK_BYTES, notify=lambda notice: warn(f"notice  {notice.message}")
    )
