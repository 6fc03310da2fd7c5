"""Models with weights, tiny and random: that their plumbing is right, not that they know anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from graphflow_nodes.evaluation import (
    ask_judge,
    defect_clip,
    embedder,
    flow,
    flow_interpolator,
    linear_aesthetic,
    llava_judge,
    measure,
    owl_detector,
    perceiver_flow,
    score_table,
    simulate,
    vbench_aesthetic,
    vbench_consistency,
    vbench_motion,
    vbench_objects,
    vbench_smoothness,
    vbench_style,
    vbench_total,
)
from graphflow_nodes.evaluation.bench_values import Case
from graphflow_nodes.evaluation.detector import Detection
from graphflow_nodes.evaluation.flow import ClassicFlow
from graphflow_nodes.evaluation.interpolator import FlowInterpolator
from graphflow_nodes.evaluation.values import Measurement, ScoreRow, Scores, ScoreTable
from graphflow_nodes.evaluation.vbench import related
from graphflow_nodes.evaluation.vbench_table import DIMENSIONS, normalised
from graphflow_nodes.evaluation.weights import pixels_for
from safetensors import safe_open
from safetensors.torch import save_file

from graphflow.errors import MissingModel, NodeError
from graphflow.testing import run_node
from graphflow.values import Video
from tests.support.tiny_judges import save_clip, save_dino, save_llava, save_owl, save_perceiver


@pytest.fixture(scope="module")
def clip() -> Video:
    return run_node(simulate, frames=7, side=32).video


@pytest.fixture(scope="module")
def glide() -> Video:
    """A large ball before a textured ground, fast enough for VBench to call it dynamic."""
    video = run_node(defect_clip, Case(defect="clean", strength=0.0, seed=0, frames=17, side=64))
    return Video(frames=video.frames[::2].contiguous(), fps=8.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judges")


@pytest.fixture(scope="module")
def clip_folder(folder: Path) -> Path:
    return save_clip(folder / "clip")


def value(scores: Scores, metric: str) -> float:
    found = scores.named(metric)
    assert found is not None
    return float(found.value)


def test_consistency_is_vbenchs_formula_over_what_transformers_gives(clip: Video, clip_folder: Path) -> None:
    from transformers import CLIPModel

    model = CLIPModel.from_pretrained(clip_folder).eval()
    with torch.no_grad():
        made = model.get_image_features(
            pixel_values=pixels_for(clip.frames, clip_folder, 32, "cpu", torch.float32)
        )
    looks = torch.nn.functional.normalize(getattr(made, "pooler_output", made), dim=-1).double()
    expected = [
        (max(0.0, float(looks[i] @ looks[i - 1])) + max(0.0, float(looks[i] @ looks[0]))) / 2
        for i in range(1, len(looks))
    ]
    found = run_node(vbench_consistency, clip, run_node(embedder, model=str(clip_folder)), of="background")
    assert value(found, "background_consistency") == pytest.approx(np.mean(expected), abs=1e-5)


def test_dino_sees_pictures_and_says_that_it_knows_no_texts(clip: Video, folder: Path) -> None:
    dino = run_node(embedder, model=str(save_dino(folder / "dino")))
    found = run_node(vbench_consistency, clip, dino)
    assert 0 < value(found, "subject_consistency") <= 1
    with pytest.raises(NodeError, match="knows no texts"):
        run_node(vbench_style, clip, dino, text="a red ball")


def test_style_is_the_cosine_of_frames_and_text(clip: Video, clip_folder: Path) -> None:
    model = run_node(embedder, model=str(clip_folder))
    live = model.open("cpu")
    texts = live.texts(["a red ball", "a photo of a ball"])
    assert texts.shape == (2, 12) and torch.allclose(texts.norm(dim=-1), torch.ones(2))
    assert not torch.allclose(texts[0], texts[1])
    found = run_node(vbench_style, clip, model, text="a red ball")
    assert value(found, "appearance_style") == pytest.approx(
        float((live.images(clip.frames) @ texts[0]).mean()), abs=1e-6
    )


def test_an_aesthetic_head_is_a_linear_layer_and_must_fit(
    clip: Video, clip_folder: Path, folder: Path
) -> None:
    model = run_node(embedder, model=str(clip_folder))
    weight, bias = torch.randn(1, 12), torch.tensor([5.0])
    save_file({"weight": weight, "bias": bias}, folder / "head.safetensors")
    rate = run_node(linear_aesthetic, model, head=str(folder / "head.safetensors"))
    expected = (model.open("cpu").images(clip.frames) @ weight.T + bias).mean() / 10
    assert value(run_node(vbench_aesthetic, clip, rate), "aesthetic_quality") == pytest.approx(
        float(expected), abs=1e-5
    )
    save_file({"weight": torch.randn(1, 7), "bias": bias}, folder / "other.safetensors")
    with pytest.raises(NodeError, match="vectors of 7"):
        run_node(
            vbench_aesthetic, clip, run_node(linear_aesthetic, model, head=str(folder / "other.safetensors"))
        )


def test_perceiver_flow_comes_in_the_clips_own_pixels(clip: Video, folder: Path) -> None:
    model = run_node(perceiver_flow, model=str(save_perceiver(folder / "perceiver")))
    found = run_node(flow, clip, model)
    assert found.forward.shape == (6, 32, 32, 2) and found.wide_backward.shape == (3, 32, 32, 2)
    assert found.forward.isfinite().all() and found.forward.abs().max() > 0
    assert run_node(measure, clip, flow=found, metrics="motion").named("motion") is not None
    smooth = run_node(vbench_smoothness, clip, run_node(flow_interpolator, model))
    assert 0 < value(smooth, "motion_smoothness") < 1


def test_a_frame_between_two_lies_half_way(clip: Video, glide: Video) -> None:
    before, middle, after = glide.frames[:3].split(1)
    between = FlowInterpolator().open("cpu")(before, after)
    wrong = (between.float() - middle.float()).abs().mean()
    mixed = ((before.float() + after.float()) / 2 - middle.float()).abs().mean()
    assert between.dtype == torch.uint8 and wrong < mixed
    still = Video(frames=clip.frames[:1].expand(5, -1, -1, -1).contiguous(), fps=8.0)
    assert value(run_node(vbench_smoothness, still, FlowInterpolator()), "motion_smoothness") == 1


def test_flicker_is_judged_by_still_clips_only(clip: Video, glide: Video) -> None:
    still = Video(frames=clip.frames[:1].expand(16, -1, -1, -1).contiguous(), fps=8.0)
    found = run_node(vbench_motion, still, run_node(flow, still, ClassicFlow()))
    assert value(found, "temporal_flickering") == 1 and value(found, "dynamic_degree") == 0
    other = run_node(vbench_motion, glide, run_node(flow, glide, ClassicFlow()))
    assert value(other, "dynamic_degree") == 1
    assert "clip moves" in other.missing[0].reason


def test_the_detector_finds_boxes_inside_the_frame(clip: Video, folder: Path) -> None:
    model = run_node(owl_detector, model=str(save_owl(folder / "owl")))
    found = model.open("cpu")(clip.frames[0], ["ball", "red"], 0.0)
    assert len(found) == 2 * 16 and {one.word for one in found} == {"ball", "red"}
    for one in found:
        left, top, right, bottom = one.box
        assert 0 <= left <= right <= 32 and 0 <= top <= bottom <= 32 and 0 <= one.score <= 1
    scores = run_node(vbench_objects, clip, model, first="ball", second="red", relation="left", least=0.0)
    assert value(scores, "object_class") == value(scores, "multiple_objects") == 1
    assert 0 <= value(scores, "spatial_relationship") <= 1
    none = run_node(vbench_objects, clip, model, first="ball", least=1.0)
    assert value(none, "object_class") == 0
    with pytest.raises(NodeError, match="two objects"):
        run_node(vbench_objects, clip, model, first="ball", relation="left")


@pytest.mark.parametrize(("relation", "expected"), [("left", 1.0), ("right", 0.0), ("above", 0.0)])
def test_where_boxes_lie(relation: str, expected: float) -> None:
    first, second = Detection("a", 1.0, (0, 0, 10, 10)), Detection("b", 1.0, (20, 2, 30, 12))
    assert related(first, second, relation) == expected
    mirrored = {"left": "right", "right": "left", "above": "below"}[relation]
    assert related(second, first, mirrored) == expected
    close = Detection("b", 1.0, (4, 0, 14, 10))
    assert related(first, close, "left") == pytest.approx(0.1 / (60 / 140))


def test_the_judge_gives_the_probability_of_yes(clip: Video, folder: Path) -> None:
    model = run_node(llava_judge, model=str(save_llava(folder / "llava")), dtype="float32")
    found = value(run_node(ask_judge, clip, model, question="Is the ball red?", samples=2), "judge")
    assert 0 < found < 1
    again = value(run_node(ask_judge, clip, model, question="Is the ball red?", samples=2), "judge")
    other = Video(frames=255 - clip.frames, fps=8.0)
    assert (
        found
        == again
        != value(run_node(ask_judge, other, model, question="Is the ball red?", samples=2), "judge")
    )


def test_a_model_is_known_by_its_files_and_refused_for_what_it_cannot_do(
    clip: Video, clip_folder: Path, folder: Path
) -> None:
    one = run_node(embedder, model=str(clip_folder))
    torch.manual_seed(1)
    other = folder / "copy"
    other.mkdir()
    for path in clip_folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    moved = run_node(embedder, model=str(other))
    assert moved.key_fields() == one.key_fields() and moved.model != one.model
    (other / "config.json").write_text((other / "config.json").read_text() + " ")
    assert run_node(embedder, model=str(other)).key_fields() != one.key_fields()
    with pytest.raises(NodeError, match="'clip' cannot do this"):
        run_node(flow, clip, run_node(perceiver_flow, model=str(clip_folder)))
    with pytest.raises(MissingModel) as error:
        run_node(embedder, model="nobody/nothing")
    assert "hf download nobody/nothing'" in error.value.hint, "all of it, not its config alone"


def test_a_plan_tells_what_a_model_weighs_and_that_its_weights_are_missing(
    clip_folder: Path, folder: Path
) -> None:
    (weights,) = clip_folder.glob("*.safetensors")
    whole = run_node(embedder, model=str(clip_folder), dtype="bfloat16")
    whole.inspect()
    with safe_open(weights, "pt") as file:
        numbers = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    assert whole.memory_bytes() == 2 * numbers
    bare = folder / "bare"
    bare.mkdir()
    (bare / "config.json").write_bytes((clip_folder / "config.json").read_bytes())
    (bare / "pytorch_model.bin").write_bytes(b"never read")
    with pytest.raises(MissingModel, match="only safetensors files are read"):
        run_node(embedder, model=str(bare)).inspect()
    (bare / weights.name).write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(NodeError, match="is not a safetensors file"):
        run_node(embedder, model=str(bare)).inspect()


def table(values: dict[str, float]) -> ScoreTable:
    measured = tuple(Measurement(metric=name, value=v, direction="higher") for name, v in values.items())
    return ScoreTable(rows=(ScoreRow(item="x", system="s", scores=Scores(measurements=measured)),))


def test_vbenchs_table_gives_one_at_the_top_and_the_published_weights() -> None:
    top = {name: known.greatest for name, known in DIMENSIONS.items()}
    (row,) = run_node(vbench_total, table(top)).rows
    assert value(row.scores, "vbench_total") == pytest.approx(1)
    low = {name: known.least for name, known in DIMENSIONS.items()}
    only_dynamic = run_node(vbench_total, table({**low, "dynamic_degree": 1.0})).rows[0].scores
    assert value(only_dynamic, "vbench_quality") == pytest.approx(0.5 / 6.5)
    assert value(only_dynamic, "vbench_total") == pytest.approx(0.8 * 0.5 / 6.5)
    assert normalised("motion_smoothness", 0.9975) == pytest.approx(1)


def test_missing_dimensions_are_said_and_give_no_total() -> None:
    (row,) = run_node(vbench_total, table({"subject_consistency": 0.9, "dynamic_degree": 1.0})).rows
    quality = row.scores.named("vbench_quality")
    assert quality is not None and quality.unit == "2 of 7 dimensions"
    assert row.scores.named("vbench_total") is None and row.scores.named("vbench_semantic") is None
    with pytest.raises(NodeError, match="no dimension"):
        run_node(vbench_total, run_node(score_table, [Scores()]))
