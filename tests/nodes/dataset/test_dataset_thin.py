"""Copies, crowds and the split."""

from __future__ import annotations

import io

import numpy
import pytest
import torch
from graphflow_nodes.dataset import (
    balance,
    cut_shots,
    deduplicate,
    deduplicate_by_meaning,
    describe_pairs,
    frame_pairs,
    list_files,
    measure,
    sessions,
    split,
)
from graphflow_nodes.dataset.thin import Embed, Embedder
from graphflow_nodes.dataset.values import Clip, EditPair, Score
from PIL import Image as Pillow

from graphflow.errors import NodeError
from graphflow.testing import run_node
from graphflow.values import Image
from tests.nodes.dataset.conftest import Frames, Save, camera_over_texture, moving_scenes, toy_frames, video


def clip(id: str, source: str = "s", **scores: Score) -> Clip:
    """A clip with these columns."""
    place = {"path": "x.mp4", "start": 0.0, "end": 1.0, "fps": 8.0, "height": 4, "width": 4}
    return Clip(id=id, source=source, scores=scores, **place)  # type: ignore[arg-type]


def measured(id: str, frames: Frames) -> Clip:
    return clip(id, **run_node(measure, video(frames)))


def packed(frames: Frames) -> Frames:
    """The same clip, smaller and through a lossy codec."""
    found = []
    for frame in frames:
        buffer = io.BytesIO()
        Pillow.fromarray(frame).resize((72, 48)).save(buffer, "JPEG", quality=60)
        found.append(numpy.asarray(Pillow.open(buffer)))
    return numpy.stack(found)


def test_another_encoding_is_a_copy_and_another_clip_is_not() -> None:
    clips = [camera_over_texture([(i, 0) for i in range(6)], seed=seed) for seed in range(6)]
    items = [measured(str(i), frames) for i, frames in enumerate(clips)]
    items += [measured(f"copy-of-{i}", packed(clips[i])) for i in (1, 4)]
    found = run_node(deduplicate, items)
    assert [item.id for item in found if item.rejected] == ["copy-of-1", "copy-of-4"]
    assert found[-1].reason == "looks like 4"
    sharpest = run_node(deduplicate, items[::-1], keep="sharpest")
    assert [item.id for item in sharpest if item.rejected] == ["copy-of-4", "copy-of-1"]


def test_a_copy_of_a_copy_names_the_one_that_stays() -> None:
    frames = camera_over_texture([(0, 0)])
    found = run_node(deduplicate, [measured(str(i), frames) for i in range(4)])
    assert [item.reason for item in found] == ["", *["looks like 0"] * 3]


def test_ten_thousand_are_compared_with_each_other() -> None:
    rng = numpy.random.default_rng(0)
    codes = rng.integers(0, 2**63, (10_000, 3))
    codes[9_000:] = codes[:1000]
    items = [
        clip(str(i), phash="".join(f"{int(part):016x}" for part in code)) for i, code in enumerate(codes)
    ]
    found = run_node(deduplicate, items)
    assert [int(item.id) for item in found if item.rejected] == list(range(9_000, 10_000))


def test_clips_without_a_hash_cannot_be_compared() -> None:
    with pytest.raises(NodeError, match="phash"):
        run_node(deduplicate, [clip("a")])


def test_pairs_are_copies_if_both_pictures_and_the_words_are() -> None:
    def pairs(index: int) -> list[EditPair]:
        scene_clip = video(toy_frames(moving_scenes(2, 5))[index])
        return list(run_node(describe_pairs, scene_clip, run_node(frame_pairs, scene_clip)))

    (one,), (two,) = pairs(0), pairs(1)
    again = one.model_copy(update={"id": "again"})
    noisy = one.after.pixels.int() + torch.randint(-3, 4, one.after.pixels.shape)
    near = one.model_copy(update={"id": "near", "after": Image(pixels=noisy.clip(0, 255).to(torch.uint8))})
    words = one.model_copy(update={"id": "words", "instruction": "dance"})
    found = run_node(deduplicate, [one, two, again, near, words])
    assert [item.id for item in found if item.rejected] == ["again", "near"]


def test_sessions_are_copies_if_their_ends_and_all_words_are() -> None:
    frames = toy_frames(moving_scenes(1, 5), 17)[0]
    scene_clip = video(numpy.concatenate([frames, frames[-2::-1]]))
    pairs = run_node(frame_pairs, scene_clip, strategy="every_k", every=8)
    (one,) = run_node(sessions, run_node(describe_pairs, scene_clip, pairs))
    again = one.model_copy(update={"id": "again"})
    words = one.model_copy(update={"id": "words", "instructions": ["dance", *one.instructions[1:]]})
    found = run_node(deduplicate, [one, again, words])
    assert [item.id for item in found if item.rejected] == ["again"]


def test_no_concept_has_more_than_its_part() -> None:
    items = [clip(f"a{i}", camera="static") for i in range(30)] + [
        clip(f"b{i}", camera="roll") for i in range(5)
    ]
    found = run_node(balance, items, by="camera", most=8)
    kept = [item.id for item in found if not item.rejected]
    assert len([id for id in kept if id[0] == "a"]) == 8 and len([id for id in kept if id[0] == "b"]) == 5
    half = run_node(balance, items, by="camera", share=0.5)
    assert sum(not item.rejected for item in half) == 10
    assert next(item for item in half if item.rejected).reason == "there are 30 with camera 'static', 5 stay"
    more = run_node(balance, [*items, clip("a30", camera="static")], by="camera", most=8)
    stayed = {item.id for item in more if not item.rejected}
    assert len(stayed & set(kept)) >= 12  # one more does not draw all anew
    with pytest.raises(NodeError, match="no column 'colour'"):
        run_node(balance, items, by="colour")


def test_pieces_of_one_source_stay_together_and_nothing_moves_when_more_come() -> None:
    items = [clip(f"{source}-{i}", source=f"film{source}") for source in range(200) for i in range(3)]
    found = run_node(split, items, validation=0.2, test=0.1, seed=3)
    parts = {item.source: item.split for item in found}
    assert all(parts[item.source] == item.split for item in found)
    counts = {name: list(parts.values()).count(name) for name in ("train", "validation", "test")}
    assert 120 < counts["train"] < 160 and 25 < counts["validation"] < 55 and 8 < counts["test"] < 35
    more = run_node(split, [*items, clip("new", source="new")], validation=0.2, test=0.1, seed=3)
    assert [item.split for item in more[:-1]] == [item.split for item in found]
    with pytest.raises(NodeError, match="more than everything"):
        run_node(split, items, validation=0.7, test=0.5)


class Hue(Embedder):
    """Sees nothing but the mean colour."""

    def open(self, device: str) -> Embed:
        return lambda image: [float(v) - 128 for v in image.pixels.float().mean(dim=(0, 1))]


class Uneven(Embedder):
    """Gives vectors of different lengths."""

    def open(self, device: str) -> Embed:
        return lambda image: [1.0] * int(image.pixels.sum() % 7 + 1)


def test_what_a_model_takes_for_the_same_is_refused(save_clip: Save) -> None:
    tints = {"a": (1, 0.2, 0.2), "b": (0.2, 0.2, 1), "c": (0.9, 0.2, 0.2)}
    for place, (name, tint) in enumerate(tints.items()):
        frames = camera_over_texture([(i, 0) for i in range(9)], seed=place) * numpy.array(tint)
        folder = save_clip(f"{name}.mp4", frames.astype(numpy.uint8)).parent
    (folder / "d.mp4").write_bytes(b"?")
    clips = [clip for file in run_node(list_files, folder=str(folder)) for clip in run_node(cut_shots, file)]
    found = run_node(deduplicate_by_meaning, clips, Hue(), likeness=0.95)
    assert [item.rejected for item in found] == ["", "", "alike", "read"]
    assert found[2].reason.startswith(f"as {clips[0].id}: likeness is 0.9")
    assert not any(
        item.rejected == "alike" for item in run_node(deduplicate_by_meaning, clips, Hue(), likeness=1.0)
    )
    with pytest.raises(NodeError, match="Uneven"):
        run_node(deduplicate_by_meaning, clips, Uneven())
