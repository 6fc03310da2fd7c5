"""How much memory the phases of modular pipelines need beside their weights, as far as that was measured.

Phases are told sizes where they come first, so these travel beside the state while a run is planned.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphflow.errors import MissingModel
from graphflow.node import Estimate, Unknown

from ..activations import DECODING, decoder_bytes, text_bytes, transformer_bytes
from ..source import read_json
from .definitions import Definition, Phase
from .recipes import ModularModel, ModularPart, find

_SIZES = ("height", "width", "num_frames", "num_latent_frames_per_chunk", "max_sequence_length")
"""Inputs of pipelines, by their names, that memory depends on."""

_CELL, _STEP = 8, 4
"""Pixels of a latent cell and frames of a latent frame, of Helios' VAE."""


_PIXELS = 3.5
"""Times the bytes of a clip that are needed to make pixels of it, as diffusers does it."""


@dataclass(frozen=True)
class Told:
    """Stands for a state while a run is planned: what the phases so far were told of sizes."""

    sizes: Mapping[str, Any]
    """Unknown for those that only the run can tell."""


class Foresight:
    """The check of one phase: what later ones will know of sizes. Refuses nothing."""

    def __init__(self, definition: Definition, phase: Phase) -> None:
        shown = {one.name for one in definition.shown(phase)}
        self._names = [name for name in _SIZES if name in shown]
        self._gives = "videos" not in phase.outputs
        ports = ["state"] if definition.before(phase) else []
        self.__signature__ = inspect.Signature(
            [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in (*ports, *self._names)]
        )

    def __call__(self, **known: Any) -> Mapping[str, Any] | None:
        state = known.pop("state", None)
        before = state.sizes if isinstance(state, Told) else {}
        given = {name: value for name, value in known.items() if value is not None}
        return {"out": Told({**before, **given})} if self._gives else None


def forecast(definition: Definition, phase: Phase) -> Callable[[Mapping[str, Any]], Estimate | None]:
    """The forecast of one phase: None for models that nobody has measured, and where sizes are not known."""
    usual = {one.name: one.default for each in definition.phases for one in each.inputs}
    rule = _RULES.get(phase.name)

    def need(known: Mapping[str, Any]) -> Estimate | None:
        model, state = known.get("model"), known.get("state")
        if rule is None or not isinstance(model, ModularModel):
            return None
        before = state.sizes if isinstance(state, Told) else {}
        own = {name: known[name] for name in _SIZES if known.get(name) is not None}
        sizes = {**{name: usual.get(name) for name in _SIZES}, **before, **own}
        try:
            return rule(model, phase, sizes)
        except (MissingModel, _Open):
            return None

    return need


class _Open(Exception):
    """A size that is not known yet."""


def _size(sizes: Mapping[str, Any], name: str) -> int:
    value = sizes[name]
    if value is None or isinstance(value, Unknown):
        raise _Open(name)
    return int(value)


def _config(part: ModularPart) -> Mapping[str, Any]:
    source = part.source
    return read_json(find(source.model, source.revision, download=False) / part.subfolder / "config.json")


def _encoding(model: ModularModel, phase: Phase, sizes: Mapping[str, Any]) -> Estimate | None:
    """Of a T5, which reads prompts that are filled up to their longest."""
    part = model.parts.get("text_encoder")
    if part is None or part.class_name != "UMT5EncoderModel":
        return None
    return Estimate(text_bytes(_config(part), _size(sizes, "max_sequence_length"), part.dtype))


def _denoising(model: ModularModel, phase: Phase, sizes: Mapping[str, Any]) -> Estimate | None:
    """Of Helios, chunk by chunk, each with what came before."""
    part = model.parts.get("transformer")
    if part is None or part.class_name != "HeliosTransformer3DModel":
        return None
    rows, columns = (_size(sizes, name) // _CELL for name in ("height", "width"))
    cells = _size(sizes, "num_latent_frames_per_chunk"), rows, columns
    return Estimate(transformer_bytes(part.class_name, _config(part), cells, part.dtype, guided=True))


def _decoding(model: ModularModel, phase: Phase, sizes: Mapping[str, Any]) -> Estimate | None:
    """Of Helios: a chunk in its VAE beside the frames so far, or all of them on their way to pixels."""
    part, denoiser = (model.parts.get(name) for name in ("vae", "transformer"))
    if part is None or denoiser is None or denoiser.class_name != "HeliosTransformer3DModel":
        return None
    pixels = _size(sizes, "height") * _size(sizes, "width")
    chunk = (_size(sizes, "num_latent_frames_per_chunk") - 1) * _STEP + 1
    frames = -(-_size(sizes, "num_frames") // chunk) * chunk
    need = decoder_bytes(part.class_name, _config(part), pixels, chunk, part.dtype)
    clip = 3 * pixels * frames * (4 if part.dtype == "float32" else 2)
    return Estimate(
        max(need + clip, round(_PIXELS * clip)), 3 * pixels * frames, measured=part.class_name in DECODING
    )


_RULES = {"text_encoder": _encoding, "denoise": _denoising, "decode": _decoding}
