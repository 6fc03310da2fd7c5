"""A model for a modular pipeline: where it lies and what its parts are; one recipe for each part."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from graphflow.errors import MissingModel, NodeError, ValueMismatch
from graphflow.node import Footprint, Origin, node
from graphflow.values import Recipe

from ..catalogue import licence_of
from ..headers import check_header, read_header
from ..opening import blank_model, component_class, load_module
from ..source import (
    ANEW,
    INDEX,
    REPOSITORY,
    ModelSource,
    file_identity,
    identity,
    locate,
    read_json,
    require_weights,
    weight_files,
)
from ..values import Dtype
from .definitions import Definition, PipelineName, definitions, kept_in_float32

MODULAR_INDEX = "modular_model_index.json"
_FILES = (".json", ".txt", ".model", ".jinja", ".safetensors")
_BYTES = {"F64": 0, "F32": 0, "F16": 0, "BF16": 0, "I64": 8, "I32": 4, "I16": 2}
"""Of one number as it is loaded; 0 for floats, which are loaded in the part's dtype."""


class ModularPart(Recipe):
    """One component of a model: a network, a tokenizer, a scheduler. Opens as what diffusers would load."""

    source: ModelSource
    part: str
    """The pipeline's name for it."""
    subfolder: str
    library: str
    class_name: str
    dtype: Dtype

    def folder(self) -> Path:
        """The model's folder. Raises MissingModel, or ValueMismatch if it is not what it was."""
        source = self.source
        folder = find(source.model, source.revision, source.download, weights=True)
        if identify_folder(folder) != source.identity:
            raise ValueMismatch(
                f"model {source.model!r} has changed since this run was planned",
                hint="plan again, or restore the files",
            )
        return folder

    def index(self) -> dict[str, list[str]]:
        """What `opening` reads of an index."""
        return {self.subfolder: [self.library, self.class_name]}

    def is_network(self) -> bool:
        import torch

        return issubclass(component_class(self.index(), self.subfolder), torch.nn.Module)

    def open(self, device: str) -> Any:
        folder = self.folder()
        if self.is_network():
            require_weights(folder / self.subfolder, self.source)
            live = load_module(self.index(), folder, self.subfolder, self.dtype, device)
            return _as_loaded(live)
        found = component_class(self.index(), self.subfolder)
        try:
            return found.from_pretrained(folder / self.subfolder, local_files_only=True)
        except (ImportError, OSError, ValueError) as error:  # a package or a file is not there
            raise NodeError(
                f"{self.part} of model {self.source.model!r} cannot be opened: {error}", where="model"
            ) from error

    def inspect(self) -> None:
        """The folder must be here, unless it may be fetched, and its weight files whole."""
        folder = find(self.source.model, self.source.revision, download=False) / self.subfolder
        if not (folder.is_dir() or self.source.download):
            raise MissingModel(f"model {self.source.model!r} has no folder {self.subfolder!r}", hint=ANEW)
        for file in weight_files(folder):
            check_header(file)

    def blank(self) -> Any:
        """The network without its weights; None if diffusers cannot build it from its config alone."""
        if self.library == "transformers" or not self.is_network():
            return None
        return blank_model(self.index(), self.folder(), self.subfolder)

    def memory_bytes(self) -> int:
        """Of the weights once they are loaded, from the headers of their files."""
        files = (self.folder() / self.subfolder).glob("*.safetensors")
        entries = [entry for file in files for entry in read_header(file).items()]
        return sum(
            entry.numbers * (_BYTES.get(entry.dtype, 1) or self._width(name)) for name, entry in entries
        )

    def _width(self, name: str) -> int:
        """Of one number: some weights stay float32 in a half-precision model, T5's `wo` in float16 alone."""
        kept = kept_in_float32(self.class_name)
        if self.library == "transformers" and self.dtype == "float16":
            kept = frozenset(("wo",))
        return 4 if self.dtype == "float32" or not kept.isdisjoint(name.split(".")) else 2

    def origins(self) -> tuple[Origin, ...]:
        return (Origin(self.source.model, self.source.identity, licence_of(self.source)),)


class ModularModel(Recipe):
    """All parts of a model for one modular pipeline. A phase opens those that it needs."""

    pipeline: str
    source: ModelSource
    parts: dict[str, ModularPart]
    configs: dict[str, Any]
    """Settings of the pipeline that the model's index holds."""

    def inspect(self) -> None:
        for part in self.parts.values():
            part.inspect()

    def memory_bytes(self) -> int:
        """Of all parts: each stays where it was opened until there is no room for another."""
        return self.footprints()[""].whole

    def footprints(self) -> dict[str, Footprint]:
        """Exact for weights; 0 if the model is not here. At most the parts of one phase work at once.

        Parts are not offloaded, nor stored otherwise.
        """
        try:
            sizes = {name: part.memory_bytes() for name, part in self.parts.items()}
        except MissingModel:
            sizes = {}
        phases = definitions()[self.pipeline].phases
        turn = max(sum(sizes.get(name, 0) for name in phase.components) for phase in phases)
        return {"": Footprint(sum(sizes.values()), turn=turn, placings=("resident",))}

    def origins(self) -> tuple[Origin, ...]:
        return (Origin(self.source.model, self.source.identity, licence_of(self.source)),)


@node("modular/load_model", fold=True, depends=("..source", "..opening", ".definitions"))
def load_model(
    *,
    model: str,
    pipeline: PipelineName | None = None,
    revision: str | None = None,
    dtype: Dtype = "bfloat16",
    float32_parts: list[str] = ["vae"],  # noqa: B006 - copied by pydantic
    download: bool = False,
) -> ModularModel:
    """A model for the nodes of a modular pipeline.

    model: a local folder or a hub repository `owner/name`, with `modular_model_index.json` or
        `model_index.json`. Only safetensors and classes of diffusers and transformers are loaded.
    pipeline: which one; empty is what the index names.
    dtype: of all parts but `float32_parts`, which are named as in the index.
    revision, download: of a hub repository; without `download` no socket is opened.
    Raises MissingModel if it is not on this machine, NodeError if the index names no known pipeline or a
    part lies in another repository.
    """
    folder = find(model, revision, download)
    index = read_json(folder / MODULAR_INDEX) or read_json(folder / INDEX)
    definition = _definition(model, pipeline, str(index.get("_class_name")))
    source = ModelSource(model=model, revision=revision, identity=identify_folder(folder), download=download)
    parts: dict[str, ModularPart] = {}
    for name in definition.loaded:
        place = _place(name, index.get(name), model)
        if place is not None and (folder / place[0]).is_dir():
            kept = "float32" if name in float32_parts else dtype
            subfolder, library, class_name = place
            parts[name] = ModularPart(
                source=source,
                part=name,
                subfolder=subfolder,
                library=library,
                class_name=class_name,
                dtype=kept,
            )
    unknown = [name for name in float32_parts if name not in definition.loaded]
    if unknown and float32_parts != ["vae"]:
        raise NodeError(
            f"pipeline {definition.name!r} has no part {unknown[0]!r}",
            where="float32_parts",
            hint=f"its parts are {', '.join(definition.loaded)}",
        )
    configs = {name: index[name] for name in definition.configs if name in index}
    return ModularModel(pipeline=definition.name, source=source, parts=parts, configs=configs)


def _definition(model: str, wanted: str | None, named: str) -> Definition:
    known = definitions()
    found = known.get(wanted or "")
    for each in known.values():
        if found is None and each.pipeline == named:
            found = each
    if found is None:
        raise NodeError(
            f"the index of model {model!r} names {named}, which is no modular pipeline of these nodes",
            where="model",
            hint=f"set pipeline to one of {', '.join(known)}, or use diffusion/load_model",
        )
    return found


def _place(name: str, entry: Any, model: str) -> tuple[str, str, str] | None:
    """Subfolder, library and class of a part, as an index of either kind names them; None if it has none."""
    if not isinstance(entry, list) or len(entry) not in (2, 3):
        return None
    more = entry[2] if len(entry) == 3 and isinstance(entry[2], dict) else {}
    library, class_name = more.get("type_hint") or entry[:2]
    library, class_name = entry[0] or library, entry[1] or class_name
    if not library or not class_name:
        return None
    elsewhere = more.get("pretrained_model_name_or_path")
    on_hub = REPOSITORY.fullmatch(model) and not Path(model).exists()
    if on_hub and isinstance(elsewhere, str) and elsewhere != model:
        raise NodeError(
            f"part {name!r} of model {model!r} lies in another repository, {elsewhere!r}",
            where="model",
            hint="download both into one folder, a subfolder for each part, and give that folder",
        )
    subfolder = str(more.get("subfolder") or name)
    if Path(subfolder).name != subfolder:
        raise NodeError(f"the index of model {model!r} names {subfolder!r}, which is no subfolder")
    return subfolder, str(library), str(class_name)


def find(model: str, revision: str | None, download: bool, *, weights: bool = False) -> Path:
    """The folder of a model with an index of either kind. Raises MissingModel, saying how to get it."""
    folder = Path(model).expanduser()
    if (folder / MODULAR_INDEX).is_file():
        return folder.resolve()
    if REPOSITORY.fullmatch(model) and not folder.exists() and not download:
        import huggingface_hub

        found = huggingface_hub.try_to_load_from_cache(model, MODULAR_INDEX, revision=revision)
        if isinstance(found, str):
            return Path(found).parent
    try:
        return locate(model, revision=revision, download=download, weights=weights)
    except MissingModel as error:
        raise MissingModel(error.message, where="model", hint=error.hint) from error


def identify_folder(folder: Path) -> str:
    """What is in a model folder, as `source.identity` says; by all subfolders if it has a modular index."""
    index = folder / MODULAR_INDEX
    if not index.is_file() or folder.parent.name == "snapshots":
        return identity(folder)
    parts = sorted(path for path in folder.glob("*/*") if path.suffix in _FILES)
    digest = hashlib.sha256()
    for path in [index, *parts]:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_identity(path)}\0".encode())
    return f"sha256:{digest.hexdigest()}"


def _as_loaded(live: Any) -> Any:
    """The network as diffusers leaves it: flex attention that is not compiled computes other bits for weights
    that want no gradient, also where none is taken."""
    for weight in live.parameters():
        weight.requires_grad_(weight.is_floating_point())
    return live


def fresh(live: Any) -> Any:
    """A scheduler of this run alone; any other part as it is."""
    from diffusers import SchedulerMixin

    kind: Any = type(live)
    return kind.from_config(live.config) if issubclass(kind, SchedulerMixin) else live
