"""What the weights of a part weigh, told without loading one.

Exact where the weight files are here: their headers name every tensor. Where they are not, the catalogue
knows the tensors of published models; a folder with configs alone is built without memory (on torch's meta
device). What a number takes once loaded, cast or quantised is the recipe's own rule.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphflow.errors import MissingModel, NodeError
from graphflow.node import Footprint

from .headers import TensorEntry, read_header
from .source import INDEX, SIDECAR, locate, read_json, require_weights, weight_files

if TYPE_CHECKING:
    from .component import Component

Entries = Mapping[str, TensorEntry]
"""The tensors of one module, by name."""

_BLOCK = re.compile(r".*?\.\d+(?=\.)")
"""`blocks.3` of `blocks.3.attn1.to_q.weight`: a name up to its first number."""


def footprint(component: Component) -> Footprint:
    """What a part weighs as its recipe has it; all zero if its model is not here.

    Raises MissingModel if some of its weight files are here and others are not.
    """
    try:
        folder = locate(component.source.model, revision=component.source.revision)
    except MissingModel:
        return Footprint(0)
    single = component.single_files()
    found = []
    for part in component.parts():
        path = single[part].path() if part in single else None
        if path is not None and path.suffix == ".gguf":
            found.append(Footprint(path.stat().st_size))  # stays as it is stored
        else:
            if path is None and weight_files(folder / part):
                require_weights(folder / part, component.source)
            entries = read_header(path) if path is not None else tensors(folder, part)
            found.append(weighed(component, entries))
    return together(found)


def weighed(component: Component, entries: Entries) -> Footprint:
    """The sums that decide what placing the weights saves."""
    blocks: dict[str, int] = {}
    layers: dict[str, int] = {}
    rest = 0
    for name, entry in entries.items():
        size = component.loaded_bytes(name, entry)
        layer, block = name.rpartition(".")[0], _BLOCK.match(name)
        layers[layer] = layers.get(layer, 0) + size
        if block is None:
            rest += size
        else:
            blocks[block[0]] = blocks.get(block[0], 0) + size
    whole = rest + sum(blocks.values())
    return Footprint(whole, 0, max(blocks.values(), default=0), rest, max(layers.values(), default=0))


def together(modules: list[Footprint]) -> Footprint:
    """Several modules of one part: they work one after the other, so the largest of each kind counts."""
    if len(modules) == 1:
        return modules[0]
    return Footprint(
        whole=sum(module.whole for module in modules),
        module=max((module.whole for module in modules), default=0),
        block=max((module.block for module in modules), default=0),
        rest=sum(module.rest for module in modules),
        leaf=max((module.leaf for module in modules), default=0),
    )


def tensors(folder: Path, part: str) -> Entries:
    """The tensors of one module, from the best source there is; empty if nothing is known of it."""
    files = sorted((folder / part).glob("*.safetensors"))
    if files:
        return {name: entry for file in files for name, entry in read_header(file).items()}
    published = read_json(folder / SIDECAR).get("catalogue")
    if isinstance(published, str):
        from .catalogue import entry

        return entry(published).tensors(part)
    return _built_without_memory(folder, part)


def _built_without_memory(folder: Path, part: str) -> Entries:
    """The tensors that a module's config asks for; none if there is no config or no such class."""
    named, config = read_json(folder / INDEX).get(part), folder / part / "config.json"
    if not (isinstance(named, list) and len(named) == 2 and named[0] in ("diffusers", "transformers")):
        return {}
    cls = getattr(importlib.import_module(named[0]), str(named[1]), None)
    if cls is None or not config.is_file():
        return {}
    import torch

    try:
        with torch.device("meta"):
            if named[0] == "diffusers":
                module: Any = cls.from_config(read_json(config))
            else:
                module = cls(cls.config_class.from_json_file(config))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise NodeError(f"{part}/config.json of model {folder.name!r} is malformed: {error}") from error
    return {name: TensorEntry("F32", tuple(one.shape)) for name, one in module.named_parameters()}
