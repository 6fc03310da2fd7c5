"""The toy world: coloured shapes that move, with captions, a scorer and the recipe of the embedded models.

Nothing here imports torch at import time; `render`, `score` and `training` do, and are imported by name.
"""

from .clip import clip
from .scenes import scenes

__all__ = ["clip", "scenes"]
