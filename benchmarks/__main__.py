"""Run every benchmark, one after another, each in a fresh process.

python -m benchmarks            # all
python -m benchmarks graphs     # some
"""

from __future__ import annotations

import subprocess
import sys

ALL: dict[str, list[str]] = {
    "graphs": ["--large"],
    "parallel": [],
    "startup": [],
    "disk_cache": [],
    "text_to_video": [],
    "edit_loop": [],
    "memory_forecast": [],
}


def main() -> int:
    names = sys.argv[1:] or list(ALL)
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(ALL)}", file=sys.stderr)
        return 2
    failed = 0
    for name in names:
        print(f"\n## {name}\n", flush=True)
        failed |= subprocess.call([sys.executable, "-m", f"benchmarks.{name}", *ALL[name]])
    return failed


if __name__ == "__main__":
    sys.exit(main())
