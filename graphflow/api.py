"""graphflow from Python: load a workflow and call it, or build a graph in code.

import graphflow
make = graphflow.load("text_to_video")
clip = make(prompt="a red ball moving right", seed=7)["video"]
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graphflow import templates, workflow
from graphflow.graph import Graph
from graphflow.node import NodeSpec, spec_of
from graphflow.result import first_error
from graphflow.telling import Listener
from graphflow.workflow import Document
from graphflow.workspace import Workspace


class Workflow:
    """A workflow as a function: its declared parameters are the arguments, its outputs the result."""

    def __init__(self, document: Document, workspace: Workspace, folder: Path | None = None) -> None:
        self.document = document
        self.workspace = workspace
        self.folder = folder

    def __repr__(self) -> str:
        arguments = ", ".join(self.document.parameters)
        return (
            f"<workflow {self.document.name or 'unnamed'}({arguments}) -> {', '.join(self.document.outputs)}>"
        )

    def __call__(
        self, *, on_event: Listener | None = None, out_dir: Path | str = "output", **values: Any
    ) -> dict[str, Any]:
        """Run it and return `{output: value}`.

        values: parameters as plain JSON values. on_event: called with each event of the run.
        Raises DocumentError for wrong parameters, NodeError if an output could not be made,
        KeyboardInterrupt if the run was cancelled.
        """
        graph = self.graph(**values)
        result = self.workspace.run(graph, on_event=on_event, out_dir=out_dir)
        if result.status == "cancelled":
            raise KeyboardInterrupt
        error = first_error(result)
        if result.status == "failed" and error is not None:
            raise error
        return {name: result.value(name) for name in graph.outputs}

    def graph(self, **values: Any) -> Graph:
        """The checked graph with these parameters. Raises DocumentError."""
        return self.workspace.graph(self.document, values, folder=self.folder)

    def save(self, path: Path | str) -> None:
        """Write the workflow file, atomically."""
        from graphflow import files

        files.write_atomic(Path(path), workflow.dump(self.document))


def load(reference: str | Path, workspace: Workspace | None = None) -> Workflow:
    """A workflow by template name, file, or a saved video or picture that carries one.

    Raises StorageError if there is none, DocumentError if it is wrong.
    """
    document, folder = templates.find(str(reference))
    return Workflow(document, workspace or Workspace(), folder)


class Output(str):
    """A wire from one output of a node; a text of its own type, so that it is never taken for a literal."""


class Handle:
    """A node in a graph under construction. `handle.name` or `handle["name"]` is one of its outputs."""

    def __init__(self, id: str, spec: NodeSpec) -> None:
        self.id = id
        self._spec = spec

    def __repr__(self) -> str:
        return f"<node {self.id}: {self._spec.id} -> {', '.join(self._spec.outputs)}>"

    def __getitem__(self, output: str) -> Output:
        if output not in self._spec.outputs:
            raise KeyError(
                f"{self._spec.id} has no output {output!r}; it has {', '.join(self._spec.outputs)}"
            )
        return Output(f"{self.id}.{output}")

    def __getattr__(self, output: str) -> Output:
        if output.startswith("_"):
            raise AttributeError(output)
        try:
            return self[output]
        except KeyError as error:
            raise AttributeError(str(error)) from None

    @property
    def wire(self) -> str:
        """The node's only output."""
        return self.id


class Builder:
    """Builds a workflow in code; wires are handles, everything else is a literal.

    build = Builder("grid")
    model = build(load_model)
    prompt = build(encode_prompt, model.text_encoder, text="a red ball")
    """

    def __init__(self, name: str = "", description: str = "") -> None:
        self._raw: dict[str, Any] = {
            "graphflow": 1,
            "name": name,
            "description": description,
            "parameters": {},
            "nodes": {},
            "outputs": {},
        }

    def __call__(self, function: Callable[..., Any], *ports: Any, id: str = "", **settings: Any) -> Handle:
        """Add a node. ports: handles or outputs, in the function's order, None for one that stays open.
        settings: literals or wires, by name; ports may be named too. id: made from the node's name if empty.

        Raises TypeError for a function that is not a node, too many ports or a literal that is not JSON,
        ValueError for an id that is taken.
        """
        spec = spec_of(function)
        if spec is None:
            raise TypeError(f"{function!r} is not declared with @node")
        if len(ports) > len(spec.ports):
            raise TypeError(f"{spec.id} has {len(spec.ports)} ports, {len(ports)} were given")
        if id in self._raw["nodes"]:
            raise ValueError(f"there is a node {id!r} already")
        named = dict(zip(spec.ports, ports, strict=False))
        inputs = {name: _wire(value) for name, value in named.items() if value is not None}
        params: dict[str, Any] = {}
        for name, value in settings.items():
            if _is_wire(value) or name in spec.ports:
                inputs[name] = _wire(value)
            else:
                params[name] = value
        name = id or self._free_id(spec.id.rpartition("/")[2])
        self._raw["nodes"][name] = {
            "type": spec.id,
            "version": spec.version,
            "params": {name: _plain(f"{spec.id}.{name}", value) for name, value in params.items()},
            "inputs": inputs,
        }
        return Handle(name, spec)

    def parameter(self, name: str, *to: str, description: str = "") -> None:
        """Declare a parameter; `to` are places such as `denoise.seed`."""
        self._raw["parameters"][name] = {"to": list(to), "description": description}

    def output(self, name: str, wire: Handle | str) -> None:
        """Declare an output."""
        self._raw["outputs"][name] = _wire(wire)

    def document(self) -> Document:
        """The document so far. Raises DocumentError."""
        return workflow.from_raw(self._raw)

    def workflow(self, workspace: Workspace | None = None) -> Workflow:
        """The workflow as a function."""
        return Workflow(self.document(), workspace or Workspace())

    def _free_id(self, stem: str) -> str:
        names: Mapping[str, Any] = self._raw["nodes"]
        numbered = (f"{stem}_{number}" for number in itertools.count(2))
        return next(name for name in itertools.chain([stem], numbered) if name not in names)


def _plain(where: str, literal: Any) -> Any:
    """A literal as JSON has it: tuples are lists. Raises TypeError for what is no JSON."""
    try:
        return json.loads(json.dumps(literal, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{where} is not JSON: {error}") from None


def _is_wire(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_is_wire, value))
    return isinstance(value, (Handle, Output))


def _wire(value: Any) -> Any:
    if isinstance(value, Handle):
        return value.wire
    if isinstance(value, (list, tuple)):
        return [_wire(item) for item in value]
    return str(value) if isinstance(value, Output) else value
