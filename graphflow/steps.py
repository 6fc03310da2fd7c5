"""What a plan is made of: steps, what the planner may know, and the outcome of planning."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphflow.errors import GraphflowError
from graphflow.keys import Environment
from graphflow.known import Known
from graphflow.node import NodeSpec
from graphflow.refs import Ref


@dataclass(frozen=True, slots=True)
class Stage:
    """What all steps of one node share, however many items of a list it is mapped over."""

    node: str
    spec: NodeSpec
    settings: Mapping[str, Any]
    inputs: tuple[str, ...]
    """Names of what is wired into it."""
    place: int
    """In graph order."""


@dataclass(slots=True)
class Step:
    """One call of one node. Steps with the same key are the same work and are done once.

    A plan has one for each item of a list, perhaps a hundred thousand, so it holds little of its own.
    """

    key: str
    stage: Stage
    item: tuple[int, ...]
    """Position in the mapped lists; empty if the node is not mapped."""
    refs: tuple[Ref, ...]
    """What is wired into it, in the order of the stage's inputs."""
    deps: tuple[str, ...]
    fingerprint: bytes = b""
    """State of the outside world that stands in the key, for nodes that read it."""
    content: str = ""
    """Names what is computed. It is the key, except for effects, whose key also says where they write."""

    @property
    def node(self) -> str:
        return self.stage.node

    @property
    def spec(self) -> NodeSpec:
        return self.stage.spec

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.stage.settings

    @property
    def inputs(self) -> dict[str, Ref]:
        """What is wired into it, by name."""
        return dict(zip(self.stage.inputs, self.refs, strict=True))

    @property
    def order(self) -> tuple[int, ...]:
        """Place in the plan: graph order first, then list order, which makes stages."""
        return self.stage.place, *self.item


@dataclass(frozen=True)
class Facts:
    """What the planner may know about the world; nothing here is changed by planning except the memo."""

    stored: Callable[[Step], bool]
    """Whether a step's result is in the cache (and, for effects, still stands)."""
    peek: Callable[[str], Mapping[str, Any] | None]
    """The plain structure of a step's outputs, if the step has run."""
    failed: Collection[str] = frozenset()
    """Keys of steps that failed in this run."""
    environment: Environment = field(default_factory=Environment)
    out_dir: str = ""
    """Where effects write; part of their keys."""
    nonce: str = ""
    """Stands in the keys of nodes whose results must not be kept."""
    known: Known = field(default_factory=Known)
    """What stays true from plan to plan."""
    memo: dict[bytes, Any] = field(default_factory=dict)
    """Folded results, fingerprints and checks, so that planning again costs nothing."""
    models: bool = True
    """Whether the models of steps that would run must be here, so that they are looked at first."""
    kind: str = ""
    """Of the device that they will be used on, such as `cpu`; empty if that is not known yet."""


@dataclass
class Plan:
    """The outcome of planning."""

    steps: dict[str, Step]
    """Every step met, needed or not, by key."""
    todo: list[str]
    """Keys to run, in graph order."""
    stored: list[str]
    """Keys found in the cache, in graph order."""
    outputs: dict[str, Ref]
    """The workflow's outputs."""
    targets: dict[str, dict[str, Ref]]
    """Outputs of the target nodes."""
    waiting: frozenset[str]
    """Keys whose results decide how the plan goes on."""
    failures: dict[str, GraphflowError]
    """Nodes that failed while planning (folding, unequal lists, missing files), each with its first error."""
    failed_items: dict[tuple[str, tuple[int, ...]], GraphflowError]
    """The same by node and item."""
    gone: frozenset[str]
    """Nodes that lost at least one result to a failure, upstream or of their own step."""
    refs: Mapping[str, Mapping[str, Ref]] = field(default_factory=dict)
    """What stands on the outputs of every node that the targets ask for; a run lets go of it."""
    twins: Mapping[str, list[tuple[str, tuple[int, ...]]]] = field(default_factory=dict)
    """Other nodes and items that are the same work as a step and share its result, by key."""
    notices: Mapping[str, str] = field(default_factory=dict)
    """What a node has to say to people before anything runs, by node."""
    foreseen: Mapping[str, str] = field(default_factory=dict)
    """What a node will have to say when it has run, as far as its check can tell, by node."""
