"""How a clip of diffusion forcing falls into windows; lengths that do not fit are refused here."""

from __future__ import annotations

from dataclasses import dataclass

from graphflow.errors import NodeError

from .checks import task_of
from .families import Call


@dataclass(frozen=True)
class Window:
    """One stretch of a clip that is denoised at once, in latent frames."""

    frames: int
    ready: int
    """Frames at its front that are there already: of the window before, or given ones."""
    end: int = 0
    """Given frames behind its end."""

    def steps(self, steps: int, ar_step: int, block: int) -> int:
        """Steps of the whole window when each block of frames lags `ar_step` steps behind the one before."""
        blocks = (self.frames + self.end) // block - self.ready // block
        return steps + (blocks - 1) * ar_step


def windows(total: int, base: int, overlap: int, ready: int = 0, end: int = 0) -> list[Window]:
    """A clip of `total` latent frames in windows of at most `base`, as the pipelines count them.

    overlap: frames of a window that the next one begins with. ready, end: given frames at the front of the
    first window, and behind the end.
    """
    done = min(total, base)
    found = [Window(done, ready, end)]
    while done < total:
        found.append(Window(min(total - done + overlap, base), overlap))
        done += found[-1].frames - overlap
    return found


def planned(call: Call, base_num_frames: int, overlap_history: int, block: int) -> list[Window]:
    """The windows of a clip. Refuses lengths that the pipelines would cut in silence, or fail with."""
    latents, given, temporal = call.latents, call.given, call.latents.geometry.temporal
    total = latents.geometry.latent_shape(latents.width, latents.height, latents.frames)[2]
    base = latent_frames("base_num_frames", base_num_frames, temporal)
    overlap = latent_frames("overlap_history", overlap_history, temporal)
    extension, end = task_of(call.condition) == "extension", int(given.last_image is not None)
    if overlap >= base and (total > base or extension):
        raise NodeError(
            f"an overlap of {overlap_history} frames leaves nothing of a window of {base_num_frames}",
            where="overlap_history",
            hint="use a shorter overlap or longer windows",
        )
    if end and total > base:
        raise NodeError(
            f"a last image is only for clips of one window, up to {base_num_frames} frames",
            where="condition",
            hint="leave it out, or make a shorter clip",
        )
    ready = overlap if extension else int(given.image is not None)
    plan = windows(total, base, overlap, ready, end)
    for window in plan:
        _check_blocks(window, block, temporal)
    return plan


def latent_frames(name: str, frames: int, temporal: int) -> int:
    """How many latent frames hold `frames` frames. Raises NodeError if the last would be filled in part."""
    count = (frames - 1) // temporal + 1
    below = (count - 1) * temporal + 1
    if frames != below:
        raise NodeError(
            f"{name} {frames} is not 1 more than a multiple of {temporal}",
            where=name,
            hint=f"use {below} or {below + temporal}",
        )
    return count


def _check_blocks(window: Window, block: int, temporal: int) -> None:
    """Frames that fill no block the pipelines would leave out, or denoise although they are given."""
    frames = window.frames + window.end
    if frames % block or window.ready % block:
        raise NodeError(
            f"a window of {frames} latent frames, {window.ready} of them given, makes no blocks of {block}",
            where="causal_block_size",
            hint=f"leave causal_block_size empty or change the lengths; a latent frame is {temporal} frames, "
            "the first of a clip a single one",
        )
