"""Evaluation: metrics of clips, the defect bench that proves them, statistics, reports, gates and choices.

Importing this needs no torch.
"""

from .aesthetic import linear_aesthetic
from .arena import blind_pairs, rank, read_votes
from .arena_page import arena_page
from .bench import case_label, defect_bench, defect_cases, defect_clip
from .captioner import blip_captioner
from .choice import best, best_by
from .compare import compare
from .detector import owl_detector
from .embedder import embedder
from .fidelity import camera_motion, fidelity, join, preservation, seams
from .flow import flow, opencv_flow
from .following import follow, structure
from .gate import assert_bench, assert_metric
from .imaging import clip_quality_rater
from .interpolator import flow_interpolator
from .judge import llava_judge
from .measure import join_tables, measure, measurement, merge_scores, metric_value, score_table
from .perceiver import perceiver_flow
from .physics import physics_iq, simulate
from .quality import clip_quality, sharpness
from .recogniser import videomae_recogniser
from .report import report
from .save import save_scores
from .vbench import (
    ask_judge,
    vbench_aesthetic,
    vbench_consistency,
    vbench_motion,
    vbench_objects,
    vbench_smoothness,
    vbench_style,
    vbench_total,
)
from .vbench_words import vbench_action, vbench_colour, vbench_imaging, vbench_scene, vbench_video_text
from .video_text import xclip

__all__ = [
    "arena_page",
    "ask_judge",
    "assert_bench",
    "assert_metric",
    "best",
    "best_by",
    "blind_pairs",
    "blip_captioner",
    "camera_motion",
    "case_label",
    "clip_quality",
    "clip_quality_rater",
    "compare",
    "defect_bench",
    "defect_cases",
    "defect_clip",
    "embedder",
    "fidelity",
    "flow",
    "flow_interpolator",
    "follow",
    "join",
    "join_tables",
    "linear_aesthetic",
    "llava_judge",
    "measure",
    "measurement",
    "merge_scores",
    "metric_value",
    "opencv_flow",
    "owl_detector",
    "perceiver_flow",
    "physics_iq",
    "preservation",
    "rank",
    "read_votes",
    "report",
    "save_scores",
    "score_table",
    "seams",
    "sharpness",
    "simulate",
    "structure",
    "vbench_action",
    "vbench_aesthetic",
    "vbench_colour",
    "vbench_consistency",
    "vbench_imaging",
    "vbench_motion",
    "vbench_objects",
    "vbench_scene",
    "vbench_smoothness",
    "vbench_style",
    "vbench_total",
    "vbench_video_text",
    "videomae_recogniser",
    "xclip",
]
