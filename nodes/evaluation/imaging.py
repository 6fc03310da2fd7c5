"""Raters of technical quality: noise, blur, wrong exposure in a picture; by CLIP without training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from graphflow.node import Origin, node
from graphflow.values import Recipe, Tensor

from .embedder import Embedder

RateQuality = Callable[[Tensor], Tensor]
"""An opened rater: frames, uint8 (frames, height, width, 3), to a mark for each, float32, 0..100."""

Text = Annotated[str, Field(min_length=1, max_length=200)]


class QualityRater(Recipe):
    """Something that rates how clean pictures are. A pack of its own adds one, such as MUSIQ: a subclass
    whose `open` gives `RateQuality`."""


class ClipQuality(QualityRater):
    """How much nearer pictures are to a text for good ones than to its opposite, by any embedder of pictures
    and texts.

    Source: Wang et al., Exploring CLIP for assessing the look and feel of images, AAAI 2023, where the
    likenesses are multiplied by 100 before the softmax.
    """

    embedder: Embedder
    good: str
    bad: str

    def origins(self) -> tuple[Origin, ...]:
        return self.embedder.origins()

    def open(self, device: str) -> RateQuality:
        embed = self.embedder.open(device)
        texts = embed.texts([self.good, self.bad])

        def rate(frames: Tensor) -> Tensor:
            likeness: Tensor = 100 * embed.images(frames) @ texts.T
            return 100 * likeness.softmax(-1)[:, 0]

        return rate


@node("evaluation/clip_quality_rater", fold=True)
def clip_quality_rater(
    embedder: Embedder, *, good: Text = "Good photo.", bad: Text = "Bad photo."
) -> ClipQuality:
    """A rater of technical quality without training, over CLIP or SigLIP.

    good, bad: two texts that say opposite things.
    """
    return ClipQuality(embedder=embedder, good=good, bad=bad)
