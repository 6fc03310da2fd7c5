"""Structured prompts: put together, written in each family's style, mixed, varied, timed, extended."""

from .build import camera, event, lighting, shot, sound, structured, subject
from .complete import complete
from .extend import extend
from .mix import caption_mix, mix_report
from .render import render
from .sky import from_json, from_skycaptioner, to_json, to_skycaptioner
from .texts import from_text
from .timeline import events, segments, windows
from .vary import diff, drop, vary
from .writers import local_writer, remote_writer

__all__ = [
    "camera",
    "caption_mix",
    "complete",
    "diff",
    "drop",
    "event",
    "events",
    "extend",
    "from_json",
    "from_skycaptioner",
    "from_text",
    "lighting",
    "local_writer",
    "mix_report",
    "remote_writer",
    "render",
    "segments",
    "shot",
    "sound",
    "structured",
    "subject",
    "to_json",
    "to_skycaptioner",
    "vary",
    "windows",
]
