"""How large graphs are drawn: milliseconds to the first node, frames a second of panning, zooming, dragging.

python -m benchmarks.editor

The committed editor in a real Chromium, which the browser tests use too: `npm ci` in editor/ comes before.
Frames are at most 60 a second; without a graphics card the browser draws on the processor. Medians of three.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

EDITOR = Path(__file__).parents[1] / "editor"


def main() -> int:
    node = shutil.which("node")
    if node is None or not (EDITOR / "node_modules").is_dir():
        print("the browser is driven by Node: install it, then `npm ci` in editor/", file=sys.stderr)
        return 2
    program = {"GRAPHFLOW": str(Path(sys.executable).with_name("graphflow"))}
    return subprocess.call([node, "e2e/bench.mjs"], cwd=EDITOR, env={**program, **os.environ})


if __name__ == "__main__":
    sys.exit(main())
