"""Finds workflow documents: templates by name, files by path, workflows inside saved media."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from graphflow import workflow
from graphflow.errors import DocumentError, Problem, StorageError
from graphflow.expand import PREFIX
from graphflow.provenance import read_provenance
from graphflow.workflow import Document, did_you_mean

TEMPLATES = "graphflow_workflows"


def template_folder() -> Path:
    """The folder of the workflows that come with graphflow."""
    spec = importlib.util.find_spec(TEMPLATES)
    if spec is None or not spec.submodule_search_locations:
        raise StorageError("the templates are not installed", hint="install graphflow again")
    return Path(next(iter(spec.submodule_search_locations)))


def templates() -> dict[str, Path]:
    """Every template by name."""
    return {path.stem: path for path in sorted(template_folder().glob("*.json"))}


def picture(name: str) -> Path | None:
    """The picture of what a template makes; None if it has none."""
    path = template_folder() / "pictures" / f"{name}.png"
    return path if name in templates() and path.is_file() else None


def find(reference: str) -> tuple[Document, Path | None]:
    """The document that a person means by a name or path, and the folder it lies in.

    reference: a template's name, a workflow file, or a saved mp4, png, ... that carries its workflow.
    Raises StorageError if there is no such thing, DocumentError if it is wrong.
    """
    path = Path(os.path.expanduser(reference))
    if os.path.isfile(path):  # unlike the methods of Path, these two take any text
        return _in_file(path)
    known = templates()
    if reference in known:
        return workflow.load(known[reference]), known[reference].parent
    if os.path.exists(path):
        text = "this is a folder" if os.path.isdir(path) else "this is no file"
        raise StorageError(text, where=reference, hint="name a workflow file", code="workflow.missing")
    hint = did_you_mean(reference, {name: None for name in known})
    raise StorageError(
        "there is no such file or template", where=reference, hint=hint, code="workflow.missing"
    )


def _in_file(path: Path) -> tuple[Document, Path | None]:
    """A workflow file's document; of a saved file the one it carries, also if it was named as a workflow."""
    if path.suffix.lower() != ".json":
        return from_media(path), None
    try:
        return workflow.load(path), path.resolve().parent
    except DocumentError:
        if read_provenance(path) is None:
            raise
        return from_media(path), None


def from_media(path: Path) -> Document:
    """The workflow inside a saved file. Raises StorageError if there is none."""
    provenance = read_provenance(path)
    if provenance is None or "workflow" not in provenance:
        raise StorageError(
            "no workflow inside",
            where=str(path),
            hint="only files saved by graphflow carry the workflow that made them",
            code="workflow.missing",
        )
    return workflow.from_raw(provenance["workflow"])


def load_inner(reference: str, folder: Path | None) -> tuple[Document, Path | None]:
    """What a workflow node means: `workflow:NAME`, or a path relative to the document that holds it.

    A path may not leave the folder of that document's project: it is joined by the one safe helper.
    """
    if reference.startswith(PREFIX):
        name = reference.removeprefix(PREFIX)
        beside = folder / f"{name}.json" if folder is not None and _is_name(name) else None
        if beside is not None and beside.is_file():
            return workflow.load(beside), folder
        known = templates()
        if name in known:
            return workflow.load(known[name]), known[name].parent
        hint = did_you_mean(name, {n: None for n in known})
        raise DocumentError([Problem("workflow.missing", "", f"no workflow {name!r}", hint)])
    if folder is None:
        raise DocumentError(
            [Problem("workflow.missing", "", f"{reference!r} is relative, but to nothing known")]
        )
    return _load_beside(reference, folder)


def _load_beside(reference: str, folder: Path) -> tuple[Document, Path | None]:
    if "\0" in reference:
        raise DocumentError([Problem("workflow.path", "", f"{reference!r} is not a path")])
    path = (folder / reference).resolve()
    if path.suffix != ".json" or not path.is_relative_to(folder.parent.resolve()):
        text = f"{reference!r} does not name a workflow file beside this one"
        raise DocumentError([Problem("workflow.path", "", text, "use ./NAME.json or ../FOLDER/NAME.json")])
    return workflow.load(path), path.parent


def _is_name(name: str) -> bool:
    return bool(name) and all(c.isalnum() or c in "_-" for c in name)


def listing() -> Iterator[tuple[str, Document]]:
    """Every template with its document."""
    for name, path in templates().items():
        yield name, workflow.load(path)
