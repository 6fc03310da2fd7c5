"""How much memory the parts of a modular model take, told before any of them is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import modular
from graphflow_nodes.diffusion.modular.definitions import definitions
from graphflow_nodes.diffusion.modular.forecast import Told
from graphflow_nodes.diffusion.modular.forecast import forecast as needed

from benchmarks.activations import Counter
from graphflow.cli.main import invoke
from graphflow.forecast import IN_TURN, Forecast, Strategy, forecast
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


def graph(folder: Path, pipeline: str, phases: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A document with these phases, one after the other, the last one its output."""
    nodes: dict[str, Any] = {"model": {"type": "modular/load_model", "params": {"model": str(folder)}}}
    for phase, given in phases.items():
        before = {} if len(nodes) == 1 else {"state": [*nodes][-1]}
        nodes[phase] = {
            "type": f"modular/{pipeline}_{phase}",
            "params": given,
            "inputs": {"model": "model", **before},
        }
    return {"graphflow": 1, "nodes": nodes, "outputs": {"out": [*nodes][-1]}}


def forecast_of(folder: Path, tmp_path: Path, pipeline: str, phases: dict[str, dict[str, Any]]) -> Forecast:
    functions = [modular.load_model, *(getattr(modular, f"{pipeline}_{phase}") for phase in phases)]
    with Workspace(tmp_path, registry=Registry().with_nodes(functions), device="cpu") as workspace:
        return forecast(workspace.prepare(workspace.graph(from_raw(graph(folder, pipeline, phases)))).plan())


HELIOS = {"text_encoder": TEXT, "denoise": {**SIZE, "num_frames": 66}, "decode": {}}


def test_a_plan_tells_the_weights_and_what_phases_need_beside_them(
    modular_folder: Folder, tmp_path: Path
) -> None:
    """The decoder hears of the clip's size from the denoise before it."""
    found = forecast_of(modular_folder("helios"), tmp_path, "helios", HELIOS)
    (model,) = found.models.values()
    assert model.footprints[""].whole > 100_000 and not found.unknown
    decode = {need.node: need.working(False) for need in found.needs}["decode"]
    larger = {**HELIOS, "denoise": {**SIZE, "num_frames": 132}}
    twice = forecast_of(modular_folder("helios"), tmp_path, "helios", larger)
    assert {need.node: need.working(False) for need in twice.needs}["decode"] == pytest.approx(2 * decode)
    resident, turn = (found.peak(Strategy(placing)).device for placing in ("resident", IN_TURN))
    assert (resident, turn) == (model.footprints[""].whole + decode, model.footprints[""].turn + decode)


def test_what_making_pixels_needs_is_counted(modular_bench: Bench) -> None:
    """Against every tensor that is made; of the denoiser, test_diffusion_activations.py counts them."""
    bench = modular_bench("helios")
    size = {"height": 64, "width": 96, "num_frames": 66}
    state = bench.clip([("text_encoder", TEXT), ("denoise", {**size, "num_inference_steps": 1})])
    bench.run("decode", state)  # so that its weights are there
    live = [part for part in bench.opened.values() if isinstance(part, torch.nn.Module)]
    counter = Counter([each for part in live for each in (*part.parameters(), *part.buffers())])
    with torch.no_grad(), counter:
        bench.run("decode", state)
    helios = definitions()["helios"]
    told = needed(helios, helios.phase("decode"))({"model": bench.model, "state": Told(size)})
    assert told is not None and told.device == pytest.approx(counter.peak, rel=0.05)


def test_nobody_knows_what_other_models_need_beside_their_weights(
    modular_folder: Folder, tmp_path: Path
) -> None:
    phases = {"text_encoder": {**SIZE, "num_frames": 5, "prompt": "a ball"}, "denoise": {}}
    found = forecast_of(modular_folder("cosmos3_omni"), tmp_path, "cosmos3_omni", phases)
    assert found.unknown == ["text_encoder", "denoise"], "weights are not all that they need"


def test_a_model_that_is_not_here_has_no_known_size(modular_bench: Bench) -> None:
    model = modular_bench("helios").model
    gone = model.source.model_copy(update={"model": "owner/name"})
    parts = {name: part.model_copy(update={"source": gone}) for name, part in model.parts.items()}
    assert model.model_copy(update={"parts": parts}).footprints()[""].whole == 0


@pytest.mark.parametrize("command", [("explain",), ("models", "fit", "--vram", "8")])
def test_the_command_line_says_that_weights_alone_are_known(
    modular_folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    raw = graph(modular_folder("cosmos3_omni"), "cosmos3_omni", {"text_encoder": {"prompt": "a ball"}})
    file = tmp_path / "flow.json"
    file.write_bytes(dump(from_raw(raw)))
    assert invoke([*command, str(file), "--data-dir", str(tmp_path / "data")]) == 0
    told = capsys.readouterr().out
    assert "weights alone are: what text_encoder needs beside its models" in told
