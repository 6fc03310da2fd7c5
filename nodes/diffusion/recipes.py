"""Models on wires: what to load and how to treat it. Live modules exist only inside `ctx.use`.

torch, diffusers and transformers are imported when a recipe is opened, never before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.values import NUMERICS, PLACEMENT

from .component import Component, read_configs
from .families import Family, family, pipelines
from .headers import TensorEntry
from .modifiers.attention import attending, check_attention, check_device, check_installed
from .modifiers.casting import Casting, cast, is_cast
from .modifiers.compile import Compilation, check_backend, check_compilation, compiled
from .modifiers.lora import Expert, LoRA, adapted, add_loras, check_adapter, parts_of, read_adapter
from .modifiers.offload import check_vae
from .modifiers.parallel import Parallel, check_parallel, check_plan, shared_out
from .modifiers.quantise import Quantisation, backend_of, installed
from .modifiers.step_cache import Magnitude, StepCache, caching, check_class, check_step_cache
from .modifiers.tiling import Tiling, tiled
from .opening import blank_model, load_file, load_module, load_tool
from .schedule import Scheduler
from .source import INDEX, FileSource, read_json
from .values import Geometry, Latents, VAEInfo

OPENING = (".recipes", ".component", ".opening", ".modifiers.quantise", ".modifiers.tiling")
"""Modules whose code decides what comes out of a live text encoder or VAE, for a node's `depends`."""

MAKING = (
    *OPENING,
    ".schedule",
    *(f".modifiers.{name}" for name in ("attention", "casting", "compile", "lora", "parallel", "step_cache")),
)
"""The same for a live denoiser."""

__all__ = [
    "MAKING",
    "OPENING",
    "VAE",
    "Component",
    "Denoiser",
    "Experts",
    "Eyes",
    "ImageEncoder",
    "Scheduler",
    "TextEncoder",
    "Tiling",
    "read_configs",
]


class TextEncoder(Component):
    """The text encoder and its tokenizer. Opens as a text shell: the pipeline with nothing else in it."""

    quantisation: Quantisation | None = None

    def quantised(self) -> Quantisation | None:
        return self.quantisation

    def modules(self, live: Any) -> dict[str, Any]:
        return {part: getattr(live, part) for part in self.parts()}

    def check(self, device: str) -> None:
        super().check(device)
        if self.quantisation is not None and not backend_of(self.quantisation).text:
            raise NodeError(
                f"{self.quantisation.method!r} does not know text encoders",
                where="quantisation",
                hint="choose another method, such as torchao_int8",
            )

    def parts(self) -> tuple[str, ...]:
        return tuple(part for part in self.needed() if not _prepares(part))

    def needed(self) -> tuple[str, ...]:
        return family(self.family).text_parts

    def open(self, device: str) -> Any:
        from .shell import shell

        folder = self.folder()
        index = read_json(folder / INDEX)
        members: dict[str, Any] = {}
        for part in sorted(family(self.family).text_parts, key=_prepares, reverse=True):  # small ones first
            if _prepares(part):
                members[part] = load_tool(index, folder, part)
            else:
                members[part] = load_module(index, folder, part, self.dtype, device, self.quantisation)
        rules = family(self.family)
        return shell(rules, members, task=next(iter(rules.tasks)))

    def _width(self, name: str) -> int:
        """T5 overflows in float16, so transformers keeps its `wo` weights in float32."""
        kept = self.dtype == "float16" and "wo" in name.split(".")
        return 4 if kept else super()._width(name)


def _prepares(part: str) -> bool:
    """Whether a component has no weights: a tokenizer, or what prepares pictures."""
    return "tokenizer" in part or "processor" in part


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

    def modules(self, live: Eyes) -> dict[str, Any]:
        return {self.parts()[0]: live.image_encoder}

    def parts(self) -> tuple[str, ...]:
        return self.needed()[:1]

    def needed(self) -> tuple[str, ...]:
        return family(self.family).image_parts

    def open(self, device: str) -> Eyes:
        folder = self.folder()
        index, (encoder, processor) = read_json(folder / INDEX), family(self.family).image_parts
        prepare = load_tool(index, folder, processor)
        return Eyes(load_module(index, folder, encoder, self.dtype, device), prepare)


class Experts(NamedTuple):
    """A live denoiser: one transformer, or two, the second for the low-noise steps, or one of two."""

    transformer: Any = None
    transformer_2: Any = None

    def live(self) -> list[Any]:
        return list(self.named().values())

    def named(self) -> dict[str, Any]:
        """By the pipeline's argument names; most pipelines know no second one."""
        return {name: module for name, module in self._asdict().items() if module is not None}


class Denoiser(Component):
    """The transformer, or the two experts of Wan 2.2."""

    experts: Annotated[int, Field(ge=1, le=2)] = 1
    """Of the model."""
    expert: Expert = "both"
    """Which of a model's two experts this is."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What the pipeline must know about the denoiser. For Wan `boundary_ratio`, the noise level (of 1) below
    which the second expert takes over, and `expand_timesteps`, one timestep for every token."""
    config: dict[str, Any]
    """The transformer's architecture."""
    tasks: tuple[str, ...] = ("text_to_video",)
    """What the weights were made for, by the names of the family's tasks."""
    quantisation: Quantisation | None = None
    files: dict[str, FileSource] = Field(default_factory=dict)
    """Single files in place of the model's own weights, by expert."""
    loras: tuple[LoRA, ...] = ()
    casting: Annotated[Casting | None, NUMERICS] = None
    attention: Annotated[str | None, NUMERICS] = None
    """Attention backend by diffusers' name; None is torch's own attention."""
    step_cache: Annotated[StepCache | None, NUMERICS] = None
    compilation: Annotated[Compilation | None, NUMERICS] = None
    parallel: Annotated[Parallel | None, NUMERICS] = None
    span: Annotated[tuple[int, int] | None, PLACEMENT] = None
    """First step and number of steps of the denoise that it is used for; the denoise node fills it in."""
    preview: Annotated[tuple[tuple[float, ...], ...], PLACEMENT] = ()
    """Latent channels to RGB for live previews; see `preview.py`. Changes no result."""

    def base(self) -> Denoiser:
        """Without what can be undone. LoRAs stay with casting, which is for good and comes after them."""
        undone: dict[str, Any] = {
            "attention": None,
            "step_cache": None,
            "compilation": None,
            "parallel": None,
            "offload": None,
            "span": None,
            "preview": (),
        }
        return self.model_copy(update=undone if self.casting is not None else {**undone, "loras": ()})

    def label(self) -> str:
        return super().label() + ("" if self.expert == "both" else f", {self.expert} expert")

    def parts(self) -> tuple[str, ...]:
        return parts_of(self.expert)[: self.experts]

    def single_files(self) -> dict[str, FileSource]:
        return self.files

    def quantised(self) -> Quantisation | None:
        return self.quantisation

    def modules(self, live: Experts) -> dict[str, Any]:
        return live.named()

    @property
    def resumable(self) -> bool:
        """Whether a denoise can go on from a checkpoint; what a step cache remembers is in none."""
        return self.step_cache is None

    def windowed(self) -> Denoiser:
        """For a node that denoises window by window. Raises NodeError if it has a step cache: what that
        remembers of one window is in no checkpoint, and wrong in the next window."""
        if self.step_cache is not None:
            raise NodeError(
                "a step cache cannot work on a clip that is made in windows",
                where="denoiser",
                hint="leave the step cache out",
            )
        return self

    def during(self, start: int, steps: int) -> Denoiser:
        """For a denoise of `steps` steps that begins at step `start`."""
        return self.model_copy(update={"span": (start, steps)})

    def inspect(self) -> None:
        _check_combination(self.during(0, 1))
        check_installed(self.attention)
        check_class(self.step_cache, self.configs().class_of("transformer"))
        super().inspect()

    def check_kind(self, kind: str) -> None:
        super().check_kind(kind)
        if self.parallel is not None:
            check_parallel(self.parallel, kind)
        if self.attention is not None:
            check_device(self.attention, kind)
        if self.compilation is not None:
            check_backend(self.compilation, kind)

    def check(self, device: str) -> None:
        _check_combination(self)
        super().check(device)
        if self.attention is not None:
            check_attention(self.attention)
        if self.loras or self.step_cache or self.compilation or self.parallel:
            self._check_layers(device)

    def _check_layers(self, device: str) -> None:
        """What depends on the layers of the model; looks at them without loading a weight."""
        folder = self.folder()
        index = read_json(folder / INDEX)
        blank = {part: blank_model(index, folder, part) for part in self.parts()}
        shapes = {
            part: {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
            for part, model in blank.items()
        }
        for lora in self.loras:
            adapter = read_adapter(lora.source.path(), self._pipeline())
            acted = {part: shapes[part] for part in self.parts() if lora.acts_on(part)}
            check_adapter(lora.source.file, adapter, acted)
        for model in blank.values():
            if self.step_cache is not None:
                check_step_cache(self.step_cache, model)
            if self.compilation is not None:
                check_compilation(self.compilation, type(model), device)
            if self.parallel is not None:
                check_plan(self.parallel, model)

    def _pipeline(self) -> Any:
        """The diffusers pipeline class that knows the names in LoRA files."""
        import diffusers

        return getattr(diffusers, pipelines(family(self.family))[0])

    def open(self, device: str) -> Experts:
        folder = self.folder()
        index = read_json(folder / INDEX)
        experts = Experts(**{part: self._load(index, folder, part, device) for part in self.parts()})
        if self.casting is not None:
            add_loras(experts.named(), self.loras, self._pipeline())
            for module in experts.live():
                cast(module, self.casting, self.dtype)
        return experts

    def _load(self, index: dict[str, Any], folder: Path, part: str, device: str) -> Any:
        if part in self.files:
            return load_file(index, folder, part, self.files[part].path(), self.dtype, device)
        return load_module(index, folder, part, self.dtype, device, self.quantisation)

    @contextmanager
    def applied(self, live: Experts, device: str) -> Iterator[Experts]:
        """Treated in the one order that works; see `modifiers`."""
        modules = live.live()
        with ExitStack() as stack:
            if self.loras and self.casting is None:
                stack.enter_context(adapted(live.named(), self.loras, self._pipeline()))
            if self.attention is not None:
                for module in modules:
                    stack.enter_context(attending(module, self.attention))
            if self.step_cache is not None:
                start, steps = self.span or (0, 0)
                stack.enter_context(caching(modules, self.step_cache, steps, start))
            stack.enter_context(super().applied(live, device))
            if self.compilation is not None:
                for module in modules:
                    stack.enter_context(compiled(module, self.compilation))
            if self.parallel is not None:
                alone = self.model_copy(update={"parallel": None})
                stack.enter_context(shared_out(live.named(), self.parallel, alone))
            yield live

    def _stored(self, name: str, entry: TensorEntry) -> float:
        return 1 if self.casting is not None and is_cast(name) else super()._stored(name, entry)

    def _width(self, name: str) -> int:
        kept = any(part in name.split(".") for part in family(self.family).keep_in_fp32)
        return 4 if kept else super()._width(name)


def _check_combination(denoiser: Denoiser) -> None:
    """Refuse treatments that exclude each other, before anything is loaded."""
    offload, quantised = denoiser.offload, denoiser.quantisation is not None
    sequential = offload is not None and offload.strategy == "sequential"
    parallel = denoiser.parallel is not None
    gguf = any(source.file.endswith(".gguf") for source in denoiser.files.values())
    wrong = {
        "a quantised denoiser cannot be cast too": quantised and denoiser.casting is not None,
        "a GGUF file is quantised already; it cannot be cast": gguf and denoiser.casting is not None,
        "single files are loaded as they are; quantise the model's own weights": quantised and denoiser.files,
        "a denoiser that is offloaded sequentially cannot be compiled": sequential and denoiser.compilation,
        "a denoiser that is offloaded sequentially cannot be cast": sequential and denoiser.casting,
        "a GGUF file cannot be offloaded sequentially": sequential and gguf,
        "a denoiser on several devices has no step cache: each would skip other steps": parallel
        and denoiser.step_cache,
        "a denoiser on several devices cannot be compiled": parallel and denoiser.compilation,
        "a denoiser on several devices uses torch's own attention": parallel and denoiser.attention,
        "a denoiser on several devices stays there": parallel and offload is not None,
        "this step cache must be told the number of steps": isinstance(denoiser.step_cache, Magnitude)
        and denoiser.span is None,
    }
    for reason, found in wrong.items():
        if found:
            raise NodeError(reason, hint="leave one of the two out")
    if gguf and not installed("gguf"):
        raise NodeError("GGUF files need the Python package 'gguf'", hint="run 'pip install gguf'")


class VAE(Component):
    """The autoencoder between pixels and latents."""

    info: VAEInfo
    geometry: Geometry
    file: FileSource | None = None
    """A single file in place of the model's own weights."""
    tiling: Annotated[Tiling | None, NUMERICS] = None

    def base(self) -> VAE:
        return self.model_copy(update={"tiling": None, "offload": None})

    def parts(self) -> tuple[str, ...]:
        return ("vae",)

    def latents(self, *, width: int, height: int, frames: int, fps: float, **more: Any) -> Latents:
        """Latents between which and pixels this VAE goes; width, height: pixels. more: other fields."""
        size: dict[str, Any] = {"width": width, "height": height, "frames": frames, "fps": fps}
        return Latents(family=self.family, vae=self.info, geometry=self.geometry, **size, **more)

    def single_files(self) -> dict[str, FileSource]:
        return {} if self.file is None else {"vae": self.file}

    def inspect(self) -> None:
        check_vae(self.offload, self.info.class_name)
        super().inspect()

    def check(self, device: str) -> None:
        check_vae(self.offload, self.info.class_name)
        super().check(device)

    def open(self, device: str) -> Any:
        folder = self.folder()
        index = read_json(folder / INDEX)
        if self.file is not None:
            return load_file(index, folder, "vae", self.file.path(), self.dtype, device)
        return load_module(index, folder, "vae", self.dtype, device)

    @contextmanager
    def applied(self, live: Any, device: str) -> Iterator[Any]:
        with tiled(live, self.tiling), super().applied(live, device):
            yield live
