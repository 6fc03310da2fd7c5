"""Training data, losses and one short training run of the autoencoder."""

import json
import random
from pathlib import Path

import torch
from graphflow_nodes.toyworld.training.codec import fit, save
from graphflow_nodes.toyworld.training.train_vae import (
    LayerPool,
    VaeRun,
    build_trainee,
    decoder_loss,
    encoder_loss,
    train,
)
from graphflow_nodes.toyworld.world import sample_scenes


def test_pool_cuts_windows_that_hold_the_object() -> None:
    pool = LayerPool(16, random.Random(0))
    pool.grow(24)
    assert len(pool) == 16
    clips = pool.clips(12, side=4)
    assert clips.shape == (12, 3, 13, 32, 32)
    assert clips.min() >= -1 and clips.max() <= 1
    assert (clips.amax((2, 3, 4)) - clips.amin((2, 3, 4))).amax(1).min() > 0.2


def test_losses_reach_their_own_half_only(tmp_path: Path) -> None:
    codec, _ = fit(sample_scenes(32, 1))
    vae, _ = build_trainee(VaeRun(tmp_path, 1))
    pool = LayerPool(8, random.Random(0))
    pool.grow(8)
    decoder_loss(vae, codec, pool.clips(2, 4)).backward()  # type: ignore[no-untyped-call]
    assert vae.encoder.conv_in.weight.grad is None
    vae.decoder.zero_grad()
    encoder_loss(vae, codec, pool.clips(2, 4)).backward()  # type: ignore[no-untyped-call]
    assert vae.encoder.conv_in.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in vae.decoder.parameters())


def test_a_short_run_logs_saves_and_goes_on(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    codec, _ = fit(sample_scenes(32, 1))
    save(codec, tmp_path / "codec.safetensors")

    def told(minutes: float) -> list[dict[str, float]]:
        train(VaeRun(tmp_path, minutes=minutes, crops=4, clips=8))
        return [json.loads(line) for line in (tmp_path / "vae.log").read_text().splitlines()]

    first = told(0.001)
    later = told(first[0]["minutes"] + 0.03)
    torch.set_num_threads(threads)
    assert len(first) == 1 and later[0] == first[0]
    assert later[-1]["step"] > first[0]["step"]
    assert (tmp_path / "vae.safetensors").exists()
