"""Room for many files together: promised before they are written, given back if they do not come."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from graphflow.quota import Quota


def test_what_is_promised_at_once_never_exceeds_the_limit() -> None:
    quota = Quota(lambda: 40, limit=100)
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda i: quota.reserve(str(i), 10), range(50)))
    assert given.count(True) == 6


def test_what_is_given_back_or_kept_is_counted_once() -> None:
    kept = [0]
    quota = Quota(lambda: sum(kept), limit=10)
    assert quota.reserve("a", 6) and not quota.reserve("b", 5)
    quota.release("a")
    assert quota.reserve("b", 4)
    quota.keep("b")
    kept.append(4)
    assert quota.reserve("c", 6) and not quota.reserve("d", 1)
    kept.clear()
    assert quota.reserve("d", 4), "counted again before a refusal"


def test_what_was_removed_is_free_again() -> None:
    kept = [8]
    quota = Quota(lambda: sum(kept), limit=10)
    assert quota.reserve("a", 2)
    quota.keep("a")
    kept += [2]
    kept.remove(8)
    quota.recount()
    assert quota.reserve("b", 8) and not quota.reserve("c", 1)
