"""`--offline`: a whole run with models of the hub reaches for no network. Every child process is watched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graphflow_nodes.diffusion.embedded import embedded_folder

from graphflow.cli import exits

WATCH = """
import os
import socket
import sys


OUT = ("connect", "sendto", "sendmsg", "getaddrinfo", "gethostbyname", "gethostbyaddr")


def watch(event, arguments):
    if event.partition("socket.")[2] in OUT and getattr(arguments[0], "family", None) != socket.AF_UNIX:
        with open(os.environ["WATCHED"], "a") as log:
            print(event, arguments, file=log)
        raise OSError("there is no network")


sys.addaudithook(watch)
"""
"""Python runs it before anything else, also in the children of a child; what it hears is not let through. It
hears every way out, names that are looked up too; not a socket that is made and closed, as a library of
diffusers does when it is imported, to see whether there is IPv6.
"""

HUB_NAME, COMMIT = "somebody/small-wan", "0123456789abcdef0123456789abcdef01234567"
SHORT = ("--steps", "2", "--seed", "3", "--prompt", "a red ball")

Watched = Callable[..., tuple[subprocess.CompletedProcess[str], str]]


@pytest.fixture
def hub(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of downloads, with one model in it as the hub's own library leaves it."""
    folder = place / "hub" / f"models--{HUB_NAME.replace('/', '--')}"
    model = embedded_folder("toy-wan")
    assert model is not None
    shutil.copytree(model, folder / "snapshots" / COMMIT)
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text(COMMIT)
    monkeypatch.setenv("HF_HUB_CACHE", str(place / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return folder


@pytest.fixture
def watched(place: Path, hub: Path) -> Watched:
    """Runs the program in a process whose sockets are written down, and refused."""
    (place / "watch").mkdir()
    (place / "watch/sitecustomize.py").write_text(WATCH)
    log = place / "sockets.txt"

    def run(*arguments: str, **more: str) -> tuple[subprocess.CompletedProcess[str], str]:
        log.write_text("")
        path = os.pathsep.join([str(place / "watch"), *filter(None, [os.environ.get("PYTHONPATH")])])
        code = "from graphflow.cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "WATCHED": str(log), **more},
            timeout=120,
        )
        return done, log.read_text()

    return run


def test_a_whole_run_with_a_model_of_the_hub(watched: Watched) -> None:
    """Also one whose document asks for downloads: what is here is used, by the planner and by the worker."""
    named = ("--model", HUB_NAME, "--download", "true")
    done, heard = watched("run", "text_to_video", *named, *SHORT, "--offline", "--runner", "process")
    assert done.returncode == exits.OK, done.stderr
    assert heard == ""
    assert list(Path("output").glob("*.mp4"))


def test_without_the_option_the_hub_is_asked(watched: Watched) -> None:
    """The watch hears a download, so its silence means something."""
    _, heard = watched("explain", "text_to_video", "--model", HUB_NAME, "--download", "true")
    assert "huggingface.co" in heard
    _, heard = watched("explain", "text_to_video", "--model", HUB_NAME)
    assert heard == ""  # nothing is fetched unless it is asked for


def test_a_model_that_is_not_here_is_told_without_asking(watched: Watched) -> None:
    absent = ("--model", "somebody/other", "--download", "true")
    done, heard = watched("run", "text_to_video", *absent, "--offline")
    assert done.returncode == exits.RESOURCE and heard == ""
    assert "'somebody/other' is not on this machine" in done.stderr and "--offline" in done.stderr


def test_a_service_is_not_asked(watched: Watched, write: Any) -> None:
    story = {
        "ball": {"type": "std/format", "params": {"template": "a ball"}},
        "writer": {
            "type": "prompts/remote_writer",
            "params": {"endpoint": "http://localhost:9/v1", "model": "any"},
        },
        "extend": {"type": "prompts/extend", "inputs": {"prompt": "ball", "writer": "writer"}},
    }
    key = {"GRAPHFLOW_KEY_LOCALHOST": "any"}
    document = {"graphflow": 1, "nodes": story, "outputs": {"out": "extend.text"}}
    path = str(write("story.json", document))
    done, heard = watched("run", path, "--offline", **key)
    assert done.returncode == exits.RESOURCE and heard == ""
    assert "--offline" in done.stderr
    _, heard = watched("run", path, **key)
    assert "socket" in heard


def test_a_run_elsewhere_cannot_be_offline(call: Any, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRAPHFLOW_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "")  # so that this process is as before when the test is over
    done = call("run", write(), "--offline", "--server", "http://127.0.0.1:9")
    assert done.code == exits.USAGE and "--offline" in done.err
