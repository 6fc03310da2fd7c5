"""The toy world: coloured shapes that move, with captions, a scorer and the recipe of the embedded models.

Nothing here imports torch at import time; `render`, `score` and `training` do, and are imported by name.
"""

from .caption_fit import caption_fit
from .clip import clip
from .effect_clip import effect_clip, effect_scenes
from .effect_score import effect_strength
from .scenes import scenes

__all__ = ["caption_fit", "clip", "effect_clip", "effect_scenes", "effect_strength", "scenes"]
