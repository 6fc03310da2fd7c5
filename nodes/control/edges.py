"""Control signals from a picture or clip, without weights: edges, a sketch, shades of grey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Alike, Context, node
from graphflow.values import Tensor

from .frames import P, as_frames, blurred, frames_of, luma, to_bytes, with_frames

Sigma = Annotated[float, Field(ge=0, le=50)]
Threshold = Annotated[float, Field(ge=0, le=2000)]

_PARTS = (".frames",)


@node("control/edges", check=Alike("media"), depends=_PARTS)
def edges(
    media: P, ctx: Context, *, low: Threshold = 100.0, high: Threshold = 200.0, sigma: Sigma = 1.0
) -> P:
    """Canny edges: white lines, one pixel wide, on black.

    sigma: blur first, pixels. low, high: an edge begins where a colour changes by more than `high` (the
    length of a 3 x 3 Sobel gradient, in the channel where it is greatest) and goes on while over `low`.
    Raises NodeError if low is over high. Source: Canny 1986.
    """
    if low > high:
        raise NodeError(f"low ({low:g}) is over high ({high:g})", hint="lower low or raise high")
    return _made(media, ctx, lambda frame: _canny(frame, sigma, low, high))


@node("control/sketch", check=Alike("media"), depends=_PARTS)
def sketch(
    media: P,
    ctx: Context,
    *,
    sigma: Sigma = 2.0,
    strength: Annotated[float, Field(gt=0, le=20)] = 1.5,
    white_lines: bool = True,
) -> P:
    """A soft pencil sketch: lines where something is darker than what is around it within `sigma` pixels.

    strength: how dark the pencil draws. white_lines: white on black, as control models take it; else like a
    pencil on paper.
    """
    return _made(media, ctx, lambda frame: _pencil(frame, sigma, strength, white_lines))


@node("control/gray", check=Alike("media"), depends=_PARTS)
def gray(media: P, ctx: Context) -> P:
    """Shades of grey, for models that give a clip its colours."""
    return _made(media, ctx, lambda frame: to_bytes(luma(frame)))


def _made(media: P, ctx: Context, change: Callable[[Tensor], Tensor]) -> P:
    """Every frame changed to one plane, and shown as grey."""
    import torch

    frames = frames_of(media)
    planes = []
    for done, frame in enumerate(frames):
        ctx.progress(done, len(frames))
        planes.append(change(frame))
    return with_frames(media, as_frames(torch.stack(planes)))


def _pencil(frame: Tensor, sigma: float, strength: float, white_lines: bool) -> Tensor:
    """How much darker each pixel is than its surroundings, in the channel where that is most."""
    import torch

    planes = frame.float().unbind(-1)
    darker = [(1 - (plane + 1) / (blurred(plane, sigma) + 1)).clamp(min=0) for plane in planes]
    lines = to_bytes(255 * strength * torch.stack(darker).amax(0))
    return lines if white_lines else 255 - lines


def _canny(frame: Tensor, sigma: float, low: float, high: float) -> Tensor:
    """uint8 (height, width), 255 on edges."""
    import torch

    across, down = _sobel(torch.stack([blurred(plane, sigma) for plane in frame.float().unbind(-1)]))
    lengths = torch.hypot(across, down)
    channel = lengths.argmax(0, keepdim=True)
    length, across, down = (part.gather(0, channel)[0] for part in (lengths, across, down))
    ridge = length * _is_ridge(length, across, down)
    weak, found = ridge > low, ridge > high
    while True:  # edges grow along weak ones; ends when nothing is added
        near = torch.nn.functional.max_pool2d(found.float()[None], 3, 1, 1)[0] > 0
        grown = near & weak
        if torch.equal(grown, found):
            return found.to(torch.uint8) * 255
        found = grown


def _sobel(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients to the right and down of planes (channels, height, width)."""
    import torch

    padded = torch.nn.functional.pad(planes.unsqueeze(1), (1, 1, 1, 1), mode="replicate")
    kernel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]], dtype=torch.float32)
    both = torch.nn.functional.conv2d(padded, torch.stack([kernel, kernel.T]).unsqueeze(1))
    return both[:, 0], both[:, 1]


def _is_ridge(length: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Where the gradient is not shorter than its two neighbours along its own direction."""
    import torch

    padded = torch.nn.functional.pad(length[None], (1, 1, 1, 1))[0]
    height, width = length.shape

    def moved(dy: int, dx: int) -> Tensor:
        return padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    steep = torch.atan2(down, across) * (4 / torch.pi)  # in eighths of a turn
    direction = steep.round().long() % 4
    ridge = torch.zeros_like(length, dtype=torch.bool)
    for number, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        # of two equal neighbours only one counts, so that a line stays one pixel wide
        higher = (length > moved(-dy, -dx)) & (length >= moved(dy, dx))
        ridge |= (direction == number) & higher
    return ridge
