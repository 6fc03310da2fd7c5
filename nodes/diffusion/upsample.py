"""Latents to larger latents: the step between a small denoise and a refining one."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Context, Estimate, Unknown, node

from .families import Config, Configs, code_digest, family
from .opening import from_folder
from .recipes import VAE, Component
from .shell import cancel_points
from .source import identify, locate, read_json
from .values import Dtype, Latents

PART = "latent_upsampler"
"""The component's name in a model folder."""


class Kind(NamedTuple):
    """A class of upsamplers that diffusers has."""

    package: str
    """Folder in `diffusers.pipelines` that defines the class."""
    pipeline: str
    """The diffusers pipeline that runs it."""
    families: tuple[str, ...]
    """Whose latents it enlarges."""
    plain: bool = False
    """Whether the pipeline gives latents that are not normalised, in the upsampler's dtype; the pipeline that
    refines them goes on in that dtype, so they keep it."""


KINDS = {
    "LTXLatentUpsamplerModel": Kind("ltx", "LTXLatentUpsamplePipeline", ("ltx", "ltx_condition")),
    "LTX2LatentUpsamplerModel": Kind("ltx2", "LTX2LatentUpsamplePipeline", ("ltx2",), plain=True),
}
"""By class name."""


class LatentUpsampler(Component):
    """A small convolutional model that doubles the size of latents, or their number of frames, or both."""

    config: dict[str, Any]
    """The model's architecture, with its class under `_class_name`."""

    @property
    def kind(self) -> Kind:
        return KINDS[self.config["_class_name"]]

    def parts(self) -> tuple[str, ...]:
        return (PART,)

    def open(self, device: str) -> Any:
        import torch

        package = importlib.import_module(f"diffusers.pipelines.{self.kind.package}")
        cls = getattr(package, self.config["_class_name"])
        options = {"dtype": getattr(torch, self.dtype), "use_safetensors": True, "local_files_only": True}
        return from_folder(cls, self.folder(), PART, device, options)


@node("diffusion/load_latent_upsampler", fold=True, depends=(".source", ".recipes"))
def load_latent_upsampler(
    *,
    model: str,
    revision: str | None = None,
    dtype: Dtype = "bfloat16",
    download: bool = False,
) -> LatentUpsampler:
    """The latent upsampler of a model, or a repository of its own.

    model: a folder in diffusers layout with a latent_upsampler, or a hub repository such as
        Lightricks/ltxv-spatial-upscaler-0.9.7. revision: branch, tag or commit of a hub repository.
    dtype: in which it computes. download: allow fetching from the hub.
    Raises MissingModel if the model is not on this machine, NodeError if it has no upsampler known here.
    """
    path = locate(model, revision=revision, download=download)
    config = read_json(path / PART / "config.json")
    kind = KINDS.get(str(config.get("_class_name")))
    if kind is None:
        named = config.get("_class_name")
        unknown = f" that is known here, but one of class {named!r}" if named else ""
        raise NodeError(
            f"model {model!r} has no latent upsampler{unknown}",
            where="model",
            hint=f"choose one with a {' or '.join(KINDS)}, such as Lightricks/ltxv-spatial-upscaler-0.9.8",
        )
    name = kind.families[0]
    return LatentUpsampler(
        source=identify(model, path, revision=revision, download=download),
        family=name,
        family_code=code_digest(name),
        dtype=dtype,
        native=family(name).native(Configs({}, {}, {})),
        config={key: value for key, value in config.items() if key != "_diffusers_version"},
    )


def _enlarged(upsampler: LatentUpsampler, latents: Latents) -> Latents:
    """The clip after the upsampling, without its samples."""
    config, geometry = upsampler.config, latents.geometry
    scale = config.get("rational_spatial_scale", 2) if config.get("spatial_upsample", True) else 1
    long = 1 + config.get("temporal_upsample", False)
    size = {
        "width": round(latents.width // geometry.spatial * scale) * geometry.spatial,
        "height": round(latents.height // geometry.spatial * scale) * geometry.spatial,
        "frames": (latents.frames - 1) * long + 1,
        "fps": latents.fps * long,
    }
    return latents.model_copy(update={**size, "samples": None})


def _foreseen(
    upsampler: LatentUpsampler | Unknown, vae: VAE | Unknown, latents: Latents | Unknown
) -> Mapping[str, Any] | None:
    if isinstance(upsampler, Unknown) or isinstance(vae, Unknown) or isinstance(latents, Unknown):
        return None
    _check(upsampler, vae, latents)
    return {"out": _enlarged(upsampler, latents)}


def _upsampling(known: Mapping[str, Any]) -> Estimate | None:
    """The widest stage of the model is where the latents have their new size; it is held some four times."""
    model, latents = known.get("upsampler"), known.get("latents")
    if not (isinstance(model, LatentUpsampler) and isinstance(latents, Latents)):
        return None
    config, clip = model.config, _enlarged(model, latents)
    cells = math.prod(clip.geometry.latent_shape(clip.width, clip.height, clip.frames)[2:])
    need = 4 * config.get("mid_channels", 512) * cells * (4 if model.dtype == "float32" else 2)
    return Estimate(need, measured=False)


@node(
    "diffusion/upsample_latents",
    check=_foreseen,
    forecast=_upsampling,
    depends=(".recipes", ".shell", ".values"),
)
def upsample_latents(
    upsampler: LatentUpsampler,
    vae: VAE,
    latents: Latents,
    ctx: Context,
    *,
    adain_factor: Annotated[float, Field(ge=0, le=1)] = 0.0,
    tone_map_compression_ratio: Annotated[float, Field(ge=0, le=1)] = 0.0,
) -> Latents:
    """Enlarge a denoised clip in latent space, usually to refine it by another denoise.

    vae: that of the latents; it knows their mean and spread.
    adain_factor: how far each channel goes back to the mean and spread it had before; 1 is all the way.
    tone_map_compression_ratio: how strongly large values are made smaller; the model cards say 0.6 for a
        refine.
    Returns latents at stage `done`: decode them, or refine them.
    Raises ValueMismatch for parts that do not belong together, NodeError for latents that are not denoised.
    """
    import diffusers

    _check(upsampler, vae, latents)
    with ctx.use(vae) as live_vae, ctx.use(upsampler) as live, cancel_points([live], ctx.check):
        pipe = getattr(diffusers, upsampler.kind.pipeline)(vae=live_vae, latent_upsampler=live)
        samples = pipe(
            latents=latents.samples,
            adain_factor=adain_factor,
            tone_map_compression_ratio=tone_map_compression_ratio,
            output_type="latent",
            **({"latents_normalized": True} if upsampler.kind.plain else {}),
        ).frames
        samples = _normalised(live_vae, samples) if upsampler.kind.plain else samples.float()
    return latents.model_copy(update={"samples": samples.cpu(), **_size(upsampler.config, latents, samples)})


def _refined(latents: Latents | Unknown, strength: float | Unknown) -> Mapping[str, Any] | None:
    if isinstance(latents, Unknown) or isinstance(strength, Unknown):
        return None
    _check_done(latents, "refined")
    return {"out": latents.model_copy(update={"stage": "again", "strength": strength, "rng": None})}


@node("diffusion/refine_latents", check=_refined, depends=(".values",))
def refine_latents(latents: Latents, *, strength: Annotated[float, Field(gt=0, le=1)] = 0.4) -> Latents:
    """Let a denoised clip be denoised once more, from a later step: usually after it was upsampled.

    strength: part of the steps that the next denoise runs. It first lays as much noise over the clip as there
        is at the first of them; 0.4 keeps what the clip shows and renews its details. LTX-2 is refined at
        noise levels of the scheduler's own: 1 runs all of them.
    Raises NodeError for latents that are not denoised.
    """
    _check_done(latents, "refined")
    return latents.model_copy(update={"stage": "again", "strength": strength, "rng": None})


def _normalised(vae: Any, samples: Any) -> Any:
    """As a pipeline that is given latents does it: same operations, same order, same dtype."""
    mean, std = (value.view(1, -1, 1, 1, 1).to(samples) for value in (vae.latents_mean, vae.latents_std))
    return (samples - mean) * vae.config.scaling_factor / std


def _size(config: Config, latents: Latents, samples: Any) -> dict[str, Any]:
    """Width, height, frames and frame rate after the upsampling; the clip lasts as long as before."""
    long = 1 + config.get("temporal_upsample", False)
    return {
        "width": samples.shape[4] * latents.geometry.spatial,
        "height": samples.shape[3] * latents.geometry.spatial,
        "frames": (latents.frames - 1) * long + 1,
        "fps": latents.fps * long,
    }


def _check(upsampler: LatentUpsampler, vae: VAE, latents: Latents) -> None:
    """Refuse what does not belong together, before anything is loaded."""
    if latents.family not in upsampler.kind.families:
        raise ValueMismatch(
            f"the upsampler is for latents of {' or '.join(upsampler.kind.families)}, these are for"
            f" {latents.family}",
            where="latents",
            hint="load the upsampler that was made for the model of these latents",
        )
    if vae.info != latents.vae:
        raise ValueMismatch(
            f"these latents were made for another VAE than that of model {vae.source.model!r}",
            where="vae",
            hint="use the VAE that the empty latents were made with",
        )
    _check_done(latents, "upsampled")
    channels, wanted = latents.geometry.channels, upsampler.config.get("in_channels", 128)
    if channels != wanted:
        raise ValueMismatch(
            f"the latents have {channels} channels, the upsampler takes {wanted}",
            where="latents",
            hint="load the upsampler that was made for the model of these latents",
        )


def _check_done(latents: Latents, treated: str) -> None:
    if latents.stage != "done":
        raise NodeError(
            f"only denoised latents can be {treated}",
            where="latents",
            hint="connect a denoise that runs to its end",
        )
