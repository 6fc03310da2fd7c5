"""Datasets for training: clips curated from files, edit pairs and sessions taken from clips. Importing this
needs no torch."""

from .caption import caption_clips, caption_template, change_captioner
from .cut import cut_shots
from .describe import caption_pairs, describe_pairs, difference_captioner
from .detect_cuts import detect_cuts
from .export import export_pairs, export_sessions
from .export_clips import export_clips
from .filter import filter_items
from .funnel import funnel, kept_items
from .inspect import find_cuts, load_clip, measure, measure_blocks, motion_vectors, score_frames, split_shots
from .judge import judge_pairs, rule_judge
from .listing import list_files, use_file
from .pairs import frame_pairs, measure_pairs, swap_pairs
from .parts import balance, split
from .requests import edit_requests
from .sessions import sessions
from .structured import structured_captions, with_captions
from .table import join_scores, load_table, save_table
from .thin import deduplicate, deduplicate_by_meaning

__all__ = [
    "balance",
    "caption_clips",
    "caption_pairs",
    "caption_template",
    "change_captioner",
    "cut_shots",
    "deduplicate",
    "deduplicate_by_meaning",
    "describe_pairs",
    "detect_cuts",
    "difference_captioner",
    "edit_requests",
    "export_clips",
    "export_pairs",
    "export_sessions",
    "filter_items",
    "find_cuts",
    "frame_pairs",
    "funnel",
    "join_scores",
    "judge_pairs",
    "kept_items",
    "list_files",
    "load_clip",
    "load_table",
    "measure",
    "measure_blocks",
    "measure_pairs",
    "motion_vectors",
    "rule_judge",
    "save_table",
    "score_frames",
    "sessions",
    "split",
    "split_shots",
    "structured_captions",
    "swap_pairs",
    "use_file",
    "with_captions",
]
