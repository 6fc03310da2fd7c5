"""VBench's dimensions of words: formulas on models that say what is wanted, plumbing on tiny random ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from graphflow_nodes.evaluation import (
    blip_captioner,
    clip_quality_rater,
    embedder,
    owl_detector,
    score_table,
    simulate,
    vbench_action,
    vbench_colour,
    vbench_imaging,
    vbench_scene,
    vbench_total,
    vbench_video_text,
    videomae_recogniser,
    xclip,
)
from graphflow_nodes.evaluation.captioner import Captioner, Tell
from graphflow_nodes.evaluation.detector import Detect, Detection, Detector
from graphflow_nodes.evaluation.imaging import QualityRater, RateQuality
from graphflow_nodes.evaluation.recogniser import Recognise, Recogniser
from graphflow_nodes.evaluation.values import Scores
from graphflow_nodes.evaluation.vbench_table import normalised
from graphflow_nodes.evaluation.vbench_words import cut
from graphflow_nodes.evaluation.video_text import middles
from graphflow_nodes.evaluation.weights import pixels_for

from graphflow.errors import NodeError
from graphflow.testing import run_node
from graphflow.values import Tensor, Video
from tests.support.tiny_judges import save_blip, save_clip, save_owl, save_videomae, save_xclip


@pytest.fixture(scope="module")
def clip() -> Video:
    return run_node(simulate, frames=7, side=32).video


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("words")


def value(scores: Scores, metric: str) -> float:
    found = scores.named(metric)
    assert found is not None
    return float(found.value)


def painted(*colours: tuple[int, int, int], side: int = 16) -> Video:
    """A frame of each colour."""
    frames = torch.tensor(colours, dtype=torch.uint8)[:, None, None].expand(-1, side, side, -1)
    return Video(frames=frames.contiguous(), fps=8.0)


RED, BLUE, GREEN, BLACK = (255, 0, 0), (0, 0, 255), (0, 255, 0), (0, 0, 0)


class EyeCaptioner(Captioner):
    """Tells the colour of the middle pixel; of green none."""

    def open(self, device: str) -> Tell:
        names = {RED: "a red ball on an ice rink", BLUE: "A Blue ball", GREEN: "a ball", BLACK: "nothing"}
        return lambda pictures: [
            names[tuple(one[one.shape[0] // 2, one.shape[1] // 2].tolist())] for one in pictures
        ]


class EyeDetector(Detector):
    """Finds one thing in the right half of every frame that is not black."""

    def open(self, device: str) -> Detect:
        def detect(frame: Tensor, words: object, least: float) -> list[Detection]:
            height, width = frame.shape[:2]
            return [Detection("ball", 0.9, (width / 2, 0, width, height))] if frame.any() else []

        return detect


class EyeRecogniser(Recogniser):
    """As sure of each action as it is told."""

    sure: dict[str, float]

    def open(self, device: str) -> Recognise:
        def recognise(frames: Tensor) -> Mapping[str, float]:
            return self.sure

        return recognise


class SizeRater(QualityRater):
    """Rates by the longer side."""

    def open(self, device: str) -> RateQuality:
        return lambda frames: torch.full((len(frames),), max(frames.shape[1:3]) / 10)


# ----------------------------------------------------------------------------------------- formulas


def test_colour_counts_only_frames_in_which_a_colour_is_told() -> None:
    found = run_node(
        vbench_colour,
        painted(RED, BLUE, GREEN, BLACK),
        EyeDetector(),
        EyeCaptioner(),
        thing="ball",
        colour="red",
    )
    assert value(found, "color") == 0.5
    right = run_node(
        vbench_colour, painted(BLUE, GREEN), EyeDetector(), EyeCaptioner(), thing="ball", colour="blue"
    )
    assert value(right, "color") == 1.0


def test_a_thing_whose_colour_nobody_tells_lacks_the_dimension() -> None:
    found = run_node(
        vbench_colour, painted(GREEN, BLACK), EyeDetector(), EyeCaptioner(), thing="ball", colour="red"
    )
    assert found.named("color") is None and "whose colour is told" in found.missing[0].reason


def test_the_part_inside_a_box_is_rounded_outwards_and_stays_in_the_frame() -> None:
    frame = torch.arange(48, dtype=torch.uint8).view(4, 4, 3)
    assert torch.equal(cut(frame, (0.6, 1.2, 2.1, 9.0)), frame[1:4, 0:3])
    assert not cut(frame, (5.0, 0.0, 7.0, 2.0)).numel()


def test_scene_wants_every_word_of_it() -> None:
    video = painted(RED, BLUE, RED, GREEN)
    assert value(run_node(vbench_scene, video, EyeCaptioner(), scene="Ice rink"), "scene") == 0.5
    assert value(run_node(vbench_scene, video, EyeCaptioner(), scene="ice ball park"), "scene") == 0
    assert normalised("scene", 0.8222) == pytest.approx(1)


@pytest.mark.parametrize(
    ("sure", "seen"),
    [
        ({"Riding a bike": 0.9}, 1.0),
        ({"riding a bike": 0.84}, 0.0),
        ({"riding a bike": 0.86, **{f"action {place}": 0.9 for place in range(4)}}, 1.0),
        ({"riding a bike": 0.86, **{f"action {place}": 0.9 for place in range(5)}}, 0.0),
    ],
)
def test_an_action_counts_among_the_best_five_and_if_it_is_probable(
    clip: Video, sure: dict[str, float], seen: float
) -> None:
    found = run_node(vbench_action, clip, EyeRecogniser(sure=sure), action="riding a bike")
    assert value(found, "human_action") == seen


def test_an_action_that_is_not_known_is_refused_with_some_that_are(clip: Video) -> None:
    with pytest.raises(NodeError, match="does not know 'flying'") as told:
        run_node(vbench_action, clip, EyeRecogniser(sure={"juggling": 0.5}), action="flying")
    assert "juggling" in told.value.hint


def test_quality_is_rated_on_frames_of_at_most_512_pixels() -> None:
    tall = Video(frames=torch.zeros(1, 640, 320, 3, dtype=torch.uint8), fps=8.0)
    assert value(run_node(vbench_imaging, tall, SizeRater()), "imaging_quality") == pytest.approx(0.512)
    small = Video(frames=torch.zeros(1, 20, 30, 3, dtype=torch.uint8), fps=8.0)
    assert value(run_node(vbench_imaging, small, SizeRater()), "imaging_quality") == pytest.approx(0.03)


def test_with_these_the_table_of_sixteen_is_full(clip: Video) -> None:
    found = run_node(vbench_action, clip, EyeRecogniser(sure={"juggling": 0.9}), action="juggling")
    found = found.joined(run_node(vbench_imaging, clip, SizeRater()))
    found = found.joined(run_node(vbench_scene, painted(RED), EyeCaptioner(), scene="rink"))
    found = found.joined(
        run_node(vbench_colour, painted(RED), EyeDetector(), EyeCaptioner(), thing="ball", colour="red")
    )
    (row,) = run_node(vbench_total, run_node(score_table, [found])).rows
    assert value(row.scores, "vbench_human_action") == value(row.scores, "vbench_color") == 1
    assert value(row.scores, "vbench_scene") == pytest.approx(1 / 0.8222)
    semantic = row.scores.named("vbench_semantic")
    assert semantic is not None and semantic.unit == "3 of 9 dimensions"


# ------------------------------------------------------------------------------------- tiny models


def test_blip_tells_the_likeliest_words_the_same_every_time(clip: Video, folder: Path) -> None:
    model = run_node(blip_captioner, model=str(save_blip(folder / "blip")), words=4)
    first, again = model.open("cpu")(clip.frames), model.open("cpu")(clip.frames)
    assert len(first) == 7 and first == again
    found = run_node(vbench_scene, clip, model, scene="ball")
    assert 0 <= value(found, "scene") <= 1
    detector = run_node(owl_detector, model=str(save_owl(folder / "owl")))
    coloured = run_node(vbench_colour, clip, detector, model, thing="ball", colour="red", least=0.5)
    assert coloured.named("color") is not None or coloured.missing


def test_videomae_gives_a_sigmoid_for_every_action_it_knows(clip: Video, folder: Path) -> None:
    from transformers import VideoMAEForVideoClassification

    where = save_videomae(folder / "videomae", ["juggling", "flying a kite", "yawning"])
    recogniser = run_node(videomae_recogniser, model=str(where))
    sure = recogniser.open("cpu")(clip.frames)
    model = VideoMAEForVideoClassification.from_pretrained(where).eval()
    with torch.no_grad():
        shown = pixels_for(clip.frames[[0, 2, 4, 6]], where, 32, "cpu", torch.float32)
        expected = model(pixel_values=shown[None]).logits[0].sigmoid()
    assert list(sure) == ["juggling", "flying a kite", "yawning"]
    assert list(sure.values()) == pytest.approx(expected.tolist(), abs=1e-6)
    assert run_node(vbench_action, clip, recogniser, action="Yawning").named("human_action") is not None
    short = recogniser.open("cpu")(clip.frames[:2])
    assert set(short) == set(sure)


def test_xclip_sees_eight_frames_of_the_whole_clip(clip: Video, folder: Path) -> None:
    model = run_node(xclip, model=str(save_xclip(folder / "xclip")))
    fit = model.open("cpu")
    likeness = fit(clip.frames, "a red ball")
    assert -1 <= likeness <= 1 and likeness == fit(clip.frames, "a red ball") != fit(clip.frames, "a photo")
    assert likeness != fit(clip.frames.flip(0), "a red ball")  # order counts
    for dimension in ("temporal_style", "overall_consistency"):
        found = run_node(vbench_video_text, clip, model, text="a red ball", dimension=dimension)
        assert value(found, dimension) == pytest.approx(likeness)
    assert middles(16, 8) == [1, 3, 5, 7, 9, 11, 13, 15] and middles(2, 4) == [0, 0, 1, 1]


def test_quality_without_training_is_the_softmax_of_two_texts(clip: Video, folder: Path) -> None:
    clips = run_node(embedder, model=str(save_clip(folder / "clip")))
    rater = run_node(clip_quality_rater, clips, good="a red ball", bad="a photo")
    live = clips.open("cpu")
    sides = 100 * live.images(clip.frames) @ live.texts(["a red ball", "a photo"]).T
    found = run_node(vbench_imaging, clip, rater)
    assert value(found, "imaging_quality") == pytest.approx(float(sides.softmax(-1)[:, 0].mean()), abs=1e-5)
    other = run_node(clip_quality_rater, clips, good="a photo", bad="a red ball")
    assert value(run_node(vbench_imaging, clip, other), "imaging_quality") == pytest.approx(
        1 - value(found, "imaging_quality"), abs=1e-5
    )
