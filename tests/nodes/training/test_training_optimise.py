"""The optimiser that keeps its moments in 8 bits: what it costs, that it learns, that it can be resumed."""

from __future__ import annotations

import importlib.util
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from graphflow_nodes.training import optimise, settings, train_lora
from graphflow_nodes.training.optimise import Training, build_optimiser, check_eight_bit
from graphflow_nodes.training.values import TrainSettings

from graphflow.errors import Cancelled, NodeError
from graphflow.testing import LocalContext, run_node
from graphflow.values import decode, encode
from tests.nodes.training.conftest import Course
from tests.support import eight_bit

Courses = Callable[..., Course]

LIBRARIES = ["stand-in", *(["bitsandbytes"] if importlib.util.find_spec("bitsandbytes") else [])]
FEW_BITS = TrainSettings(optimiser="adamw_8bit", rate=0.02, weight_decay=0.0, steps=6)


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The 8-bit optimiser can be imported, by the training alone: peft would look for more in a stand-in."""
    if request.param == "stand-in":
        found = types.SimpleNamespace(
            util=types.SimpleNamespace(find_spec=lambda name: name == "bitsandbytes"),
            import_module=lambda name: types.SimpleNamespace(optim=eight_bit),
        )
        monkeypatch.setattr(optimise, "importlib", found)
    return str(request.param)


def start() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.linspace(-1, 1, 8192).view(64, 128))


def pull(parameter: torch.nn.Parameter) -> Callable[[int], Any]:
    """A loss that is least where every number is a quarter."""
    return lambda at: (parameter - 0.25).square().mean() * (1 + at % 2)


def tensors_in(state: Any) -> list[torch.Tensor]:
    if isinstance(state, dict):
        return [one for part in state.values() for one in tensors_in(part)]
    return [state] if isinstance(state, torch.Tensor) else []


def test_moments_take_a_quarter_of_the_bytes_and_lead_to_the_same_place(library: str) -> None:
    ends, sizes = [], []
    for chosen in ("adamw", "adamw_8bit"):
        parameter, how = start(), FEW_BITS.model_copy(update={"optimiser": chosen, "steps": 60})
        training = Training(LocalContext(), how, [("it", parameter)], pull(parameter))
        losses = training.run()
        assert losses[-1] < 0.05 * losses[0]
        ends.append(parameter.detach())
        optimiser = build_optimiser(how, [parameter], "cpu")
        training.step(optimiser, 0)
        held = [one for one in tensors_in(optimiser.state_dict()["state"]) if one.numel() >= 8192]
        sizes.append(sum(one.nbytes for one in held))
    assert sizes[1] * 4 == sizes[0]
    assert (ends[0] - ends[1]).abs().mean() < 0.02


def test_a_checkpoint_is_not_changed_by_the_steps_after_it(library: str) -> None:
    parameter = start()
    training = Training(LocalContext(), FEW_BITS, [("it", parameter)], pull(parameter))
    optimiser = build_optimiser(FEW_BITS, [parameter], "cpu")
    training.losses.append(training.step(optimiser, 0))
    kept = training.state(optimiser)
    before = [one.clone() for one in tensors_in(kept)]
    training.step(optimiser, 1)
    assert all(torch.equal(one, same) for one, same in zip(tensors_in(kept), before, strict=True))


def test_it_goes_on_from_a_stored_checkpoint_with_the_same_bits(library: str) -> None:
    whole, halted, resumed = start(), start(), start()
    losses = Training(LocalContext(), FEW_BITS, [("it", whole)], pull(whole)).run()
    context = LocalContext(cancel_after=7)
    with pytest.raises(Cancelled):
        Training(context, FEW_BITS, [("it", halted)], pull(halted)).run()
    travelled = decode(*encode(context.state))
    assert 0 < len(travelled["losses"]) < FEW_BITS.steps
    again = Training(LocalContext(state=travelled), FEW_BITS, [("it", resumed)], pull(resumed)).run()
    assert again == losses and torch.equal(whole, resumed)


def test_a_lora_learns_with_it(course: Courses, library: str) -> None:
    tiny = course("wan21")
    losses = []
    for optimiser in ("adamw", "adamw_8bit"):
        how = run_node(settings, preset="toy", rank=4, batch=2, warmup=0, steps=3, optimiser=optimiser)
        trained = run_node(train_lora, tiny.model.denoiser, tiny.latents, tiny.prompts, how)
        losses.append(trained.losses.values)
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)


def test_what_is_missing_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NodeError, match="needs the Python package 'bitsandbytes'"):
        check_eight_bit("cpu")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    check_eight_bit("cuda:1")
    check_eight_bit("cpu")
    with pytest.raises(NodeError, match="does not work on mps"):
        check_eight_bit("mps")
