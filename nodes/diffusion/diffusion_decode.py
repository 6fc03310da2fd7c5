"""Latents of LTX-2 to frames by a small diffusion model instead of the VAE's decoder, as LTX-2.5 does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Context, Unknown, node
from graphflow.values import NUMERICS, Seed, Video

from .checks import check_origin
from .component import Component
from .decode import seen
from .families import Configs, code_digest, family
from .modifiers.tiling import Tiling, tiled, tiling_of
from .opening import from_folder
from .recipes import VAE
from .shell import cancel_points
from .source import identify, locate, read_json
from .values import Dtype, Latents

PART = "diffusion_decoder"
"""The component's name in a model folder."""

CLASS = "LTX2VideoDiffusionDecoderModel"

FAMILY = "ltx2"


class DiffusionDecoder(Component):
    """A decoder that denoises pixels, led by latents. It knows their mean and spread itself."""

    config: dict[str, Any]
    """The model's architecture."""
    tiling: Annotated[Tiling | None, NUMERICS] = None

    def base(self) -> DiffusionDecoder:
        return self.model_copy(update={"tiling": None, "offload": None})

    def parts(self) -> tuple[str, ...]:
        return (PART,)

    def open(self, device: str) -> Any:
        import diffusers
        import torch

        options = {"dtype": getattr(torch, self.dtype), "use_safetensors": True, "local_files_only": True}
        return from_folder(getattr(diffusers, CLASS), self.folder(), PART, device, options)

    @contextmanager
    def applied(self, live: Any, device: str) -> Iterator[Any]:
        with tiled(live, self.tiling), super().applied(live, device):
            yield live


@node("diffusion/load_diffusion_decoder", fold=True, depends=(".source", ".component"))
def load_diffusion_decoder(
    *, model: str, revision: str | None = None, dtype: Dtype = "bfloat16", download: bool = False
) -> DiffusionDecoder:
    """The diffusion decoder of a model, such as LTX-2.5, or of a repository of its own.

    model: a folder in diffusers layout with a diffusion_decoder, or a hub repository. revision: branch, tag
        or commit of a hub repository. dtype: in which it computes. download: allow fetching from the hub.
    Raises MissingModel if the model is not on this machine, NodeError if it has no such decoder.
    """
    path = locate(model, revision=revision, download=download)
    config = read_json(path / PART / "config.json")
    if config.get("_class_name") != CLASS:
        raise NodeError(
            f"model {model!r} has no diffusion decoder", where="model", hint="use load_vae and decode"
        )
    return DiffusionDecoder(
        source=identify(model, path, revision=revision, download=download),
        family=FAMILY,
        family_code=code_digest(FAMILY),
        dtype=dtype,
        native=family(FAMILY).native(Configs({}, {}, {})),
        config={name: value for name, value in config.items() if not name.startswith("_")},
    )


def _foreseen(
    decoder: DiffusionDecoder | Unknown,
    latents: Latents | Unknown,
    vae: VAE | Unknown | None,
    fps: float | Unknown | None,
) -> Mapping[str, Any] | None:
    if isinstance(decoder, DiffusionDecoder) and isinstance(latents, Latents):
        _check(decoder, latents, None if isinstance(vae, Unknown) else vae)
    return seen(latents, fps)


@node(
    "diffusion/decode_by_diffusion",
    check=_foreseen,
    depends=(".component", ".opening", ".modifiers.tiling", ".shell", ".values"),
)
def decode_by_diffusion(
    decoder: DiffusionDecoder,
    latents: Latents,
    ctx: Context,
    vae: VAE | None = None,
    *,
    seed: Seed = 0,
    tile: Annotated[int, Field(ge=64, le=8192)] | None = None,
    overlap: Annotated[int, Field(ge=16, le=4096)] = 64,
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None,
) -> Video:
    """Decode a denoised clip of LTX-2 by a diffusion model in place of the VAE's decoder, as LTX-2.5 does it.

    vae: that of the latents, whose mean and spread it then goes by; empty is the decoder's own, which are
        rounded to its dtype. Only the bits of half precision differ.
    seed: of the noise that it begins with; 0 to 2**53-1.
    tile: pixels; decode in square tiles that overlap by `overlap` pixels. Saves memory and changes pixels
        slightly. Empty decodes whole frames.
    fps: frames a second of the video; empty is what the latents were made for.
    Returns uint8 frames, (frames, height, width, 3), sRGB.
    Raises ValueMismatch for latents of another model, NodeError for empty ones.
    """
    import diffusers
    import torch

    _check(decoder, latents, vae)
    recipe = decoder if tile is None else decoder.model_copy(update={"tiling": tiling_of(tile, overlap)})
    knowing = nullcontext() if vae is None else ctx.use(vae)
    with knowing as knows, ctx.use(recipe) as live, cancel_points([live.decoder], ctx.check):
        pipeline: Any = diffusers.LTX2VideoDiffusionDecodePipeline
        pipe = pipeline(diffusion_decoder=live, scheduler=None, vae=knows)
        generator = torch.Generator("cpu").manual_seed(seed)
        unit = pipe(latents.samples, generator=generator, output_type="pt").frames[0].float().cpu()
    frames = unit.mul_(255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    return Video(frames=frames, fps=fps or latents.fps)


def _check(decoder: DiffusionDecoder, latents: Latents, vae: VAE | None) -> None:
    """Refuse latents that it was not made for, before anything is loaded."""
    if latents.stage == "empty":
        raise NodeError("these latents are empty", where="latents", hint="connect a denoise node")
    wanted = tuple(
        decoder.config.get(name, usual)
        for name, usual in (
            ("latent_channels", 128), ("spatial_compression_ratio", 32), ("temporal_compression_ratio", 8),
        )
    )  # fmt: skip
    geometry = latents.geometry
    if latents.family != FAMILY or (geometry.channels, geometry.spatial, geometry.temporal) != wanted:
        raise ValueMismatch(
            f"the diffusion decoder of model {decoder.source.model!r} was not made for these latents",
            where="latents",
            hint="denoise with LTX-2, or use decode with the VAE of the latents",
        )
    if vae is not None:
        check_origin(vae, latents)
