"""The autoencoder: a stock AutoencoderKLWan, and one pass over a whole clip for training it.

The stock class codes a clip chunk by chunk with caches. The functions here walk the same modules once over
the full clip, with the same result and a third of the operations.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .codec import COMPONENTS, SPACE, TIME
from .stock import AutoencoderKLWan, Stock, WanResample, WanResidualBlock, patchify, unpatchify

PATCH = 2
WIDTH, DECODER_WIDTH = 12, 16
"""Channels at full resolution, in the encoder and in the decoder."""
LEVELS = (1, 2, 5)
"""Multiples of the width at each halving of the resolution."""
HALVES_TIME: tuple[int, ...] = (1, 2, -1)
"""Whether each halving of the resolution halves time too: all do, for each number is true.

Pipelines for control and for video to video do not ask the autoencoder for its factors: they take space as
2 ** length and time as 2 ** sum of this list (diffusers 0.42), which no list of booleans gets right for an
autoencoder with patches. Three true numbers with the sum two do.
"""
LOG_VARIANCE = -6.0
"""The constant log-variance that the encoder states for every latent."""


def build_vae() -> Stock:
    """An untrained autoencoder: x8 in space (a patch of 2, two halvings), x4 in time, 24 latent channels."""
    vae = AutoencoderKLWan(
        base_dim=WIDTH,
        decoder_base_dim=DECODER_WIDTH,
        z_dim=COMPONENTS,
        dim_mult=list(LEVELS),
        num_res_blocks=1,
        attn_scales=[],
        temperal_downsample=list(HALVES_TIME),
        is_residual=False,
        in_channels=3 * PATCH**2,
        out_channels=3 * PATCH**2,
        patch_size=PATCH,
        scale_factor_spatial=SPACE,
        scale_factor_temporal=TIME,
        latents_mean=[0.0] * COMPONENTS,
        latents_std=[1.0] * COMPONENTS,
    )
    for module in vae.modules():
        if isinstance(module, WanResidualBlock):
            module.conv2.weight.data.mul_(0.1)
            nn.init.zeros_(module.conv2.bias)
    return vae


def encode_clip(vae: Stock, clips: Tensor) -> Tensor:
    """Latent moments [B, 48, 1+n, h, w] of clips [B, 3, 1+4n, 8h, 8w], as `vae.encode`, in one pass."""
    encoder = vae.encoder
    x = encoder.conv_in(patchify(clips, PATCH))
    x = encoder.mid_block(_through(encoder.down_blocks, x))
    moments: Tensor = vae.quant_conv(encoder.conv_out(encoder.nonlinearity(encoder.norm_out(x))))
    return moments


def decode_clip(vae: Stock, latents: Tensor) -> Tensor:
    """Clips [B, 3, 1+4n, 8h, 8w] of latents [B, 24, 1+n, h, w], as `vae.decode`, in one pass, not clamped."""
    decoder = vae.decoder
    x = decoder.mid_block(decoder.conv_in(vae.post_quant_conv(latents)))
    for block in decoder.up_blocks:
        x = _up(block, x)
    clips: Tensor = unpatchify(decoder.conv_out(decoder.nonlinearity(decoder.norm_out(x))), PATCH)
    return clips


def _through(layers: Iterable[Stock], x: Tensor) -> Tensor:
    for layer in layers:
        x = _down(layer, x) if isinstance(layer, WanResample) else layer(x)
    return x


def _down(layer: Stock, x: Tensor) -> Tensor:
    """Halve space, then time; the first frame passes alone."""
    x = _each_frame(layer.resample, x)
    if layer.mode == "downsample3d" and x.shape[2] > 1:
        x = torch.cat([x[:, :, :1], layer.time_conv(x)], 2)
    return x


def _up(block: Stock, x: Tensor) -> Tensor:
    for resnet in block.resnets:
        x = resnet(x)
    if block.upsamplers is None:
        return x
    layer = block.upsamplers[0]
    if layer.mode == "upsample3d" and x.shape[2] > 1:
        b, c, t, h, w = x.shape
        later = layer.time_conv(x[:, :, 1:]).view(b, 2, c, t - 1, h, w)
        later = later.permute(0, 2, 3, 1, 4, 5).reshape(b, c, 2 * (t - 1), h, w)
        x = torch.cat([x[:, :, :1], later], 2)
    return _each_frame(layer.resample, x)


def _each_frame(layer: nn.Module, x: Tensor) -> Tensor:
    b, _, t, _, _ = x.shape
    frames = layer(x.transpose(1, 2).flatten(0, 1))
    result: Tensor = frames.unflatten(0, (b, t)).transpose(1, 2)
    return result
