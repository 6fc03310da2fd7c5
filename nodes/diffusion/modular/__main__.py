"""`python -m graphflow_nodes.diffusion.modular` writes `blocks.json` anew from the installed diffusers."""

from __future__ import annotations

from .definitions import BLOCKS
from .describe import as_json, described

if __name__ == "__main__":
    BLOCKS.write_text(as_json(described()), encoding="utf-8")
