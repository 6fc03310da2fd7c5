"""For tests of treatments: a bench with changed recipes, LoRA files, and what is left on a live model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.wan_bench import Bench

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]


def treated(bench: Bench, **parts: Any) -> Bench:
    """The bench with some of its model's recipes replaced; what is opened is shared with the first."""
    other = type(bench).__new__(type(bench))
    other.folder, other.dtype, other.opened = bench.folder, bench.dtype, bench.opened
    other.model = bench.model._replace(**parts)
    return other


def save_lora(path: Path, transformer: Any, *, seed: int = 0, rank: int = 4, alpha: int = 8) -> str:
    """A random LoRA of a transformer, saved as diffusers saves it; the transformer is left as it was."""
    import torch
    from diffusers import WanPipeline
    from peft import LoraConfig, get_peft_model_state_dict

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=ATTENTION, init_lora_weights=False)
        transformer.add_adapter(config)
    tensors = get_peft_model_state_dict(transformer)
    transformer.unload_lora()
    WanPipeline.save_lora_weights(
        path.parent,
        transformer_lora_layers=tensors,
        weight_name=path.name,
        transformer_lora_adapter_metadata={"r": rank, "lora_alpha": alpha, "target_modules": ATTENTION},
    )
    return str(path)


def save_gguf(path: Path, tensors: Mapping[str, Any], kind: str = "Q8_0") -> str:
    """A transformer's weights as GGUF: rows that divide into blocks in `kind`, all else in float32."""
    import gguf

    chosen = getattr(gguf.GGMLQuantizationType, kind)
    writer = gguf.GGUFWriter(str(path), "video")
    for name, tensor in tensors.items():
        numbers = tensor.float().numpy()
        if numbers.ndim == 2 and numbers.shape[1] % 32 == 0 and "norm" not in name and "table" not in name:
            writer.add_tensor(name, gguf.quants.quantize(numbers, chosen), raw_dtype=chosen)
        else:
            writer.add_tensor(name, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)


def traces(module: Any) -> list[str]:
    """What is left of treatments on a live module: hooks, adapters, caches, compiled blocks."""
    return sorted(set(_traces(module)))


def _traces(module: Any) -> Iterator[str]:
    if getattr(module, "peft_config", None):
        yield "lora"
    if getattr(module, "_cache_config", None) is not None:
        yield "step cache"
    for part in module.modules():
        registry = getattr(part, "_diffusers_hook", None)
        yield from registry.hooks if registry is not None else ()
        if hasattr(part, "_hf_hook"):
            yield "accelerate"
        if part._compiled_call_impl is not None:
            yield "compiled"
        if part._forward_pre_hooks or part._forward_hooks:
            yield "forward hook"
    if any(tensor.is_meta for tensor in module.parameters()):
        yield "meta"
