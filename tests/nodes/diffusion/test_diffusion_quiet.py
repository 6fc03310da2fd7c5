"""Loading a model writes nothing on the terminal that is not about the model."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from graphflow_nodes.diffusion.quiet import DULL, keep_quiet

PROGRAM = """
import warnings
warnings.simplefilter("ignore")
import graphflow_nodes.diffusion
from diffusers import WanPipeline
from diffusers.quantizers import DiffusersAutoQuantizer
from transformers import CLIPImageProcessor
"""


def test_importing_the_libraries_says_nothing() -> None:
    """Also where torchao is installed, which they import with all that it logs."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout == ""
    assert [line for line in done.stderr.splitlines() if "meshgrid" not in line] == []


@pytest.mark.parametrize("name", DULL)
def test_only_the_dull_message_is_kept_back(name: str, caplog: pytest.LogCaptureFixture) -> None:
    keep_quiet()
    logger = logging.getLogger(name)
    with caplog.at_level(logging.WARNING, logger=name):
        logger.addHandler(caplog.handler)
        try:
            logger.warning("before %s after", DULL[name])
            logger.warning("something that matters")
        finally:
            logger.removeHandler(caplog.handler)
    assert {record.getMessage() for record in caplog.records} == {"something that matters"}
