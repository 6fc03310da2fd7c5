"""The pack as a whole: every node can be found, whatever was imported before."""

from __future__ import annotations

import importlib
import pkgutil

import graphflow_nodes.evaluation as pack

from graphflow.node import spec_of


def test_no_module_hides_a_node_of_the_same_name() -> None:
    for module in pkgutil.iter_modules(pack.__path__):
        importlib.import_module(f"{pack.__name__}.{module.name}")
    hidden = [name for name in pack.__all__ if spec_of(getattr(pack, name)) is None]
    assert not hidden
