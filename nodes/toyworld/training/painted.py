"""Clips for training on conditions, as pixels: drawn once, painted anew."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..render import Course, draw_layers, jitter, scene_colors
from ..world import BACKGROUNDS, COLORS, Scene, is_held_out, sample_scene
from .codec import SPACE, TIME


@dataclass(frozen=True)
class Painted:
    """A batch of clips: `under` and `over` [B, 1, T, H, W] as in `Layers`, the colours of objects and
    backgrounds [B, 3, 1, 1, 1] in 0..1, and the scenes in words."""

    under: Tensor
    over: Tensor
    paint: Tensor
    ground: Tensor
    scenes: Sequence[Scene]

    @classmethod
    def draw(cls, scenes: Sequence[Scene], course: Course = "told") -> "Painted":
        """The clips of `scenes`, in the colours of their seeds."""
        layers = draw_layers(scenes, course=course)
        colors = [scene_colors(scene) for scene in scenes]
        paint, ground = (torch.tensor(side)[:, :, None, None, None] for side in zip(*colors, strict=True))
        return cls(layers.under[:, None], layers.over[:, None], paint, ground, scenes)

    @cached_property
    def clips(self) -> Tensor:
        """The clips [B, 3, T, H, W] in -1..1."""
        return (self.ground * self.under + self.paint * self.over) * 2 - 1

    @cached_property
    def mask(self) -> Tensor:
        """1 where the object is, else 0, [B, 1, T, H, W]."""
        return (self.over > 0.02).float()

    @cached_property
    def coverage(self) -> Tensor:
        """1 where a latent holds a part of the object, [B, 1, n, h, w]."""
        return latents_of(self.mask)


def latents_of(mask: Tensor) -> Tensor:
    """1 where a latent stands for any pixel of a mask [B, 1, T, H, W], [B, 1, n, h, w]."""
    held = torch.cat([mask[:, :, :1].expand(-1, -1, TIME - 1, -1, -1), mask], 2)
    return torch.nn.functional.max_pool3d(held, (TIME, SPACE, SPACE))


class PaintedPool:
    """Drawn clips (uncoloured, one byte a value), painted anew each time and never as a held-out scene."""

    def __init__(
        self,
        capacity: int,
        rng: random.Random,
        course: Course = "told",
        first: int = 256,
    ) -> None:
        self._capacity = capacity
        self._rng = rng
        self._course = course
        self._scenes: list[Scene] = []
        self._planes: list[Tensor] = []
        while len(self) < min(first, capacity):
            self.grow()

    def __len__(self) -> int:
        return len(self._scenes)

    def grow(self, count: int = 16) -> None:
        """Draw new clips; beyond the capacity the oldest are replaced."""
        new = [sample_scene(self._rng) for _ in range(count)]
        layers = draw_layers(new, course=self._course)
        planes = torch.stack([layers.under, layers.over], 1)
        self._planes += (planes * 255).round().to(torch.uint8).unbind(0)
        self._scenes += new
        surplus = max(0, len(self) - self._capacity)
        del self._planes[:surplus], self._scenes[:surplus]

    def batch(self, size: int) -> Painted:
        """`size` clips in new colours."""
        picks = [self._rng.randrange(len(self)) for _ in range(size)]
        under, over = (torch.stack([self._planes[i] for i in picks]).float() / 255).unbind(1)
        scenes = [self._recolour(self._scenes[i]) for i in picks]
        paint = torch.tensor([jitter(COLORS[scene.color], self._rng) for scene in scenes])
        ground = torch.tensor([jitter(BACKGROUNDS[scene.background], self._rng) for scene in scenes])
        paint, ground = (color[:, :, None, None, None] for color in (paint, ground))
        return Painted(under[:, None], over[:, None], paint, ground, scenes)

    def _recolour(self, drawn: Scene) -> Scene:
        """The drawn scene in words for other colours, never a held-out combination."""
        while True:
            color, ground = self._rng.choice([*COLORS]), self._rng.choice([*BACKGROUNDS])
            scene = Scene(drawn.shape, color, ground, drawn.size, drawn.motion)
            if not is_held_out(scene):
                return scene
