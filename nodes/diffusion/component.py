"""What every part of a model has in common: where it lies, what it weighs, where it is while it works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_args

from graphflow.errors import MissingModel, NodeError, ValueMismatch
from graphflow.node import Footprint, Origin
from graphflow.values import PLACEMENT, Recipe

from .catalogue import licence_of
from .families import Configs
from .headers import TensorEntry, check_header
from .memory import footprint
from .modifiers.casting import Casting
from .modifiers.offload import Offload, Strategy, check_offload, placed
from .modifiers.quantise import (
    METHODS,
    Quantisation,
    backend_of,
    check_device,
    check_installed,
    check_quantisation,
)
from .opening import class_named
from .source import (
    ANEW,
    INDEX,
    FileSource,
    ModelSource,
    identity,
    locate,
    read_json,
    require_weights,
    weight_files,
)
from .values import Dtype, Native

_FLOATS = ("F16", "BF16", "F32", "F64")
_BYTES = {"I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2}
"""Of numbers that are loaded as they are stored; all others take one byte."""

_EMBEDDINGS = ("shared.weight", "embed_tokens.weight", "_embedding.weight")
"""Ends of the names of matrices that are looked up, not multiplied with: quantisers leave them alone."""

_TREATMENTS = ("casting", "quantisation")
"""Fields that say how weights are stored; a recipe has at most one of them set."""


class Component(Recipe):
    """Base of the recipes of one repository's parts."""

    source: ModelSource
    family: str
    family_code: str
    """Digest of the family's module, so that a changed rule there changes content keys."""
    dtype: Dtype
    native: Native
    offload: Annotated[Offload | None, PLACEMENT] = None
    """Where the weights are while the module works; None is on the device, for good."""

    def folder(self) -> Path:
        """Where the model lies on this machine.

        Raises MissingModel if it is not here, ValueMismatch if it is not what the recipe was made from.
        """
        source = self.source
        folder = locate(source.model, revision=source.revision, download=source.download, weights=True)
        if identity(folder) != source.identity:
            raise ValueMismatch(
                f"model {source.model!r} has changed since this run was planned",
                hint="plan again, or restore the files",
            )
        for part in self.parts():
            if part not in self.single_files():
                require_weights(folder / part, source)
        return folder

    def parts(self) -> tuple[str, ...]:
        """Subfolders with weights."""
        raise NotImplementedError

    def needed(self) -> tuple[str, ...]:
        """Subfolders of all that is opened, also those without weights."""
        return self.parts()

    def single_files(self) -> dict[str, FileSource]:
        """Parts whose weights come from a file of their own."""
        return {}

    def quantised(self) -> Quantisation | None:
        """How the weights are quantised while loading."""
        return None

    def modules(self, live: Any) -> dict[str, Any]:
        """The torch modules inside the live object, by name, in the order in which they work."""
        return {self.parts()[0]: live}

    def check(self, device: str) -> None:
        quantisation = self.quantised()
        if quantisation is not None:
            check_quantisation(quantisation, device)
            _check_together(quantisation, self.offload)
        self.check_kind(device)

    def home(self, device: str) -> str:
        return device if self.offload is None or self.offload.strategy == "resident" else "cpu"

    @contextmanager
    def applied(self, live: Any, device: str) -> Iterator[Any]:
        with placed(self.modules(live), self.offload, device):
            yield live

    def configs(self) -> Configs:
        """The small configs of the model that this is a part of. Raises MissingModel if it is not here."""
        return read_configs(locate(self.source.model, revision=self.source.revision))

    def inspect(self) -> None:
        """All that is opened must be here, unless it may be fetched, and weight files must be whole."""
        source, single, quantisation = self.source, self.single_files(), self.quantised()
        if quantisation is not None:
            check_installed(quantisation)
            _check_together(quantisation, self.offload)
        folder = locate(source.model, revision=source.revision)
        index = read_json(folder / INDEX)
        for part in () if source.download else self.needed():
            if not (folder / part).is_dir():
                raise MissingModel(f"model {source.model!r} has no folder {part!r}", hint=ANEW)
            if part in index:
                class_named(index, part)
            _check_configs(folder, part, source.model, weights=part in self.parts())
            if part in self.parts() and part not in single:
                require_weights(folder / part, source)
        files = [file for part in self.parts() if part not in single for file in weight_files(folder / part)]
        for file in [*files, *(one.path() for one in single.values())]:
            if file.suffix != ".gguf":
                check_header(file)

    def check_kind(self, kind: str) -> None:
        if self.offload is not None:
            check_offload(self.offload, kind)
        quantisation = self.quantised()
        if quantisation is not None:
            check_device(quantisation, kind)

    def memory_bytes(self) -> int:
        return footprint(self).whole

    def footprints(self) -> dict[str, Footprint]:
        return {way: replace(footprint(one), placings=one.bears()) for way, one in self.stored_ways().items()}

    def bears(self) -> tuple[Strategy, ...]:
        """How weights that are stored so can be offloaded."""
        quantisation = self.quantised()
        known = get_args(Strategy) if quantisation is None else backend_of(quantisation).offloads
        return tuple(one for one in get_args(Strategy) if one in known)

    def stored_ways(self) -> dict[str, Component]:
        """This part, and copies whose weights are stored in ever fewer bits where that can be asked for."""
        ways: dict[str, Component] = {"": self}
        changes: dict[str, dict[str, Any]] = {
            "fp8": {"casting": Casting()},
            "int8": {"quantisation": Quantisation(method="torchao_int8")},
            "nf4": {"quantisation": Quantisation(method="bitsandbytes_nf4")},
        }
        if not self.single_files() and all(getattr(self, name, None) is None for name in _TREATMENTS):
            known = type(self).model_fields
            ways |= {way: self.model_copy(update=c) for way, c in changes.items() if c.keys() <= known.keys()}
        return ways

    def placing(self) -> Strategy:
        return self.offload.strategy if self.offload is not None else "resident"

    def origins(self) -> tuple[Origin, ...]:
        files = [*self.single_files().values(), *(lora.source for lora in getattr(self, "loras", ()))]
        return (
            Origin(self.source.model, self.source.identity, licence_of(self.source)),
            *(Origin(file.repository or file.file, file.digest) for file in files),
        )

    def loaded_bytes(self, name: str, entry: TensorEntry) -> int:
        """What a tensor of the weight files takes once it is loaded."""
        if entry.dtype in _FLOATS:
            return int(entry.numbers * self._stored(name, entry))
        return entry.numbers * _BYTES.get(entry.dtype, 1)

    def _stored(self, name: str, entry: TensorEntry) -> float:
        """Bytes of one number of a weight once loaded and quantised."""
        quantisation = self.quantised()
        linear = len(entry.shape) == 2 and name.endswith(".weight") and not name.endswith(_EMBEDDINGS)
        if quantisation is not None and linear:
            kept = any(f"{part}." in name for part in quantisation.skip)
            return self._width(name) if kept else METHODS[quantisation.method].bits / 8
        return self._width(name)

    def _width(self, name: str) -> int:
        """Bytes of one number of the weight called `name` once loaded."""
        return 4 if self.dtype == "float32" else 2


_CONFIGS = ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")


def _check_configs(folder: Path, part: str, model: str, *, weights: bool) -> None:
    """Refuse a part with broken small files (NodeError), or with weights but no config (MissingModel)."""
    for name in _CONFIGS:
        read_json(folder / part / name)
    if weights and not (folder / part / "config.json").is_file():
        raise MissingModel(f"model {model!r} has no {part}/config.json", hint=ANEW)


def _check_together(quantisation: Quantisation, offload: Offload | None) -> None:
    """Raises NodeError if the quantised layers cannot be offloaded so."""
    if offload is None:
        return
    backend = backend_of(quantisation)
    if offload.strategy not in backend.offloads or (offload.disk and not backend.disk):
        wanted = f"{offload.strategy}, on disk" if offload.disk else offload.strategy
        raise NodeError(
            f"{quantisation.method!r} cannot be offloaded as {wanted!r}",
            where="offload",
            hint=f"choose one of {', '.join(backend.offloads)}{'' if backend.disk else ', not on disk'}",
        )


def read_configs(folder: Path) -> Configs:
    """The small configs of a model folder. Raises NodeError if one cannot be read."""
    transformer, vae, audio_vae = (
        read_json(folder / part / "config.json") for part in ("transformer", "vae", "audio_vae")
    )
    guider = read_json(folder / "guider" / "guider_config.json")
    return Configs(read_json(folder / INDEX), transformer, vae, audio_vae, guider)
