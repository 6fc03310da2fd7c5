"""Nodes that change how a part of a model is treated. Each gives a changed recipe; the pool does the rest.

Their order in a workflow does not matter: a recipe is always applied in the same order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from graphflow.errors import MissingModel, NodeError
from graphflow.node import node

from .gguf_header import check_gguf
from .headers import read_header
from .modifiers.casting import Casting, Storage
from .modifiers.compile import Backend, Compilation
from .modifiers.lora import Expert, LoRA, check_header, parts_of
from .modifiers.offload import Offload, Strategy
from .modifiers.parallel import Degree, Parallel
from .modifiers.quantise import Method, Quantisation, backend_of
from .modifiers.tiling import tiling_of
from .recipes import VAE, Component, Denoiser, TextEncoder
from .source import identify_file, locate

Part = TypeVar("Part", bound=Component)
Quantisable = TypeVar("Quantisable", Denoiser, TextEncoder)
FromFile = TypeVar("FromFile", Denoiser, VAE)

_GROUPS = ("block", "leaf")


@node("diffusion/offload", fold=True)
def offload(
    part: Part,
    *,
    strategy: Strategy = "model",
    blocks: Annotated[int, Field(ge=1, le=1000)] = 1,
    stream: bool = False,
    pinned: bool = True,
    disk: bool = False,
) -> Part:
    """Keep weights off the device and bring them there in pieces. Changes time and memory, never a result.

    part: a denoiser, text encoder, VAE or any other part of a model.
    strategy: `resident` keeps all on the device; `model` brings a whole module when it works; `block` some
        of its blocks, `leaf` single layers; `sequential` single layers by slower hooks.
    blocks: moved at once, for `block`. stream: copy the next piece while the present one computes; on a GPU.
    pinned: with `stream`, false needs less main memory and more time. disk: for `block` and `leaf`, keep the
        weights in a temporary folder.
    Raises NodeError for settings that the strategy does not have.
    """
    for name, given in (("stream", stream), ("disk", disk), ("blocks", blocks > 1)):
        allowed = ("block",) if name == "blocks" else _GROUPS
        if given and strategy not in allowed:
            raise NodeError(
                f"strategy {strategy!r} has no {name}", where=name, hint=f"choose {' or '.join(allowed)}"
            )
    if stream and blocks > 1:
        raise NodeError("a stream moves one block at a time", where="blocks", hint="set blocks to 1")
    chosen = Offload(strategy=strategy, blocks=blocks, stream=stream, pinned=pinned, disk=disk)
    return part.model_copy(update={"offload": None if strategy == "resident" else chosen})


@node("diffusion/quantise", fold=True)
def quantise(
    part: Quantisable, *, method: Method = "torchao_int8", skip: list[str] | None = None
) -> Quantisable:
    """Store the weights of a denoiser or text encoder in fewer bits: less memory, slightly other results.

    method: the library and the numbers. `dynamic` quantises activations too. A model in a GGUF file is
        quantised already; see load_weights.
    skip: layers that stay as they are, by whole words of their names, such as `proj_out` or `attn2`.
    Raises NodeError for a text encoder with modelopt. What the machine lacks is told by the plan, before
    anything is loaded.
    """
    chosen = Quantisation(method=method, skip=tuple(skip or ()))
    if isinstance(part, TextEncoder) and not backend_of(chosen).text:
        raise NodeError(
            f"{method!r} does not know text encoders", where="method", hint="choose torchao_int8, for example"
        )
    return part.model_copy(update={"quantisation": chosen})


@node("diffusion/cast_layers", fold=True)
def cast_layers(denoiser: Denoiser, *, storage: Storage = "float8_e4m3fn") -> Denoiser:
    """Store a denoiser's layers in 8-bit floating point; each is brought to full precision while it works.

    Halves the memory of a bfloat16 model and needs no other library. storage: `float8_e4m3fn`, with more
    digits, or `float8_e5m2`, for larger numbers.
    """
    return denoiser.model_copy(update={"casting": Casting(storage=storage)})


@node("diffusion/lora", fold=True, depends=(".source",))
def lora(
    denoiser: Denoiser,
    *,
    file: str,
    weight: Annotated[float, Field(ge=-10, le=10)] = 1.0,
    expert: Expert = "both",
    repository: str | None = None,
    revision: str | None = None,
    download: bool = False,
) -> Denoiser:
    """Add a LoRA to a denoiser. Several nodes in a row add several.

    file: a safetensors file; with `repository`, its name in that hub repository `owner/name`.
    weight: 1 is as trained; 0 leaves the model as it is, bit for bit.
    expert: of a model with two experts, which it is added to; a file that knows both is divided among them.
    revision: branch, tag or commit. download: allow fetching from the hub.
    Raises MissingModel if the file is not on this machine, ValueMismatch for a LoRA of another model.
    """
    if not file.endswith(".safetensors"):
        raise NodeError(f"{file!r} is not a safetensors file", where="file", hint="only these are read")
    if expert == "second" and denoiser.experts == 1:
        raise NodeError(
            f"model {denoiser.source.model!r} has one expert", where="expert", hint="choose both or first"
        )
    if not set(denoiser.parts()) & set(parts_of(expert)):
        raise NodeError(
            f"this denoiser is the {denoiser.expert} expert alone", where="expert", hint="choose both"
        )
    source = identify_file(file, repository, revision=revision, download=download)
    check_header(source.path(), _weights(denoiser))
    if weight == 0:
        return denoiser
    added = LoRA(source=source, weight=weight, expert=expert)
    return denoiser.model_copy(update={"loras": (*denoiser.loras, added)})


def _weights(denoiser: Denoiser) -> dict[str, tuple[int, ...]]:
    """Name and shape of the transformer's weights, from their files; empty if these are not here yet."""
    try:
        folder = locate(denoiser.source.model, revision=denoiser.source.revision)
    except MissingModel:
        return {}
    files = (folder / "transformer").glob("*.safetensors")
    return {name: entry.shape for path in files for name, entry in read_header(path).items()}


@node("diffusion/load_weights", fold=True, depends=(".source",))
def load_weights(
    part: FromFile,
    *,
    file: str,
    second_file: str | None = None,
    repository: str | None = None,
    revision: str | None = None,
    download: bool = False,
) -> FromFile:
    """Take the weights of a denoiser or VAE from a single file; the architecture stays that of its model.

    file: safetensors, or GGUF for a denoiser; with `repository`, its name in that hub repository.
    second_file: the same for the second expert of a model with two.
    revision: branch, tag or commit. download: allow fetching from the hub.
    Raises MissingModel if a file is not on this machine, NodeError if it is cut off or a LoRA. A file of
    another model is told when it is opened.
    """
    names = [file] if second_file is None else [file, second_file]
    expected = len(part.parts())
    if len(names) != expected:
        raise NodeError(
            f"this part of model {part.source.model!r} has {expected} expert{'s' if expected > 1 else ''}",
            where="second_file",
            hint="give one file for each",
        )
    kinds = (".safetensors", ".gguf") if isinstance(part, Denoiser) else (".safetensors",)
    for name in names:
        if Path(name).suffix not in kinds:
            raise NodeError(f"{name!r} is not a {' or '.join(kinds)} file", where="file")
    sources = [identify_file(name, repository, revision=revision, download=download) for name in names]
    for source in sources:
        check_weights(source.path())
    update: dict[str, Any] = {"files": dict(zip(part.parts(), sources, strict=True))}
    return part.model_copy(update=update if isinstance(part, Denoiser) else {"file": sources[0]})


def check_weights(path: Path) -> None:
    """Refuse by its header a file that is broken, cut off, or a LoRA. Raises NodeError."""
    if path.suffix == ".gguf":
        check_gguf(path)
    elif any(".lora_" in name for name in read_header(path)):
        raise NodeError(f"{path.name} is a LoRA", where="file", hint="use diffusion/lora")


@node("diffusion/attention", fold=True)
def attention(denoiser: Denoiser, *, backend: str | None = None) -> Denoiser:
    """Choose the code that computes attention.

    backend: by diffusers' name, such as `flash`, `sage`, `flex` or `_native_math`; empty is torch's own.
    """
    return denoiser.model_copy(update={"attention": backend})


@node("diffusion/compile", fold=True)
def compile_blocks(denoiser: Denoiser, *, backend: Backend = "inductor", dynamic: bool = False) -> Denoiser:
    """Compile the denoiser's repeated blocks with torch.compile: a slow first step, faster ones after it.

    backend: `inductor` makes fast code and needs a C++ compiler; `eager` and `aot_eager` only trace;
        `cudagraphs` needs a GPU. dynamic: one code for all sizes, instead of a new one for each.
    """
    return denoiser.model_copy(update={"compilation": Compilation(backend=backend, dynamic=dynamic)})


@node("diffusion/parallel", fold=True)
def parallel(denoiser: Denoiser, *, ring: Degree = 1, ulysses: Degree = 1, tensor: Degree = 1) -> Denoiser:
    """Cut the work on one clip into parts for several devices, each with a copy of the model.

    ring, ulysses: parts of the clip's tokens, by two ways to exchange them. tensor: parts of the weights.
    All of them 1 is one device. On a CPU each core is a device, and `ulysses` works, for Wan; a GPU is one
    device. What cannot be is refused before anything is loaded. Results differ in their last bits.
    """
    chosen = Parallel(ring=ring, ulysses=ulysses, tensor=tensor)
    return denoiser.model_copy(update={"parallel": chosen if chosen.devices > 1 else None})


@node("diffusion/tile_vae", fold=True)
def tile_vae(
    vae: VAE,
    *,
    tile: Annotated[int, Field(ge=64, le=8192)] = 512,
    overlap: Annotated[int, Field(ge=16, le=4096)] = 64,
) -> VAE:
    """Let a VAE encode and decode in square tiles that overlap: less memory, slightly other pixels.

    tile, overlap: pixels. A decode node's own tile setting comes first. There is no slicing beside it: that
        takes the clips of a batch apart, and nodes work on one clip at a time.
    """
    return vae.model_copy(update={"tiling": tiling_of(tile, overlap)})
