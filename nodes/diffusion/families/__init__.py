"""One small module per model family. A new family is a new file here that defines `FAMILY`."""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from graphflow.errors import NodeError

from ..guidance import Guide
from ..values import Condition, Geometry, Given, Latents, Native

Config = Mapping[str, Any]
"""A parsed JSON config of a diffusers folder."""


@dataclass(frozen=True)
class Configs:
    """The small JSON files of a model folder; an absent component has an empty config."""

    index: Config
    transformer: Config
    vae: Config
    audio_vae: Config = field(default_factory=dict)
    guider: Config = field(default_factory=dict)

    def class_of(self, part: str) -> str:
        """The class that the index names for a component; empty if it names none."""
        entry = self.index.get(part)
        return str(entry[1] or "") if isinstance(entry, list) and len(entry) == 2 else ""


@dataclass(frozen=True)
class Call:
    """What the denoise node asks of a pipeline, in the nodes' words."""

    latents: Latents
    steps: int
    guidance: float
    guidance_2: float | None
    condition: Condition | None = None
    """Set for every task but text to video."""
    begun: bool = False
    """True if the pipeline is given samples to go on from, not only a size."""
    guide: Guide | None = None
    """How to follow the prompt, in place of `guidance`."""
    two: bool = False
    """Whether there are two experts."""
    native: Native | None = None
    """The model's own settings."""
    sigmas: tuple[float, ...] | None = None
    """Noise levels of the user's own."""
    folder: Callable[[], Path] | None = None
    """Where the denoiser's model lies."""

    @property
    def given(self) -> Given:
        """What the clip must follow beside its prompt; nothing at all for text to video."""
        return self.condition.given if self.condition else Given()


Tensors = Mapping[str, Any]
"""Tensors of a pipeline by its own names for them."""


@dataclass(frozen=True)
class Begin:
    """Where a pipeline's call begins, for tasks that adjust their shell to it."""

    generator: Any
    samples: Any = None
    """(1, channels, frames, height, width); None lets the pipeline draw noise."""
    kept: Mapping[str, Any] | None = None
    """What `Keep` said after the step before this one; None at the first step of a denoise."""


Keep = Callable[[Tensors], dict[str, Any]]
"""The tensors a pipeline tells of after a step, to what it must be given again, beside samples, to go on."""


@dataclass(frozen=True)
class Task:
    """One use of a family's models: a standard pipeline and how to call it."""

    pipeline: str
    """Name of the diffusers class."""
    arguments: Callable[[Call], dict[str, Any]]
    """The pipeline call's arguments, less embeddings, generator and latents."""
    keep: tuple[str, ...] = ()
    """Fields of `Given` whose pixels the pipeline looks at itself, not only its VAE or image encoder."""
    skipped: Callable[[Call], int] = lambda call: 0
    """Steps at the front that are never run: video to video of low strength leaves some out."""
    cuts: bool = True
    """Whether the pipeline itself leaves them out."""
    by_token: bool = False
    """Whether every token has a noise level of its own. Not all solvers know that; and the noise levels are
    timesteps among the arguments."""
    embed: Callable[[Any, Given], Any] | None = None
    """(shell with image encoder and processor, what is given) to what the pipeline's `encode_image` says."""
    image_encoder: Callable[[Configs], bool] = lambda configs: False
    """Whether the model in a folder needs an image encoder for this task."""
    refuses: Callable[[Configs, Given], str] = lambda configs, given: ""
    """Why the model cannot follow what is given, such as `takes no last image`; empty if it can."""
    adjust: Callable[[Any, Call, Begin], Keep | None] = lambda pipe, call, begin: None
    """Last changes to a shell before its call, such as to methods of this one object. The result, if any, is
    asked after each step."""
    reports: tuple[str, ...] = ("latents",)
    """The tensors that the pipeline is asked to report after each step."""
    last: Literal["output", "report"] = "output"
    """Where the final latents come from: what the call returns, or its last report, for pipelines that
    change latents on the way out in a way that decoding must not see."""
    own_noise: Callable[[Given], bool] = lambda given: False
    """Whether the pipeline draws its noise itself, whatever it is given."""
    refines: bool = False
    """Whether it takes a denoised clip, to lay noise over it and denoise it once more."""
    reference_frames: Callable[[Given], int] = lambda given: 0
    """Latent frames that reference images add at the front."""
    finish: Callable[[Latents, Mapping[str, Any]], dict[str, Any]] = lambda latents, kept: {}
    """Fields of the result beside its samples, from what `Keep` said last."""


@dataclass(frozen=True)
class Solver:
    """A scheduler class that suits a family."""

    class_name: str
    shift: str
    """The config field that holds the shift of the noise schedule."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Config values that the family needs."""


def _blank_prompt(config: Config, dtype: Any) -> dict[str, Any]:
    """One token of zeros, of the width that Wan's config names."""
    import torch

    return {"prompt_embeds": torch.zeros(1, 1, int(config["text_dim"]), dtype=dtype)}


def _as_they_are(tensors: Tensors, call: Call) -> tuple[dict[str, Any], dict[str, Any]]:
    return dict(tensors), {}


def _unchanged(samples: Any, latents: Latents | None = None) -> Any:
    """Most pipelines denoise samples as they are."""
    return samples


@dataclass(frozen=True)
class Family:
    """All that differs between model families, as data and small functions."""

    name: str
    tasks: Mapping[str, Task]
    """By name: text_to_video, image_to_video, video_to_video, control, keyframes."""
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
    encode: Callable[..., dict[str, Any]]
    """(text shell, prompt, negative prompt, max_sequence_length) to tensors by argument name. With
    `reads_image` there is an Image too."""
    decode: Callable[[Any, Any, Latents], Any]
    """(live VAE, samples, their header) to (1, 3, frames, height, width) in -1..1. The header carries all
    settings of the decoder, filled in, and the state of the clip's random generator."""
    prompt_style: str
    text_width: str | Callable[[Config], int] = "text_dim"
    """How wide prompt embeddings are: an entry of the denoiser's config, or worked out from it."""
    guides: tuple[str, ...] = ()
    """Kinds of guidance that its pipelines know beside a scale."""
    doubles: bool = False
    """Whether its pipelines run both prompts as one batch, which they put together before the first step."""
    negative_prompts: bool = True
    """False for models that look at a negative prompt only if their guide asks for it, or never."""
    reads_image: bool = False
    """True for models whose text encoder looks at the first image beside the prompt."""
    packages: tuple[str, ...] = ()
    """Python packages that the pipeline needs to clean a prompt and does not ask for itself."""
    image_parts: tuple[str, str] = ("image_encoder", "image_processor")
    """Pipeline components that encode an image for the denoiser, beside the VAE."""
    serves: Callable[[Configs], tuple[str, ...]] | None = None
    """The tasks that a folder's weights were made for; None: those of the pipeline that its index names."""
    prompt: Callable[[Tensors, Call], tuple[dict[str, Any], dict[str, Any]]] = _as_they_are
    """Prompt embeddings to the call's arguments, and to stand-ins for components by their names."""
    denoised_by: str = "diffusion/denoise"
    """The node that denoises; long clips that are made window by window have nodes of their own."""
    blank_prompt: Callable[[Config, Any], dict[str, Any]] = _blank_prompt
    """(denoiser config, dtype) to embeddings of no words: enough for a pipeline to get to its first step."""
    absent: Mapping[str, Any] = field(default_factory=dict)
    """What stands for a component that a phase goes without, where the pipeline cannot be built with None."""
    pack: Callable[[Any], Any] = _unchanged
    """Samples (1, channels, frames, height, width) to the shape in which the pipeline denoises."""
    unpack: Callable[[Any, Latents], Any] = _unchanged
    """The inverse of `pack`, for samples of the clip that the latents describe."""


def names() -> list[str]:
    """Every family there is."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def family(name: str) -> Family:
    """The family called `name`. Raises NodeError for an unknown one."""
    module = sys.modules.get(f"{__name__}.{name}")  # looking through the folder takes longer than the rest
    if module is None and name not in names():
        raise NodeError(f"there is no model family {name!r}", hint=f"families: {', '.join(names())}")
    found: Family = (module or importlib.import_module(f"{__name__}.{name}")).FAMILY
    return found


def pipelines(found: Family) -> list[str]:
    """The pipeline classes of a family."""
    return [task.pipeline for task in found.tasks.values()]


def served(found: Family, configs: Configs) -> tuple[str, ...]:
    """The tasks that the model in a folder can do."""
    if found.serves is not None:
        return found.serves(configs)
    named = configs.index.get("_class_name")
    return tuple(name for name, task in found.tasks.items() if task.pipeline == named)


def family_of(pipeline: str) -> Family:
    """The family that a diffusers pipeline class belongs to. Raises NodeError if none knows it."""
    known = {name: found for found in map(family, names()) for name in pipelines(found)}
    if pipeline not in known:
        raise NodeError(
            f"pipeline class {pipeline!r} is not supported", hint=f"supported: {', '.join(sorted(known))}"
        )
    return known[pipeline]


@functools.cache
def code_digest(name: str) -> str:
    """sha256 of a family's module and of those it takes rules from.

    Their code decides numbers, so recipes carry it into content keys.
    """
    found = family(name)
    parts = [found, *found.tasks.values()]
    rules = [rule for part in parts for rule in vars(part).values() if inspect.isfunction(rule)]
    modules = {f"{__name__}.{name}", *(rule.__module__ for rule in rules)} - {__name__}
    files = sorted(inspect.getfile(sys.modules[module]) for module in modules)
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()
