"""Saving by the engine, as the media pack does it: one way to write, and to see what stands."""

from __future__ import annotations

from graphflow_nodes.media.files import save, still_stands

__all__ = ["save", "still_stands"]
