"""Stand-ins for a pipeline's heavy parts, so that a shell can run one phase without the weights of another.

They are no torch modules on purpose: pipelines then look past them for their device and never move them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

from .values import Geometry, Sound, VAEInfo


class VAEStandIn:
    """A VAE without weights: a denoise asks it for sizes, and for what a condition node has encoded before.

    A shell built with `vae=None` would silently assume 8 pixels a latent cell, wrong for Wan 2.2 5B.
    """

    def __init__(
        self,
        info: VAEInfo,
        geometry: Geometry,
        moments: Sequence[Any] = (),
        statistics: Mapping[str, Any] | None = None,
    ) -> None:
        import torch

        vars(self).update(statistics or {})
        self.config = SimpleNamespace(**info.config)
        self.spatial_compression_ratio = geometry.spatial
        self.temporal_compression_ratio = geometry.temporal
        self.temperal_downsample = info.config.get("temperal_downsample", ())  # diffusers spells it so
        self._moments = iter(moments)
        like = moments[0] if moments else torch.empty(0)
        self.dtype, self.device = like.dtype, like.device

    def encode(self, pixels: Any, return_dict: bool = True) -> Any:
        """The next of the moments, whatever the pixels: those are blank by now."""
        return distribution(next(self._moments), pixels.device, return_dict)

    def modules(self) -> Iterator[Any]:
        return iter(())


class RecordingVAE:
    """A live VAE of which every answer of the encoder is written down."""

    def __init__(self, live: Any) -> None:
        self._live = live
        self.moments: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._live, name)

    def encode(self, pixels: Any, return_dict: bool = True) -> Any:
        moments = self._live.encode(pixels.to(self._live.device)).latent_dist.parameters
        self.moments.append(moments.cpu())
        return distribution(moments, pixels.device, return_dict)


def distribution(moments: Any, device: Any, return_dict: bool) -> Any:
    """What the encoders of diffusers' video VAEs return."""
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
    from diffusers.models.modeling_outputs import AutoencoderKLOutput

    found = DiagonalGaussianDistribution(moments.to(device))
    return AutoencoderKLOutput(latent_dist=found) if return_dict else (found,)


class ConnectorsStandIn:
    """Stands for the connectors of an LTX-2 model, which have spoken: for the prompt alone, and for the
    negative and the positive prompt together."""

    def __init__(self, alone: Sequence[Any], guided: Sequence[Any]) -> None:
        self._said = {1: tuple(alone), 2: tuple(guided)}

    def __call__(self, embeds: Any, mask: Any, padding_side: str) -> tuple[Any, ...]:
        return self._said[len(embeds)]


class AudioVAEStandIn:
    """An audio VAE without weights. Its mean is 0 and its spread 1, so that the pipeline, which normalises
    what it is given and undoes it for what it gives, leaves latents of sound as they are on wires."""

    def __init__(self, sound: Sound) -> None:
        import torch

        self.config = SimpleNamespace(
            sample_rate=sound.rate,
            mel_hop_length=sound.hop,
            mel_bins=sound.bins * sound.compression,
            latent_channels=sound.channels,
        )
        self.mel_compression_ratio = self.temporal_compression_ratio = sound.compression
        self.latents_mean, self.latents_std = torch.zeros(1), torch.ones(1)


class Halt(BaseException):
    """A pipeline came to its first step."""


class HaltingDenoiser:
    """A denoiser without weights that ends the call at its first step, when everything is encoded.

    Its config is the class's own defaults under the model's values, as in the live one.
    """

    def __init__(self, class_name: str, config: Mapping[str, Any], dtype: Any) -> None:
        import diffusers

        wanted = inspect.signature(getattr(diffusers, class_name).__init__).parameters
        usual = {name: p.default for name, p in wanted.items() if p.default is not p.empty}
        self.config, self.dtype = SimpleNamespace(**{**usual, **config}), dtype

    def cache_context(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise Halt

    @property
    def rope(self) -> Any:
        """LTX-2 pipelines ask for the places of tokens before the first step; all is encoded by then."""
        raise Halt
