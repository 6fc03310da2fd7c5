"""Low-rank additions to a transformer's layers, never merged into them: taken off, they leave no bit.

Loaded into a module that several pipelines share, a LoRA would be active in all of them: it is there only
while the recipe that names it is in use.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.values import Value

from ..headers import read_header
from ..source import FileSource
from ..weights import check_finite

Expert = Literal["both", "first", "second"]
"""Of a model with two experts: the first takes the steps at high noise, the second those at low noise."""

Shapes = Mapping[str, tuple[int, ...]]
"""Tensor name to shape."""

PARTS = ("transformer", "transformer_2")
"""What pipelines and LoRAs of diffusers call the first and the second expert."""
FOREIGN = ("base_model.model.", "diffusion_model.", "model.diffusion_model.")
"""What other programs put before the layers' names."""


def parts_of(expert: Expert) -> tuple[str, ...]:
    """What the pipeline calls the experts."""
    return PARTS if expert == "both" else PARTS[("first", "second").index(expert) :][:1]


class LoRA(Value):
    """One LoRA file and how strongly it acts."""

    source: FileSource
    weight: Annotated[float, Field(ge=-10, le=10)]
    """1 is as trained; negative weights push away from what was trained."""
    expert: Expert = "both"
    """Of a model with two experts, which it is added to."""

    def acts_on(self, part: str) -> bool:
        """Whether it is added to the expert that the pipeline calls `part`."""
        return part in parts_of(self.expert)


class Adapter(NamedTuple):
    """A LoRA file as diffusers takes it."""

    tensors: dict[str, Any]
    """By name, each beginning with the part it belongs to."""
    metadata: dict[str, Any] | None
    """The settings it was trained with, if the file tells."""

    def prefix(self, part: str) -> str:
        """Which of the tensors belong to `part`: its own, or those of a file that knows one expert only."""
        own = any(name.startswith(f"{part}.") for name in self.tensors)
        return part if own else PARTS[0]


def read_adapter(path: Path, pipeline: Any) -> Adapter:
    """Read a LoRA file and give its layers the names that diffusers' model has.

    pipeline: the diffusers pipeline class, which knows other programs' names for this family.
    Raises NodeError if it is no LoRA, or has numbers that are not finite.
    """
    adapter = _read_named(path, pipeline) if hasattr(pipeline, "lora_state_dict") else _read_plain(path)
    hint = "copy or download the file anew, or ask who trained it"
    check_finite(path.name, adapter.tensors, hint=hint, where="file")
    return adapter


def _read_named(path: Path, pipeline: Any) -> Adapter:
    try:
        tensors, metadata = pipeline.lora_state_dict(
            str(path.parent),
            weight_name=path.name,
            use_safetensors=True,
            local_files_only=True,
            return_lora_metadata=True,
        )
    except (ValueError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        raise NodeError(f"{path.name} is not a LoRA for this kind of model: {error}") from error
    return Adapter(tensors, metadata)


def _read_plain(path: Path) -> Adapter:
    """For pipelines that know no LoRA, though their transformer does, as that of HunyuanVideo 1.5."""
    from diffusers.utils.state_dict_utils import _load_sft_state_dict_metadata
    from safetensors.torch import load_file

    tensors = {}
    for name, tensor in load_file(path).items():
        foreign = next((prefix for prefix in FOREIGN if name.startswith(prefix)), "")
        bare = name.removeprefix(foreign)
        tensors[bare if bare.startswith(tuple(f"{part}." for part in PARTS)) else f"{PARTS[0]}.{bare}"] = (
            tensor
        )
    return Adapter(tensors, _load_sft_state_dict_metadata(str(path)))


# ------------------------------------------------------------------------------------------- checks


def check_header(path: Path, model: Shapes) -> None:
    """Refuse a LoRA of another model by the header of its file, before anything is loaded.

    Layers that are named as in diffusers must all be there; of other programs' layers, which may be several
    of the model's in one, each must take as many numbers as some layer of the model. The rest is told when it
    is opened. model: the transformer's weights; empty if they are not known.
    Raises ValueMismatch; NodeError if the file is no LoRA.
    """
    names: Shapes = {name: entry.shape for name, entry in read_header(path).items()}
    if not any("lora" in name for name in names):
        raise NodeError(
            f"{path.name} holds no LoRA", where="file", hint="a LoRA's tensors are named lora_..."
        )
    if all(
        name.startswith(tuple(f"{part}." for part in PARTS)) and ".lora_A." in _as_a(name) for name in names
    ):
        check_shapes(path.name, names, {part: model for part in PARTS})
    else:
        _check_columns(path.name, names, model)


def _check_columns(name: str, tensors: Shapes, model: Shapes) -> None:
    taken = {shape[1] for shape in model.values() if len(shape) == 2}
    downs = [key for key in tensors if key.endswith(_DOWN) and not key.startswith(_TEXT)]
    strange = sorted({tensors[key][-1] for key in downs} - taken) if taken else []
    if strange:
        raise ValueMismatch(
            f"LoRA {name} is for another model: it has layers that take {strange[0]} numbers, which no layer "
            "of this model does",
            where="file",
            hint=_OTHER,
        )


_DOWN = (".lora_A.weight", ".lora_A.default.weight", ".lora_down.weight", ".lora.down.weight")
"""What programs call the first of a layer's two matrices."""
_TEXT = ("text_encoder", "lora_te")
"""How they begin the names of a text encoder's layers."""


def _as_a(name: str) -> str:
    return name.replace(".lora_B.", ".lora_A.")


def check_adapter(name: str, adapter: Adapter, models: Mapping[str, Shapes]) -> None:
    """Refuse a LoRA of another model. models: the experts' weights, by part. Raises ValueMismatch."""
    check_shapes(name, {key: tuple(tensor.shape) for key, tensor in adapter.tensors.items()}, models)


def check_shapes(name: str, tensors: Shapes, models: Mapping[str, Shapes]) -> None:
    """Every layer of a LoRA must be a layer of the model, of the same size. Raises ValueMismatch."""
    layers = dict(_layers(tensors))
    strange = sorted({key.partition(".")[0] for key in tensors} - set(PARTS))
    if strange:
        raise ValueMismatch(
            f"LoRA {name} changes {', '.join(strange)} too, not only the transformer",
            where="file",
            hint="use a LoRA of the transformer alone",
        )
    _check_pairs(name, tensors)
    wrong = []
    for layer, (rows, columns) in layers.items():
        part, _, inner = layer.partition(".")
        model = models[part] if part in models else next(iter(models.values()))
        shape = model.get(f"{inner}.weight")
        if shape is None:
            wrong.append(f"there is no layer {inner!r}")
        elif (shape[0], shape[1]) != (rows, columns):
            wrong.append(f"layer {inner!r} is {shape[0]} x {shape[1]}, not {rows} x {columns}")
    if wrong or not layers:
        count = (
            f"{len(wrong)} of its {len(layers)} layers do not fit; {wrong[0]}"
            if wrong
            else "it has no layers"
        )
        raise ValueMismatch(
            f"LoRA {name} is for another model: {count}",
            where="file",
            hint=_OTHER,
        )


def _check_pairs(name: str, tensors: Shapes) -> None:
    """The two matrices of every layer must be there, and fit to each other. Raises ValueMismatch."""
    for key, first in tensors.items():
        other = tensors.get(key.replace(".lora_A.", ".lora_B."), ())
        if ".lora_A." in key and (len(first) < 2 or len(other) < 2 or first[0] != other[1]):
            raise ValueMismatch(
                f"LoRA {name} is broken: {key} is {first}, its second matrix {other or 'not there'}",
                where="file",
                hint="copy or download it anew",
            )


_OTHER = "use a LoRA that was trained on this model, or on one of the same size"


def _layers(tensors: Shapes) -> Iterator[tuple[str, tuple[int, int]]]:
    """Each layer that is changed, with the rows and columns of its weight."""
    for name, shape in tensors.items():
        if name.endswith(".lora_A.weight"):
            layer = name.removesuffix(".lora_A.weight")
            other = tensors.get(f"{layer}.lora_B.weight")
            yield layer, (other[0] if other else 0, shape[1] if len(shape) > 1 else 0)


# -------------------------------------------------------------------------------------- live modules


@contextmanager
def adapted(modules: Mapping[str, Any], loras: tuple[LoRA, ...], pipeline: Any) -> Iterator[None]:
    """The experts with their LoRAs, taken off on the way out, whatever happens.

    modules: by the pipeline's argument names.
    """
    try:
        add_loras(modules, loras, pipeline)
        yield
    finally:
        for module in modules.values():
            if getattr(module, "peft_config", None):
                module.unload_lora()


def add_loras(modules: Mapping[str, Any], loras: tuple[LoRA, ...], pipeline: Any) -> None:
    """Add each LoRA to the experts it is for, with its weight."""
    for part, module in modules.items():
        chosen = [lora for lora in loras if lora.acts_on(part)]
        names = [f"lora_{index}" for index in range(len(chosen))]
        for name, lora in zip(names, chosen, strict=True):
            _add(module, part, name, read_adapter(lora.source.path(), pipeline), pipeline)
        if chosen:
            module.set_adapters(names, [lora.weight for lora in chosen])
            module.eval().requires_grad_(False)


def _add(module: Any, part: str, name: str, adapter: Adapter, pipeline: Any) -> None:
    tensors, prefix = adapter.tensors, adapter.prefix(part)
    expand = getattr(pipeline, "_maybe_expand_t2v_lora_for_i2v", None)
    if expand is not None:  # a LoRA of text to video says nothing of the layers that look at an image
        tensors = expand(transformer=module, state_dict=dict(tensors))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`")  # there may be several
        module.load_lora_adapter(
            tensors, prefix=prefix, adapter_name=name, metadata=adapter.metadata, low_cpu_mem_usage=True
        )
