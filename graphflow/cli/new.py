"""`graphflow new`: a workflow file or a node pack to start from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphflow.cli.output import say
from graphflow.errors import DocumentError, Problem, StorageError

if TYPE_CHECKING:
    from graphflow.workflow import Document

PACK = '''"""Nodes of {name}: try them with `graphflow nodes {name} --packs {folder}`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graphflow.node import node
from graphflow.values import Image


@node("{name}/invert")
def invert(image: Image, *, amount: Annotated[float, Field(ge=0, le=1)] = 1.0) -> Image:
    """Mix an image with its negative.

    amount: 0 keeps the image, 1 gives the negative.
    """
    mixed = image.pixels * (1 - amount) + (255 - image.pixels) * amount
    return Image(pixels=mixed.round().to(image.pixels.dtype))


@node("{name}/shout", fold=True)
def shout(text: str, *, marks: Annotated[int, Field(ge=0, le=10)] = 1) -> str:
    """A text in capitals with exclamation marks. `fold`: small and pure, so it is done while planning."""
    return text.upper() + "!" * marks
'''

TEST = '''"""Tests of {name}: a node is a function, so call it."""

from graphflow.registry import load_registry
from graphflow.testing import run_node
from pathlib import Path


def test_shout() -> None:
    spec = load_registry([Path(__file__).parent.parent]).specs["{name}/shout"]
    assert run_node(spec.function, "hello", marks=2) == "HELLO!!"
'''


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the workflow or pack.")],
    template: Annotated[
        str | None, typer.Option("--from", metavar="TEMPLATE", help="Start from this template or file.")
    ] = None,
    pack: Annotated[bool, typer.Option("--pack", help="Make a folder with a node pack instead.")] = False,
) -> None:
    """Write NAME.json, a workflow to start from; or with --pack a node pack. Never overwrites."""
    if pack:
        _new_pack(name)
        return
    path = _workflow_path(name)
    refuse_existing(path)
    document = _document(path.stem, template)
    from graphflow import files, workflow

    files.write_atomic(path, workflow.dump(document))
    say(f"wrote {path}; run it with `graphflow run {shlex.quote(str(path))}`")


def _workflow_path(name: str) -> Path:
    """The file that a workflow of this name goes into. Raises DocumentError if there is none."""
    folder, _, last = name.rpartition("/")
    stem = last.removesuffix(".json")
    if not stem.strip():
        problem = Problem("usage", "NAME", f"{name!r} cannot name a workflow", "such as my_clips")
        raise DocumentError([problem])
    return Path(folder and f"{folder}/", f"{stem}.json")


def _document(name: str, template: str | None) -> Document:
    from graphflow import templates, workflow

    if template is not None:
        document, _ = templates.find(template)
        return document.model_copy(update={"name": name})
    return workflow.from_raw(
        {
            "graphflow": 1,
            "name": name,
            "description": "A text that was put together from two.",
            "parameters": {"text": {"to": "text.value", "description": "What to say."}},
            "nodes": {"text": {"type": "std/text", "params": {"value": "hello"}}},
            "outputs": {"text": "text"},
        }
    )


def _new_pack(name: str) -> None:
    from graphflow import files

    if not name.isidentifier() or name != name.lower():
        text = f"{name!r} cannot name a pack"
        raise DocumentError([Problem("usage", "NAME", text, "lower-case letters, digits and _")])
    folder = Path("packs") / name
    refuse_existing(folder)
    files.make_folder(folder)
    files.write_atomic(folder / "__init__.py", PACK.format(name=name, folder=folder.parent).encode())
    files.write_atomic(folder / f"test_{name}.py", TEST.format(name=name).encode())
    say(f"wrote {folder}; see it with `graphflow nodes {name} --packs {folder.parent}`")


def refuse_existing(path: Path) -> None:
    """Raises StorageError if something is there already."""
    if path.exists() or path.is_symlink():
        raise StorageError(
            "there is something of that name already", where=str(path), hint="choose another name",
            code="storage.exists",
        )  # fmt: skip
