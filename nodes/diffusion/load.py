"""Nodes that name a model and give its parts as recipes. They read small configs, never weights or torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import Field, ValidationError

from graphflow.errors import NodeError
from graphflow.node import node

from .embedded import embedded_folder
from .families import Configs, Family, code_digest, family_of, served
from .recipes import VAE, Denoiser, ImageEncoder, Scheduler, TextEncoder, read_configs
from .source import (
    ANEW,
    INDEX,
    ModelSource,
    Sidecar,
    contents,
    fault,
    identify,
    locate,
    published_like,
    read_json,
    read_sidecar,
)
from .values import Dtype, Native, VAEInfo

DEFAULT_MODEL = "toy-wan"
"""The embedded model: small enough for any laptop."""

Sampler = Literal["model", "euler", "unipc"]
"""Which solver: the model's own, first-order Euler, or multistep UniPC."""


Shift = Annotated[float, Field(gt=0, le=1000)]

T = TypeVar("T")


class Model(NamedTuple):
    """All parts of a model and the settings it was made for."""

    text_encoder: TextEncoder
    denoiser: Denoiser
    scheduler: Scheduler
    vae: VAE
    image_encoder: ImageEncoder | None
    """Only for models that have one."""
    native: Native


@dataclass(frozen=True)
class _Folder:
    """A located model with its configs read."""

    source: ModelSource
    path: Path
    family: Family
    configs: Configs
    sidecar: Sidecar

    def common(self, dtype: Dtype | None) -> dict[str, Any]:
        """The fields every component has."""
        name, native = self.family.name, self.native
        return {
            "source": self.source,
            "family": name,
            "family_code": code_digest(name),
            "dtype": dtype or native.dtype,
            "native": native,
        }

    @cached_property
    def native(self) -> Native:
        """The sidecar's values over the family's. Embedded models are small and compute in float32."""
        usual = self.derived(self.family.native).model_dump()
        embedded = embedded_folder(self.path.name)  # also if it was named by its path
        if embedded is not None and embedded.samefile(self.path):
            usual["dtype"] = "float32"
        known = self.sidecar.model_dump(exclude_none=True, include=set(Native.model_fields))
        return Native.model_validate({**usual, **known})

    def derived(self, rule: Callable[[Configs], T]) -> T:
        """What a family's rule makes of the configs. Raises NodeError if they make no sense to it."""
        try:
            return rule(self.configs)
        except (TypeError, ValueError, LookupError, AttributeError, ZeroDivisionError) as error:
            said = fault(error) if isinstance(error, ValidationError) else str(error)
            text = f"a config of model {self.source.model!r} is malformed: {said}"
            raise NodeError(text, hint=ANEW) from error

    def needs(self, part: str) -> Mapping[str, Any]:
        """A component's config. Raises NodeError if the model has no such component."""
        config = read_json(self.path / part / "config.json")
        if not config:
            raise NodeError(
                f"model {self.source.model!r} has no {part}/config.json",
                hint="complete the folder, or choose a model that has this part",
            )
        return config


@node("diffusion/load_text_encoder", fold=True, fingerprint=contents, depends=(".source", ".recipes"))
def load_text_encoder(
    *,
    model: str = DEFAULT_MODEL,
    revision: str | None = None,
    dtype: Dtype | None = None,
    download: bool = False,
) -> TextEncoder:
    """The text encoder and tokenizer of a model.

    model: an embedded model's name, a folder in diffusers layout, or a hub repository `owner/name`.
    revision: branch, tag or commit of a hub repository.
    dtype: in which the encoder computes; empty is the model's own. download: allow fetching from the hub.
    Raises MissingModel if the model is not on this machine.
    """
    return _text_encoder(_read(model, revision, download), dtype)


@node("diffusion/load_denoiser", fold=True, fingerprint=contents, depends=(".source", ".recipes"))
def load_denoiser(
    *,
    model: str = DEFAULT_MODEL,
    revision: str | None = None,
    dtype: Dtype | None = None,
    attention: str | None = None,
    download: bool = False,
) -> Denoiser:
    """The transformer of a model, or both experts of a model with two.

    attention: attention backend by diffusers' name, such as `flash` or `flex`; empty is torch's own.
    For the other settings and errors see load_text_encoder.
    """
    return _denoiser(_read(model, revision, download), dtype, attention)


@node("diffusion/load_scheduler", fold=True, fingerprint=contents, depends=(".source", ".recipes"))
def load_scheduler(
    *,
    model: str = DEFAULT_MODEL,
    revision: str | None = None,
    sampler: Sampler = "model",
    shift: Shift | None = None,
    download: bool = False,
) -> Scheduler:
    """The noise schedule and solver of a model.

    sampler: `model` is the model's own. shift: moves steps towards high noise, more for larger videos;
    empty is the model's own. For the other settings and errors see load_text_encoder.
    """
    return _scheduler(_read(model, revision, download), sampler, shift)


@node("diffusion/load_vae", fold=True, fingerprint=contents, depends=(".source", ".recipes"))
def load_vae(
    *,
    model: str = DEFAULT_MODEL,
    revision: str | None = None,
    dtype: Dtype = "float32",
    download: bool = False,
) -> VAE:
    """The autoencoder of a model. float32 is what the models' authors advise.

    For the settings and errors see load_text_encoder.
    """
    return _vae(_read(model, revision, download), dtype)


@node("diffusion/load_image_encoder", fold=True, fingerprint=contents, depends=(".source", ".recipes"))
def load_image_encoder(
    *,
    model: str = DEFAULT_MODEL,
    revision: str | None = None,
    dtype: Dtype = "float32",
    download: bool = False,
) -> ImageEncoder:
    """The image encoder of a model that has one, such as Wan 2.1 image to video.

    dtype: float32 is what the models' authors advise. For the others and errors see load_text_encoder.
    Raises NodeError if the model has none.
    """
    folder = _read(model, revision, download)
    if not _has_image_encoder(folder):
        raise NodeError(
            f"model {model!r} has no image encoder", where="model", hint="leave out the image encoder"
        )
    return _image_encoder(folder, dtype)


@node("diffusion/load_model", fold=True, fingerprint=contents, depends=(".source", ".recipes"))
def load_model(
    *,
    model: str = DEFAULT_MODEL,
    revision: str | None = None,
    dtype: Dtype | None = None,
    vae_dtype: Dtype = "float32",
    sampler: Sampler = "model",
    shift: Shift | None = None,
    attention: str | None = None,
    download: bool = False,
) -> Model:
    """All parts of a model at once, and the settings it was made for.

    model: an embedded model's name, a folder in diffusers layout, or a hub repository `owner/name`.
    revision: branch, tag or commit of a hub repository. download: allow fetching from the hub.
    dtype: of text encoder and denoiser; bfloat16 halves the memory of a large model. vae_dtype: float32 is
        what the models' authors advise.
    sampler: `model` is the model's own. shift: moves steps towards high noise, more for larger videos.
    attention: attention backend by diffusers' name, such as `flash` or `flex`; empty is torch's own.
    Raises MissingModel if the model is not on this machine.
    """
    folder = _read(model, revision, download)
    return Model(
        _text_encoder(folder, dtype),
        _denoiser(folder, dtype, attention),
        _scheduler(folder, sampler, shift),
        _vae(folder, vae_dtype),
        _image_encoder(folder, "float32") if _has_image_encoder(folder) else None,
        folder.native,
    )


# --------------------------------------------------------------------------------- folder to recipes


def _read(model: str, revision: str | None, download: bool) -> _Folder:
    path = locate(model, revision=revision, download=download)
    configs = read_configs(path)
    if not configs.index:  # of a repository that was fetched; others are not found without one
        raise NodeError(
            f"model {model!r} has no {INDEX}, so it is not in diffusers' layout",
            where="model",
            hint=f"{published_like(model)}choose another repository, or use modular/load_model",
        )
    return _Folder(
        source=identify(model, path, revision=revision, download=download),
        path=path,
        family=family_of(str(configs.index.get("_class_name"))),
        configs=configs,
        sidecar=read_sidecar(path),
    )


def _text_encoder(folder: _Folder, dtype: Dtype | None) -> TextEncoder:
    return TextEncoder(**folder.common(dtype))


def _denoiser(folder: _Folder, dtype: Dtype | None, attention: str | None) -> Denoiser:
    index = folder.configs.index
    second = index.get("transformer_2") not in (None, [None, None])
    border = index.get("boundary_ratio")
    if border is not None and not (isinstance(border, int | float) and 0 <= border <= 1):
        text = f"boundary_ratio of model {folder.source.model!r} is {border!r}, which is no noise level of 1"
        raise NodeError(text, where="model", hint=ANEW)
    return Denoiser(
        **folder.common(dtype),
        experts=2 if second and border is not None else 1,
        settings={name: index[name] for name in folder.family.settings if name in index},
        config=_public(folder.needs("transformer")),
        tasks=folder.derived(lambda configs: served(folder.family, configs)),
        attention=attention,
        preview=folder.sidecar.preview,
    )


def _scheduler(folder: _Folder, sampler: Sampler, shift: float | None) -> Scheduler:
    own = read_json(folder.path / "scheduler" / "scheduler_config.json")
    if not own and sampler == "model":
        raise NodeError(
            f"model {folder.source.model!r} has no scheduler/scheduler_config.json",
            where="model",
            hint=f"complete the folder, or choose a sampler of {', '.join(folder.family.solvers)}",
        )
    class_name, config = str(own.get("_class_name")), _public(own)
    solvers = folder.family.solvers
    solver = next((known for known in solvers.values() if known.class_name == class_name), None)
    native_shift = _native_shift(folder, config.get(solver.shift) if solver else None)
    if sampler != "model":
        if sampler not in solvers:
            raise NodeError(
                f"models of family {folder.family.name!r} take no sampler {sampler!r}",
                where="sampler",
                hint=f"choose model or one of {', '.join(solvers)}",
            )
        solver = solvers[sampler]
        class_name = solver.class_name
        config = {**solver.config, "num_train_timesteps": config.get("num_train_timesteps", 1000)}
    if shift is not None and (solver is None or config.get("use_dynamic_shifting")):
        reason = f"the shift of a {class_name} cannot be set"
        if solver is not None:
            raise NodeError(
                f"{reason}: it follows the size of the video", where="shift", hint="leave it empty"
            )
        hint = f"leave it empty, or choose a sampler of {', '.join(solvers)}"
        raise NodeError(reason, where="shift", hint=hint)
    chosen = native_shift if shift is None else shift
    if solver is not None and isinstance(chosen, int | float):
        config[solver.shift] = float(chosen)
    return Scheduler(class_name=class_name, config=config)


def _native_shift(folder: _Folder, own: Any) -> Any:
    """The sidecar's shift, else the saved scheduler's, else what the family's authors advise.

    A saved shift of 1 is none: some converted repositories were saved so and their model cards tell another.
    """
    return folder.sidecar.shift or (own if own not in (None, 1) else folder.native.shift or own)


def _vae(folder: _Folder, dtype: Dtype) -> VAE:
    config = folder.needs("vae")
    return VAE(
        **folder.common(dtype),
        info=VAEInfo(class_name=str(config.get("_class_name")), config=_public(config)),
        geometry=folder.derived(folder.family.geometry),
    )


def _has_image_encoder(folder: _Folder) -> bool:
    return bool(folder.configs.class_of(folder.family.image_parts[0]))


def _image_encoder(folder: _Folder, dtype: Dtype) -> ImageEncoder:
    return ImageEncoder(**folder.common(dtype))


def _public(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config without the notes that the saving library left in it, such as its version."""
    return {name: value for name, value in config.items() if not name.startswith("_")}
