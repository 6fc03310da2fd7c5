"""Starts the server: the same as `graphflow serve`, with its options."""

import sys

from graphflow.cli.main import invoke

if __name__ == "__main__":
    sys.exit(invoke(["serve", *sys.argv[1:]]))
