"""Requests about kept workflows and drafts, and their answers. May block on the disk."""

from __future__ import annotations

from typing import Any

from graphflow import workflow
from graphflow.difference import difference
from graphflow.errors import DocumentError, Problem
from graphflow.server import protocol as p
from graphflow.server.desk import Desk, raw_document
from graphflow.server.drafts import Draft, Drafts
from graphflow.server.infos import draft_info, trash_info, version_info, workflow_info
from graphflow.workflow import Document

SHELF = (
    p.Library,
    p.Open,
    p.Save,
    p.Versions,
    p.Rename,
    p.Duplicate,
    p.Delete,
    p.Restore,
    p.Compare,
)
"""The requests that `shelf_answer` knows."""


def shelf_answer(desk: Desk, request: Any) -> Any:
    """The answer to one of SHELF. Raises GraphflowError."""
    library, id = desk.library, request.id
    match request:
        case p.Library():
            workflows = [workflow_info(kept) for kept in library.all()]
            trash = [trash_info(deleted) for deleted in library.deleted()]
            return p.Listed(id=id, workflows=workflows, trash=trash)
        case p.Open(name=name, version=version):
            kept = library.get(name, version)
            return p.Opened(id=id, workflow=workflow_info(kept), document=raw_document(kept.document))
        case p.Save(name=name, document=raw, seen=seen):
            kept = library.save(name, workflow.from_raw(raw), seen)
        case p.Versions(name=name):
            found = [version_info(kept) for kept in library.versions(name)]
            return p.VersionList(id=id, name=name, versions=found)
        case p.Rename(name=name, to=to):
            kept = library.rename(name, to)
        case p.Duplicate(name=name, to=to):
            kept = library.duplicate(name, to)
        case p.Delete(name=name):
            return p.Deleted(id=id, trash=library.delete(name).id)
        case p.Restore(trash=trash, name=name):
            kept = library.restore(trash, name)
        case p.Compare(old=old, new=new):
            return p.Compared(id=id, difference=difference(_document(desk, old), _document(desk, new)))
        case _:
            raise AssertionError(f"{type(request).__name__} is none of these")
    return p.Saved(id=id, workflow=workflow_info(kept))


def draft_answer(drafts: Drafts, request: Any, client: str, clients: frozenset[str]) -> Any:
    """The answer to a request about drafts. clients: those connected. Raises DraftError, StorageError."""
    id = request.id
    match request:
        case p.KeepDraft(draft=draft, title=title, name=name, version=version, document=document):
            drafts.put(Draft(draft, title, client, name, version, 0.0, document))
        case p.DropDraft(draft=draft):
            drafts.drop(draft)
        case p.OpenDraft(draft=draft):
            found = drafts.get(draft)
            return p.DraftOpened(id=id, draft=draft_info(found, clients), document=found.document)
        case _:
            return p.DraftList(id=id, drafts=[draft_info(one, clients) for one in drafts.all()])
    return p.Done(id=id)


def _document(desk: Desk, side: p.Side) -> Document:
    """What one side of a comparison means. Raises LibraryError, DocumentError."""
    if side.document is not None:
        return workflow.from_raw(side.document)
    if side.name is None:
        raise DocumentError([Problem("server.message", "", "name a workflow, or give a document")])
    if side.version is not None or desk.library.has(side.name):
        return desk.library.get(side.name, side.version).document
    return desk.named(side.name)
