"""How much memory the parts of a modular model take, told before any of them is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graphflow_nodes.diffusion import modular
from graphflow_nodes.diffusion.modular.definitions import definitions

from graphflow.cli.main import invoke
from graphflow.forecast import IN_TURN, Strategy, forecast
from graphflow.registry import Registry
from graphflow.testing import run_node
from graphflow.workflow import dump, from_raw
from graphflow.workspace import Workspace
from tests.support.modular_clips import SIZE, TEXT
from tests.support.tiny_modular import ModularBench

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),  # Helios' scheduler
    pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning"),
]

Bench = Callable[..., ModularBench]
Folder = Callable[[str], Path]

PIPELINES = ["helios", "cosmos3_omni", "ltx2_5", "minimax_h3"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_weights_are_foretold_to_the_byte(modular_folder: Folder, pipeline: str, dtype: str) -> None:
    """Also where a class keeps some of its layers in float32, as all of MiniMax-H3's sound is."""
    model = run_node(modular.load_model, model=str(modular_folder(pipeline)), dtype=dtype)
    for name, part in model.parts.items():
        told = part.memory_bytes()
        if not part.is_network():
            assert told == 0, name
            continue
        live = part.open("cpu")
        stored = live.state_dict()
        tensors = [*live.parameters(), *(one for each, one in live.named_buffers() if each in stored)]
        assert told == sum(tensor.numel() * tensor.element_size() for tensor in tensors), name


def test_a_model_weighs_as_its_parts_and_one_phase_as_those_that_it_may_use(modular_bench: Bench) -> None:
    model = modular_bench("helios").model
    sizes = {name: part.memory_bytes() for name, part in model.parts.items()}
    found = model.footprints()[""]
    assert found.whole == model.memory_bytes() == sum(sizes.values())
    phases = [phase.components for phase in definitions()["helios"].phases]
    assert found.turn == max(sum(sizes[name] for name in parts) for parts in phases) < found.whole
    assert found.placings == ("resident",)


def test_a_plan_tells_the_weights_and_that_nobody_knows_what_the_phases_need_beside_them(
    modular_folder: Folder, tmp_path: Path
) -> None:
    nodes: dict[str, Any] = {
        "model": {"type": "modular/load_model", "params": {"model": str(modular_folder("helios"))}},
        "text": {"type": "modular/helios_text_encoder", "params": TEXT, "inputs": {"model": "model"}},
        "denoise": {
            "type": "modular/helios_denoise",
            "params": SIZE,
            "inputs": {"model": "model", "state": "text"},
        },
        "decode": {"type": "modular/helios_decode", "inputs": {"model": "model", "state": "denoise"}},
    }
    functions = [modular.load_model, *(getattr(modular, f"helios_{phase}") for phase in ("text_encoder",))]
    functions += [modular.helios_denoise, modular.helios_decode]
    raw = {"graphflow": 1, "nodes": nodes, "outputs": {"video": "decode"}}
    with Workspace(tmp_path, registry=Registry().with_nodes(functions), device="cpu") as workspace:
        found = forecast(workspace.prepare(workspace.graph(from_raw(raw))).plan())
    (model,) = found.models.values()
    assert model.footprints[""].whole > 100_000
    assert sorted(found.unknown) == ["decode", "denoise", "text"], "weights are not all that they need"
    resident, turn = (found.peak(Strategy(placing)).device for placing in ("resident", IN_TURN))
    assert (resident, turn) == (model.footprints[""].whole, model.footprints[""].turn)


def test_a_model_that_is_not_here_has_no_known_size(modular_bench: Bench) -> None:
    model = modular_bench("helios").model
    gone = model.source.model_copy(update={"model": "owner/name"})
    parts = {name: part.model_copy(update={"source": gone}) for name, part in model.parts.items()}
    assert model.model_copy(update={"parts": parts}).footprints()[""].whole == 0


@pytest.mark.parametrize("command", [("explain",), ("models", "fit", "--vram", "8")])
def test_the_command_line_says_that_weights_alone_are_known(
    modular_folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    text = {"type": "modular/helios_text_encoder", "params": TEXT, "inputs": {"model": "model"}}
    model = {"type": "modular/load_model", "params": {"model": str(modular_folder("helios"))}}
    file = tmp_path / "flow.json"
    file.write_bytes(
        dump(from_raw({"graphflow": 1, "nodes": {"model": model, "text": text}, "outputs": {"out": "text"}}))
    )
    assert invoke([*command, str(file), "--data-dir", str(tmp_path / "data")]) == 0
    assert "weights alone are: what text needs beside its models" in capsys.readouterr().out
