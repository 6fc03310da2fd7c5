"""Training of effects: captions, buckets, latents, LoRAs, whole models, and what an effect measures.

Importing this needs no torch.
"""

from .buckets import bucket_clips, bucket_size, fit_bucket
from .captions import trigger_caption, trigger_clips
from .chart import loss_chart
from .distort import slow_motion
from .effect import effect_ratio, measure_effect
from .extract import extract_lora
from .latents import encode_clip
from .preferences import check_preferences, prefer, preference_label, preference_sets, save_preferences
from .save import save_lora, save_weights
from .settings import settings
from .sheet import compare_sheet
from .sweep import weight_list
from .train_dpo import dpo_lora
from .train_full import train_full
from .train_lora import train_lora

__all__ = [
    "bucket_clips",
    "bucket_size",
    "check_preferences",
    "compare_sheet",
    "dpo_lora",
    "effect_ratio",
    "encode_clip",
    "extract_lora",
    "fit_bucket",
    "loss_chart",
    "measure_effect",
    "prefer",
    "preference_label",
    "preference_sets",
    "save_lora",
    "save_preferences",
    "save_weights",
    "settings",
    "slow_motion",
    "train_full",
    "train_lora",
    "trigger_caption",
    "trigger_clips",
    "weight_list",
]
