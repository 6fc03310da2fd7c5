"""All weights trained, and the LoRA that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import load_weights, lora
from graphflow_nodes.training import extract_lora, save_lora, save_weights, settings, train_full
from graphflow_nodes.training.extract import factors

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import LocalContext, run_node
from tests.nodes.training.conftest import Course
from tests.nodes.training.test_training_save import frames

Courses = Callable[..., Course]
LINEAR = ["to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2"]


def train(tiny: Course, context: LocalContext | None = None, **named: Any) -> Any:
    how = run_node(settings, preset="toy", batch=2, steps=4, rate=1e-3)
    return run_node(
        train_full,
        tiny.model.denoiser,
        tiny.latents,
        tiny.prompts,
        how,
        context=context or LocalContext(),
        **named,
    )


def test_only_the_chosen_layers_learn_and_the_model_in_the_pool_does_not(course: Courses) -> None:
    tiny, context = course("wan21"), LocalContext()
    with context.use(tiny.model.denoiser) as experts:
        before = {name: tensor.clone() for name, tensor in experts.transformer.state_dict().items()}
    made = train(tiny, context, layers=["attn1.to_q"])
    with context.use(tiny.model.denoiser) as experts:
        held = experts.transformer.state_dict()
    assert all(torch.equal(held[name], before[name]) for name in before)
    changed = {name for name, tensor in made.weights.tensors.items() if not torch.equal(tensor, before[name])}
    assert changed and all(name.rpartition(".")[0].endswith("attn1.to_q") for name in changed)


def test_a_training_of_all_weights_resumes_bit_for_bit(course: Courses) -> None:
    tiny, halted = course("wan21"), LocalContext()
    whole = train(tiny, halted)
    resumed = train(tiny, LocalContext(state=halted.states[1]))
    assert whole.losses == resumed.losses
    tensors = resumed.weights.tensors
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in whole.weights.tensors.items())


def test_the_lora_of_full_rank_makes_the_clip_of_the_trained_model(course: Courses, tmp_path: Path) -> None:
    tiny, context = course("wan21"), LocalContext(out_dir=tmp_path)
    made = train(tiny, layers=LINEAR)
    with LocalContext().use(tiny.model.denoiser) as experts:  # biases learn too, but no LoRA holds them
        base = experts.transformer.state_dict()
        tensors = {
            name: base[name].clone() if name.endswith(".bias") else tensor
            for name, tensor in made.weights.tensors.items()
        }
    weights = made.weights.model_copy(update={"tensors": tensors})
    whole = run_node(extract_lora, tiny.model.denoiser, weights, context=context, rank=256)
    low = run_node(extract_lora, tiny.model.denoiser, weights, context=context, rank=2)
    assert whole.error < 1e-5 and whole.elsewhere == pytest.approx(0, abs=1e-9)
    assert 0.01 < low.error < 1
    full = frames(
        tiny,
        run_node(
            load_weights, tiny.model.denoiser, file=run_node(save_weights, weights, context=context).path
        ),
    )
    clips = [
        frames(
            tiny,
            run_node(
                lora, tiny.model.denoiser, file=run_node(save_lora, one.lora, context=context, name=name).path
            ),
        )
        for name, one in (("whole", whole), ("low", low))
    ]
    away = [float((clip - full).abs().max()) for clip in clips]
    assert away[0] < 1e-4 < away[1]


def test_what_no_lora_can_hold_is_told(course: Courses) -> None:
    tiny = course("wan21")
    made = train(tiny)
    found = run_node(extract_lora, tiny.model.denoiser, made.weights, rank=64)
    assert 0 < found.elsewhere < 1
    assert not any("norm" in name for name in found.lora.tensors)


def test_factors_are_the_nearest_of_their_rank() -> None:
    matrix = torch.randn(6, 9, generator=torch.Generator().manual_seed(1))
    down, up = factors(matrix, 3)
    values = torch.linalg.svdvals(matrix)
    assert down.shape == (3, 9) and up.shape == (6, 3)
    left = float((matrix - up @ down).norm())
    assert left == pytest.approx(float(values[3:].square().sum().sqrt()), rel=1e-4)
    down, up = factors(matrix, 10)
    assert down.shape == (10, 9) and float((matrix - up @ down).norm()) < 1e-5


def test_what_cannot_be_extracted_is_refused(course: Courses) -> None:
    tiny, other = course("wan21"), course("wan5b")
    made = train(tiny, layers=["attn1.to_q"])
    with pytest.raises(ValueMismatch, match="were trained on"):
        run_node(extract_lora, other.model.denoiser, made.weights)
    with pytest.raises(NodeError, match="no such layer has changed"):
        run_node(extract_lora, tiny.model.denoiser, made.weights, targets=["ffn.net.2"])
    with pytest.raises(NodeError, match="no layer's name ends with any of nowhere"):
        train(tiny, layers=["nowhere"])
