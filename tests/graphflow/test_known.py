"""What lasts from one plan to the next is limited, and true as long as what was read outside is the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graphflow.known import Known, Recent
from graphflow.node import node
from graphflow.refs import Const
from tests.support.engine import REGISTRY, World, built


@given(st.lists(st.integers(0, 9)))
def test_the_last_that_were_asked_for_are_kept(asked: list[int]) -> None:
    recent: Recent[int] = Recent(limit=3)
    order: list[int] = []
    for number in asked:
        token = b"%d" % number
        assert (recent.get(token) is not None) == (number in order)
        recent[token] = number
        order = [*[other for other in order if other != number][-2:], number]
    assert len(recent) == len(order)
    assert [recent.get(b"%d" % number) for number in order] == order


def test_a_folded_node_that_reads_outside_reads_again_only_when_its_fingerprint_changes() -> None:
    outside, read, counted = ["one"], [], []

    @node("here/read", fold=True, fingerprint=lambda: outside[0])
    def read_it() -> str:
        read.append(outside[0])
        return outside[0]

    @node("here/pure", fold=True)
    def pure(text: str) -> str:
        counted.append(text)
        return text

    graph = built(
        {"o": "b"}, REGISTRY.with_nodes([read_it, pure]), a="here/read", b=("here/pure", {}, {"text": "a"})
    )
    known = Known()

    def made() -> object:
        ref = World().plan(graph, known=known).outputs["o"]
        assert isinstance(ref, Const)
        return ref.value

    assert [made(), made()] == ["one", "one"]
    assert read == ["one"] and counted == ["one", "one"]
    outside[0] = "two"
    assert made() == "two" and read == ["one", "two"]
    World().plan(graph)
    assert read == ["one", "two", "two"]
