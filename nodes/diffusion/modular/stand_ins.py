"""Stand-ins for a modular pipeline's parts that a phase does not open, but whose sizes it may ask for."""

from __future__ import annotations

from typing import Any

from graphflow.errors import NodeError
from graphflow.values import is_tensor

from ..headers import read_header
from .recipes import ModularPart


class WeightlessPart:
    """A network without weights. It knows its config, its sizes, and small tensors stored beside its weights,
    such as the mean of latents; asked to compute, it refuses.

    A pipeline without the part would silently take the sizes of its first model, such as 8 pixels a latent
    cell. No torch module on purpose: pipelines look past it for their device.
    """

    def __init__(self, part: ModularPart, device: str) -> None:
        import torch

        self._part, self._blank = part, part.blank()
        self.dtype, self.device = getattr(torch, part.dtype), torch.device(device)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._blank, name)
        return self._stored(name, found) if is_tensor(found) else found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NodeError(f"this phase asks {self._part.part!r} to compute, which its definition does not say")

    def _stored(self, name: str, found: Any) -> Any:
        """The tensor that the weight files hold; one that is computed at start is as it was found."""
        from safetensors import safe_open

        for path in sorted((self._part.folder() / self._part.subfolder).glob("*.safetensors")):
            if name in read_header(path):
                with safe_open(path, framework="pt") as file:
                    return file.get_tensor(name).to(self.device, self.dtype)
        if found.is_meta:
            raise NodeError(f"the weights of {self._part.part!r} hold no {name!r}")
        return found.to(self.device)
