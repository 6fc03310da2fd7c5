"""What one forward pass allocates beside its weights: every tensor that torch makes is counted, none filled.

Models run on fake tensors, which have shapes and no content, so the sizes may be those of published models.
These are the measurements behind `nodes/diffusion/activations.py`. What kernels take for themselves, such as
the workspace of a convolution, is not seen.

    python -m benchmarks.activations
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only


class Counter(TorchDispatchMode):
    """Counts the bytes of all tensor storages that are alive; `peak` is the most at once."""

    def __init__(self, given: list[Any]) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known = {tensor.untyped_storage()._cdata for tensor in given}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tree_map_only(torch.Tensor, self._count, out)
        return out

    def _count(self, tensor: Any) -> None:
        storage = tensor.untyped_storage()
        place, size = storage._cdata, storage.nbytes()
        if place in self._known:
            return
        self._known.add(place)
        self.live += size
        self.peak = max(self.peak, self.live)

        def gone() -> None:
            self._known.discard(place)
            self.live -= size

        weakref.finalize(storage, gone)


def peak_bytes(
    build: Callable[[], Any], inputs: Callable[[], Mapping[str, Any]], method: str = "forward"
) -> int:
    """The most that a call of a model allocates beside its weights and inputs.

    build: makes the model, inputs: the arguments of its method; both on fake tensors.
    """
    with FakeTensorMode(), torch.no_grad():
        model, given = build(), inputs()
        tensors = [one for one in given.values() if isinstance(one, torch.Tensor)]
        counter = Counter([*model.parameters(), *model.buffers(), *tensors])
        with counter:
            call = getattr(model, method)
            kinds = {one.kind for one in inspect.signature(call).parameters.values()}
            named = "return_dict" in inspect.signature(call).parameters
            plain = {"return_dict": False} if named or inspect.Parameter.VAR_KEYWORD in kinds else {}
            call(**given, **plain)
    return counter.peak


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Modules made inside have weights of this dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def made(cls: Any, dtype: torch.dtype, keep: tuple[str, ...] = (), **config: Any) -> Any:
    """A module with weights of a dtype; those whose names have a part in `keep` stay float32."""
    with default_dtype(dtype):
        module = cls(**config).eval()
    for name, part in module.named_modules():
        for own, weight in list(part._parameters.items()):
            if weight is not None and not set(keep).isdisjoint(f"{name}.{own}".split(".")):
                part._parameters[own] = torch.nn.Parameter(weight.detach().float(), requires_grad=False)
    return module


# ------------------------------------------------------------------------------------------ the cases


@dataclass(frozen=True)
class Case:
    """One model class at one size."""

    kind: str
    config: dict[str, Any]
    cells: tuple[int, int, int]
    """Latent frames, height and width."""
    rows: int = 1
    pixels: tuple[int, int] = (0, 0)
    """Of decoders: side of a latent cell, and frames that one latent frame stands for."""
    tile: int | None = None
    encodes: bool = False

    @property
    def decodes(self) -> bool:
        return self.pixels[0] > 0

    @property
    def name(self) -> str:
        tile, way = f"-tile{self.tile}" if self.tile else "", "-encode" if self.encodes else ""
        return f"{self.kind}-{'x'.join(map(str, self.cells))}{tile}{way}"


def measured(case: Case, dtype: str) -> int:
    """Bytes that the case allocates beside weights and inputs."""
    import diffusers

    kind, torch_dtype = getattr(diffusers, case.kind), getattr(torch, dtype)
    if not case.decodes:
        keep = tuple(getattr(kind, "_keep_in_fp32_modules", None) or ())
        return peak_bytes(
            lambda: made(kind, torch_dtype, keep, **case.config), lambda: _inputs(case, torch_dtype)
        )

    def build() -> Any:
        vae = made(kind, torch_dtype, **case.config)
        if case.tile:
            side, stride = case.tile, case.tile * 3 // 4
            vae.enable_tiling(side, side, tile_sample_stride_height=stride, tile_sample_stride_width=stride)
        return vae

    if case.encodes:
        frames, height, width = case.cells
        side, step = case.pixels
        clip = {"x": (1, 3, (frames - 1) * step + 1, height * side, width * side)}
        return peak_bytes(build, lambda: _empty(clip, torch_dtype), "encode")
    channels = case.config.get("z_dim") or case.config.get("latent_channels") or _CHANNELS[case.kind]
    latents: dict[str, tuple[int, ...]] = {"z": (1, channels, *case.cells)}
    if case.config.get("timestep_conditioning"):
        latents["temb"] = (1,)
    return peak_bytes(build, lambda: _empty(latents, torch_dtype), "decode")


def forecast(case: Case, dtype: str) -> int:
    """Bytes by the formula."""
    from graphflow_nodes.diffusion.activations import decoder_bytes, encoder_bytes, transformer_bytes

    frames, height, width = case.cells
    if not case.decodes:
        return transformer_bytes(case.kind, _full(case), case.cells, dtype, guided=case.rows == 2)
    side, step = case.pixels
    size, count = height * width * side**2, (frames - 1) * step + 1
    if case.encodes:
        return encoder_bytes(case.kind, _full(case), size, count, dtype)
    return decoder_bytes(case.kind, _full(case), size, count, dtype, case.tile)


def _full(case: Case) -> Mapping[str, Any]:
    """The config with the class's defaults."""
    import diffusers

    signature = inspect.signature(getattr(diffusers, case.kind).__init__).parameters
    defaults = {name: one.default for name, one in signature.items() if one.default is not one.empty}
    return {**defaults, **case.config}


_CHANNELS = {
    "AutoencoderKLWan": 16,
    "AutoencoderKLLTXVideo": 128,
    "AutoencoderKLLTX2Video": 128,
    "AutoencoderKLHunyuanVideo": 16,
    "AutoencoderKLHunyuanVideo15": 32,
}


def _empty(shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype) -> dict[str, Any]:
    return {name: torch.empty(shape, dtype=dtype) for name, shape in shapes.items()}


def _inputs(case: Case, dtype: torch.dtype) -> dict[str, Any]:
    """Arguments of a transformer's forward pass."""
    rows, (frames, height, width) = case.rows, case.cells
    clip, step = (rows, 16, *case.cells), torch.zeros(rows, dtype=torch.int64)
    match case.kind:
        case "LTXVideoTransformer3DModel":
            shapes = {"hidden_states": (rows, frames * height * width, 128), "timestep": (rows,)}
            found = _empty({**shapes, "encoder_hidden_states": (rows, 128, 4096)}, dtype)
            mask = torch.ones(rows, 128, dtype=torch.int64)
            size = {"num_frames": frames, "height": height, "width": width}
            scale = {"rope_interpolation_scale": (0.32, 32, 32)}
            return {**found, **size, **scale, "encoder_attention_mask": mask}
        case "LTX2VideoTransformer3DModel":
            sound = round(((frames - 1) * 8 + 1) * 25 / 24)  # 25 cells of it a second, 24 frames
            clips = {
                "hidden_states": (rows, frames * height * width, 128),
                "audio_hidden_states": (rows, sound, 128),
            }
            found = _empty(clips, dtype)
            said = ("encoder_hidden_states", "audio_encoder_hidden_states")
            found |= _empty(dict.fromkeys(said, (rows, 1024, 3840)), dtype)
            masks = ("encoder_attention_mask", "audio_encoder_attention_mask")
            found |= dict.fromkeys(masks, torch.ones(rows, 1024, dtype=torch.int64))
            size = {"num_frames": frames, "height": height, "width": width, "audio_num_frames": sound}
            return {**found, **size, "timestep": torch.zeros(rows), "sigma": torch.zeros(rows)}
        case "HunyuanVideoTransformer3DModel":
            shapes = {"hidden_states": clip, "encoder_hidden_states": (rows, 256, 4096), "guidance": (rows,)}
            mask = torch.ones(rows, 256, dtype=torch.int64)
            found = _empty({**shapes, "pooled_projections": (rows, 768)}, dtype)
            return {**found, "encoder_attention_mask": mask, "timestep": step}
        case "HeliosTransformer3DModel":  # 16 + 2 + 1 frames of what came before, and the first of all
            history = {"short": 2, "mid": 2, "long": 16}
            shapes = {"hidden_states": clip, "encoder_hidden_states": (rows, 512, 4096)}
            found = _empty(shapes, dtype)
            places = torch.arange(20 + frames)
            where = {"short": [0, 19], "mid": [17, 18], "long": [*range(1, 17)]}
            for name, count in history.items():
                found |= _empty({f"latents_history_{name}": (rows, 16, count, height, width)}, dtype)
                found[f"indices_latents_history_{name}"] = places[where[name]][None]
            return {**found, "indices_hidden_states": places[20:][None], "timestep": step}
        case "WanAnimateTransformer3DModel":
            shapes = {"hidden_states": (rows, 36, *case.cells), "encoder_hidden_states": (rows, 512, 4096)}
            poses, faces = (rows, 16, frames - 1, height, width), (rows, 3, 4 * frames - 7, 512, 512)
            driven = {"pose_hidden_states": poses, "face_pixel_values": faces}
            seen = {"encoder_hidden_states_image": (rows, 257, 1280)}
            return {**_empty({**shapes, **driven, **seen}, dtype), "timestep": step}
        case "WanVACETransformer3DModel":
            shapes = {"hidden_states": clip, "control_hidden_states": (rows, 96, *case.cells)}
            found = _empty({**shapes, "encoder_hidden_states": (rows, 512, 4096)}, dtype)
            scale = torch.ones(len(case.config["vace_layers"]))
            return {**found, "control_hidden_states_scale": scale, "timestep": step}
    found = _empty({"hidden_states": clip, "encoder_hidden_states": (rows, 512, 4096)}, dtype)
    return {**found, "timestep": step}


_WAN = {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 2}
_WAN_14B = {"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 2}
_VACE = {**_WAN, "num_layers": 4, "vace_layers": [0, 2]}
_ANIMATE = {**_WAN_14B, "num_layers": 5, "in_channels": 36, "latent_channels": 16, "image_dim": 1280}
_LTX = {"num_attention_heads": 32, "num_layers": 2, "cross_attention_dim": 2048}
_HUNYUAN = {"num_attention_heads": 24, "num_layers": 1, "num_single_layers": 1, "num_refiner_layers": 1}
_RESIDUAL = {
    "base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "in_channels": 12, "out_channels": 12,
    "patch_size": 2, "is_residual": True, "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48,
    "temperal_downsample": [False, True, True],
}  # fmt: skip
_LTX2 = {"num_attention_heads": 32, "attention_head_dim": 128, "num_layers": 2}
_LTX_095 = {
    "block_out_channels": (128, 256, 512, 1024, 2048), "decoder_block_out_channels": (256, 512, 1024),
    "down_block_types": ("LTXVideo095DownBlock3D",) * 4, "layers_per_block": (4, 6, 6, 2, 2),
    "decoder_layers_per_block": (5, 5, 5, 5), "spatio_temporal_scaling": (True,) * 4,
    "decoder_spatio_temporal_scaling": (True,) * 3, "decoder_inject_noise": (False,) * 4,
    "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
    "upsample_residual": (True,) * 3, "upsample_factor": (2,) * 3, "timestep_conditioning": True,
    "spatial_compression_ratio": 32, "temporal_compression_ratio": 8,
}  # fmt: skip
_LTX2_VAE = {"spatial_compression_ratio": 32, "temporal_compression_ratio": 8}

TRANSFORMERS = (
    Case("WanTransformer3DModel", _WAN, (9, 60, 104)),
    Case("WanTransformer3DModel", _WAN_14B, (9, 60, 104)),
    Case("WanVACETransformer3DModel", _VACE, (9, 60, 104)),
    Case("WanAnimateTransformer3DModel", _ANIMATE, (9, 60, 104)),
    Case("WanAnimateTransformer3DModel", {**_ANIMATE, **_WAN, "num_layers": 5}, (21, 60, 104)),
    Case("SkyReelsV2Transformer3DModel", _WAN, (9, 68, 120)),
    Case("LTXVideoTransformer3DModel", _LTX, (21, 16, 24)),
    Case("LTXVideoTransformer3DModel", _LTX, (13, 22, 38), rows=2),
    Case("LTX2VideoTransformer3DModel", _LTX2, (16, 16, 24), rows=2),
    Case("LTX2VideoTransformer3DModel", _LTX2, (8, 10, 12)),
    Case("HunyuanVideoTransformer3DModel", _HUNYUAN, (9, 60, 104)),
    Case("HeliosTransformer3DModel", {"num_layers": 2}, (9, 48, 80)),
    Case("HeliosTransformer3DModel", _WAN, (9, 48, 80)),
)
DECODERS = (
    Case("AutoencoderKLWan", {}, (1, 30, 52), pixels=(8, 4)),
    Case("AutoencoderKLWan", {}, (5, 30, 52), pixels=(8, 4)),
    Case("AutoencoderKLWan", {"base_dim": 48}, (5, 24, 40), pixels=(8, 4)),
    Case("AutoencoderKLWan", _RESIDUAL, (5, 22, 40), pixels=(16, 4)),
    Case("AutoencoderKLLTXVideo", {}, (5, 8, 12), pixels=(32, 8)),
    Case("AutoencoderKLLTXVideo", _LTX_095, (1, 8, 12), pixels=(32, 8)),
    Case("AutoencoderKLLTXVideo", _LTX_095, (9, 8, 12), pixels=(32, 8)),
    Case("AutoencoderKLLTX2Video", _LTX2_VAE, (1, 8, 12), pixels=(32, 8)),
    Case("AutoencoderKLLTX2Video", _LTX2_VAE, (3, 8, 12), pixels=(32, 8)),
    Case("AutoencoderKLLTX2Video", _LTX2_VAE, (16, 16, 24), pixels=(32, 8)),
    Case("AutoencoderKLHunyuanVideo", {}, (5, 30, 52), pixels=(8, 4)),
    Case("AutoencoderKLHunyuanVideo15", {}, (5, 8, 12), pixels=(16, 4)),
)
ENCODERS = (
    Case("AutoencoderKLWan", {}, (5, 30, 52), pixels=(8, 4), encodes=True),
    Case("AutoencoderKLWan", _RESIDUAL, (5, 22, 40), pixels=(16, 4), encodes=True),
    Case("AutoencoderKLLTXVideo", {}, (5, 8, 12), pixels=(32, 8), encodes=True),
    Case("AutoencoderKLLTXVideo", _LTX_095, (5, 8, 12), pixels=(32, 8), encodes=True),
    Case("AutoencoderKLLTX2Video", _LTX2_VAE, (1, 8, 12), pixels=(32, 8), encodes=True),
    Case("AutoencoderKLLTX2Video", _LTX2_VAE, (5, 8, 12), pixels=(32, 8), encodes=True),
    Case("AutoencoderKLHunyuanVideo", {}, (5, 30, 52), pixels=(8, 4), encodes=True),
    Case("AutoencoderKLHunyuanVideo15", {}, (5, 8, 12), pixels=(16, 4), encodes=True),
)
TILED = (
    Case("AutoencoderKLWan", {}, (5, 60, 104), pixels=(8, 4), tile=256),
    Case("AutoencoderKLLTXVideo", {}, (5, 16, 24), pixels=(32, 8), tile=256),
    Case("AutoencoderKLLTX2Video", _LTX2_VAE, (5, 16, 24), pixels=(32, 8), tile=256),
)


def main() -> None:
    """Print every case in both widths."""
    print("| model | dtype | formula | counted | ratio |\n|---|---|---|---|---|")
    for case in (*TRANSFORMERS, *DECODERS, *ENCODERS, *TILED):
        for dtype in ("float32", "bfloat16"):
            told, found = forecast(case, dtype), measured(case, dtype)
            row = (case.name, dtype, f"{told / 1e9:.2f} GB", f"{found / 1e9:.2f} GB", f"{told / found:.2f}")
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
