"""Every template runs on a tiny model, is canonical, and computes only what a change touches."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from graphflow import templates, workflow
from graphflow.result import Result
from graphflow.values import Audio, Image, SavedFile, Video
from graphflow.workspace import Workspace

NAMES = sorted(templates.templates())


class Player:
    """Runs templates in one workspace and remembers what each run did, by node."""

    def __init__(self, workspace: Workspace, out_dir: Path) -> None:
        self.workspace = workspace
        self.out_dir = out_dir
        self.computed: Counter[str] = Counter()
        self.cached: Counter[str] = Counter()

    def __call__(self, name: str, **values: Any) -> Result:
        document, folder = templates.find(name)
        events: list[Any] = []
        graph = self.workspace.graph(document, values, folder=folder)
        result = self.workspace.run(graph, out_dir=self.out_dir, on_event=events.append)
        assert result.status == "finished", result.failures
        self.computed = Counter(e.node for e in events if e.type == "node.finished")
        self.cached = Counter(e.node for e in events if e.type == "node.cached")
        return result

    def files(self) -> set[str]:
        return {path.name for path in self.out_dir.iterdir()}


@pytest.fixture
def play(workspace: Workspace, tmp_path: Path) -> Player:
    return Player(workspace, tmp_path / "out")


VARIANTS = {
    "image_to_video": "wan22_image",
    "edit_image": "wan22_image",
    "evaluation_physics": "wan22_image",
    "edit_pairs_from_clip": "wan22_image",
    "edit_sessions_multiturn": "wan22_image",
    "first_last_frame": "wan_vace",
    "control_to_video": "wan_vace",
    "pose_to_video": "wan_vace",
    "inpaint_video": "wan_vace",
    "outpaint_video": "wan_vace",
}
"""The kind of tiny model that a template needs, where it is not one for text to video."""

SHAPES = {
    "animate_person": (13, 32, 32),
    "extend_video": (21, 16, 32),
    "keyframes_to_video": (17, 32, 64),
    "long_video": (17, 16, 32),
    "long_video_asynchronous": (17, 16, 32),
    "ltx_text_to_video": (9, 32, 64),
    "ltx_two_scale": (9, 64, 128),
    "prompt_timeline": (33, 32, 64),
    "replace_person": (13, 32, 32),
    "start_end_video": (9, 16, 32),
    "text_to_video_with_sound": (9, 64, 64),
    "two_expert_text_to_video": (5, 32, 32),
    "upscaled_text_to_video": (13, 64, 64),
}
"""Frames, height and width of what templates make with the tiny random model that they come with."""


_LESS = {"count": 2, "steps": 2, "batch": 2}
FEW: dict[str, dict[str, Any]] = {
    "effect_cakeify_train": {**_LESS, "tries": 1},
    "effect_3d_dissolve_train": {**_LESS, "tries": 1},
    "effect_apply_compare": {**_LESS, "prompts": "a red ball", "weights": [0.0, 1.0]},
    "full_finetune_then_extract_lora": {**_LESS, "tries": 1},
    "preference_train": {"pairs": 2, "prompts": 2, "steps": 2, "batch": 2, "denoise_steps": 2},
}
"""What templates that train for minutes are asked for here."""

UNPROMISED: dict[str, dict[str, Any]] = {
    "image_to_video": {"worst_first": None},
    "first_last_frame": {"worst_end": None},
}
"""Promises that a model of random numbers cannot keep."""


@pytest.fixture
def model(request: pytest.FixtureRequest, tiny: Callable[[str], Path]) -> dict[str, Any]:
    """The model that a template is run with; one that needs none runs as it comes."""
    name = request.getfixturevalue("name")
    document, _ = templates.find(name)
    if "model" not in document.parameters:
        return {}
    own = str(document.nodes["model"].params["model"])
    few = {**FEW.get(name, {}), **UNPROMISED.get(name, {})}
    return {"model": own if name in SHAPES else str(tiny(VARIANTS.get(name, "wan21"))), **few}


def test_the_templates_of_the_readme_exist() -> None:
    expected = {"text_to_video", "text_to_image", "two_expert_text_to_video", "prompt_grid", "best_of_n"}
    assert expected <= set(NAMES) and VARIANTS.keys() | SHAPES.keys() <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_is_saved_canonically(name: str) -> None:
    path = templates.templates()[name]
    assert workflow.dump(workflow.load(path)) == path.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_template_describes_itself_and_every_parameter(name: str) -> None:
    document, _ = templates.find(name)
    assert document.name == name
    assert document.description
    assert all(parameter.description for parameter in document.parameters.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_template_runs_by_changing_the_model_alone_and_a_second_run_computes_nothing(
    name: str, model: dict[str, Any], play: Player
) -> None:
    result = play(name, **model)
    assert play.computed
    if name in SHAPES:
        assert result.value("video").frames.shape == (*SHAPES[name], 3)
    for output in templates.find(name)[0].outputs:
        check_value(result.value(output))
    files = play.files()
    assert files
    play(name, **model)
    assert not play.computed
    assert play.files() == files


def check_value(value: Any) -> None:
    """An output holds what its type promises: pictures show something, files are as they are told."""
    match value:
        case Video():
            assert value.frames.dtype == torch.uint8 and value.frames.shape[3] == 3 and value.fps > 0
            assert value.frames.float().std() > 0, "one colour throughout"
        case Image():
            assert value.pixels.dtype == torch.uint8 and value.pixels.float().std() > 0
        case Audio():
            assert value.samples.isfinite().all() and value.samples.abs().max() > 0
        case SavedFile():
            data = Path(value.path).read_bytes()
            assert len(data) == value.size > 0 and hashlib.sha256(data).hexdigest() == value.digest
        case list() | tuple():
            assert value
            for one in value:
                check_value(one)
        case float():
            assert math.isfinite(value)
        case str():
            assert value


def test_a_new_seed_runs_exactly_denoise_decode_and_save(play: Player, one_expert: Path) -> None:
    play("text_to_video", model=str(one_expert), seed=1)
    play("text_to_video", model=str(one_expert), seed=2)
    assert set(play.computed) == {"denoise", "decode", "save"}


def test_a_new_save_setting_runs_only_the_save(play: Player, one_expert: Path) -> None:
    play("text_to_video", model=str(one_expert))
    play("text_to_video", model=str(one_expert), upscale=2)
    assert set(play.computed) == {"save"}


def test_a_prompt_put_in_front_of_a_grid_computes_only_its_own_clips(play: Player, one_expert: Path) -> None:
    play("prompt_grid", model=str(one_expert), prompts="red\nblue", seeds=2)
    play("prompt_grid", model=str(one_expert), prompts="green\nred\nblue", seeds=2)
    assert play.computed["encode"] == 1
    assert play.computed["denoise"] == play.computed["decode"] == play.computed["save_videos"] == 2


def test_a_grid_encodes_each_prompt_once_whatever_the_seeds(play: Player, one_expert: Path) -> None:
    play("prompt_grid", model=str(one_expert), prompts="red\nblue", seeds=3)
    assert play.computed["encode"] == 2
    assert play.computed["denoise"] == 6


def test_a_saved_video_replays_itself_from_the_cache(play: Player, one_expert: Path) -> None:
    result = play("text_to_video", model=str(one_expert), seed=3)
    saved = Path(result.value("file").path)
    play(str(saved))
    assert not play.computed
    assert play.cached["save"] == 1


def test_a_saved_video_replays_to_the_same_bytes_on_a_fresh_machine(
    play: Player, one_expert: Path, tmp_path: Path
) -> None:
    saved = Path(play("text_to_video", model=str(one_expert), seed=3).value("file").path)
    with Workspace(tmp_path / "other") as other:
        again = Player(other, tmp_path / "elsewhere")
        replayed = Path(again(str(saved)).value("file").path)
    assert replayed.read_bytes() == saved.read_bytes()


def test_an_open_seed_is_drawn_and_written_into_the_file(play: Player, one_expert: Path) -> None:
    saved = Path(play("text_to_video", model=str(one_expert), seed=None).value("file").path)
    replayed, _ = templates.find(str(saved))
    assert isinstance(replayed.nodes["denoise"].params["seed"], int)
    play(str(saved))
    assert not play.computed


def test_a_deleted_result_is_saved_again_without_denoising(play: Player, one_expert: Path) -> None:
    saved = Path(play("text_to_video", model=str(one_expert)).value("file").path)
    saved.unlink()
    play("text_to_video", model=str(one_expert))
    assert set(play.computed) == {"save"}
    assert saved.is_file()


def test_the_best_take_is_one_of_the_takes(play: Player, one_expert: Path) -> None:
    result = play("best_of_n", model=str(one_expert), takes=3)
    assert play.computed["decode"] == 3
    assert play.computed["save_best"] == 1
    assert result.value("video").frames.shape[0] == 5


def test_every_way_to_treat_a_model_is_measured_apart(play: Player, one_expert: Path) -> None:
    """Placing is in no key, so without names for them all placings would be one step."""
    placings, methods = ["resident", "leaf"], ["torchao_int8"]
    given = {"placings": placings, "methods": methods, "steps": 2, "dtype": "float32"}
    result = play("quantise_offload_matrix", model=str(one_expert), **given)
    assert play.computed["measure"] == 2 * 4
    apart = result.value("apart")
    assert apart[:2] == [0, 0] and apart[2:4] == pytest.approx([0, 0], abs=1e-5)
    assert all(0 < distance < 0.5 for distance in apart[4:])
    assert [line.partition(":")[0] for line in result.value("table")] == [
        f"{way}, {placing}"
        for way in ("untreated", "other attention", "fp8 layers", *methods)
        for placing in placings
    ]


def test_the_second_model_enlarges_what_the_first_made_and_keeps_more_of_it_at_less_strength(
    play: Player,
) -> None:
    def away(strength: float) -> float:
        result = play("upscaled_text_to_video", strength=strength)
        small, large = result.value("small").frames, result.value("video").frames
        assert small.shape[1:3] == (32, 32) and large.shape[1:3] == (64, 64)
        shrunk = large.float().unflatten(1, (32, 2)).unflatten(3, (32, 2)).mean((2, 4))
        return float((shrunk - small).abs().mean())

    assert away(0.1) < 0.7 * away(1.0)
    assert set(play.computed) == {"condition", "refine", "decode_large", "save"}
