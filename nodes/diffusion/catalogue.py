"""Published video models: where they are, what they weigh, their licence, what others measured.

The facts are in `catalogue.json`. Nothing here needs torch or the models themselves.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from graphflow.errors import MissingModel, NodeError

from .families import Configs, Family, family_of
from .headers import TensorEntry
from .source import INDEX, SIDECAR, ModelSource, locate, read_json
from .values import Native

FILE = Path(__file__).with_name("catalogue.json")

MAX_CARD = 20_000
"""Characters of a model card that are looked through for its licence."""

_REPEATED = re.compile(r"\{(\d+)\}")
_WIDTHS = {"float32": 4, "bfloat16": 2}

Basis = Literal["counted", "recalled"]
"""Built and counted here, or somebody's word."""


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Module(_Fact):
    """One kind of module, shared by several models."""

    class_name: Annotated[str, Field(alias="class")]
    basis: Basis
    config: dict[str, Any] = Field(default_factory=dict)
    """As far as it decides sizes."""
    shapes: Annotated[dict[str, tuple[int, ...]], Field(alias="tensors")]
    """By name; `blocks.{40}.norm.weight` stands for forty tensors."""

    def tensors(self) -> dict[str, TensorEntry]:
        """Every tensor by its own name."""
        found: dict[str, TensorEntry] = {}
        for pattern, shape in self.shapes.items():
            repeated = _REPEATED.search(pattern)
            for index in range(int(repeated[1]) if repeated else 1):
                found[_REPEATED.sub(str(index), pattern, count=1)] = TensorEntry("F32", shape)
        return found

    @property
    def parameters(self) -> int:
        return sum(entry.numbers for entry in self.tensors().values())


class Licence(_Fact):
    """Which licence, and where and when that was read. What it allows is the licence pack's knowledge."""

    id: str
    """Empty if it is not known."""
    source: str
    read: str


class Reported(_Fact):
    """Memory that somebody else measured."""

    what: str
    gigabytes: float


class Entry(_Fact):
    """One published model."""

    id: str
    repository: str
    pipeline: str
    """The diffusers class; empty if there is none."""
    tasks: tuple[str, ...]
    parts: dict[str, str]
    """Component to its kind of module; an empty name is for a model that is one module, at the top."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Entries of `model_index.json` that are no components."""
    stored: dict[str, str] = Field(default_factory=dict)
    """Components that the repository stores in another dtype than bfloat16."""
    licence: Licence
    sizes: tuple[str, ...] = ()
    reported: tuple[Reported, ...] = ()
    reported_by: str = ""
    disk_reported: str = ""
    notes: str = ""
    status: str = "ok"

    def module(self, part: str) -> Module:
        return modules()[self.parts[part]]

    def tensors(self, part: str) -> dict[str, TensorEntry]:
        """The tensors of a component; none if the model has no such component."""
        return self.module(part).tensors() if part in self.parts else {}

    @property
    def counted(self) -> bool:
        """Whether every component was counted."""
        return all(self.module(part).basis == "counted" for part in self.parts)

    def weight_bytes(self, width: int = 2) -> int:
        """All weights in memory. width: bytes of one number."""
        return sum(self.module(part).parameters * width for part in self.parts)

    def disk_bytes(self) -> int:
        """All weights as the repository stores them."""
        widths = {part: _WIDTHS[self.stored.get(part, "bfloat16")] for part in self.parts}
        return sum(self.module(part).parameters * width for part, width in widths.items())

    def configs(self) -> Configs:
        """The model's configs, as far as they decide sizes."""
        found = {part: self.module(part).config for part in ("transformer", "vae") if part in self.parts}
        return Configs(self._index(), found.get("transformer", {}), found.get("vae", {}))

    def family(self) -> Family | None:
        """The family that can run it, if there is one."""
        try:
            return family_of(self.pipeline)
        except NodeError:
            return None

    @property
    def alone(self) -> bool:
        """Whether it makes no videos by itself and works beside a model that does: an upsampler, a judge."""
        return "transformer" not in self.parts

    @property
    def runs_here(self) -> bool:
        """Whether some node can use it."""
        return self.alone or self.family() is not None

    @property
    def plannable(self) -> bool:
        """Whether a workflow with this model can be planned without its files."""
        configs = self.configs()
        return self.alone or (bool(configs.transformer and configs.vae) and self.family() is not None)

    def native(self) -> Native | None:
        """The settings it was made for; None if no family here knows it."""
        rules = self.family()
        return rules.native(self.configs()) if rules is not None and self.plannable else None

    def _index(self) -> dict[str, Any]:
        classes = {part: ["diffusers", self.module(part).class_name] for part in self.parts}
        return {"_class_name": self.pipeline, **classes, **self.settings}

    def write_outline(self, folder: Path) -> Path:
        """A model folder with configs alone, enough to plan and forecast with, and return it.

        Raises NodeError if the entry does not say enough.
        """
        rules = self.family()
        if not self.plannable:
            raise NodeError(
                f"too little is known of model {self.id!r} to plan with it",
                hint=f"download its small files: hf download {self.repository} --include '*.json'",
            )
        files = {INDEX: self._index(), SIDECAR: {"catalogue": self.id}}
        if rules is not None:
            solver = next(iter(rules.solvers.values()))
            files["scheduler/scheduler_config.json"] = {"_class_name": solver.class_name, **solver.config}
        for part in self.parts:
            named = {"_class_name": self.module(part).class_name, **self.module(part).config}
            files[(Path(part) / "config.json").as_posix()] = named
        for name, content in files.items():
            path = folder / self.id / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
        return folder / self.id


class _Catalogue(_Fact):
    about: str
    modules: dict[str, Module]
    models: tuple[Entry, ...]


@functools.cache
def _catalogue() -> _Catalogue:
    return _Catalogue.model_validate_json(FILE.read_bytes())


def modules() -> Mapping[str, Module]:
    """Every kind of module, by the name that entries use."""
    return _catalogue().modules


def entries() -> tuple[Entry, ...]:
    """Every model, in the order of the file."""
    return _catalogue().models


def find(name: str) -> Entry | None:
    """The model with this id or of this repository."""
    return next((one for one in entries() if name.lower() in (one.id, one.repository.lower())), None)


def entry(name: str) -> Entry:
    """The model with this id or of this repository. Raises NodeError if there is none."""
    found = find(name)
    if found is None:
        raise NodeError(f"the catalogue has no model {name!r}", hint="`graphflow models` lists it")
    return found


def licence_of(source: ModelSource) -> str:
    """The id of a model's licence: by its own `graphflow.json`, by the catalogue, or by the head of its
    README; empty if none of them says."""
    try:
        folder = locate(source.model, revision=source.revision)
    except MissingModel:
        folder = None
    told = read_json(folder / SIDECAR) if folder is not None else {}
    published = find(str(told.get("catalogue") or source.model))
    if isinstance(told.get("licence") or told.get("license"), str):
        return str(told.get("licence") or told.get("license")).lower()
    if published is not None:
        return published.licence.id
    return _card_licence(folder / "README.md") if folder is not None else ""


def _card_licence(card: Path) -> str:
    """What the head of a model card says, as the hub reads it: `license`, or `license_name` for `other`."""
    try:
        with card.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_CARD).split("---")[0].splitlines() if file.read(3) == "---" else []
    except OSError:
        return ""
    told = dict(line.split(":", 1) for line in lines if line.startswith("license") and ":" in line)
    name = told.get("license", "").strip().lower()
    return told.get("license_name", "").strip().lower() if name == "other" else name


def stand_in(model: str, revision: str | None, folder: Path) -> Path | None:
    """A folder under `folder` to plan with in place of a published model that is not on this machine.

    None if the model is here, or if the catalogue does not know it. Raises NodeError if it knows too little.
    """
    try:
        locate(model, revision=revision)
    except MissingModel:
        published = find(model)
        return published.write_outline(folder) if published is not None else None
    return None
