"""Settings that the tests of runners share."""

from __future__ import annotations

from tests.support.threads import one_thread as one_thread
