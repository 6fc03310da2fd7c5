"""How many bytes a set of files may take together, those that are still to come included."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from threading import Lock


class Quota:
    """Bytes that are promised to files before they are written, so that many at once cannot exceed `limit`.

    count: sums what is kept already; asked at first, and again before a file is refused, since somebody may
    have made room. Methods may be called from any thread.
    """

    def __init__(self, count: Callable[[], int], limit: float = math.inf) -> None:
        self.limit = limit
        self._count = count
        self._lock = Lock()
        self._kept: int | None = None
        self._coming: Counter[str] = Counter()

    def reserve(self, id: str, size: int) -> bool:
        """Promise `size` bytes more to a file; False if there is no room for them."""
        with self._lock:
            wanted = self._coming.total() + size
            if self._kept is None or self._kept + wanted > self.limit:
                self._kept = self._count()
            if self._kept + wanted > self.limit:
                return False
            self._coming[id] += size
            return True

    def keep(self, id: str) -> None:
        """A file is whole and stays."""
        with self._lock:
            size = self._coming.pop(id, 0)
            if self._kept is not None:
                self._kept += size

    def release(self, id: str) -> None:
        """A file does not come, and its bytes are free."""
        with self._lock:
            self._coming.pop(id, None)

    def recount(self) -> None:
        """Files that were kept are gone: count again before the next promise."""
        with self._lock:
            self._kept = None
