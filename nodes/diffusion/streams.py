"""How an LTX-2 pipeline is made to begin with given latents of both its streams, the frames and the sound."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphflow.errors import MissingModel, NodeError

from .families import Begin, Call, Keep
from .values import Latents, Sound


def skipped(call: Call) -> int:
    """Steps that a refinement leaves out. Raises NodeError if nothing says at which noise levels it works."""
    if call.latents.stage == "again" and call.sigmas is None:
        raise NodeError(
            "a refinement needs the noise levels of its steps",
            where="scheduler",
            hint="wire diffusion/scheduler with sigmas; the model's authors use 0.909375, 0.725, 0.421875",
        )
    return call.steps - min(int(call.steps * call.latents.strength), call.steps)


def adjust(pipe: Any, call: Call, begin: Begin) -> Keep:
    """Begin with given latents of both streams, and keep what is beside those of the clip after each step.

    kept: `sound`, and `extra`, the tokens of keyframes, which follow those of the clip.
    """
    import torch

    for name, value in (("latents_mean", torch.zeros(1)), ("latents_std", torch.ones(1))):
        vars(pipe.vae).setdefault(name, value)  # asked for at the end, when we have the latents already
    if begin.samples is not None:
        refining = call.latents.stage == "again" and not begin.kept
        (_refine if refining else _go_on)(pipe, call, begin)
    cells = _cells(call.latents)

    def keep(tensors: Mapping[str, Any]) -> dict[str, Any]:
        extra = tensors["latents"][:, cells:]
        return {"sound": tensors["audio_latents"], **({"extra": extra} if extra.shape[1] else {})}

    return keep


def _go_on(pipe: Any, call: Call, begin: Begin) -> None:
    """With exactly these latents. The pipelines would lay noise over them, or at least draw it: so they
    prepare as ever, then the latents are put in place and the generator is set back."""
    import torch

    device, state, kept = pipe._execution_device, begin.generator.get_state(), begin.kept or {}
    clip = torch.cat([pack(begin.samples).to(device), *([kept["extra"]] if "extra" in kept else [])], 1)
    heard = kept["sound"] if kept else pack_sound(sound_of(call.latents).samples)
    prepare = _with(pipe.prepare_latents, latents=begin.samples.to(device))

    def prepare_latents(*args: Any, **settings: Any) -> Any:
        prepared = prepare(*args, **settings)
        return (clip, *prepared[1:]) if isinstance(prepared, tuple) else clip

    def prepare_sound(*args: Any, **settings: Any) -> Any:
        begin.generator.set_state(state)
        return heard.to(device)

    pipe.prepare_latents, pipe.prepare_audio_latents = prepare_latents, prepare_sound


def _refine(pipe: Any, call: Call, begin: Begin) -> None:
    """With a denoised clip and noise over it, laid by the pipeline's own rules.

    The latents of the clip are normalised already. Those of the sound make the detour over what a plain call
    would be given, and that is worth some bits.
    """
    assert call.sigmas is not None and call.folder is not None  # checked by `skipped`; told by the denoise
    device, level = pipe._execution_device, call.sigmas[skipped(call)]
    clip, sound = begin.samples.to(device), pack_sound(sound_of(call.latents).samples).to(device)
    pipe.audio_vae.latents_mean, pipe.audio_vae.latents_std = _sound_statistics(call.folder())
    heard = pipe._denormalize_audio_latents(sound, pipe.audio_vae.latents_mean, pipe.audio_vae.latents_std)
    normalise = pipe._normalize_latents
    pipe._normalize_latents = lambda x, *rest: x if x is clip else normalise(x, *rest)
    pipe.prepare_latents = _with(pipe.prepare_latents, latents=clip, noise_scale=level)
    heard = heard.unflatten(2, (-1, sound_of(call.latents).bins)).transpose(1, 2)
    pipe.prepare_audio_latents = _with(pipe.prepare_audio_latents, latents=heard, noise_scale=level)


def _with(method: Any, **values: Any) -> Any:
    """A method of which some arguments are always these, however it is called."""
    signature = inspect.signature(method)

    def called(*args: Any, **settings: Any) -> Any:
        given = signature.bind(*args, **settings)
        given.arguments.update(values)
        return method(*given.args, **given.kwargs)

    return called


def _sound_statistics(folder: Path) -> tuple[Any, Any]:
    """Mean and spread of latents of sound, as the audio VAE in a model folder has them."""
    from safetensors import safe_open

    for path in sorted((folder / "audio_vae").glob("*.safetensors")):
        with safe_open(str(path), "pt") as file:
            if "latents_mean" in file.keys():  # noqa: SIM118 - not a dictionary
                return file.get_tensor("latents_mean").float(), file.get_tensor("latents_std").float()
    raise MissingModel(
        "the model's audio VAE is not here, which a refinement needs", hint="complete the model's download"
    )


def finish(latents: Latents, kept: Mapping[str, Any]) -> dict[str, Any]:
    """The sound beside the clip."""
    sound = sound_of(latents)
    samples = kept["sound"].unflatten(2, (-1, sound.bins)).transpose(1, 2)
    return {"sound": sound.model_copy(update={"samples": samples})}


def sound_of(latents: Latents) -> Sound:
    assert latents.sound is not None  # all latents of this family have it
    return latents.sound


def pack(samples: Any) -> Any:
    """(1, channels, frames, height, width) to (1, frames * height * width, channels)."""
    return samples.flatten(2).transpose(1, 2)


def unpack(samples: Any, latents: Latents) -> Any:
    """The clip's own tokens, which are the first ones, to (1, channels, frames, height, width)."""
    shape = latents.geometry.latent_shape(latents.width, latents.height, latents.frames)
    return samples[:, : _cells(latents)].transpose(1, 2).reshape(shape)


def _cells(latents: Latents) -> int:
    shape = latents.geometry.latent_shape(latents.width, latents.height, latents.frames)
    return math.prod(shape[2:])


def pack_sound(samples: Any) -> Any:
    """(1, channels, length, bins) to (1, length, channels * bins)."""
    return samples.transpose(1, 2).flatten(2)
