"""Which code computes attention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphflow.errors import NodeError

from .quantise import installed

BACKENDS = (
    "native", "_native_cudnn", "_native_efficient", "_native_flash", "_native_math", "_native_npu",
    "_native_xla", "flex", "flash", "flash_varlen", "_flash_3", "_flash_varlen_3", "sage", "sage_varlen",
    "_sage_qk_int8_pv_fp16_cuda", "_sage_qk_int8_pv_fp16_triton", "_sage_qk_int8_pv_fp8_cuda",
    "_sage_qk_int8_pv_fp8_cuda_sm90", "xformers",
)  # fmt: skip
"""By diffusers' names, without those that would be downloaded."""


PACKAGES = {
    "flash": ("flash_attn", "run 'pip install flash-attn'"),
    "_flash_3": ("flash_attn_3", "build FlashAttention 3 from its source"),
    "sage": ("sageattention", "run 'pip install sageattention'"),
    "xformers": ("xformers", "run 'pip install xformers'"),
    "_native_npu": ("torch_npu", "run 'pip install torch_npu'"),
    "_native_xla": ("torch_xla", "run 'pip install torch_xla'"),
}
"""What kinds of backends need beside torch: a package, by its import name, and how to get it."""

GPU = ("flash", "_flash_3", "sage", "xformers", "_native_cudnn", "_native_efficient")
"""Kinds of backends that have no code for a CPU."""

OTHER = "choose another, such as native or _native_math, or leave it empty for torch's own"


def _kind(backend: str) -> str:
    """A backend without what tells it from its like: `sage` of `_sage_qk_int8_pv_fp8_cuda`."""
    bare = backend.replace("_varlen", "")
    return "sage" if bare.startswith(("sage", "_sage")) else bare


def check_installed(backend: str | None) -> None:
    """Raises NodeError for a name that no backend has, or if its package is missing; imports nothing. None is
    torch's own."""
    if backend is None:
        return
    if backend.endswith("_hub"):
        text = f"attention backend {backend!r} would download and run code; it is not supported"
        raise NodeError(text, hint=OTHER)
    if backend not in BACKENDS:
        text = f"there is no attention backend {backend!r}"
        raise NodeError(text, hint=f"choose one of {', '.join(BACKENDS)}, or leave it empty for torch's own")
    module, how = PACKAGES.get(_kind(backend), ("torch", ""))
    if not installed(module):
        raise NodeError(
            f"attention backend {backend!r} needs the Python package {module!r}", hint=f"{how}, or {OTHER}"
        )


def check_device(backend: str, device: str) -> None:
    """Raises NodeError for a backend that `device`, or its kind, has no code for; imports nothing."""
    if _kind(backend) in GPU and device.partition(":")[0] == "cpu":
        text = f"attention backend {backend!r} needs a GPU; this run computes on {device!r}"
        raise NodeError(text, hint=OTHER)


def check_attention(backend: str) -> Any:
    """diffusers' name for the backend. Raises NodeError if this machine or its diffusers cannot use it."""
    from diffusers.models.attention_dispatch import AttentionBackendName, attention_backend

    check_installed(backend)
    try:
        with attention_backend(backend):  # checks that it can be used here
            return AttentionBackendName(backend)
    except (ValueError, RuntimeError) as error:
        raise NodeError(f"attention backend {backend!r} cannot be used: {error}", hint=OTHER) from error


@contextmanager
def attending(module: Any, backend: str) -> Iterator[None]:
    """Another attention backend in this module alone.

    diffusers' `set_attention_backend` would also change the default of every other model in the process.
    """
    chosen = check_attention(backend)
    found = [part.processor for part in module.modules() if hasattr(part, "processor")]
    processors = [one for one in found if hasattr(one, "_attention_backend")]  # some know torch's own alone
    before = [(processor, processor._attention_backend) for processor in processors]
    try:
        for processor in processors:
            processor._attention_backend = chosen
        yield
    finally:
        for processor, previous in before:
            processor._attention_backend = previous
