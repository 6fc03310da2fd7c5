"""The program `graphflow`, also `python -m graphflow`: an interrupt while it is still loading is no fault."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the command line and leave with its exit code."""
    try:
        from graphflow.cli.main import main as command_line

        command_line()
    except KeyboardInterrupt:
        from graphflow.cli import exits

        print("cancelled", file=sys.stderr)
        sys.exit(exits.CANCELLED)


if __name__ == "__main__":
    main()
