"""What cannot work is refused while planning: by nodes' checks, by recipes that look at their files."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch

from graphflow.cache.disk import DiskStore
from graphflow.cache.records import EntryInfo
from graphflow.checks import problems, refusals, sketch
from graphflow.cli.validate import checked
from graphflow.context import Settings
from graphflow.errors import DeclarationError, MissingModel, NodeError, ValueMismatch
from graphflow.explain import stories
from graphflow.graph import Graph
from graphflow.keys import Environment
from graphflow.node import UNKNOWN, Context, Foreseen, Sketch, Unknown, node
from graphflow.plan import plan
from graphflow.run import Run
from graphflow.steps import Facts
from graphflow.values import PLACEMENT, Image, Recipe, Value, Video
from graphflow.workflow import dump
from tests.support.engine import REGISTRY, Lab, World, built, document, lab, todo

ASKED: Counter[str] = Counter()
"""How often each check was called."""


class Engine(Recipe):
    """A model that may not be here."""

    name: str
    where: Annotated[str, PLACEMENT] = "near"

    def inspect(self) -> None:
        ASKED["inspect"] += 1
        if self.name == "absent":
            raise MissingModel("model 'absent' is not on this machine", hint="fetch it")

    def open(self, device: str) -> str:
        return self.name


class Film(Value):
    """A clip: its maker counts, its content is only there once it is made."""

    maker: str
    content: bytes = b""


@node("check/engine", fold=True)
def engine(*, name: str = "a", where: str = "near") -> Engine:
    return Engine(name=name, where=where)


def _shoot(engine: Engine | Unknown, number: int | Unknown) -> Mapping[str, Any]:
    ASKED["shoot"] += 1
    if number == 13:
        raise ValueMismatch("there is no take 13", where="number", hint="take 14")
    if number == 14:
        raise ZeroDivisionError("a check that is broken")
    return {"out": Film(maker=engine.name)} if isinstance(engine, Engine) else {}


@node("check/shoot", check=_shoot)
def shoot(engine: Engine, ctx: Context, *, number: int = 0) -> Film:
    with ctx.use(engine) as live:
        return Film(maker=live, content=b"frames")


def _develop(engine: Engine | Unknown, film: Film | Unknown) -> None:
    ASKED["develop"] += 1
    if isinstance(engine, Engine) and isinstance(film, Film) and film.maker != engine.name:
        raise ValueMismatch(
            f"the film is by {film.maker}, not by {engine.name}", where="film", hint="use one"
        )
    if isinstance(engine, Engine) and engine.where == "far":
        raise NodeError("too far away", where="engine")


@node("check/develop", check=_develop)
def develop(engine: Engine, film: Film, ctx: Context, *, seed: int = 0) -> int:
    with ctx.use(engine):
        return len(film.content) + seed


SEEN: list[Any] = []


def _watch(films: Any, spare: Any) -> None:
    SEEN.append((films, spare))


@node("check/watch", check=_watch)
def watch(films: list[Film], spare: Film | None = None) -> int:
    return len(films)


@node("check/import")
def import_(x: int) -> Film:
    return Film(maker=str(x))


KNOWN = REGISTRY.with_nodes([engine, shoot, develop, watch, import_])


@pytest.fixture(autouse=True)
def nothing_asked() -> Iterator[None]:
    ASKED.clear()
    SEEN.clear()
    yield


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path) as made:
        yield made


def two(first: str = "a", second: str = "a", **number: int) -> Graph:
    return built(
        {"out": "d"},
        KNOWN,
        first=("check/engine", {"name": first}),
        second=("check/engine", {"name": second}),
        s=("check/shoot", number, {"engine": "first"}),
        d=("check/develop", {}, {"engine": "second", "film": "s"}),
    )


# ------------------------------------------------------------------------------------ by the nodes


def test_what_cannot_work_is_a_failure_of_the_plan_at_the_input_and_nothing_runs(studio: Lab) -> None:
    """`d` is refused by what `s` says its film will look like; `s` is needed by nobody then."""
    planned = World().plan(two("a", "b"))
    failure = planned.failures["d"]
    assert (failure.where, failure.error_code, failure.hint) == ("d.film", "value.mismatch", "use one")
    assert failure.message == "the film is by a, not by b" and todo(planned) == []
    result = studio.run(two("a", "b"))
    assert result.status == "failed" and [(f.node, f.port) for f in result.failures] == [("d", "film")]
    assert studio.said("node.started") == [] and not studio.pool.opened


def test_what_can_work_runs(studio: Lab) -> None:
    result = studio.run(two("a", "a", number=12))
    assert result.status == "finished" and result.value("out") == len(b"frames")


def test_what_was_made_before_is_not_checked_again() -> None:
    graph, world = two(number=1), World()
    world.results = {key: {"out": Film(maker="a")} for key in world.plan(graph).todo}
    ASKED.clear()
    assert not world.plan(graph).failures and not ASKED


def test_what_nobody_needs_is_not_checked() -> None:
    """Its result is not there any more, but all that was made of it is."""
    graph, world = two("absent", "absent"), World()
    keys = {step.node: step.key for step in world.plan(graph, models=False).steps.values()}
    world.results = {keys["d"]: {"out": 6}}
    planned = world.plan(graph)
    assert not planned.failures and not planned.todo


def test_items_that_cannot_work_do_not_stop_the_others(studio: Lab) -> None:
    graph = built(
        {"out": "s"},
        KNOWN,
        engine="check/engine",
        numbers=("numbers", {"values": [12, 13, 15]}),
        s=("check/shoot", {}, {"engine": "engine", "number": "numbers"}),
    )
    result = studio.run(graph)
    assert [(f.node, f.item) for f in result.failures] == [("s", (1,))]
    assert studio.said("node.finished") == ["s.0", "s.2"]


def test_every_node_that_is_the_same_work_is_told() -> None:
    graph = built(
        {},
        KNOWN,
        engine="check/engine",
        a=("check/shoot", {"number": 13}, {"engine": "engine"}),
        b=("check/shoot", {"number": 13}, {"engine": "engine"}),
    )
    planned = World().plan(graph)
    assert {error.where for error in planned.failures.values()} == {"a.number", "b.number"}
    assert ASKED["shoot"] == 1


def test_a_check_that_is_broken_is_the_failure_of_its_node() -> None:
    failure = World().plan(two(number=14)).failures["s"]
    assert failure.where == "s" and "a check that is broken" in failure.message


def test_what_only_a_run_can_tell_is_unknown_and_what_is_not_wired_is_none() -> None:
    graph = built(
        {},
        KNOWN,
        engine="check/engine",
        n=("double", {}, {"x": "three"}),
        three=("num", {"value": 3}),
        known=("check/shoot", {}, {"engine": "engine", "number": "n"}),
        unknown=("check/import", {}, {"x": "n"}),
        w=("check/watch", {}, {"films": ["known", "unknown"]}),
        x=("check/watch", {}, {"films": ["known"], "spare": "unknown"}),
    )
    assert not World().plan(graph).failures
    film = Film(maker="a")
    assert [([film, UNKNOWN], None), ([film], UNKNOWN)] == SEEN


def test_a_check_names_inputs_of_its_node_and_no_others() -> None:
    def strange(engine: Any, colour: Any) -> None: ...

    with pytest.raises(DeclarationError, match="looks at colour, which is no input"):

        @node("check/strange", check=strange)
        def _(engine: Engine) -> int:
            return 0


# ---------------------------------------------------------------------------------- by the models


def test_a_model_that_cannot_be_opened_is_told_before_anything_runs(studio: Lab) -> None:
    """Without any check of the node's own; the other model is never opened."""
    graph = built(
        {"out": "t"},
        KNOWN,
        here=("check/engine", {"name": "a"}),
        gone=("check/engine", {"name": "absent"}),
        s=("check/shoot", {}, {"engine": "here"}),
        t=("check/develop", {}, {"engine": "gone", "film": "s"}),
    )
    result = studio.run(graph)
    assert [(f.node, f.code, f.hint) for f in result.failures] == [("t", "model.missing", "fetch it")]
    assert studio.said("node.started") == [] and not studio.pool.opened


def test_a_plan_that_only_weighs_models_does_not_look_for_them() -> None:
    assert not World().plan(two("absent", "absent"), models=False).failures and not ASKED["inspect"]
    refused = World().plan(two("absent", "absent", number=13), models=False).failures
    assert refused["s"].message == "there is no take 13", "what cannot work weighs nothing"


# ---------------------------------------------------------------------------------------- the cost


def test_steps_that_share_what_is_looked_at_share_the_check() -> None:
    seeds = 500
    graph = built(
        {},
        KNOWN,
        engine="check/engine",
        seeds=("numbers", {"values": list(range(seeds))}),
        s=("check/shoot", {}, {"engine": "engine"}),
        d=("check/develop", {}, {"engine": "engine", "film": "s", "seed": "seeds"}),
    )
    world = World()
    for _ in range(3):  # a run plans again and again
        assert len(world.plan(graph).todo) == seeds + 1
    assert ASKED == {"inspect": 1, "shoot": 1, "develop": 1}


def test_two_placements_of_one_model_are_two_checks_though_their_keys_are_one() -> None:
    graph = built(
        {},
        KNOWN,
        near=("check/engine", {"where": "near"}),
        far=("check/engine", {"where": "far"}),
        s=("check/shoot", {}, {"engine": "near"}),
        a=("check/develop", {"seed": 1}, {"engine": "near", "film": "s"}),
        b=("check/develop", {"seed": 2}, {"engine": "far", "film": "s"}),
    )
    assert list(World().plan(graph).failures) == ["b"]


def test_ten_thousand_nodes_without_checks_cost_nothing() -> None:
    nodes: dict[str, Any] = {"n0": ("num", {"value": 1})}
    nodes |= {f"n{i}": ("double", {}, {"x": f"n{i - 1}"}) for i in range(1, 10_000)}
    graph = built({"o": "n9999"}, **nodes)
    facts = Facts(stored=lambda step: False, peek=lambda key: None)

    def seconds(work: Callable[[], object]) -> float:
        started = time.process_time()
        work()
        return time.process_time() - started

    planned = plan(graph, facts)
    assert len(planned.todo) == 9_999
    planning, checking = seconds(lambda: plan(graph, facts)), seconds(lambda: refusals(planned, facts))
    assert checking < 0.25 * planning + 0.02


# ------------------------------------------------------------------------------------- as problems


def test_an_explanation_says_what_is_wrong_and_what_is_then_in_vain() -> None:
    graph = two("a", "b")
    told = {story.node: story for story in stories(graph, World().plan(graph), Environment(), None)}
    assert (told["d"].state, told["d"].hint, told["d"].port) == ("failed", "use one", "film")
    assert (told["s"].state, told["s"].reasons) == ("not needed", ("what needs it cannot work",))


def test_problems_have_a_place_in_the_document() -> None:
    graph = two("a", "b", number=13)
    found = problems(graph, World().plan(graph))
    assert [(p.path, p.code, p.hint) for p in found] == [
        ("nodes.s.params.number", "value.mismatch", "take 14")
    ]
    graph = two("a", "b")
    assert [p.path for p in problems(graph, World().plan(graph))] == ["nodes.d.inputs.film"]


def test_validate_tells_them(tmp_path: Path) -> None:
    nodes = dict(e=("check/engine", {"name": "absent"}), s=("check/shoot", {}, {"engine": "e"}))
    file = tmp_path / "flow.json"
    file.write_bytes(dump(document({"o": "s"}, **nodes)))
    (problem,) = checked(str(file), KNOWN)
    assert (problem.code, problem.path, problem.hint) == ("model.missing", "nodes.s", "fetch it")


# ------------------------------------------------------------------------------------ what is told


def _reads(width: int | Unknown) -> Mapping[str, Any]:
    ASKED["reads"] += 1
    return {} if isinstance(width, Unknown) else {"out": Sketch(width, 2)}


@node("check/reads", check=_reads, fingerprint=lambda width: width)
def reads(*, width: int) -> Image:
    return Image(pixels=torch.zeros((2, width, 3), dtype=torch.uint8))


@node("check/paints")
def paints(x: int) -> Image:
    return Image(pixels=torch.zeros((2, x, 3), dtype=torch.uint8))


def _frames(picture: Image | Sketch | Unknown, by: int | Unknown) -> Mapping[str, Any]:
    SEEN.append(picture)
    return Foreseen({}, f"{picture.width} becomes {picture.width + 1}" if isinstance(picture, Sketch) else "")


@node("check/frames", check=_frames)
def frames(picture: Image, *, by: int = 0) -> int:
    return by


PICTURES = KNOWN.with_nodes([reads, paints, frames])


def framed(by: int = 0, x: int = 5) -> Graph:
    return built(
        {"out": "f"},
        PICTURES,
        x=("num", {"value": x}),
        p=("check/paints", {}, {"x": "x"}),
        f=("check/frames", {"by": by}, {"picture": "p"}),
    )


def test_a_plan_tells_what_a_node_will_have_to_say(studio: Lab) -> None:
    """A picture that is still to be made is not known, one that was made before is; no tensor is read."""
    studio.run(framed())
    assert SEEN == [UNKNOWN] and studio.started is not None
    again = Run(framed(by=1), studio.runner, Settings(studio.out_dir))
    planned = again.plan()
    assert planned.foreseen == {"f": "5 becomes 6"} and SEEN[1] == Sketch(5, 2)
    [_, _, told] = stories(framed(by=1), planned, Environment(), None)
    assert told.reasons == ("first run", "5 becomes 6")
    assert not Run(framed(), studio.runner, Settings(studio.out_dir)).plan().foreseen  # nothing would run


def test_the_size_of_a_picture_on_the_disk_is_read_from_its_head(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    values = {"out": Image(pixels=torch.zeros((2, 5, 3), dtype=torch.uint8))}
    store.write("0" * 64, values, EntryInfo("check/paints", 1, 1.0, 1.0))
    peeked = store.peek("0" * 64)
    assert peeked is not None and sketch(peeked["out"]) == sketch(values["out"]) == Sketch(5, 2)
    clip = Video(frames=torch.zeros((4, 2, 5, 3), dtype=torch.uint8), fps=8.0)
    assert sketch(clip) == Sketch(5, 2, 4, 8.0) and sketch("a text") is sketch(None) is None


def test_what_a_node_reads_outside_is_looked_at_once_and_not_for_each_item(studio: Lab) -> None:
    framed_file = {"r": ("check/reads", {"width": 3}), "f": ("check/frames", {}, {"picture": "r"})}
    one = built({"o": "f"}, PICTURES, **framed_file)
    assert World().plan(one).foreseen == {"f": "3 becomes 4"} and ASKED["reads"] == 1
    studio.run(one)
    ASKED.clear()
    assert Run(one, studio.runner, Settings(studio.out_dir)).plan().todo == [] and not ASKED
    widths = ("numbers", {"values": [4, 5, 6]})
    many = built({"o": "r"}, PICTURES, w=widths, r=("check/reads", {}, {"width": "w"}))
    assert len(World().plan(many).todo) == 3 and not ASKED
