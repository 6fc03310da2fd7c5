"""Definitions of modular pipelines, read out of diffusers itself. Imports it; nothing else here does so."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from .definitions import PIPELINES, Definition, Input, Kind, Phase

_PLAIN: dict[Any, Kind] = {str: "text", int: "int", float: "float", bool: "bool"}

_UNTYPED: dict[str, Kind] = {"image": "image", "last_image": "image", "video": "video"}
"""Inputs that some definitions leave without a type."""

_OURS = ("output_type", "num_videos_per_prompt")
"""Inputs that nodes answer themselves."""


def described() -> list[Definition]:
    """The pipelines of `PIPELINES` as the installed diffusers defines them."""
    return [_definition(name) for name in PIPELINES]


def as_json(found: list[Definition]) -> str:
    """The text of `blocks.json`."""
    lean = [each.model_dump(mode="json", exclude_defaults=True) for each in found]
    return json.dumps(lean, indent=1, ensure_ascii=False) + "\n"


def _definition(name: str) -> Definition:
    import diffusers
    from diffusers.modular_pipelines.modular_pipeline import MODULAR_PIPELINE_MAPPING

    pipeline = MODULAR_PIPELINE_MAPPING[name]()
    blocks_name = getattr(diffusers, pipeline).default_blocks_name
    blocks = getattr(diffusers, blocks_name)()
    specs = {spec.name: spec for spec in blocks.expected_components}
    loaded = [each for each, spec in specs.items() if spec.default_creation_method == "from_pretrained"]
    return Definition(
        name=name,
        pipeline=pipeline,
        blocks=blocks_name,
        phases=tuple(_phase(each, block) for each, block in blocks.sub_blocks.items()),
        loaded={each: _text(specs[each].type_hint) for each in loaded},
        kept={each: names for each in loaded if (names := _kept(specs[each].type_hint))},
        configs=tuple(spec.name for spec in blocks.expected_configs),
    )


def _phase(name: str, block: Any) -> Phase:
    from diffusers.guiders.guider_utils import BaseGuidance
    from diffusers.modular_pipelines.modular_pipeline import ConditionalPipelineBlocks

    specs = block.expected_components
    return Phase(
        name=name,
        doc=block.description.strip().splitlines()[0],
        optional=isinstance(block, ConditionalPipelineBlocks) and block.default_block_name is None,
        inputs=tuple(_input(each) for each in block.inputs if each.name is not None),
        bundles=tuple(sorted({each.kwargs_type for each in block.inputs if each.name is None})),
        outputs=tuple(each.name for each in block.intermediate_outputs),
        components=tuple(spec.name for spec in specs if spec.default_creation_method == "from_pretrained"),
        guiders=tuple(
            spec.name
            for spec in specs
            if inspect.isclass(spec.type_hint) and issubclass(spec.type_hint, BaseGuidance)
        ),
    )


def _kept(cls: Any) -> tuple[str, ...]:
    """Parts of names of weights that stay float32, whatever dtype a class of diffusers is loaded in."""
    own = getattr(cls, "__module__", "").startswith("diffusers")
    return tuple(getattr(cls, "_keep_in_fp32_modules", None) or ()) if own else ()


def _input(found: Any) -> Input:
    kind = _kind(found.name, found.type_hint, found.default)
    plain = found.default if kind != "hidden" else None
    return Input(
        name=found.name,
        kind=kind,
        type=_text(found.type_hint),
        default=list(plain) if isinstance(plain, tuple) else plain,
        required=bool(found.required),
        doc=_sentence(found.description or ""),
    )


def _kind(name: str, hint: Any, default: Any) -> Kind:
    """What an input is in a graph, by its type; by its default or its name where it has none."""
    if name in _OURS:
        return "hidden"
    text = _text(hint)
    if text == "torch.Generator":
        return "seed"
    if "PIL.Image.Image" in text:
        return "video" if text.startswith("list") else "image"
    if hint is None:
        return _UNTYPED.get(name, "hidden")
    plain = hint
    if text.endswith(" | None"):
        plain = next(each for each in hint.__args__ if each is not type(None))
    if plain in _PLAIN:
        return _PLAIN[plain]
    if hint is list and isinstance(default, list):
        text = f"list[{type(default[0]).__name__}]"
    if text.startswith(("list[int]", "tuple[int, ...]")):
        return "ints"
    return "floats" if text.startswith("list[float]") else "hidden"


def _text(hint: Any) -> str:
    """A type as it is written, without the path of its module."""
    if hint is None:
        return ""
    text = hint.__name__ if isinstance(hint, type) and not hasattr(hint, "__args__") else str(hint)
    if getattr(hint, "__module__", "").startswith(("PIL", "torch")) and "." not in text:
        text = f"{hint.__module__.split('.')[0].replace('PIL', 'PIL.Image')}.{text}"
    return re.sub(r"(?:diffusers|typing)\.(?:\w+\.)*", "", text.replace("torch._C.", "torch."))


def _sentence(text: str) -> str:
    """The first paragraph, on one line."""
    return " ".join(text.strip().split("\n\n")[0].split())
