"""A node for each phase of each modular pipeline, made from its definition.

The function's signature is the definition's: pictures and videos are ports, plain inputs are settings by the
pipeline's own names, tensors travel unseen in the state.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Context, node
from graphflow.values import Audio, Image, Seed, Video

from ..pixels import pil, pils
from .definitions import PORTS, Definition, Input, Phase, definitions
from .forecast import Foresight, forecast
from .recipes import ModularModel
from .run import Done, Work, after, performed
from .state import ModularState, packed, same

_TYPES: dict[str, Any] = {
    "text": str,
    "int": int,
    "float": float,
    "bool": bool,
    "ints": list[int],
    "floats": list[float],
    "image": Image,
    "video": Video,
    "seed": Seed,
}

_LIMITS: dict[str, Any] = {
    "height": Field(ge=8, le=16384),
    "width": Field(ge=8, le=16384),
    "num_frames": Field(ge=1, le=100_000),
    "num_inference_steps": Field(ge=1, le=1000),
    "max_sequence_length": Field(ge=1, le=65536),
    "fps": Field(gt=0, le=1000),
    "frame_rate": Field(gt=0, le=1000),
}
"""Of settings by name; the pipelines check them late or never."""

_SCALE = Annotated[float, Field(ge=0, le=100)] | None
_FPS = Annotated[float, Field(gt=0, le=1000)] | None

_DEPENDS = (
    ".run",
    ".resume",
    ".state",
    ".stand_ins",
    ".recipes",
    ".definitions",
    "..shell",
    "..pixels",
    "..opening",
)


class Clip(NamedTuple):
    """A video with its sound."""

    video: Video
    audio: Audio


def made_nodes() -> dict[str, Callable[..., Any]]:
    """The node functions of all pipelines, by name: `helios_denoise` is node `modular/helios_denoise`."""
    found: dict[str, Callable[..., Any]] = {}
    for definition in definitions().values():
        for phase in definition.phases:
            found[f"{definition.slug}_{phase.name}"] = _made(definition, phase)
            if "videos" in phase.outputs:
                break  # what comes after frames is no video
    return found


def _made(definition: Definition, phase: Phase) -> Callable[..., Any]:
    """The node of one phase."""
    signature = _signature(definition, phase)

    def run(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return _run(definition, phase, bound.arguments)

    name = f"{definition.slug}_{phase.name}"
    run.__name__ = run.__qualname__ = name
    run.__doc__ = _doc(definition, phase)
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
    run.__annotations__["return"] = signature.return_annotation
    check = Foresight(definition, phase)
    return node(f"modular/{name}", check=check, forecast=forecast(definition, phase), depends=_DEPENDS)(run)


def _signature(definition: Definition, phase: Phase) -> inspect.Signature:
    ports = [_parameter("model", ModularModel)]
    earlier = definition.before(phase)
    if earlier:
        first = all(each.optional for each in earlier)
        ports.append(
            _parameter("state", ModularState | None, None) if first else _parameter("state", ModularState)
        )
    ports.append(_parameter("ctx", Context))
    settings: list[inspect.Parameter] = []
    for one in definition.shown(phase):
        again = any(one.name in each.settles() for each in earlier)
        if one.kind in PORTS:
            ports.append(_parameter(one.name, _TYPES[one.kind] | None, None))
        else:
            settings.append(_setting(one, again))
    settings += [_parameter(_scale(name), _SCALE, None, setting=True) for name in definition.guided(phase)]
    result: Any = ModularState
    if "videos" in phase.outputs:
        settings.append(_parameter("fps", _FPS, None, setting=True))
        result = Clip if _sounds(phase) else Video
    ports = _required_first(ports)
    return inspect.Signature([*ports, *settings], return_annotation=result)


def _required_first(ports: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """Python's order: what may be left out comes last."""
    return sorted(ports, key=lambda port: port.default is not port.empty)


def _setting(one: Input, again: bool) -> inspect.Parameter:
    """again: an earlier phase may have settled it, so that it may be left empty here."""
    kind = _TYPES[one.kind]
    limit = _LIMITS.get(one.name)
    if limit is not None:
        kind = Annotated[kind, limit]
    name = "seed" if one.kind == "seed" else one.name
    if one.kind == "seed":
        return _parameter(name, kind, 0, setting=True)
    if again or one.default is None:
        if one.required and not again and one.kind == "text":
            return _parameter(name, kind, setting=True)
        return _parameter(name, kind | None, None, setting=True)
    return _parameter(name, kind, one.default, setting=True)


def _parameter(
    name: str, kind: Any, default: Any = inspect.Parameter.empty, *, setting: bool = False
) -> inspect.Parameter:
    how = inspect.Parameter.KEYWORD_ONLY if setting else inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, how, default=default, annotation=kind)


def _scale(guider: str) -> str:
    """The setting of a guider: `guidance` for `guider`, `audio_guidance` for `audio_guider`."""
    return guider.replace("guider", "guidance")


def _sounds(phase: Phase) -> bool:
    return bool({"audio", "sound"} & set(phase.outputs))


def _doc(definition: Definition, phase: Phase) -> str:
    lines = [f"{phase.doc}", ""]
    lines.append(f"Phase {phase.name!r} of the modular pipeline {definition.name!r} of diffusers.")
    for one in definition.shown(phase):
        name = "seed" if one.kind == "seed" else one.name
        text = one.doc or one.type
        if one.kind == "seed":
            text = "Of random numbers. An earlier phase's seed goes on with its numbers; another begins anew."
        elif any(one.name in each.settles() for each in definition.before(phase)):
            own = "" if one.default is None else f", else {one.default}"
            text = f"{text} Empty: as in earlier phases{own}."
        lines.append(textwrap.fill(f"{name}: {text}", 108, subsequent_indent="    ", break_long_words=False))
    lines += [
        f"{_scale(name)}: how closely to follow the prompt; empty is the pipeline's own."
        for name in definition.guided(phase)
    ]
    if "videos" in phase.outputs:
        lines.append("fps: frames a second of the video; empty is what earlier phases were told, else 24.")
    lines.append(
        "Raises ValueMismatch for the state of another model, NodeError if a phase or a part is missing."
    )
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------- running


def _run(definition: Definition, phase: Phase, arguments: Mapping[str, Any]) -> Any:
    model: ModularModel = arguments["model"]
    ctx: Context = arguments["ctx"]
    before = _before(definition, phase, model, arguments.get("state"))
    scales = {name: arguments[_scale(name)] for name in definition.guided(phase)}
    work = Work(
        definition=definition,
        phase=phase,
        model=model,
        before=before,
        given=_given(definition, phase, before, arguments),
        guidance={name: scale for name, scale in scales.items() if scale is not None},
        seed=arguments.get("seed"),
    )
    with performed(ctx, work) as done:
        if "videos" not in phase.outputs:
            return after(work, done)
        return _clip(phase, done, arguments["fps"])


def _before(
    definition: Definition, phase: Phase, model: ModularModel, state: ModularState | None
) -> ModularState:
    """The state to begin with, if it is the same model's and no phase is missing."""
    if model.pipeline != definition.name:
        raise ValueMismatch(
            f"model {model.source.model!r} is for {model.pipeline!r}, this node for {definition.name!r}",
            where="model",
            hint=f"use the nodes of {model.pipeline!r}",
        )
    identity = model.source.identity
    if state is None:
        state = ModularState(
            pipeline=definition.name, model=identity, done=(), values={}, bundles={}, guidance={}
        )
    if state.pipeline != definition.name or state.model != identity:
        raise ValueMismatch(
            f"this state was made for another model than {model.source.model!r}",
            where="state",
            hint="use one model for all phases",
        )
    order = [each.name for each in definition.phases]
    later = [name for name in state.done if order.index(name) >= order.index(phase.name)]
    if later:
        raise NodeError(
            f"{later[-1]} has run already, and {phase.name} comes before it",
            where="state",
            hint=f"the order is {', '.join(order)}",
        )
    missing = [e.name for e in definition.before(phase) if not e.optional and e.name not in state.done]
    if missing:
        raise NodeError(
            f"{phase.name} needs what {missing[0]} makes",
            where="state",
            hint=f"wire modular/{definition.slug}_{missing[0]} before it",
        )
    return state


def _given(
    definition: Definition, phase: Phase, before: ModularState, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """The inputs that were given, as the pipeline takes them.

    Raises NodeError for one that an earlier phase has settled otherwise, or a required one that is missing.
    """
    settled = {name for each in before.done for name in definition.phase(each).settles()}
    given: dict[str, Any] = {"output_type": "np"}
    for one in definition.shown(phase):
        if one.kind == "seed":
            continue
        value = _taken(one, arguments[one.name])
        if value is None:
            if (
                one.required
                and one.default is None
                and one.kind in ("text", *PORTS)
                and one.name not in settled
            ):
                raise NodeError(f"{phase.name} needs {one.name}", where=one.name, hint=one.doc)
            continue
        if one.name in settled and not same(packed(one.name, value), before.values.get(one.name)):
            raise NodeError(
                f"{one.name} is settled by an earlier phase",
                where=one.name,
                hint="leave it empty here, or set it there",
            )
        given[one.name] = value
    return given


def _taken(one: Input, value: Any) -> Any:
    """A port's or setting's value as the pipeline takes it."""
    if value is not None and one.kind == "image":
        return pil(value)
    if value is not None and one.kind == "video":
        return pils(value)
    if isinstance(value, list) and one.type.startswith("tuple"):
        return tuple(value)
    return value


def _clip(phase: Phase, done: Done, fps: float | None) -> Any:
    """Frames, and sound if the pipeline makes it, from the state after decoding."""
    import torch

    values = done.state.values
    videos = values["videos"]
    frames = torch.from_numpy(((videos[0] if videos.ndim == 5 else videos) * 255).round().astype("uint8"))
    own = getattr(done.pipeline, "fps", None)  # of a model that knows one rate only
    rate = fps or values.get("frame_rate") or values.get("fps") or own or 24.0
    video = Video(frames=frames, fps=float(rate))
    if not _sounds(phase):
        return video
    waves = values.get("audio") if values.get("audio") is not None else values.get("sound")
    hertz = values.get("sampling_rate")
    if hertz is None:
        hertz = _rate(done.pipeline)
    if waves is None:
        return Clip(video, Audio(samples=torch.zeros(1, 0), rate=int(hertz)))
    samples = torch.as_tensor(waves).float().cpu()
    return Clip(video, Audio(samples=samples.reshape(-1, samples.shape[-1]).clamp(-1, 1), rate=int(hertz)))


def _rate(pipeline: Any) -> int:
    """Samples a second of the sound, where the pipeline does not say it: its vocoder knows."""
    config = getattr(getattr(pipeline, "vocoder", None), "config", None) or {}
    return int(config.get("output_sampling_rate") or config.get("sampling_rate") or 48000)
