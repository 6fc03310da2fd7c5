"""The one-pass coder walks the stock autoencoder with the same result."""

import torch
from graphflow_nodes.toyworld.training.vae import build_vae, decode_clip, encode_clip


@torch.no_grad()
def test_one_pass_equals_chunks() -> None:
    torch.manual_seed(0)
    vae = build_vae().eval()
    clips = torch.rand(2, 3, 13, 32, 32) * 2 - 1
    moments = encode_clip(vae, clips)
    stock = vae.encode(clips).latent_dist
    assert torch.allclose(moments[:, :24], stock.mean, atol=1e-5)
    decoded = decode_clip(vae, moments[:, :24])
    assert torch.allclose(decoded.clamp(-1, 1), vae.decode(stock.mean).sample, atol=1e-5)


@torch.no_grad()
def test_a_single_frame_passes_alone() -> None:
    torch.manual_seed(0)
    vae = build_vae().eval()
    image = torch.rand(1, 3, 1, 32, 32) * 2 - 1
    moments = encode_clip(vae, image)
    assert moments.shape == (1, 48, 1, 4, 4)
    assert torch.allclose(moments[:, :24], vae.encode(image).latent_dist.mean, atol=1e-5)
    assert decode_clip(vae, moments[:, :24]).shape == image.shape
