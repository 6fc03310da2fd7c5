"""One small module per model family. A new family is a new file here that defines `FAMILY`."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphflow.errors import NodeError

from ..values import Geometry, Latents, Native

Config = Mapping[str, Any]
"""A parsed JSON config of a diffusers folder."""


@dataclass(frozen=True)
class Configs:
    """The small JSON files of a model folder; an absent component has an empty config."""

    index: Config
    transformer: Config
    vae: Config


@dataclass(frozen=True)
class Call:
    """What the denoise node asks of a pipeline, in the nodes' words."""

    latents: Latents
    steps: int
    guidance: float
    guidance_2: float | None


@dataclass(frozen=True)
class Solver:
    """A scheduler class that suits a family."""

    class_name: str
    shift: str
    """The config field that holds the shift of the noise schedule."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Config values that the family needs."""


def _unchanged(samples: Any, latents: Latents | None = None) -> Any:
    """Most pipelines denoise samples as they are."""
    return samples


@dataclass(frozen=True)
class Family:
    """All that differs between model families, as data and small functions."""

    name: str
    pipelines: Mapping[str, str]
    """Task to diffusers pipeline class; `text_to_video` is always there."""
    text_parts: tuple[str, ...]
    """Pipeline components that encode a prompt."""
    settings: tuple[str, ...]
    """Entries of `model_index.json` that are no components and that the pipeline's constructor takes."""
    solvers: Mapping[str, Solver]
    """By the name that the load nodes' `sampler` setting takes."""
    keep_in_fp32: tuple[str, ...]
    """Name parts of denoiser weights that stay float32 in a half-precision model."""
    native: Callable[[Configs], Native]
    """The published defaults of the model variant in a folder."""
    geometry: Callable[[Configs], Geometry]
    encode: Callable[[Any, str, str, int], dict[str, Any]]
    """(text shell, prompt, negative prompt, max_sequence_length) to tensors by argument name."""
    arguments: Callable[[Call], dict[str, Any]]
    """The pipeline call's arguments, less embeddings, generator and latents."""
    decode: Callable[[Any, Any, Latents], Any]
    """(live VAE, samples, their header) to (1, 3, frames, height, width) in -1..1. The header carries all
    settings of the decoder, filled in, and the state of the clip's random generator."""
    prompt_style: str
    facts: Mapping[str, Mapping[str, Any]]
    """Repository to licence, sizes and memory, for people who choose a model."""
    text_width: str = "text_dim"
    """The entry of the denoiser's config that says how wide prompt embeddings are."""
    negative_prompts: bool = True
    """False for models that never look at a negative prompt."""
    packages: tuple[str, ...] = ()
    """Python packages that the pipeline needs to clean a prompt and does not ask for itself."""
    pack: Callable[[Any], Any] = _unchanged
    """Samples (1, channels, frames, height, width) to the shape in which the pipeline denoises."""
    unpack: Callable[[Any, Latents], Any] = _unchanged
    """The inverse of `pack`, for samples of the clip that the latents describe."""


def names() -> list[str]:
    """Every family there is."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def family(name: str) -> Family:
    """The family called `name`. Raises NodeError for an unknown one."""
    if name not in names():
        raise NodeError(f"there is no model family {name!r}", hint=f"families: {', '.join(names())}")
    found: Family = importlib.import_module(f"{__name__}.{name}").FAMILY
    return found


def family_of(pipeline: str) -> Family:
    """The family that a diffusers pipeline class belongs to. Raises NodeError if none knows it."""
    known = {name: found for found in map(family, names()) for name in found.pipelines.values()}
    if pipeline not in known:
        raise NodeError(
            f"pipeline class {pipeline!r} is not supported", hint=f"supported: {', '.join(sorted(known))}"
        )
    return known[pipeline]


def code_digest(name: str) -> str:
    """sha256 of a family's module and of those it takes rules from.

    Their code decides numbers, so recipes carry it into content keys.
    """
    rules = [rule for rule in vars(family(name)).values() if inspect.isfunction(rule)]
    modules = {f"{__name__}.{name}", *(rule.__module__ for rule in rules)} - {__name__}
    files = sorted(inspect.getfile(sys.modules[module]) for module in modules)
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()
