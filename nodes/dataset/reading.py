"""What this pack takes from others: one decoder, one encoder, one contact sheet for the house."""

from __future__ import annotations

from graphflow_nodes.media.containers import opened
from graphflow_nodes.media.decode import Cut, decode_video
from graphflow_nodes.media.embed import KEY, provenance_text
from graphflow_nodes.media.encode import H264, encode_video
from graphflow_nodes.media.files import still_stands
from graphflow_nodes.media.sheet import contact_sheet, spread
from graphflow_nodes.media.windows import windows

__all__ = [
    "H264",
    "KEY",
    "Cut",
    "contact_sheet",
    "decode_video",
    "encode_video",
    "opened",
    "provenance_text",
    "spread",
    "still_stands",
    "windows",
]
