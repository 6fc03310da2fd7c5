"""Which code computes attention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphflow.errors import NodeError

BACKENDS = (
    "native", "_native_cudnn", "_native_efficient", "_native_flash", "_native_math", "_native_npu",
    "_native_xla", "flex", "flash", "flash_varlen", "_flash_3", "_flash_varlen_3", "sage", "sage_varlen",
    "_sage_qk_int8_pv_fp16_cuda", "_sage_qk_int8_pv_fp16_triton", "_sage_qk_int8_pv_fp8_cuda",
    "_sage_qk_int8_pv_fp8_cuda_sm90", "xformers",
)  # fmt: skip
"""By diffusers' names, without those that would be downloaded."""


def check_name(backend: str | None) -> None:
    """Raises NodeError for a name that no backend has; imports nothing. None is torch's own."""
    if backend is None:
        return
    if backend.endswith("_hub"):
        text = f"attention backend {backend!r} would download and run code; it is not supported"
        raise NodeError(text, hint="choose another, or leave it empty for torch's own")
    if backend not in BACKENDS:
        text = f"there is no attention backend {backend!r}"
        raise NodeError(text, hint=f"choose one of {', '.join(BACKENDS)}, or leave it empty for torch's own")


def check_attention(backend: str) -> Any:
    """diffusers' name for the backend. Raises NodeError if this machine or its diffusers cannot use it."""
    from diffusers.models.attention_dispatch import AttentionBackendName, attention_backend

    check_name(backend)
    try:
        with attention_backend(backend):  # checks that it can be used here
            return AttentionBackendName(backend)
    except (ValueError, RuntimeError) as error:
        raise NodeError(f"attention backend {backend!r} cannot be used: {error}") from error


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
