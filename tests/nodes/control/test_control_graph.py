"""Control inputs inside graphs, from settings to a control video and its mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import graphflow_nodes.control as control
import graphflow_nodes.media as media
import graphflow_nodes.std as std
import torch

from graphflow.testing import LocalContext, run_graph, run_node
from graphflow.values import Video

NODES = [getattr(pack, name) for pack in (std, media, control) for name in pack.__all__]
CLIP = {"frames": 5, "width": 64, "height": 48, "fps": 8.0}


def graph(nodes: dict[str, Any], **outputs: str) -> dict[str, Any]:
    return {"graphflow": 1, "name": "test", "nodes": nodes, "outputs": outputs}


def test_a_walk_becomes_a_control_video_and_is_found_in_it() -> None:
    nodes = {
        "walk": {"type": "control/walker", "params": {**CLIP, "width": 256, "height": 192}},
        "drawn": {"type": "control/draw_pose", "inputs": {"pose": "walk"}},
        "detector": {"type": "control/drawn_pose_detector"},
        "found": {"type": "control/detect_pose", "inputs": {"video": "drawn", "detector": "detector"}},
        "score": {"type": "control/pose_distance", "inputs": {"pose": "found", "reference": "walk"}},
    }
    found = run_graph(graph(nodes, video="drawn", followed="score.followed"), NODES)
    assert found["video"].frames.shape == (5, 192, 256, 3) and found["followed"] > 0.9


def test_a_moving_box_is_cut_out_and_put_back(tmp_path: Path) -> None:
    clip = Video(frames=torch.randint(0, 256, (5, 48, 64, 3), dtype=torch.uint8), fps=8.0)
    source = run_node(media.save_frames, clip, context=LocalContext(out_dir=tmp_path)).path
    nodes = {
        "clip": {"type": "media/load_frames", "params": {"path": source, "fps": 8.0}},
        "box": {"type": "control/box_path", "params": {**CLIP, "path": "0: 4 4 20 20\n4: 40 20 60 40"}},
        "inside": {"type": "control/mask_boxes", "inputs": {"boxes": "box"}},
        "grown": {"type": "control/grow_mask", "params": {"pixels": 2}, "inputs": {"mask": "inside"}},
        "free": {"type": "control/inpaint", "inputs": {"video": "clip", "mask": "grown"}},
        "back": {
            "type": "control/composite",
            "inputs": {"inside": "clip", "outside": "free.video", "mask": "free.mask"},
        },
    }
    found = run_graph(graph(nodes, free="free.video", mask="free.mask", back="back"), NODES)
    assert torch.equal(found["back"].frames, clip.frames)
    assert (found["free"].frames[found["mask"].frames == 255] == 128).all()


def test_a_list_of_paths_makes_a_list_of_masks() -> None:
    nodes = {
        "paths": {"type": "std/prompt_list", "params": {"prompts": "0: 1 1 9 9\n0: 2 2 30 30"}},
        "box": {"type": "control/box_path", "params": CLIP, "inputs": {"path": "paths"}},
        "mask": {"type": "control/mask_boxes", "inputs": {"boxes": "box"}},
        "both": {"type": "control/combine_masks", "inputs": {"masks": "mask"}},
    }
    found = run_graph(graph(nodes, masks="mask", both="both"), NODES)
    areas = [int((mask.frames[0, ..., 0] > 0).sum()) for mask in found["masks"]]
    assert areas == [64, 784] and int((found["both"].frames[0, ..., 0] > 0).sum()) == 784 + 15
