"""Aesthetic predictors: how much people like a picture, 0 to 10; LAION's head over CLIP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from graphflow_nodes.diffusion.source import FileSource, identify_file
from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Origin, node
from graphflow.values import Recipe, Tensor

from .embedder import Embedder

Rate = Callable[[Tensor], Tensor]
"""An opened predictor: frames, uint8 (frames, height, width, 3), to a mark for each, 0..10 about."""


class Aesthetic(Recipe):
    """Something that rates pictures. A pack of its own adds one: a subclass whose `open` gives `Rate`."""


class LinearAesthetic(Aesthetic):
    """A linear layer over an embedder's unit vectors, as LAION's predictor over CLIP ViT-L/14."""

    embedder: Embedder
    head: FileSource

    def origins(self) -> tuple[Origin, ...]:
        return (*self.embedder.origins(), Origin(self.head.file, self.head.digest))

    def open(self, device: str) -> Rate:
        from safetensors.torch import load_file

        embed = self.embedder.open(device)
        tensors = load_file(self.head.path())
        if not {"weight", "bias"} <= tensors.keys():
            raise NodeError("the head has no tensors `weight` and `bias`", where="head")
        weight, bias = tensors["weight"].float(), tensors["bias"].float()

        def rate(frames: Tensor) -> Tensor:
            vectors = embed.images(frames)
            if weight.shape != (1, vectors.shape[-1]):
                made, wanted = vectors.shape[-1], weight.shape[-1]
                raise NodeError(
                    f"the head is for vectors of {wanted} numbers, the embedder gives {made}",
                    where="head",
                    hint="use the embedder that the head was trained with",
                )
            marks: Tensor = (vectors @ weight.T + bias)[:, 0]
            return marks

        return rate


@node("evaluation/linear_aesthetic", fold=True)
def linear_aesthetic(
    embedder: Embedder,
    *,
    head: Annotated[str, Field(min_length=1)],
    repository: str | None = None,
    download: bool = False,
) -> LinearAesthetic:
    """An aesthetic predictor: a linear head over an embedder.

    head: a safetensors file with `weight` (1, numbers) and `bias` (1); LAION's own file is a pickle and must
    be converted once. repository: a hub repository that holds it. Raises MissingModel if it is not there.
    """
    return LinearAesthetic(embedder=embedder, head=identify_file(head, repository, download=download))
