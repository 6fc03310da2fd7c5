"""Run every benchmark, one after another, each in a fresh process.

python -m benchmarks            # all that any machine can run
python -m benchmarks graphs     # some
python -m benchmarks gpu        # needs a GPU, so only by name
python -m benchmarks editor     # needs Node and Chromium, likewise
python -m benchmarks effects    # trains two LoRAs for twenty minutes, likewise
"""

from __future__ import annotations

import subprocess
import sys

ALL: dict[str, list[str]] = {
    "graphs": ["--large"],
    "server": [],
    "parallel": [],
    "startup": [],
    "disk_cache": [],
    "text_to_video": [],
    "families": [],
    "edit_loop": [],
    "curation": [],
    "memory_forecast": [],
    "offload": [],
    "evaluation": [],
    "training": [],
}
BY_NAME: dict[str, list[str]] = {"gpu": [], "editor": [], "effects": []}
"""What only some machines can run, or takes long."""


def main() -> int:
    names = sys.argv[1:] or list(ALL)
    known = ALL | BY_NAME
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    failed = 0
    for name in names:
        print(f"\n## {name}\n", flush=True)
        failed |= subprocess.call([sys.executable, "-m", f"benchmarks.{name}", *known[name]])
    return failed


if __name__ == "__main__":
    sys.exit(main())
