"""The latent space, fixed before anything is trained: a PCA of 4 x 8 x 8 pixel chunks.

Fixing it first lets the denoiser and the autoencoder train side by side, and makes the latents of a clip
linear in its colours. The first frame alone is a chunk too: it is coded as if it stood still for four frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..render import Course, Layers, draw_layers, render
from ..world import RGB, Scene

TIME = 4
"""Frames in a chunk."""
SPACE = 8
"""Width and height of a chunk in pixels."""
COMPONENTS = 24
"""Latent channels."""


@dataclass(frozen=True, slots=True)
class ChunkCodec:
    """A linear code of clips [B, 3, 1+4n, 8h, 8w] in -1..1 as latents [B, 24, 1+n, h, w] of unit-like scale.

    `mean` [768] and `basis` [768, 24] are the PCA, chunk axes in the order colour, time, row, column; `scale`
    [24] is what a latent channel is divided by: 0.45 sqrt(sd_k sd_1), half of the way to whitening, so that
    strong components stay stronger than weak ones.
    """

    mean: Tensor
    basis: Tensor
    scale: Tensor

    def encode(self, clips: Tensor) -> Tensor:
        """Latents of clips."""
        latents = ((_color_chunks(clips) - self.mean) @ self.basis) / self.scale
        return latents.permute(0, 4, 1, 2, 3).contiguous()

    def decode(self, latents: Tensor) -> Tensor:
        """The clips nearest to latents (the linear decoder, about 27 dB on the toy world)."""
        chunks = (latents.permute(0, 2, 3, 4, 1) * self.scale) @ self.basis.T + self.mean
        b, n, h, w, _ = chunks.shape
        clips = chunks.view(b, n, h, w, 3, TIME, SPACE, SPACE).permute(0, 4, 1, 5, 2, 6, 3, 7)
        clips = clips.reshape(b, 3, n * TIME, h * SPACE, w * SPACE)
        return torch.cat([clips[:, :, :TIME].mean(2, keepdim=True), clips[:, :, TIME:]], 2)

    def encode_planes(self, planes: Tensor) -> Tensor:
        """What grey planes [B, T, H, W] add to the latents per colour channel: [B, 3, 24, 1+n, h, w]."""
        parts = self.basis.view(3, TIME * SPACE * SPACE, -1) / self.scale
        return torch.einsum("bnhwp,cpk->bcknhw", _chunks(planes), parts)

    @property
    def motion_share(self) -> Tensor:
        """How far each latent channel changes sign when time runs backwards, 0 (not at all)..1, [24]."""
        basis = self.basis.view(3, TIME, SPACE * SPACE, -1)
        return ((basis - basis.flip(1)) / 2).square().sum((0, 1, 2))

    @property
    def pixel_share(self) -> Tensor:
        """How much the square of an error in each latent channel means in pixels, 1 on average, [24]."""
        return self.scale.square() / self.scale.square().mean()

    @property
    def preview(self) -> Tensor:
        """The linear map from latents to the mean colour of their chunk (0..1), a row (red, green, blue) for
        each channel and a last one of constants, [25, 3]."""
        rows = (self.basis * self.scale).view(3, -1, len(self.scale)).mean(1).T
        return torch.cat([rows, 1 + self.mean.view(3, -1).mean(1)[None]]) / 2

    @property
    def black(self) -> Tensor:
        """The latent of a chunk of pixel value -1, [24]."""
        result: Tensor = ((-1 - self.mean) @ self.basis) / self.scale
        return result


@dataclass(frozen=True, slots=True)
class LatentLayers:
    """Drawn but uncoloured clips in latent space: `under` and `over` [B, 3, 24, n, h, w] (half precision),
    `coverage` [B, 1, n, h, w], 1 where a latent holds a part of the object."""

    under: Tensor
    over: Tensor
    coverage: Tensor

    def paint(self, codec: ChunkCodec, index: Tensor, fore: Sequence[RGB], back: Sequence[RGB]) -> Tensor:
        """Latents [len(index), 24, n, h, w] of the chosen clips in the given colours."""
        over = torch.einsum("bcknhw,bc->bknhw", self.over[index].float(), torch.tensor(fore))
        under = torch.einsum("bcknhw,bc->bknhw", self.under[index].float(), torch.tensor(back))
        return 2 * (over + under) + codec.black[:, None, None, None]


def encode_layers(codec: ChunkCodec, layers: Layers) -> LatentLayers:
    """Drawn layers (without the filling of the `slices` effect) in latent space."""
    under, over = (codec.encode_planes(plane).half() for plane in (layers.under, layers.over))
    return LatentLayers(under, over, _chunks(layers.coverage).amax(-1)[:, None])


def draw_latent_layers(codec: ChunkCodec, scenes: Sequence[Scene], course: Course = "told") -> LatentLayers:
    """Draw scenes straight into latent space, 32 at a time."""
    batches = [scenes[i : i + 32] for i in range(0, len(scenes), 32)]
    parts = [encode_layers(codec, draw_layers(batch, course=course)) for batch in batches]
    return concatenate(parts)


def concatenate(parts: Sequence[LatentLayers]) -> LatentLayers:
    """One batch out of several."""
    return LatentLayers(
        torch.cat([part.under for part in parts]),
        torch.cat([part.over for part in parts]),
        torch.cat([part.coverage for part in parts]),
    )


def fit(scenes: Sequence[Scene]) -> tuple[ChunkCodec, float]:
    """The PCA of the chunks of rendered scenes, and its peak signal-to-noise ratio on them in dB."""
    size = 3 * TIME * SPACE * SPACE
    total, square = torch.zeros(size, dtype=torch.float64), torch.zeros(size, size, dtype=torch.float64)
    count = 0
    for i in range(0, len(scenes), 32):
        clips = render(scenes[i : i + 32])
        rows = _color_chunks(clips).flatten(0, 3)
        total += rows.sum(0)
        square += rows.T @ rows
        count += len(rows)
    mean = total / count
    variances, axes = torch.linalg.eigh(square / count - torch.outer(mean, mean))
    variances, axes = variances.flip(0), axes.flip(1)[:, :COMPONENTS]
    deviations = variances[:COMPONENTS].clamp(min=1e-8).sqrt()
    lost = float(variances[COMPONENTS:].sum()) / size
    scale = 0.45 * (deviations * deviations[0]).sqrt()
    codec = ChunkCodec(mean.float(), axes.float().contiguous(), scale.float())
    return codec, float(-10 * torch.log10(torch.tensor(lost / 4)))


def save(codec: ChunkCodec, path: Path) -> None:
    """Write a codec as safetensors."""
    save_file({"mean": codec.mean, "basis": codec.basis, "scale": codec.scale}, path)


def load(path: Path) -> ChunkCodec:
    """Read what `save` wrote."""
    return ChunkCodec(**load_file(path))


def _color_chunks(clips: Tensor) -> Tensor:
    """Clips [B, 3, 1+4n, 8h, 8w] as flattened chunks [B, 1+n, h, w, 768]."""
    return torch.stack([_chunks(plane) for plane in clips.unbind(1)], -2).flatten(-2)


def _chunks(planes: Tensor) -> Tensor:
    """Planes [B, 1+4n, 8h, 8w] as flattened chunks [B, 1+n, h, w, 256], the first frame held for four."""
    b, t, height, width = planes.shape
    if t % TIME != 1 or height % SPACE or width % SPACE:
        raise ValueError(f"a clip needs 4n+1 frames and sides divisible by 8, got {t} x {height} x {width}")
    held = torch.cat([planes[:, :1].expand(-1, TIME - 1, -1, -1), planes], 1)
    parts = held.view(b, (t + 3) // TIME, TIME, height // SPACE, SPACE, width // SPACE, SPACE)
    return parts.permute(0, 1, 3, 5, 2, 4, 6).flatten(4)
