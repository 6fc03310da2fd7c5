"""How long the command line takes to say something: wall seconds of a fresh process.

python -m benchmarks.startup
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 7
PROMPT = ["--set", "prompt=a red ball moving right on a black background", "--set", "steps=4"]


def command(*arguments: str) -> list[str]:
    start = "import sys; from graphflow.cli.main import main; sys.exit(main())"
    return [sys.executable, "-c", start, *arguments]


ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""As at home: Python keeps what it compiled."""


def seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True, env=ENVIRONMENT)
    return time.perf_counter() - started


def loads_torch(arguments: list[str]) -> bool:
    """Whether the command imports torch, by the interpreter's own report."""
    timed = [arguments[0], "-X", "importtime", *arguments[1:]]
    report = subprocess.run(timed, check=True, capture_output=True, text=True).stderr
    return any(line.rstrip().endswith("| torch") for line in report.splitlines())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = ["--data-dir", str(Path(folder, "data")), "--out", str(Path(folder, "out"))]
        cached = command("run", "text_to_video", *PROMPT, *place)
        first = seconds(cached)
        cases = {
            "bare interpreter": [sys.executable, "-c", "pass"],
            "graphflow --help": command("--help"),
            "graphflow validate": command("validate", "text_to_video"),
            "graphflow run, all cached": cached,
        }
        print(f"first run, which computes: {first:.1f} s\n")
        print("| command | best s | median s | imports torch |")
        print("|---|---|---|---|")
        for name, arguments in cases.items():
            times = [seconds(arguments) for _ in range(REPEATS)]
            torch = "yes" if loads_torch(arguments) else "no"
            print(f"| {name} | {min(times):.2f} | {statistics.median(times):.2f} | {torch} |", flush=True)


if __name__ == "__main__":
    main()
