"""`graphflow models`: nothing is loaded, the facts come from the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graphflow import models


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An embedded model with a sidecar, and an empty hub cache."""
    folder = tmp_path / "embedded" / "toy"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text('{"_class_name": "WanPipeline", "vae": ["diffusers", "X"]}')
    facts = {"width": 64, "height": 48, "frames": 9, "fps": 8, "steps": 20, "licence": "Apache-2.0",
             "vocabulary": {"colours": ["red", "green"], "shapes": {"circle": ["ball"], "box": []}},
             "example_prompts": ["a red ball"]}  # fmt: skip
    (folder / "graphflow.json").write_text(json.dumps(facts))
    monkeypatch.setattr(models, "embedded_models", lambda: [("toy", folder)])
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return folder


def test_embedded_models_with_their_facts(call: Any, toy: Path) -> None:
    out = call("models").out
    assert "toy  WanPipeline" in out and "64 x 48 pixels, 9 frames at 8 a second" in out
    assert "Apache-2.0" in out and "red, green" in out
    assert "circle (ball), box" in out and "a red ball" in out


def test_models_in_the_hub_cache(call: Any, toy: Path, tmp_path: Path) -> None:
    for name in ("models--big--one", "models--some--text", "datasets--x--y"):
        snapshot = tmp_path / "hub" / name / "snapshots" / "abc"
        snapshot.mkdir(parents=True)
        (tmp_path / "hub" / name / "blobs").mkdir()
        (tmp_path / "hub" / name / "blobs" / "f").write_bytes(bytes(2_000_000))
    (tmp_path / "hub/models--big--one/snapshots/abc/model_index.json").write_text("{}")
    assert call("models", "--json").json["cached"] == [{"model": "big/one", "bytes": 2_000_000}]
    assert "big/one" in call("models").out


def test_a_broken_sidecar_is_no_fault(call: Any, toy: Path) -> None:
    (toy / "graphflow.json").write_text("{")
    assert call("models").code == 0


def test_without_any_model(call: Any, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "embedded_models", lambda: [])
    assert "no model" in call("models").out
