"""What every part of a model has in common: where it lies, what it weighs, where it is while it works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from graphflow.errors import MissingModel, NodeError, ValueMismatch
from graphflow.values import PLACEMENT, Recipe

from .families import Configs
from .modifiers.offload import Offload, check_offload, placed
from .modifiers.quantise import METHODS, Quantisation, backend_of, check_quantisation
from .source import (
    INDEX,
    FileSource,
    ModelSource,
    TensorEntry,
    identity,
    locate,
    read_header,
    read_json,
    require_weights,
)
from .values import Dtype, Native

_BYTES = {"I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2}
"""Of numbers that are loaded as they are stored; all others take one byte."""


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
        if self.offload is not None:
            check_offload(self.offload, device)
        quantisation = self.quantised()
        if quantisation is not None:
            check_quantisation(quantisation, device)
            _check_together(quantisation, self.offload)

    def home(self, device: str) -> str:
        return device if self.offload is None or self.offload.strategy == "resident" else "cpu"

    @contextmanager
    def applied(self, live: Any, device: str) -> Iterator[Any]:
        with placed(self.modules(live), self.offload, device):
            yield live

    def configs(self) -> Configs:
        """The small configs of the model that this is a part of. Raises MissingModel if it is not here."""
        return read_configs(self.folder())

    def memory_bytes(self) -> int:
        """Bytes of all weights in memory, from the headers of the weight files; 0 if they are not here."""
        try:
            folder = locate(self.source.model, revision=self.source.revision)
        except MissingModel:
            return 0
        single = self.single_files()
        folders = [folder / part for part in self.parts() if part not in single]
        files = [path for part in folders for path in part.glob("*.safetensors")]
        return sum(map(self._weight_bytes, [*files, *(source.path() for source in single.values())]))

    def _weight_bytes(self, path: Path) -> int:
        if path.suffix == ".gguf":
            return path.stat().st_size  # stays as it is stored
        floats = ("F16", "BF16", "F32", "F64")
        return sum(
            int(entry.numbers * self._stored(name, entry))
            if entry.dtype in floats
            else entry.numbers * _BYTES.get(entry.dtype, 1)
            for name, entry in read_header(path).items()
        )

    def _stored(self, name: str, entry: TensorEntry) -> float:
        """Bytes of one number of a weight once loaded and quantised."""
        quantisation = self.quantised()
        if quantisation is not None and name.endswith(".weight") and len(entry.shape) == 2:
            kept = any(part in name for part in quantisation.skip)
            return self._width(name) if kept else METHODS[quantisation.method].bits / 8
        return self._width(name)

    def _width(self, name: str) -> int:
        """Bytes of one number of the weight called `name` once loaded."""
        return 4 if self.dtype == "float32" else 2


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
    parts = (read_json(folder / part / "config.json") for part in ("transformer", "vae", "audio_vae"))
    return Configs(read_json(folder / INDEX), *parts)
