"""From the name of a model to its folder: embedded with graphflow, a local folder, or the Hugging Face cache.

Nothing here imports torch or reads whole weights.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graphflow.endpoint import offline
from graphflow.errors import MissingModel, NodeError, ValueMismatch
from graphflow.values import Value

from .embedded import embedded_folder, embedded_models
from .values import Dtype, Positive

INDEX = "model_index.json"
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
"""Names of hub repositories, `owner/name`."""
ANEW = "copy or download the model anew"
SIDECAR = "graphflow.json"
MAX_JSON = 4_000_000
"""Largest config file read, in bytes; real ones are a few kilobytes."""
_IDENTIFYING = (".json", ".txt", ".model", ".safetensors")
WHOLE_BYTES = 64_000_000
"""Files up to this size are hashed whole; that takes some hundredths of a second, once."""
SAMPLES, SAMPLE_BYTES = 16, 4096
"""Blocks of a larger file that enter its digest."""


class ModelSource(Value):
    """Which model: how the user named it, and what it was when the recipe was made.

    Only `identity` counts for content keys: the same files under another path are the same model.
    """

    model: str
    revision: str | None = None
    identity: str
    download: bool = False
    """True if files may be fetched from the hub when the model is opened."""

    def key_fields(self) -> dict[str, Any]:
        return {"identity": self.identity}


class FileSource(Value):
    """One weight file, on disk or in a hub repository: how the user named it, and what it was when the recipe
    was made. Only the content counts for content keys.
    """

    file: str
    """A path, or the name inside `repository`."""
    repository: str | None = None
    revision: str | None = None
    download: bool = False
    digest: str

    def key_fields(self) -> dict[str, Any]:
        return {"digest": self.digest}

    def path(self) -> Path:
        """Where it lies. Raises MissingModel if it is gone, ValueMismatch if it is not what it was."""
        path = locate_file(self.file, self.repository, revision=self.revision, download=self.download)
        if file_identity(path) != self.digest:
            raise ValueMismatch(
                f"file {self.file!r} has changed since this run was planned",
                hint="plan again, or restore the file",
            )
        return path


class Sidecar(BaseModel):
    """`graphflow.json` beside `model_index.json`: what the model was made for. Every field may be absent."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    width: Positive | None = None
    height: Positive | None = None
    frames: Positive | None = None
    fps: Annotated[float, Field(gt=0)] | None = None
    steps: Positive | None = None
    guidance: float | None = None
    guidance_2: float | None = None
    shift: Annotated[float, Field(gt=0)] | None = None
    max_sequence_length: Positive | None = None
    dtype: Dtype | None = None
    decode: dict[str, float] | None = None
    preview: tuple[tuple[float, ...], ...] = ()
    """Latent channels to RGB: one row (red, green, blue) a channel and a last row of constants; 0..1."""


def locate(model: str, *, revision: str | None = None, download: bool = False, weights: bool = False) -> Path:
    """The folder that holds `model`.

    weights: with `download`, fetch the weights too, not only the configs.
    Raises MissingModel, saying which model is missing and how to get it.
    """
    embedded = embedded_folder(model)
    if embedded is not None:
        return embedded
    folder = Path(model).expanduser()
    if (folder / INDEX).is_file():
        return folder.resolve()
    if REPOSITORY.fullmatch(model) and not folder.exists():
        return _in_hub_cache(model, revision, download=download, weights=weights)
    if folder.exists():
        raise MissingModel(f"folder {model!r} has no {INDEX}", hint=_OTHERS.format(_embedded()))
    raise MissingModel(f"there is no model {model!r}", hint=_meant(model) or _OTHERS.format(_embedded()))


_OTHERS = "give a diffusers folder, a repository 'owner/name' or an embedded model: {}"


def _meant(model: str) -> str:
    """What somebody may have meant: the catalogue's id of a repository, or a name with a slip of the pen."""
    from .catalogue import entries

    repositories = {one.id: one.repository for one in entries()}
    near = difflib.get_close_matches(model.lower(), [*embedded_models(), *repositories], n=1, cutoff=0.8)
    if near and near[0] in repositories:
        return f"the catalogue's {near[0]!r} is the repository {repositories[near[0]]!r}: give that"
    return f"did you mean {near[0]!r}? The embedded models are {_embedded()}" if near else ""


def published_like(repo: str) -> str:
    """For a repository that the catalogue does not know, one that is called alike and that it knows: authors
    often publish a model in a layout of their own first."""
    from .catalogue import entries

    known, name = [one.repository for one in entries()], repo.partition("/")[2].lower()
    alike = [one for one in known if one.partition("/")[2].lower().startswith(name)]
    return "" if repo in known or not alike else f"did you mean {alike[0]!r}, in diffusers' layout? Else "


def _in_hub_cache(repo: str, revision: str | None, *, download: bool, weights: bool) -> Path:
    import huggingface_hub

    if download and not offline():
        wanted = ["*.json", "*.txt", "*.model", *(["*.safetensors"] if weights else [])]
        with _asking_the_hub(f"model {repo!r}"):
            return Path(huggingface_hub.snapshot_download(repo, revision=revision, allow_patterns=wanted))
    found = huggingface_hub.try_to_load_from_cache(repo, INDEX, revision=revision)
    if isinstance(found, str):
        return Path(found).parent
    at = f" --revision {revision}" if revision else ""
    raise MissingModel(
        f"model {repo!r} is not on this machine",
        hint=f"{published_like(repo)}run 'hf download {repo}{at}', {_to_fetch()}, or use an embedded model: "
        f"{_embedded()}",
    )


@contextmanager
def _asking_the_hub(wanted: str) -> Iterator[None]:
    """What a download may meet, for people. Raises MissingModel with what to do."""
    from huggingface_hub import errors

    try:
        yield
    except (OSError, errors.RevisionResolutionError, errors.HFValidationError) as error:
        if getattr(error, "errno", None) is not None:
            raise  # the disk: full, or not writable
        reasons: dict[type[Exception], tuple[str, str]] = {
            errors.GatedRepoError: ("is given out only to those who accepted its licence", _GATED),
            errors.RepositoryNotFoundError: ("is not on the hub, or is private", _NAME),
            errors.RevisionNotFoundError: ("has no such revision", "correct the revision, or leave it empty"),
            errors.RemoteEntryNotFoundError: ("is not on the hub", _NAME),
            errors.HFValidationError: ("has a name that the hub does not allow", _NAME),
        }
        known = (told for kind, told in reasons.items() if isinstance(error, kind))
        reason, hint = next(known, ("cannot be fetched: the hub does not answer", _OFFLINE))
        raise MissingModel(f"{wanted} {reason}", hint=hint) from error


_GATED = "accept the licence on the model's page, then run 'hf auth login'"
_NAME = "correct the name; for a private one run 'hf auth login'"
_OFFLINE = "check the network and try again; what was fetched is kept"


def locate_file(
    file: str, repository: str | None = None, *, revision: str | None = None, download: bool = False
) -> Path:
    """The path of one weight file. Asks the hub only with `download`.

    Raises MissingModel, saying how to get it.
    """
    if repository is None:
        path = Path(file).expanduser()
        if not path.is_file():
            raise MissingModel(
                f"there is no file {file!r}", where="file", hint="give a path, or name the hub repository too"
            )
        return path.resolve()
    if not REPOSITORY.fullmatch(repository):
        hint = "name the owner too, and leave out 'https://huggingface.co/'"
        raise NodeError(f"{repository!r} is no hub repository 'owner/name'", where="repository", hint=hint)
    import huggingface_hub

    if download and not offline():
        with _asking_the_hub(f"file {file!r} of {repository!r}"):
            return Path(huggingface_hub.hf_hub_download(repository, file, revision=revision))
    found = huggingface_hub.try_to_load_from_cache(repository, file, revision=revision)
    if isinstance(found, str):
        return Path(found)
    at = f" --revision {revision}" if revision else ""
    raise MissingModel(
        f"file {file!r} of {repository!r} is not on this machine",
        where="file",
        hint=f"run 'hf download {repository} {file}{at}', or {_to_fetch()}",
    )


def _to_fetch() -> str:
    """What lets a download happen."""
    return "leave out --offline" if offline() else "set download to true"


def identify_file(
    file: str, repository: str | None = None, *, revision: str | None = None, download: bool = False
) -> FileSource:
    """The source of a weight file, with what it is now. Raises MissingModel."""
    path = locate_file(file, repository, revision=revision, download=download)
    return FileSource(
        file=file, repository=repository, revision=revision, download=download, digest=file_identity(path)
    )


def file_identity(path: Path) -> str:
    """What is in a weight file: a digest, the same in every place unless it is too large to be read whole."""
    state = path.stat()
    return f"sha256:{_file_digest(path, state.st_size, state.st_mtime_ns)}"


def _embedded() -> str:
    return ", ".join(embedded_models()) or "none is installed"


def identify(model: str, folder: Path, *, revision: str | None = None, download: bool = False) -> ModelSource:
    """The source of the model in `folder`, with its identity."""
    return ModelSource(model=model, revision=revision, identity=identity(folder), download=download)


def identity(folder: Path) -> str:
    """What is in a model folder.

    A snapshot of a hub repository is known by its commit; every other folder by a sha256 over the configs
    and weights of its components, the same on every machine unless a file is too large to be read whole.
    So do components that the index does not name, such as a latent upsampler beside a pipeline; notes and
    pictures do not.
    """
    if commit := _commit(folder):
        return commit
    digest = hashlib.sha256()
    named = read_json(folder / INDEX)
    folders = [path for path in folder.iterdir() if path.is_dir()]
    parts = [path for path in folders if path.name in named or (path / "config.json").is_file()]
    files = [path for part in parts for path in part.iterdir() if path.suffix in _IDENTIFYING]
    for path in [folder / INDEX, *sorted(files)]:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{_digest(path)}\0".encode())
    return f"sha256:{digest.hexdigest()}"


def _digest(path: Path) -> str:
    """Of a model's file. Raises NodeError if it cannot be read."""
    try:
        if not path.is_file():  # to read a pipe would wait for ever
            raise OSError("it is no file")
        state = path.stat()
        return _file_digest(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        reason = error.strerror or error
        raise NodeError(f"{path.parent.name}/{path.name} cannot be read: {reason}", hint=ANEW) from error


@functools.lru_cache(maxsize=4096)
def _file_digest(path: Path, size: int, modified: int) -> str:
    """sha256 of a file; of a large one only size, time of change and sampled blocks are known.

    Remembered by size and time of change, so that planning again costs nothing.
    """
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(f"{size} {modified}".encode())
        for index in range(SAMPLES):
            file.seek((size - SAMPLE_BYTES) * index // (SAMPLES - 1))
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()


def _commit(folder: Path) -> str:
    """The repository and commit that a snapshot in the hub's cache is of; empty for other folders."""
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
        return f"{folder.parent.parent.name}@{folder.name}"
    return ""


def contents(*, model: str, revision: str | None = None, download: bool = False, **_: object) -> list[Any]:
    """Fingerprint of a node that makes recipes of a model: all that decides its identity, every config, and
    which weights are there; of a snapshot, whose identity is its commit, their sizes.

    Raises what `locate` raises.
    """
    folder = locate(model, revision=revision, download=download)
    commit = _commit(folder)
    parts, found = [entry.name for entry in os.scandir(folder) if entry.is_dir()], []
    for part in ("", *parts):
        for entry in os.scandir(folder / part):
            if entry.name.endswith(_IDENTIFYING if part else ".json") and Path(entry.path).is_file():
                state = entry.stat()
                known = commit and not entry.name.endswith(".json")
                place = Path(entry.path), state.st_size, state.st_mtime_ns
                found.append([part, entry.name, str(state.st_size) if known else _file_digest(*place)])
    return [commit, sorted(found)]


def require_weights(folder: Path, source: ModelSource) -> None:
    """Raises MissingModel unless every safetensors file of a component is there."""
    expected = {name for path in folder.glob("*.index.json") for name in _shards(path)}
    present = {path.name for path in weight_files(folder)}
    absent = sorted(expected - present) or ([] if present else ["*.safetensors"])
    if absent:
        from_hub = f"complete it with 'hf download {source.model}', or {_to_fetch()}"
        from_disk = "only safetensors files are read; save the model anew with save_pretrained"
        from_disk = ANEW if expected else from_disk
        raise MissingModel(
            f"model {source.model!r} lacks weights: {folder.name}/{absent[0]}",
            hint=from_hub if REPOSITORY.fullmatch(source.model) else from_disk,
        )


def _shards(index: Path) -> set[str]:
    """The files that an index of weights names. Raises NodeError if it names none, or one elsewhere."""
    table = read_json(index).get("weight_map")
    names = {str(name) for name in table.values()} if isinstance(table, dict) else set()
    elsewhere = sorted(name for name in names if Path(name).name != name)
    if elsewhere or not names:
        said = f"names {elsewhere[0]!r}, which is no file beside it" if elsewhere else "names no files"
        raise NodeError(f"{index.parent.name}/{index.name} {said}", hint=ANEW)
    return names


def read_json(path: Path) -> dict[str, Any]:
    """A config file. Raises NodeError if it is no JSON object; an absent file is an empty one."""
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > MAX_JSON:
            raise ValueError(f"larger than {MAX_JSON} bytes")
        content = json.loads(path.read_bytes(), parse_constant=_refused)
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        own = path.name in (INDEX, SIDECAR)  # others are of a part of the model
        name, folder = (
            (path.name, path.parent) if own else (f"{path.parent.name}/{path.name}", path.parents[1])
        )
        text = f"{name} of model {folder.name!r} cannot be read: {error}"
        raise NodeError(text, hint=ANEW) from error
    return content


def _refused(constant: str) -> float:
    raise ValueError(f"it holds the number {constant}")


def read_sidecar(folder: Path) -> Sidecar:
    """The model's `graphflow.json`. Raises NodeError naming the wrong field."""
    try:
        return Sidecar.model_validate(read_json(folder / SIDECAR))
    except ValidationError as error:
        raise NodeError(f"{SIDECAR} of model {folder.name!r}: {fault(error)}") from error


def fault(error: ValidationError) -> str:
    """The first thing that is wrong, in a line."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a component."""
    names = os.listdir(folder) if folder.is_dir() else []
    return [folder / name for name in sorted(names) if name.endswith(".safetensors")]
