"""`graphflow doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphflow import models
from graphflow.cli import doctor, exits


def test_it_looks_at_everything(call: Any, place: Path) -> None:
    found = {check["name"]: check for check in call("doctor", "--json").json}
    assert {"python", "torch", "device", "data folder", "disk", "nodes", "model"} <= found.keys()
    assert found["torch"]["ok"] and found["data folder"]["ok"]
    assert not (place / "data").exists()


def test_each_problem_comes_with_advice(call: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "mine").mkdir()
    (place / "mine" / "bad.py").write_text("1/0")
    (place / "toy").mkdir()
    (place / "toy" / "model_index.json").write_text('{"vae": ["diffusers", "X"], "none": [null, null]}')
    monkeypatch.setattr(models, "embedded_models", lambda: [("toy", place / "toy")])
    (place / "occupied").write_text("")
    monkeypatch.setattr(doctor, "LOW_MEMORY", 10**18)
    done = call("doctor", "--packs", "mine", "--data-dir", "occupied/x")
    assert done.code == exits.FAILED
    assert "CHECK  pack bad" in done.out and "ZeroDivisionError" in done.out
    assert "lacks vae" in done.out
    assert "CHECK  data folder" in done.out and "--data-dir" in done.out
    assert "CHECK  memory" in done.out


def test_a_gpu_that_torch_cannot_see(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("GRAPHFLOW_DEVICE", "cuda:0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    done = call("doctor")
    assert "torch finds no GPU" in done.out and "GRAPHFLOW_DEVICE=cpu" in done.out
