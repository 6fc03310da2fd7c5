"""graphflow: a node-graph engine for open video-generation models."""

from __future__ import annotations

__version__ = "0.1.0"
