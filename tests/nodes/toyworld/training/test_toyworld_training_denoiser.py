"""The denoiser: padding that counts as longer, priors, noise levels and a training step."""

import random
from pathlib import Path

import pytest
import torch
from graphflow_nodes.toyworld.training.checkpoint import Progress
from graphflow_nodes.toyworld.training.codec import ChunkCodec, fit
from graphflow_nodes.toyworld.training.denoiser import TEXT_WIDTH, Denoiser, build_denoiser, sample
from graphflow_nodes.toyworld.training.tokenizer import build_tokenizer
from graphflow_nodes.toyworld.training.train_denoiser import (
    ClipPool,
    Pools,
    build_trainee,
    draw_noise_levels,
    flow_loss,
    train_step,
)
from graphflow_nodes.toyworld.world import is_held_out, sample_scenes


@pytest.fixture(scope="module")
def codec() -> ChunkCodec:
    return fit(sample_scenes(64, 1))[0]


@pytest.fixture
def denoiser(codec: ChunkCodec) -> Denoiser:
    return build_denoiser(0, ClipPool(codec, 16, random.Random(0)).batch(4)[0])


def _fixed_loss(denoiser: Denoiser, codec: ChunkCodec) -> float:
    torch.manual_seed(9)
    pool = ClipPool(codec, 16, random.Random(5))
    return flow_loss(denoiser, pool, 16, random.Random(1), done=0.0).item()


def test_tokenizer_knows_synonyms_and_not_strangers() -> None:
    tokenizer = build_tokenizer()
    words = tokenizer.convert_ids_to_tokens(tokenizer("A Grey BOX, zorp!").input_ids)
    assert words == ["a", "grey", "box", ",", "<unk>", "<unk>", "</s>"]


@torch.no_grad()
def test_padding_bias_equals_real_padding(denoiser: Denoiser) -> None:
    torch.nn.init.normal_(denoiser.transformer.proj_out.weight)
    texts = ["a red ball moving right", "blue square"]
    noisy, times = torch.randn(2, 24, 4, 8, 8), torch.tensor([700.0, 300.0])
    short = denoiser.velocity(noisy, times, texts, torch.full((2,), 100.0))
    tokens = denoiser.tokenizer(texts, padding="max_length", max_length=100, return_tensors="pt")
    mask = tokens.attention_mask
    states = denoiser.text_encoder(tokens.input_ids, attention_mask=mask).last_hidden_state * mask[..., None]
    denoiser.context.bias = None
    stock = denoiser.transformer(noisy, times, states, return_dict=False)[0]
    assert states.shape == (2, 100, TEXT_WIDTH)
    assert torch.allclose(short, stock, atol=1e-4)


def test_noise_levels_are_levels() -> None:
    torch.manual_seed(0)
    levels = draw_noise_levels(5000)
    assert levels.min() >= 0 and levels.max() <= 1
    assert 0.6 < levels.mean() < 0.85


def test_pool_never_shows_held_out_combinations(codec: ChunkCodec) -> None:
    pool = ClipPool(codec, 48, random.Random(0))
    pool.grow()
    assert len(pool) == 32
    assert not any(is_held_out(pool.repaint(i % len(pool))[0]) for i in range(500))
    latents, coverage, captions = pool.batch(8)
    assert latents.shape == (8, 24, 4, 8, 8) and coverage.shape == (8, 1, 4, 8, 8) and len(captions) == 8


def test_steps_lower_the_loss_and_resume_exactly(
    codec: ChunkCodec, denoiser: Denoiser, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    pool, trainee, progress = ClipPool(codec, 16, random.Random(0)), build_trainee(denoiser), Progress(600)
    before = _fixed_loss(denoiser, codec)
    for progress.step in range(12):
        train_step(denoiser, Pools(pool, pool), trainee, 8, random.Random(progress.step), progress)
    assert _fixed_loss(denoiser, codec) < before
    trainee.save(tmp_path / "state.safetensors", progress)
    other = build_denoiser(1, torch.zeros(1, 24, 4, 8, 8))
    again, resumed = build_trainee(other), Progress(600)
    again.load(tmp_path / "state.safetensors", resumed)
    assert resumed.step == 11
    for (name, mine), (_, theirs) in zip(denoiser.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs), name
    assert all(torch.equal(a, b) for a, b in zip(trainee.muon.velocity, again.muon.velocity, strict=True))


def test_sampling_is_a_function_of_the_seed(denoiser: Denoiser) -> None:
    one = sample(denoiser, ["a red ball"], seed=3, steps=2)
    assert one.shape == (1, 24, 4, 8, 8)
    assert torch.equal(one, sample(denoiser, ["a red ball"], seed=3, steps=2))
    assert not torch.equal(one, sample(denoiser, ["a red ball"], seed=4, steps=2))
