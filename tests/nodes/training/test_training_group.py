"""Several processes train one LoRA together, as one alone would with all their batches."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import processes
from graphflow_nodes.training import dpo_lora, settings, train_lora
from graphflow_nodes.training.group import Group, check_share, devices_for, joined
from graphflow_nodes.training.values import TrainSettings

from graphflow.errors import Cancelled, NodeError
from graphflow.testing import LocalContext, run_node
from tests.nodes.training.conftest import Course

Courses = Callable[..., Course]
Started = list[subprocess.Popen[bytes]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """The processes that a training starts, as they are started."""
    found: Started = []
    start = processes.begin

    def kept(*given: Any) -> subprocess.Popen[bytes]:
        found.append(start(*given))
        return found[-1]

    monkeypatch.setattr(processes, "begin", kept)
    return found


def train(tiny: Course, processes: int, context: LocalContext | None = None, *, steps: int = 3) -> Any:
    how = run_node(
        settings, preset="toy", rank=4, batch=1, accumulate=2, warmup=0, rate=1e-3, steps=steps, focus=3.0
    )
    return run_node(
        train_lora,
        tiny.model.denoiser,
        tiny.latents,
        tiny.prompts,
        how,
        context=context or LocalContext(),
        masks=tiny.masks,
        prior_latents=tiny.prior_latents,
        prior_prompts=tiny.prior_prompts,
        processes=processes,
    )


def test_two_processes_learn_what_one_learns_from_the_same_batches_also_where_one_began(
    course: Courses, started: Started
) -> None:
    tiny, halted = course("wan21"), LocalContext()
    whole = train(tiny, 1, halted)
    assert halted.state is not None and len(halted.state["losses"]) == 2
    resumed = train(tiny, 2, LocalContext(state=halted.state))
    assert [one.returncode is not None for one in started] == [True]
    assert resumed.losses.values[:2] == whole.losses.values[:2]
    assert resumed.losses.values == pytest.approx(whole.losses.values, rel=1e-4)
    for name, tensor in whole.lora.tensors.items():
        assert torch.allclose(tensor, resumed.lora.tensors[name], rtol=1e-2, atol=1e-5), name
    assert any(bool(tensor.any()) for name, tensor in resumed.lora.tensors.items() if "lora_B" in name)


def test_two_processes_learn_from_preferences_what_one_learns(course: Courses, started: Started) -> None:
    tiny = course("wan21")
    how = run_node(settings, preset="toy", rank=4, batch=1, accumulate=2, warmup=0, rate=1e-3, steps=2)
    given = (tiny.model.denoiser, tiny.latents, tiny.prior_latents, tiny.prompts, how)
    alone, together = (run_node(dpo_lora, *given, beta=100.0, processes=several) for several in (1, 2))
    assert len(started) == 1
    assert together.losses.values == pytest.approx(alone.losses.values, rel=1e-4)
    assert together.losses.values[0] != together.losses.values[1]
    for name, tensor in alone.lora.tensors.items():
        assert torch.allclose(tensor, together.lora.tensors[name], rtol=1e-2, atol=1e-5), name


def test_cancelled_they_all_end(course: Courses, started: Started) -> None:
    with pytest.raises(Cancelled):
        train(course("wan21"), 2, LocalContext(cancel_after=0))
    assert [one.poll() is not None for one in started] == [True]


def test_a_process_that_cannot_begin_is_told_with_its_last_words(
    course: Courses, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(command: list[str], errors: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["/bin/sh", "-c", "echo no room left >&2; exit 3"], stderr=errors)

    monkeypatch.setattr(processes, "begin", broken)
    with pytest.raises(NodeError, match="could not begin: no room left"):
        train(course("wan21"), 2)


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(NodeError, match="2 batches, which 3 processes cannot share") as told:
        check_share(TrainSettings(accumulate=2), 3)
    assert "accumulate to 3" in told.value.hint
    assert [[*Group(rank, 3, None).share(7)] for rank in range(3)] == [[0, 3, 6], [1, 4], [2, 5]]


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert devices_for("cuda:1", 3) == ["cuda:1", "cuda:2", "cuda:0"]
    assert devices_for("cpu", 2) == ["cpu", "cpu"] and devices_for("cuda:7", 1) == ["cuda:7"]
    with pytest.raises(NodeError, match="4 processes need as many GPUs; there are 3"):
        devices_for("cuda:0", 4)


def test_a_group_whose_other_process_has_gone_says_so(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from graphflow_nodes.training.group import joined; "
    other = subprocess.Popen([sys.executable, "-c", f"{code} joined(Path(sys.argv[1]), 1, 2)", str(tmp_path)])
    group = joined(tmp_path, 0, 2)
    other.wait()
    parameter = torch.nn.Parameter(torch.ones(3))
    with pytest.raises(NodeError, match="another process of the training has ended"):
        group.add_up([parameter], 1.0)
