"""Measures of clips that need no weights. Importing this needs no torch."""

from .choice import best
from .quality import clip_quality, sharpness

__all__ = ["best", "clip_quality", "sharpness"]
