"""The sound of a clip: latents that were denoised beside its frames, to waves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from graphflow.errors import MissingModel, NodeError, ValueMismatch
from graphflow.node import Context, Estimate, Unknown, node
from graphflow.values import Audio

from .activations import VOICING, spectrum_bytes, vocoder_bytes
from .component import Component, read_configs
from .families import code_digest, family_of
from .opening import load_module
from .shell import cancel_points
from .source import INDEX, identify, locate, read_json
from .values import Dtype, Latents, Sound


class Voice(NamedTuple):
    """A live audio decoder: latents to a spectrogram, a spectrogram to waves."""

    audio_vae: Any
    vocoder: Any


class AudioDecoder(Component):
    """The audio VAE and the vocoder. Opens as `Voice`."""

    sound: Sound
    """The latents it decodes."""

    def parts(self) -> tuple[str, ...]:
        return Voice._fields

    def modules(self, live: Voice) -> dict[str, Any]:
        return live._asdict()

    def open(self, device: str) -> Voice:
        folder = self.folder()
        index = read_json(folder / INDEX)
        return Voice(*(load_module(index, folder, part, self.dtype, device) for part in self.parts()))


@node("diffusion/load_audio_decoder", fold=True, depends=(".source", ".component"))
def load_audio_decoder(
    *, model: str, revision: str | None = None, dtype: Dtype = "float32", download: bool = False
) -> AudioDecoder:
    """The audio decoder of a model whose clips have sound, such as LTX-2.

    dtype: float32 decodes best and costs little here. For the other settings and errors see
    load_text_encoder. Raises NodeError if the model makes no sound.
    """
    path = locate(model, revision=revision, download=download)
    configs = read_configs(path)
    rules = family_of(str(configs.index.get("_class_name")))
    native = rules.native(configs)
    if native.sound is None:
        raise NodeError(f"model {model!r} makes no sound", where="model", hint="leave out the audio decoder")
    return AudioDecoder(
        source=identify(model, path, revision=revision, download=download),
        family=rules.name,
        family_code=code_digest(rules.name),
        dtype=dtype,
        native=native,
        sound=native.sound,
    )


def _foreseen(decoder: AudioDecoder | Unknown, latents: Latents | Unknown) -> None:
    if isinstance(decoder, AudioDecoder) and isinstance(latents, Latents):
        _check(decoder, latents)


def _forecast(known: Mapping[str, Any]) -> Estimate | None:
    """What the larger of its two halves needs: the spectrogram, or the waves."""
    decoder, latents = known.get("decoder"), known.get("latents")
    if not (isinstance(decoder, AudioDecoder) and isinstance(latents, Latents)):
        return None
    try:
        folder = locate(decoder.source.model, revision=decoder.source.revision)
    except MissingModel:
        return None
    vae, vocoder = (read_json(folder / part / "config.json") for part in decoder.parts())
    sound, kind = decoder.sound, str(vocoder.get("_class_name"))
    cells = sound.latent_shape(latents.frames, latents.fps)[2]
    rate = int(vocoder.get("output_sampling_rate", sound.rate))
    samples = round(cells * sound.compression * sound.hop * rate / sound.rate)
    need = spectrum_bytes(vae, cells, decoder.dtype)
    if kind in VOICING:
        need = max(need, vocoder_bytes(kind, vocoder, samples, decoder.dtype))
    return Estimate(need, 2 * 4 * samples, measured=kind in VOICING)


@node(
    "diffusion/decode_audio", check=_foreseen, forecast=_forecast, depends=(".component", ".shell", ".values")
)
def decode_audio(decoder: AudioDecoder, latents: Latents, ctx: Context) -> Audio:
    """Decode the sound of a denoised clip. It lasts about as long as the frames.

    Returns float32 samples, (channels, samples), -1..1, at the model's own rate.
    Raises ValueMismatch if the latents were made for another model, NodeError if they hold no sound.
    """
    import torch

    sound = _check(decoder, latents)
    with ctx.use(decoder) as live, torch.no_grad(), cancel_points(list(live), ctx.check):
        waves = _waves(live, sound.samples)
        rate = int(live.vocoder.config.output_sampling_rate)
    return Audio(samples=waves[0].float().clamp(-1, 1).cpu(), rate=rate)


def _check(decoder: AudioDecoder, latents: Latents) -> Sound:
    """The sound of the latents, if there is any and `decoder` is its own."""
    sound, model = latents.sound, decoder.source.model
    if latents.family != decoder.family or sound is None:
        raise ValueMismatch(
            f"the latents are of family {latents.family!r}, the audio decoder is of model {model!r}",
            where="latents",
            hint="use parts of one model",
        )
    if latents.stage == "empty":
        raise NodeError(
            "these latents are empty", where="latents", hint="connect the result of a denoise node"
        )
    if sound.model_copy(update={"samples": None}) != decoder.sound:
        raise ValueMismatch(
            f"the sound was made for another audio decoder than that of model {model!r}",
            where="latents",
            hint="use the audio decoder of the denoiser's model",
        )
    return sound


def _waves(live: Voice, samples: Any) -> Any:
    """The last lines of LTX2Pipeline.__call__: same operations, same order, same dtypes.

    samples: (1, channels, length, bins), normalised. Returns (1, channels, samples).
    """
    vae, vocoder = live
    tokens = samples.to(vae.device).transpose(1, 2).flatten(2)  # mean and spread are those of whole columns
    x = tokens * vae.latents_std.to(tokens) + vae.latents_mean.to(tokens)
    x = x.unflatten(2, (-1, samples.shape[3])).transpose(1, 2)
    return vocoder(vae.decode(x.to(vae.dtype), return_dict=False)[0])
