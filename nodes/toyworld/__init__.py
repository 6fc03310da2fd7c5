"""The toy world: coloured shapes that move, with captions, a scorer and the recipe of the embedded model.

Nothing here imports torch at import time; `render`, `score` and `training` do, and are imported by name.
"""
