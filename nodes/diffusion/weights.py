"""Whether weights are what a model needs: all of its layers, no others, and finite numbers only.

diffusers and transformers load what they find: layers that the config does not know are left out, and those
that the file lacks are random. Both make a clip, and neither is the model's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from graphflow.errors import NodeError, ValueMismatch

_LAYER = re.compile(r"(.*?)\.(\d+)\.")
"""`blocks` and `3` of `blocks.3.attn1.to_q.weight`."""

UNLIKE = "the config and the weights are of two models; copy or download both anew"


def check_loaded(part: str, told: Mapping[str, Any]) -> None:
    """Refuse a model of other layers than its files. Raises ValueMismatch.

    part: the component. told: what `from_pretrained` says with `output_loading_info`.
    """
    missing = sorted(told["missing_keys"])
    if missing:
        raise ValueMismatch(
            f"the files of {part!r} lack {len(missing)} weights of its config, such as {missing[0]}",
            hint=UNLIKE,
        )


def check_layers(part: str, known: Iterable[str], left_out: Iterable[str]) -> None:
    """Refuse weights of layers beyond the last one that the model has. Raises ValueMismatch.

    known: names of the model's own weights. left_out: names in the files that it does not have; those outside
    its lists of layers may be there for other programs.
    """
    lists = {found[1] for name in known if (found := _LAYER.match(name))}
    beyond = sorted(name for name in left_out if (found := _LAYER.match(name)) and found[1] in lists)
    if beyond:
        raise ValueMismatch(
            f"{part!r} has fewer layers by its config than in its files: {len(beyond)} weights would be left "
            f"out, such as {beyond[0]}",
            hint=UNLIKE,
        )


def check_finite(owner: str, tensors: Mapping[str, Any], *, hint: str, where: str = "") -> None:
    """Refuse numbers that are infinite or none at all. Raises NodeError naming the first tensor.

    Reads every number once, which takes a small part of the time of loading them. What quantisers made of
    tensors is left alone.
    """
    import torch

    plain = (torch.Tensor, torch.nn.Parameter)
    kinds = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
    for name, tensor in tensors.items():
        if type(tensor) not in plain or tensor.dtype not in kinds or tensor.is_meta or not tensor.numel():
            continue
        low, high = torch.aminmax(tensor.detach())
        if not torch.isfinite(low) or not torch.isfinite(high):
            text = f"{owner} holds numbers that are not finite, such as in {name}"
            raise NodeError(text, where=where, hint=hint)
