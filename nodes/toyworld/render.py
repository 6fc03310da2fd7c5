"""Draws scenes as video clips: signed distance fields on a pixel grid, antialiased, vectorised over clips.

Numbers say that they are float32: while another thread loads a model, torch's default may be another.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .world import BACKGROUNDS, COLORS, RGB, SIZES, Scene

FRAMES = 13
"""Frames of a clip: 4n + 1, as a video autoencoder with a causal time factor of four needs."""
SIZE = 64
"""Width and height of a clip in pixels."""

EXTENT = {"circle": 1.0, "square": 0.9, "triangle": 1.3}
"""How far a shape reaches from its centroid, in radii (a square counts its half side)."""
TRAVEL = (0.5, 0.9)
"""Share of the way from edge to edge that a moving object covers, anywhere on that way."""
FREE_TRAVEL = (16.0, 30.0)
"""Pixels of a 64 pixel wide frame that an object covers if it may leave the frame."""
COLOR_JITTER = 0.03
CREAM: RGB = (1.0, 0.93, 0.75)
"""The cut faces of the `slices` effect."""

_TRIANGLE_NORMALS = ((0.0, 1.0), (0.8660254, -0.5), (-0.8660254, -0.5))


@dataclass(frozen=True, slots=True)
class Layers:
    """A batch of clips before colouring; clip = background * under + colour * over + cream * filling.

    All [B, T, H, W] in 0..1, and linear in the colours, so whatever is linear in pixels (a PCA, say) can be
    applied to the layers once and coloured afterwards.
    """

    under: Tensor
    over: Tensor
    filling: Tensor

    @property
    def coverage(self) -> Tensor:
        """1 where the object hides the background, [B, T, H, W]."""
        return ((self.over + self.filling) > 0).float()


@dataclass(frozen=True, slots=True)
class Track:
    """Where an object is: x, y [T] in pixels, opacity [T], radius in pixels."""

    x: Tensor
    y: Tensor
    opacity: Tensor
    radius: float


def render(scenes: Sequence[Scene], frames: int = FRAMES, size: int = SIZE) -> Tensor:
    """Clips [B, 3, frames, size, size] in -1..1; the same scene always gives the same pixels."""
    layers = draw_layers(scenes, frames, size)
    colors = [scene_colors(scene) for scene in scenes]
    paint = torch.tensor([fore for fore, _ in colors], dtype=torch.float32)[:, :, None, None, None]
    ground = torch.tensor([back for _, back in colors], dtype=torch.float32)[:, :, None, None, None]
    cream = torch.tensor(CREAM, dtype=torch.float32)[None, :, None, None, None]
    image = ground * layers.under[:, None] + paint * layers.over[:, None] + cream * layers.filling[:, None]
    return image * 2 - 1


def to_uint8(clips: Tensor) -> Tensor:
    """Clips [B, 3, T, H, W] in -1..1 as frames [B, T, H, W, 3] in 0..255."""
    return ((clips.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 4, 1).contiguous()


def scene_colors(scene: Scene) -> tuple[RGB, RGB]:
    """The exact object and background colours of a scene (0..1), jittered by its seed."""
    rng = random.Random(f"colors {scene.seed}")
    return jitter(COLORS[scene.color], rng), jitter(BACKGROUNDS[scene.background], rng)


def jitter(color: RGB, rng: random.Random) -> RGB:
    """A colour near `color`, still in 0..1."""
    r, g, b = (min(1.0, max(0.0, c + rng.uniform(-COLOR_JITTER, COLOR_JITTER))) for c in color)
    return r, g, b


Course = Literal["told", "free", "wandering"]
"""Where an object goes: as its scene tells and inside the frame; from anywhere and perhaps out of the frame,
so that the place where it starts tells nothing about where it goes; or from anywhere to anywhere, whatever
the scene tells, on a line that is straight every other time."""


def draw_layers(
    scenes: Sequence[Scene], frames: int = FRAMES, size: int = SIZE, course: Course = "told"
) -> Layers:
    """The colourless layers of `scenes`, each [B, frames, size, size]."""
    tracks = [track(scene, frames, size, course) for scene in scenes]
    axis = torch.arange(size, dtype=torch.float32) + 0.5
    radius = torch.tensor([track.radius for track in tracks], dtype=torch.float32)[:, None, None, None]
    dx = axis - torch.stack([track.x for track in tracks])[:, :, None, None]
    dy = axis[:, None] - torch.stack([track.y for track in tracks])[:, :, None, None]
    shade = 0.92 - 0.08 * (dy / radius).clamp(-1, 1)
    dx, gap, cut = _slice(scenes, dx, radius, frames)
    x, y = (dx / radius).expand(-1, -1, size, -1), (dy / radius).expand(-1, -1, -1, size)
    outside = torch.stack([distance(s.shape, x[i], y[i]) for i, s in enumerate(scenes)]) * radius
    opacity = torch.stack([track.opacity for track in tracks])[:, :, None, None]
    alpha = (0.5 - torch.maximum(outside, gap)).clamp(0, 1) * opacity
    light = torch.linspace(1.0, 0.8, size, dtype=torch.float32)[:, None]
    inside = ((gap > -1.6) & (gap < 0.5) & cut).float()
    return Layers(light * (1 - alpha), shade * alpha * (1 - inside), shade * alpha * inside)


def distance(shape: str, x: Tensor, y: Tensor) -> Tensor:
    """Signed distance (radii, negative inside) to a unit shape with its centroid at the origin, y downwards.

    Exact inside and along edges; beyond a corner it is the distance to the nearest edge line.
    """
    if shape == "circle":
        return (x * x + y * y).sqrt() - 1
    if shape == "square":
        return torch.maximum(x.abs(), y.abs()) - EXTENT["square"]
    sides = torch.stack([nx * x + ny * y for nx, ny in _TRIANGLE_NORMALS])
    return sides.amax(0) - EXTENT["triangle"] / 2


def track(scene: Scene, frames: int, size: int, course: Course = "told") -> Track:
    """Where the object of a scene goes in a clip of that many frames and that side."""
    rng = random.Random(f"track {scene.seed}")
    scale = size / 64
    radius = SIZES[scene.size] * rng.uniform(0.92, 1.08) * scale
    low = radius * EXTENT[scene.shape] + scale
    high = size - low
    u = torch.linspace(0, 1, frames, dtype=torch.float32)
    x, y = (torch.full((frames,), rng.uniform(low, high), dtype=torch.float32) for _ in range(2))
    if course == "free":
        span = rng.uniform(*FREE_TRAVEL) * scale
        start = rng.uniform(low, high)
        forward, backward = start + span * u, start - span * u
    else:
        span = (high - low) * rng.uniform(*TRAVEL)
        start = rng.uniform(low, high - span)
        forward, backward = start + span * u, start + span * (1 - u)
    x = {"right": forward, "left": backward}.get(scene.motion, x)
    y = {"down": forward, "up": backward}.get(scene.motion, y)
    if course == "wandering":
        x, y = _wander(low, high, u, rng)
    opacity = (1.15 - 1.35 * u).clamp(0, 1) if scene.effect == "fade" else torch.ones_like(u)
    return Track(x, y, opacity, radius)


def _wander(low: float, high: float, u: Tensor, rng: random.Random) -> tuple[Tensor, Tensor]:
    """A path between two random places in low..high, straight or bent to one side; x, y like `u` (0..1)."""
    x0, y0, x1, y1 = (rng.uniform(low, high) for _ in range(4))
    bend = rng.choice((0.0, rng.uniform(-0.6, 0.6))) * torch.sin(torch.pi * u)
    x = x0 + (x1 - x0) * u - (y1 - y0) * bend
    y = y0 + (y1 - y0) * u + (x1 - x0) * bend
    return x.clamp(low, high), y.clamp(low, high)


def _slice(scenes: Sequence[Scene], dx: Tensor, radius: Tensor, frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cut objects with the `slices` effect in three slabs that drift apart from a quarter of the clip on.

    Returns x relative to the slab's own place, the signed distance to the slab (pixels), and where it is cut.
    """
    sliced = torch.tensor([scene.effect == "slices" for scene in scenes], dtype=torch.bool)[
        :, None, None, None
    ]
    if not bool(sliced.any()):
        return dx, torch.full_like(dx, -9.0), torch.zeros_like(dx, dtype=torch.bool)
    progress = ((torch.linspace(0, 1, frames, dtype=torch.float32) - 0.25) / 0.6).clamp(0, 1)[:, None, None]
    drift, width = progress * 0.75 * radius, radius * 2 / 3
    slab = torch.round(dx / (width + drift)).clamp(-1, 1)
    moved = dx - slab * drift
    gap = (moved - slab * width).abs() - width / 2
    outer = (slab * moved > 0) & (slab * moved > width)
    cut = sliced & (drift > 0)
    gap = torch.where(outer | ~cut, torch.full_like(gap, -9.0), gap)
    return torch.where(sliced, moved, dx), gap, cut.expand_as(gap)
