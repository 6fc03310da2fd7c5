"""Weights in fewer bits, made when a model is loaded. Other weights, so part of what a model is."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass, field
from typing import Any, Literal

from graphflow.errors import NodeError
from graphflow.values import Value

Method = Literal[
    "torchao_int8",
    "torchao_int8_dynamic",
    "torchao_float8",
    "torchao_float8_dynamic",
    "torchao_int4",
    "bitsandbytes_nf4",
    "bitsandbytes_fp4",
    "bitsandbytes_int8",
    "quanto_int8",
    "quanto_float8",
    "quanto_int4",
    "quanto_int2",
    "modelopt_fp8",
    "modelopt_int8",
    "modelopt_nvfp4",
]


class Quantisation(Value):
    """How the linear layers of a module are stored.

    The first word is the library that does it. `dynamic` quantises activations too, at every call.
    """

    method: Method
    skip: tuple[str, ...] = ()
    """Layers that stay as they are, by whole words of their names, such as `proj_out` or `attn2`."""


@dataclass(frozen=True)
class Backend:
    """A quantisation library."""

    module: str
    """Its import name."""
    package: str
    """Its name for pip."""
    gpu: bool = False
    """Works on an NVIDIA GPU only."""
    text: bool = True
    """Knows text encoders too."""
    offloads: tuple[str, ...] = ("resident", "model", "block", "leaf")
    """Offload strategies that its layers survive."""
    disk: bool = False
    """Its layers can be offloaded to disk."""


BACKENDS = {
    "torchao": Backend("torchao", "torchao"),
    "bitsandbytes": Backend("bitsandbytes", "bitsandbytes", gpu=True, offloads=("resident",)),
    "quanto": Backend("optimum.quanto", "optimum-quanto", offloads=("resident", "model", "leaf")),
    "modelopt": Backend("modelopt", "nvidia-modelopt[hf]", gpu=True, text=False, offloads=("resident",)),
}


@dataclass(frozen=True)
class Storage:
    """What a method makes of a linear layer's weights."""

    bits: float
    """For each number, with its share of the scales: bitsandbytes keeps a float32 for every 64 numbers."""
    capability: tuple[int, int] = (0, 0)
    """The oldest NVIDIA GPU that can compute with it, as CUDA's compute capability; (0, 0): any device."""
    needs: tuple[str, ...] = ()
    """Import names of packages that this method needs besides its library."""
    options: dict[str, Any] = field(default_factory=dict)
    """Arguments of the library's config."""


METHODS: dict[Method, Storage] = {
    "torchao_int8": Storage(8, options={"config": "Int8WeightOnlyConfig"}),
    "torchao_int8_dynamic": Storage(8, options={"config": "Int8DynamicActivationInt8WeightConfig"}),
    "torchao_float8": Storage(8, options={"config": "Float8WeightOnlyConfig"}),
    "torchao_float8_dynamic": Storage(
        8, (8, 9), options={"config": "Float8DynamicActivationFloat8WeightConfig"}
    ),
    "torchao_int4": Storage(4, (8, 0), ("mslk",), {"config": "Int4WeightOnlyConfig"}),
    "bitsandbytes_nf4": Storage(4.5, options={"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}),
    "bitsandbytes_fp4": Storage(4.5, options={"load_in_4bit": True, "bnb_4bit_quant_type": "fp4"}),
    "bitsandbytes_int8": Storage(8, options={"load_in_8bit": True}),
    "quanto_int8": Storage(8, options={"weights_dtype": "int8"}),
    "quanto_float8": Storage(8, options={"weights_dtype": "float8"}),
    "quanto_int4": Storage(4, options={"weights_dtype": "int4"}),
    "quanto_int2": Storage(2, options={"weights_dtype": "int2"}),
    "modelopt_fp8": Storage(8, (8, 9), options={"quant_type": "FP8"}),
    "modelopt_int8": Storage(8, options={"quant_type": "INT8"}),
    "modelopt_nvfp4": Storage(4, (10, 0), options={"quant_type": "NVFP4"}),
}


def backend_of(quantisation: Quantisation) -> Backend:
    """The library that does it."""
    return BACKENDS[quantisation.method.partition("_")[0]]


def check_installed(quantisation: Quantisation) -> None:
    """Raises NodeError, saying what to install, if a package is missing; imports none."""
    method, backend = quantisation.method, backend_of(quantisation)
    for module, package in (
        (backend.module, backend.package),
        *((need, f"{need}>=1.0.0") for need in METHODS[method].needs),
    ):
        if not installed(module):
            raise NodeError(
                f"quantisation {method!r} needs the Python package {module!r}",
                where="quantisation",
                hint=f"run 'pip install {package}', or choose another method",
            )


def check_device(quantisation: Quantisation, device: str) -> bool:
    """Whether it is for NVIDIA GPUs alone. Raises NodeError if it is, and `device` is none; without torch."""
    method = quantisation.method
    needed = backend_of(quantisation).gpu or METHODS[method].capability > (0, 0)
    if needed and not device.startswith("cuda"):
        raise NodeError(
            f"quantisation {method!r} needs an NVIDIA GPU; this run computes on {device!r}",
            where="quantisation",
            hint="choose another method, such as torchao_int8",
        )
    return needed


def check_quantisation(quantisation: Quantisation, device: str) -> None:
    """Raises NodeError, saying what to install or to choose, if it cannot be done on `device`."""
    check_installed(quantisation)
    if not check_device(quantisation, device):
        return
    import torch

    method, storage = quantisation.method, METHODS[quantisation.method]

    found = torch.cuda.get_device_capability(device)
    if found < storage.capability:
        wanted, have = (".".join(map(str, version)) for version in (storage.capability, found))
        raise NodeError(
            f"quantisation {method!r} needs a GPU of compute capability {wanted}; this one has {have}",
            where="quantisation",
            hint="choose another method, such as torchao_int8",
        )


def installed(module: str) -> bool:
    """Whether a Python package can be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package inside one that is not there
        return False


def load_options(quantisation: Quantisation, library: Any, dtype: Any, device: str) -> dict[str, Any]:
    """Arguments for `from_pretrained` of `library`, which is diffusers or transformers."""
    options, skip = METHODS[quantisation.method].options, list(quantisation.skip) or None
    match quantisation.method.partition("_")[0]:
        case "torchao":
            torchao = importlib.import_module("torchao.quantization")
            config = getattr(torchao, options["config"])()
            chosen = library.TorchAoConfig(config, modules_to_not_convert=skip)
        case "bitsandbytes":
            compute = {"bnb_4bit_compute_dtype": dtype} if "load_in_4bit" in options else {}
            chosen = library.BitsAndBytesConfig(**options, **compute, llm_int8_skip_modules=skip)
            return {"quantization_config": chosen, "device_map": {"": device}}  # quantised on the way there
        case "quanto":
            chosen = _quanto(library, options["weights_dtype"], skip)
        case _:
            chosen = library.NVIDIAModelOptConfig(**options, modules_to_not_convert=skip)
    return {"quantization_config": chosen}


def _quanto(library: Any, dtype: str, skip: list[str] | None) -> Any:
    """The two libraries name its setting differently."""
    if library.__name__ == "transformers":
        return library.QuantoConfig(weights=dtype, modules_to_not_convert=skip)
    return library.QuantoConfig(weights_dtype=dtype, modules_to_not_convert=skip)
