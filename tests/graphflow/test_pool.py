"""The pool: models are opened once, lent to one user in one state, and go when memory is needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import pytest

from graphflow.errors import Cancelled, MissingModel, NodeError, ResourceError
from graphflow.pool import Pool, default_budget
from graphflow.values import NUMERICS, PLACEMENT, Recipe


class Live:
    def __init__(self, name: str) -> None:
        self.name = name
        self.state: list[str] = []


class Base(Recipe):
    name: str
    size: int = 10

    def open(self, device: str) -> Live:
        if self.name == "missing":
            raise MissingModel("no such model")
        return Live(f"{self.name}@{device}")

    def memory_bytes(self) -> int:
        return self.size


class Adapted(Recipe):
    inner: Base
    adapter: str = ""
    tiling: Annotated[int, NUMERICS] = 0
    where: Annotated[str, PLACEMENT] = "cpu"

    def base(self) -> Recipe:
        return self.inner

    @contextmanager
    def applied(self, live: Any, device: str) -> Iterator[Any]:
        live.state.append(self.adapter)
        try:
            yield live
        finally:
            live.state.remove(self.adapter)
            if self.adapter == "sticky":
                raise RuntimeError("cannot undo")


def test_a_recipe_is_opened_once_however_often_it_is_used() -> None:
    pool = Pool()
    with pool.use(Base(name="a")) as first:
        pass
    with pool.use(Base(name="a")) as second:
        assert second is first and first.name == "a@cpu"
    assert sum(pool.opened.values()) == 1 and pool.held_bytes == 10


def test_recipes_with_one_base_share_it_each_in_its_own_state() -> None:
    pool = Pool()
    base = Base(name="a")
    with pool.use(Adapted(inner=base, adapter="x")) as one:
        assert one.state == ["x"]
    with pool.use(Adapted(inner=base, adapter="y")) as two:
        assert two is one and two.state == ["y"]
    with pool.use(base) as plain:
        assert plain is one and plain.state == []


@pytest.mark.parametrize("error", [ValueError("node"), Cancelled(), KeyboardInterrupt()], ids=repr)
def test_the_state_is_undone_whatever_the_user_raises(error: BaseException) -> None:
    pool = Pool()
    recipe = Adapted(inner=Base(name="a"), adapter="x")
    with pytest.raises(type(error)), pool.use(recipe) as live:
        raise error
    assert live.state == []
    with pool.use(recipe) as again:
        assert again is live


def test_a_module_whose_state_could_not_be_undone_is_never_lent_again() -> None:
    pool = Pool()
    with (
        pytest.raises(RuntimeError, match="cannot undo"),
        pool.use(Adapted(inner=Base(name="a"), adapter="sticky")) as live,
    ):
        pass
    with pool.use(Base(name="a")) as fresh:
        assert fresh is not live


def test_one_user_at_a_time() -> None:
    pool = Pool()
    inside, most = 0, 0
    lock = threading.Lock()

    def user() -> None:
        nonlocal inside, most
        for _ in range(20):
            with pool.use(Base(name="a")):
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=user) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == 1 and sum(pool.opened.values()) == 1


def test_a_node_that_takes_one_module_twice_is_told_and_does_not_hang() -> None:
    pool = Pool()
    base = Base(name="a")
    with pool.use(base), pytest.raises(ResourceError, match="twice"), pool.use(Adapted(inner=base)):
        pass
    with pool.use(base):
        pass


def test_the_least_recently_used_goes_first_and_only_as_many_as_needed() -> None:
    pool = Pool(budget_bytes=30)
    for name in "abc":
        with pool.use(Base(name=name)):
            pass
    with pool.use(Base(name="a")):
        pass
    with pool.use(Base(name="d")):
        pass
    assert pool.held_bytes == 30
    before = sum(pool.opened.values())
    for name in "acd":
        with pool.use(Base(name=name)):
            pass
    assert sum(pool.opened.values()) == before, "b was the one to go"


def test_what_is_in_use_is_never_evicted() -> None:
    pool = Pool(budget_bytes=10)
    with pool.use(Base(name="a")) as a, pool.use(Base(name="b")):
        assert pool.held_bytes == 20
        with pool.use(Base(name="c")):
            pass
        assert pool.clear() == 10
    with pool.use(Base(name="a")) as again:
        assert again is a


def test_a_model_that_cannot_be_opened_leaves_nothing_behind() -> None:
    pool = Pool()
    with pytest.raises(MissingModel), pool.use(Base(name="missing")):
        pass
    assert pool.held_bytes == 0 and not pool.opened


def test_clear_drops_all_that_is_idle_and_says_how_much() -> None:
    pool = Pool()
    for name in "ab":
        with pool.use(Base(name=name)):
            pass
    assert pool.clear() == 20 and pool.held_bytes == 0


def test_the_default_budget_is_a_share_of_the_memory() -> None:
    assert 2**28 < default_budget("cpu") < 2**45


class Placed(Base):
    """Stays in main memory between uses if `offloaded`, whatever the pool's device."""

    offloaded: Annotated[bool, PLACEMENT] = False

    def check(self, device: str) -> None:
        if self.name == "impossible":
            raise NodeError(f"cannot be done on {device}")

    def home(self, device: str) -> str:
        return "cpu" if self.offloaded else device


def test_what_cannot_be_done_is_refused_before_anything_is_opened() -> None:
    pool = Pool("meta", budget_bytes=100)
    with pytest.raises(NodeError, match="cannot be done on meta"), pool.use(Placed(name="impossible")):
        pass
    assert not pool.opened


def test_what_is_offloaded_takes_no_room_on_the_device() -> None:
    pool = Pool("meta", budget_bytes=10)
    with pool.use(Placed(name="a", offloaded=True)) as a:
        assert a.name == "a@cpu"
    with pool.use(Placed(name="b")) as b:
        assert b.name == "b@meta"
    assert pool.held_bytes == 20
    with pool.use(Placed(name="a")) as again:  # now it wants the place of b
        assert again is a
    assert pool.held_bytes == 10 and pool.opened.total() == 2
