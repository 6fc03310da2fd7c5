"""Nodes made from definitions: their signatures, what they refuse, and a whole graph."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graphflow_nodes.diffusion import modular
from graphflow_nodes.diffusion.modular.definitions import BLOCKS, PIPELINES, definitions
from graphflow_nodes.diffusion.modular.describe import as_json, described
from graphflow_nodes.diffusion.modular.recipes import MODULAR_INDEX, ModularModel
from graphflow_nodes.diffusion.modular.state import ModularState, packed, unpacked
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import MissingModel, NodeError, ValueMismatch
from graphflow.graph import build
from graphflow.node import NodeSpec, spec_of
from graphflow.registry import load_registry
from graphflow.testing import run_graph, run_node
from graphflow.values import Image, Video
from graphflow.workflow import parse
from tests.support.tiny_modular import ModularBench

pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")

Bench = Callable[..., ModularBench]
TEXT = {"prompt": "a red ball rolls", "max_sequence_length": 16}
SMALL = {
    "height": 32,
    "width": 32,
    "num_frames": 5,
    "num_latent_frames_per_chunk": 2,
    "num_inference_steps": 1,
}


def spec(name: str) -> NodeSpec:
    found = spec_of(getattr(modular, name))
    assert found is not None
    return found


# ---------------------------------------------------------------------------------------- definitions


def test_the_committed_definitions_are_those_of_the_installed_diffusers() -> None:
    """If this fails, diffusers has changed: run `python -m graphflow_nodes.diffusion.modular`."""
    assert BLOCKS.read_text("utf-8") == as_json(described())


def test_every_pipeline_has_a_node_for_each_phase_up_to_its_frames() -> None:
    for definition in definitions().values():
        phases = [phase.name for phase in definition.phases]
        wanted = phases[: phases.index("decode") + 1]
        assert [p for p in phases if hasattr(modular, f"{definition.slug}_{p}")] == wanted
    assert tuple(definitions()) == PIPELINES
    assert "modular/minimax_h3_denoise" in load_registry().specs


def test_importing_the_nodes_imports_no_torch() -> None:
    program = (
        "import sys\n"
        "for name in ('torch', 'diffusers', 'transformers'): sys.modules[name] = None\n"
        "import graphflow_nodes.diffusion.modular\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_plain_inputs_are_settings_pictures_are_ports_and_tensors_are_not_seen() -> None:
    node = spec("helios_vae_encoder")

    assert {name: port.type for name, port in node.ports.items() if port.required} == {
        "model": ModularModel,
        "state": ModularState,
    }
    assert node.ports["image"].type == Image | None and node.ports["video"].type == Video | None
    assert set(node.settings) == {"height", "width", "num_latent_frames_per_chunk", "seed"}
    assert node.seeds == {"seed"}
    assert node.params().model_dump() == {
        "height": 384, "width": 640, "num_latent_frames_per_chunk": 9, "seed": 0
    }  # fmt: skip
    assert "height: The height in pixels" in node.doc


def test_what_a_phase_that_always_runs_has_settled_is_not_asked_again() -> None:
    assert "prompt" in spec("wan_animate_2_text_encoder").settings
    assert set(spec("wan_animate_2_denoise").settings) == {"seed", "num_inference_steps", "guidance"}
    assert set(spec("ltx2_5_decode").settings) == {"fps"}, "sizes and seed are those of the denoise"


def test_the_first_phase_needs_no_state_and_the_one_after_an_optional_one_may_have_one() -> None:
    assert "state" not in spec("helios_text_encoder").ports
    assert not spec("ltx2_5_text_encoder").ports["state"].required
    assert spec("ltx2_5_denoise").ports["state"].required


def test_pipelines_with_sound_give_it_beside_the_frames() -> None:
    assert list(spec("minimax_h3_decode").outputs) == ["video", "audio"]
    assert spec("helios_decode").outputs == {"out": Video}


# -------------------------------------------------------------------------------------------- refusals


def test_a_state_of_another_model_is_refused_before_weights_are_loaded(modular_bench: Bench) -> None:
    helios, pyramid = modular_bench("helios"), modular_bench("helios_pyramid")
    text = helios.run("text_encoder", **TEXT)
    context = pyramid.context()
    context.opened = {}

    with pytest.raises(ValueMismatch, match="made for another model") as caught:
        pyramid.run("denoise", text, context=context)

    assert caught.value.where == "state" and context.opened == {}


def test_a_model_of_another_pipeline_is_refused(modular_bench: Bench) -> None:
    with pytest.raises(ValueMismatch, match="is for 'helios', this node for 'cosmos3-omni'"):
        run_node(modular.cosmos3_omni_text_encoder, modular_bench("helios").model, prompt="a ball")


def test_a_phase_that_was_left_out_is_named(modular_bench: Bench) -> None:
    bench = modular_bench("helios")
    text = bench.run("text_encoder", **TEXT)

    with pytest.raises(NodeError, match="decode needs what denoise makes") as caught:
        bench.run("decode", text)
    assert "modular/helios_denoise" in caught.value.hint

    with pytest.raises(NodeError, match="comes before it"):
        bench.run("vae_encoder", bench.run("denoise", text, **SMALL))


def test_an_optional_phase_that_the_settings_ask_for_is_named(modular_bench: Bench) -> None:
    """Without a number of frames, LTX-2.5 says itself how long a clip should be."""
    bench = modular_bench("ltx2_5")
    text = bench.run("text_encoder", **TEXT)
    context = bench.context()
    context.opened = {}

    with pytest.raises(NodeError, match="denoise needs what duration makes") as caught:
        bench.run("denoise", text, context=context, height=32, width=32)

    assert "modular/ltx2_5_duration" in caught.value.hint and context.opened == {}


def test_a_setting_that_an_earlier_phase_has_settled_otherwise_is_refused(modular_bench: Bench) -> None:
    bench = modular_bench("helios")
    encoding = {"height": 32, "width": 32, "num_latent_frames_per_chunk": 2}
    image = Image(pixels=_grey())
    seen = bench.run("vae_encoder", bench.run("text_encoder", **TEXT), image=image, **encoding)

    with pytest.raises(NodeError, match="height is settled by an earlier phase"):
        bench.run("denoise", seen, height=64)
    bench.run("denoise", seen, height=32, num_frames=5, num_inference_steps=1)  # the same is no contradiction


def test_a_size_that_does_not_fit_the_patches_is_refused_before_weights_are_loaded(
    modular_bench: Bench,
) -> None:
    bench = modular_bench("helios")
    text = bench.run("text_encoder", **TEXT)
    context = bench.context()
    context.opened = {}

    with pytest.raises(NodeError, match="height 40 is no multiple of 16") as caught:
        bench.run("denoise", text, context=context, **{**SMALL, "height": 40})

    assert caught.value.hint == "choose 32 or 48" and context.opened == {}


def test_a_part_that_the_model_lacks_is_named_before_weights_are_loaded(modular_bench: Bench) -> None:
    bench = modular_bench("helios")
    without = {name: part for name, part in bench.model.parts.items() if name != "transformer"}
    model, text = bench.model.model_copy(update={"parts": without}), bench.run("text_encoder", **TEXT)
    context = bench.context()
    context.opened = {}

    with pytest.raises(NodeError, match="has no transformer, which denoise needs") as caught:
        run_node(modular.helios_denoise, model, text, context=context, **SMALL)

    assert caught.value.where == "model" and context.opened == {}


def test_what_the_pipeline_itself_refuses_is_told_in_its_words(modular_bench: Bench) -> None:
    """Cosmos 3 wants its safety checker unless the model's index says otherwise."""
    bench = modular_bench("cosmos3_omni")
    guarded = bench.model.model_copy(update={"configs": {"enable_safety_checker": True}})

    with pytest.raises(NodeError, match="cosmos3-omni refuses this: Cosmos3 requires a safety checker"):
        run_node(modular.cosmos3_omni_text_encoder, guarded, prompt="a ball", context=bench.context())


_plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
_nested = st.recursive(
    _plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_nested)
def test_plain_data_of_a_state_comes_back_as_it_was(content: Any) -> None:
    again = unpacked(packed("anything", content), "cpu")
    assert again == content and type(again) is type(content)


def test_tensors_dtypes_and_pictures_of_a_state_come_back_as_they_were() -> None:
    import torch
    from PIL import Image as Pillow

    tensor = torch.arange(3.0)
    content = {"a": [tensor, torch.bfloat16], "b": Pillow.new("RGB", (4, 2), (1, 2, 3))}

    again = unpacked(packed("anything", content), "cpu")

    assert torch.equal(again["a"][0], tensor) and again["a"][1] is torch.bfloat16
    assert again["a"][0] is not tensor, "a block may write into its copy"
    assert again["b"].size == (4, 2) and again["b"].getpixel((3, 1)) == (1, 2, 3)


def test_a_live_thing_in_a_state_cannot_travel() -> None:
    with pytest.raises(NodeError, match="'kv_cache', a object, which cannot travel"):
        packed("kv_cache", object())


# ---------------------------------------------------------------------------------------------- models


def test_a_folder_without_an_index_a_stranger_and_a_broken_model_are_refused(
    modular_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    with pytest.raises(MissingModel, match="there is no model"):
        run_node(modular.load_model, model=str(tmp_path / "absent"))

    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "WanPipeline"}))
    with pytest.raises(NodeError, match="names WanPipeline, which is no modular pipeline"):
        run_node(modular.load_model, model=str(tmp_path))

    folder = tmp_path / "copy"
    shutil.copytree(modular_folder("helios"), folder)
    bench = ModularBench("helios", folder)
    next((folder / "text_encoder").glob("*.safetensors")).unlink()
    with pytest.raises(ValueMismatch, match="has changed since this run was planned"):
        bench.run("text_encoder", **TEXT)
    with pytest.raises(MissingModel, match="lacks weights: text_encoder"):
        ModularBench("helios", folder).run("text_encoder", **TEXT)


def test_a_part_without_weights_that_cannot_be_opened_is_named(
    modular_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(modular_folder("helios"), folder)
    for path in (folder / "tokenizer").iterdir():
        path.unlink()

    with pytest.raises(NodeError, match=r"tokenizer of model .* cannot be opened"):
        ModularBench("helios", folder).run("text_encoder", **TEXT)


def test_an_index_cannot_name_code_or_leave_its_folder(
    modular_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(modular_folder("helios"), folder)
    index = json.loads((folder / MODULAR_INDEX).read_text("utf-8"))
    index["text_encoder"][2]["subfolder"] = "../elsewhere"
    (folder / MODULAR_INDEX).write_text(json.dumps(index))
    with pytest.raises(NodeError, match="which is no subfolder"):
        run_node(modular.load_model, model=str(folder))

    index["text_encoder"] = ["os", "system", {"subfolder": "text_encoder"}]
    (folder / MODULAR_INDEX).write_text(json.dumps(index))
    with pytest.raises(NodeError, match="names no usable class for 'text_encoder'"):
        ModularBench("helios", folder).run("text_encoder", **TEXT)


def test_the_same_files_elsewhere_are_the_same_model(
    modular_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    shutil.copytree(modular_folder("helios"), tmp_path / "copy")
    models = [
        run_node(modular.load_model, model=str(folder))
        for folder in (modular_folder("helios"), tmp_path / "copy")
    ]
    assert models[0].source.identity == models[1].source.identity
    assert models[0].memory_bytes() > 10_000


# ----------------------------------------------------------------------------------------------- graph


def test_a_graph_of_phases_runs(modular_folder: Callable[[str], Path]) -> None:
    nodes = {
        "model": {"type": "modular/load_model", "params": {"model": str(modular_folder("helios"))}},
        "text": {"type": "modular/helios_text_encoder", "params": TEXT, "inputs": {"model": "model"}},
        "denoise": {
            "type": "modular/helios_denoise",
            "params": {**SMALL, "seed": 3},
            "inputs": {"model": "model", "state": "text"},
        },
        "decode": {
            "type": "modular/helios_decode",
            "params": {"fps": 8.0},
            "inputs": {"model": "model", "state": "denoise"},
        },
    }
    functions: list[Any] = [
        modular.load_model,
        modular.helios_text_encoder,
        modular.helios_denoise,
        modular.helios_decode,
    ]
    document = {"graphflow": 1, "nodes": nodes, "outputs": {"video": "decode"}}

    video = run_graph(document, functions)["video"]

    assert isinstance(video, Video) and video.fps == 8
    assert tuple(video.frames.shape) == (5, 32, 32, 3)


def test_the_graph_of_the_guide_is_valid() -> None:
    guide = (Path(__file__).parents[4] / "docs" / "guide" / "modular.md").read_text("utf-8")
    source = guide.partition("```json\n")[2].partition("```")[0]

    build(parse(source), load_registry())


def _grey() -> Any:
    import torch

    return torch.full((32, 32, 3), 128, dtype=torch.uint8)
