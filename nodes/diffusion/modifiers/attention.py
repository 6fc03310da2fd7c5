"""Which code computes attention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphflow.errors import NodeError


def check_attention(backend: str) -> Any:
    """diffusers' name for the backend. Raises NodeError if this machine or its diffusers cannot use it."""
    from diffusers.models.attention_dispatch import AttentionBackendName, attention_backend

    if backend.endswith("_hub"):
        raise NodeError(f"attention backend {backend!r} would download and run code; it is not supported")
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
