"""Old documents become new ones, one version a step; a released step is never edited again.

Each step has a golden pair in tests/golden/migrations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.migrations.v0_to_v1 import migrate as v0_to_v1

CURRENT = 1
"""The document version this graphflow writes."""

STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {0: v0_to_v1}


def migrate(raw: dict[str, Any], version: int) -> dict[str, Any]:
    """Bring a raw document from `version` (>= 0) to CURRENT; the input is left as it is."""
    for step in range(version, CURRENT):
        raw = STEPS[step](raw)
    return raw
