"""Names that LoRA files give to layers: those of diffusers, or of the models' authors, as in ComfyUI."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from graphflow.errors import NodeError

Layout = Literal["diffusers", "comfyui"]

DIFFUSERS, COMFYUI = "transformer.", "diffusion_model."
"""What stands before the layers' names."""

_WAN = (
    (".attn1.", ".self_attn."), (".attn2.", ".cross_attn."), (".add_k_proj.", ".k_img."),
    (".add_v_proj.", ".v_img."), (".to_q.", ".q."), (".to_k.", ".k."), (".to_v.", ".v."),
    (".to_out.0.", ".o."), (".ffn.net.0.proj.", ".ffn.0."), (".ffn.net.2.", ".ffn.2."),
)  # fmt: skip
NAMES: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {"wan": _WAN, "skyreels": _WAN, "ltx": ()}
)
"""By family, parts of diffusers' names and what the authors call them."""


def named(tensors: Mapping[str, Any], family: str, layout: Layout) -> dict[str, Any]:
    """The tensors of a LoRA as a file of that layout names them.

    Raises NodeError for a family whose other names are not known, or whose layers are other ones there.
    """
    if layout == "diffusers":
        return {f"{DIFFUSERS}{name}": tensor for name, tensor in tensors.items()}
    if family not in NAMES:
        raise NodeError(
            f"the layers of family {family!r} have no one-to-one names in ComfyUI",
            where="layout",
            hint="save it as diffusers",
        )
    return {f"{COMFYUI}{_renamed(name, NAMES[family])}": tensor for name, tensor in tensors.items()}


def _renamed(name: str, changes: tuple[tuple[str, str], ...]) -> str:
    for own, other in changes:
        name = name.replace(own, other)
    return name
