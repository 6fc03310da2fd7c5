"""A report file for a fault in graphflow itself."""

from __future__ import annotations

import platform
import shlex
import tempfile
import time
import traceback
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from graphflow import __version__, files
from graphflow.errors import StorageError


def write_report(error: BaseException, arguments: Sequence[str]) -> Path | None:
    """Write what happened into the data folder, else into the temporary folder; None if neither works."""
    text = report_text(error, arguments)
    name = time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + f"{time.time_ns() % 10**6:06}.txt"
    for folder in _folders(arguments):
        path = folder / name
        try:
            files.make_folder(folder)
            files.write_atomic(path, text.encode("utf-8", "backslashreplace"))
        except StorageError:
            continue
        return path
    return None


def report_text(error: BaseException, arguments: Sequence[str]) -> str:
    """The report: versions, the command line and the traceback."""
    return "\n".join(
        [
            f"graphflow {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"command: graphflow {shlex.join(arguments)}",
            "",
            "".join(traceback.format_exception(error)),
        ]
    )


def _folders(arguments: Sequence[str]) -> list[Path]:
    """Where the report may go: the data folder that the command line or the system names, then any."""
    from graphflow.workspace import default_data_dir

    given = [value for option, value in pairwise(arguments) if option == "--data-dir"]
    given += [text.partition("=")[2] for text in arguments if text.startswith("--data-dir=")]
    return [
        *(Path(text) / "reports" for text in given),
        default_data_dir() / "reports",
        Path(tempfile.gettempdir()),
    ]
