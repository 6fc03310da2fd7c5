"""Modular pipelines of diffusers as nodes, one for each phase, made from their definitions. Imports no torch.

What exists only as blocks - MiniMax-H3, LTX-2.5, Wan-Animate-2, Helios, Cosmos 3 - needs no code of its own.
"""

from .nodes import made_nodes
from .recipes import load_model

globals().update(made_nodes())

__all__ = ["load_model"]
