"""Models on wires: what to load and how to treat it. Live modules exist only inside `ctx.use`.

torch, diffusers and transformers are imported when a recipe is opened, never before.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from graphflow.errors import MissingModel, NodeError, ValueMismatch
from graphflow.values import NUMERICS, PLACEMENT, Recipe, Value

from .families import Configs, Family, family
from .source import INDEX, ModelSource, identity, locate, read_header, read_json, require_weights
from .values import Dtype, Geometry, Native, VAEInfo

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
            require_weights(folder / part, source)
        return folder

    def parts(self) -> tuple[str, ...]:
        """Subfolders with weights."""
        raise NotImplementedError

    def configs(self) -> Configs:
        """The small configs of the model that this is a part of. Raises MissingModel if it is not here."""
        return read_configs(self.folder())

    def memory_bytes(self) -> int:
        """Bytes of all weights in memory, from the headers of the weight files; 0 if they are not here."""
        try:
            folder = locate(self.source.model, revision=self.source.revision)
        except MissingModel:
            return 0
        files = [path for part in self.parts() for path in (folder / part).glob("*.safetensors")]
        return sum(map(self._weight_bytes, files))

    def _weight_bytes(self, path: Path) -> int:
        floats = ("F16", "BF16", "F32", "F64")
        return sum(
            entry.numbers * (self._width(name) if entry.dtype in floats else _BYTES.get(entry.dtype, 1))
            for name, entry in read_header(path).items()
        )

    def _width(self, name: str) -> int:
        """Bytes of one number of the weight called `name` once loaded."""
        return 4 if self.dtype == "float32" else 2


class TextEncoder(Component):
    """The text encoder and its tokenizer. Opens as a text shell: the pipeline with nothing else in it."""

    def parts(self) -> tuple[str, ...]:
        return tuple(part for part in family(self.family).text_parts if "tokenizer" not in part)

    def open(self, device: str) -> Any:
        from .shell import shell

        folder = self.folder()
        index = read_json(folder / INDEX)
        members: dict[str, Any] = {}
        for part in family(self.family).text_parts:
            if "tokenizer" in part:
                members[part] = _component_class(index, part).from_pretrained(
                    folder / part, local_files_only=True
                )
            else:
                members[part] = load_module(index, folder, part, self.dtype, device)
        return shell(family(self.family), members)

    def _width(self, name: str) -> int:
        """T5 overflows in float16, so transformers keeps its `wo` weights in float32."""
        kept = self.dtype == "float16" and "wo" in name.split(".")
        return 4 if kept else super()._width(name)


class Eyes(NamedTuple):
    """A live image encoder with the processor that prepares pictures for it."""

    image_encoder: Any
    image_processor: Any

    def pipeline(self, rules: Family, task: str) -> Any:
        """The pipeline of a task with nothing else in it, to use its `encode_image`."""
        from .shell import shell

        return shell(rules, dict(zip(rules.image_parts, self, strict=True)), task=task)


class ImageEncoder(Component):
    """The image encoder and its processor. Opens as `Eyes`."""

    def parts(self) -> tuple[str, ...]:
        return family(self.family).image_parts[:1]

    def open(self, device: str) -> Eyes:
        folder = self.folder()
        index, (encoder, processor) = read_json(folder / INDEX), family(self.family).image_parts
        prepare = _component_class(index, processor).from_pretrained(
            folder / processor, local_files_only=True
        )
        return Eyes(load_module(index, folder, encoder, self.dtype, device), prepare)


class Experts(NamedTuple):
    """A live denoiser: one transformer, or two of which the second takes the low-noise steps."""

    transformer: Any
    transformer_2: Any = None

    def live(self) -> list[Any]:
        return list(self.named().values())

    def named(self) -> dict[str, Any]:
        """By the pipeline's argument names; most pipelines know no second one."""
        return {name: module for name, module in self._asdict().items() if module is not None}


class Denoiser(Component):
    """The transformer, or the two experts of Wan 2.2."""

    experts: Annotated[int, Field(ge=1, le=2)] = 1
    settings: dict[str, Any] = Field(default_factory=dict)
    """What the pipeline must know about the denoiser. For Wan `boundary_ratio`, the noise level (of 1) below
    which the second expert takes over, and `expand_timesteps`, one timestep for every token."""
    config: dict[str, Any]
    """The transformer's architecture."""
    tasks: tuple[str, ...] = ("text_to_video",)
    """What the weights were made for, by the names of the family's tasks."""
    attention: Annotated[str | None, NUMERICS] = None
    """Attention backend by diffusers' name; None is torch's own attention."""
    preview: Annotated[tuple[tuple[float, ...], ...], PLACEMENT] = ()
    """Latent channels to RGB for live previews; see `preview.py`. Changes no result."""

    def base(self) -> Denoiser:
        return self.model_copy(update={"attention": None, "preview": ()})

    def parts(self) -> tuple[str, ...]:
        return ("transformer", "transformer_2")[: self.experts]

    def open(self, device: str) -> Experts:
        folder = self.folder()
        index = read_json(folder / INDEX)
        return Experts(*(load_module(index, folder, part, self.dtype, device) for part in self.parts()))

    @contextmanager
    def applied(self, live: Experts, device: str) -> Iterator[Experts]:
        """With the attention backend set; step caches are emptied on the way out, also after a cancel."""
        with ExitStack() as stack:
            for module in live.live():
                stack.callback(module._reset_stateful_cache)
                if self.attention is not None:
                    stack.enter_context(_attention(module, self.attention))
            yield live

    def _width(self, name: str) -> int:
        kept = any(part in name.split(".") for part in family(self.family).keep_in_fp32)
        return 4 if kept else super()._width(name)


class Tiling(Value):
    """Decode in overlapping tiles: less memory, slightly other pixels near the seams. Sizes in pixels."""

    tile: Annotated[int, Field(ge=32)]
    stride: Annotated[int, Field(ge=16)]
    """From the start of one tile to the start of the next; smaller than `tile`."""


class VAE(Component):
    """The autoencoder between pixels and latents."""

    info: VAEInfo
    geometry: Geometry
    tiling: Annotated[Tiling | None, NUMERICS] = None

    def base(self) -> VAE:
        return self.model_copy(update={"tiling": None})

    def parts(self) -> tuple[str, ...]:
        return ("vae",)

    def open(self, device: str) -> Any:
        folder = self.folder()
        return load_module(read_json(folder / INDEX), folder, "vae", self.dtype, device)

    def applied(self, live: Any, device: str) -> AbstractContextManager[Any]:
        return _tiled(live, self.tiling)


class Scheduler(Value):
    """A noise schedule and its solver, as class and config. Has no weights, so it is not a recipe:
    every denoise builds its own, because a live scheduler remembers the steps of its run.
    """

    class_name: str
    config: dict[str, Any]

    def build(self) -> Any:
        """A new diffusers scheduler. Raises NodeError if diffusers has no such class."""
        import diffusers

        found = getattr(diffusers, self.class_name, None)
        if not (isinstance(found, type) and issubclass(found, diffusers.SchedulerMixin)):
            raise NodeError(f"diffusers has no scheduler called {self.class_name!r}")
        return found.from_config(dict(self.config))  # type: ignore[no-untyped-call]

    def digest(self) -> str:
        """sha256 of class and config; a stopped denoise goes on only with an equal one."""
        text = json.dumps([self.class_name, self.config], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


# -------------------------------------------------------------------------------------- live modules


def read_configs(folder: Path) -> Configs:
    """The small configs of a model folder. Raises NodeError if one cannot be read."""
    parts = (read_json(folder / part / "config.json") for part in ("transformer", "vae"))
    return Configs(read_json(folder / INDEX), *parts)


def load_module(index: Mapping[str, Any], folder: Path, part: str, dtype: Dtype, device: str) -> Any:
    """One component's live module, from safetensors only, in evaluation mode on `device`."""
    import torch

    cls = _component_class(index, part)
    options = {"dtype": getattr(torch, dtype), "use_safetensors": True, "local_files_only": True}
    with _no_progress_bars():
        module = cls.from_pretrained(folder / part, **options)
    return module.to(device).eval().requires_grad_(False)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """transformers draws a bar for every load; the engine has its own."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _component_class(index: Mapping[str, Any], part: str) -> Any:
    """The class that `model_index.json` names for a component, if it is one of diffusers or transformers."""
    entry = index.get(part)
    if not (isinstance(entry, list) and len(entry) == 2 and entry[0] in ("diffusers", "transformers")):
        raise NodeError(
            f"the model names no usable class for {part!r}: {entry!r}",
            hint="only classes of diffusers and transformers are loaded; code inside a model folder never is",
        )
    found = getattr(importlib.import_module(entry[0]), str(entry[1]), None)
    if not (isinstance(found, type) and hasattr(found, "from_pretrained")):
        raise NodeError(f"{entry[0]} has no class {entry[1]!r}, which the model needs for {part!r}")
    return found


@contextmanager
def _attention(module: Any, backend: str) -> Iterator[None]:
    """Another attention backend in this module alone.

    diffusers' `set_attention_backend` would also change the default of every other model in the process.
    Raises NodeError if this machine or this version of diffusers cannot use it.
    """
    from diffusers.models.attention_dispatch import AttentionBackendName, attention_backend

    if backend.endswith("_hub"):
        raise NodeError(f"attention backend {backend!r} would download and run code; it is not supported")
    try:
        with attention_backend(backend):  # checks that it can be used here
            chosen = AttentionBackendName(backend)
    except (ValueError, RuntimeError) as error:
        raise NodeError(f"attention backend {backend!r} cannot be used: {error}") from error
    processors = [part.processor for part in module.modules() if hasattr(part, "processor")]
    before = [(processor, processor._attention_backend) for processor in processors]
    try:
        for processor in processors:
            processor._attention_backend = chosen
        yield
    finally:
        for processor, previous in before:
            processor._attention_backend = previous


@contextmanager
def _tiled(vae: Any, tiling: Tiling | None) -> Iterator[Any]:
    names = [
        "use_tiling",
        *(f"tile_sample_{kind}_{side}" for kind in ("min", "stride") for side in ("height", "width")),
    ]
    before = {name: getattr(vae, name) for name in names if hasattr(vae, name)}
    try:
        if tiling is not None:
            vae.enable_tiling(  # by name: some VAEs have frames in between
                tile_sample_min_height=tiling.tile,
                tile_sample_min_width=tiling.tile,
                tile_sample_stride_height=tiling.stride,
                tile_sample_stride_width=tiling.stride,
            )
        yield vae
    finally:
        for name, value in before.items():
            setattr(vae, name, value)
