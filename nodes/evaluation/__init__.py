"""Evaluation: metrics of clips, the defect bench that proves them, statistics, reports, gates and choices.

Importing this needs no torch.
"""

from .arena import blind_pairs, rank, read_votes
from .arena_page import arena_page
from .bench import case_label, defect_bench, defect_cases, defect_clip
from .choice import best, best_by
from .compare import compare
from .flow import classic_flow, flow
from .gate import assert_bench, assert_metric
from .measure import join_tables, measure, measurement, merge_scores, metric_value, score_table
from .physics import physics_iq, simulate
from .quality import clip_quality, sharpness
from .report import report
from .save import save_scores

__all__ = [
    "arena_page",
    "assert_bench",
    "assert_metric",
    "best",
    "best_by",
    "blind_pairs",
    "case_label",
    "classic_flow",
    "clip_quality",
    "compare",
    "defect_bench",
    "defect_cases",
    "defect_clip",
    "flow",
    "join_tables",
    "measure",
    "measurement",
    "merge_scores",
    "metric_value",
    "physics_iq",
    "rank",
    "read_votes",
    "report",
    "save_scores",
    "score_table",
    "sharpness",
    "simulate",
]
