"""Wan 2.2 Animate: a picture moves as the people of a driving video do, segment by segment.

WanAnimatePipeline decodes each segment to begin the next with its last frames, so it cannot be split into
encode, denoise and decode; it runs as one node. It resumes by segment: the call is made again, but finished
segments have no steps, and their decoder is given the latents they had come to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Context, Estimate, Unknown, node
from graphflow.values import Image, Seed, Video

from .activations import conditioning, decoding, denoising
from .asked import check_guide
from .checks import blank_condition, check_denoise, stand_in
from .decode import seen
from .denoise import Guidance, Steps
from .families import Call, family
from .guidance import ScheduledGuidance
from .pixels import fitted_image, fitted_video, pil, pils
from .preview import preview_clip
from .recipes import MAKING, VAE, Denoiser, ImageEncoder, Scheduler
from .shell import cancel_points, shell
from .stepwise import by_step
from .tap import Step, Tap, tapped
from .values import Given, Latents, PromptEmbeds


def _foreseen(
    denoiser: Denoiser | Unknown,
    vae: VAE | Unknown,
    image_encoder: ImageEncoder | Unknown | None,
    prompt: PromptEmbeds | Unknown,
    latents: Latents | Unknown,
    background: Any,
    mask: Any,
    segment: int | Unknown,
    overlap: int | Unknown,
) -> Mapping[str, Any] | None:
    """Checked as far as it is known; the video's size and length."""
    if isinstance(denoiser, Unknown) or isinstance(vae, Unknown) or isinstance(latents, Unknown):
        return None
    given = Given(image=stand_in(True, latents))
    check_denoise(denoiser, prompt, latents, blank_condition(vae, latents, "animate", given))
    _check_eyes(image_encoder)
    if not (isinstance(segment, Unknown) or isinstance(overlap, Unknown)):
        _check_lengths(vae, latents, segment, overlap, background is None, mask is None)
    return seen(latents)


def _forecast(known: Mapping[str, Any]) -> Estimate | None:
    """What one segment needs where it needs most: it is encoded, denoised and decoded in turn.

    Beside it, in float32, all of the driving video and the frames of finished segments wait on the device.
    """
    latents, segment = known.get("latents"), known.get("segment")
    if not isinstance(latents, Latents) or segment is None:
        return None
    clip = {**known, "latents": latents.model_copy(update={"frames": segment})}
    longer = latents.model_copy(update={"frames": segment + latents.geometry.temporal})  # and the picture
    parts = denoising({**known, "latents": longer}), conditioning(clip), decoding(clip)
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    pixels = 3 * latents.width * latents.height * latents.frames
    device = max(part.device for part in found) + 2 * 4 * pixels
    return Estimate(device, pixels, measured=all(part.measured for part in found))


@node(
    "diffusion/animate",
    check=_foreseen,
    forecast=_forecast,
    depends=(
        ".asked",
        ".checks",
        ".denoise",
        ".guidance",
        ".stepwise",
        ".tap",
        ".shell",
        ".pixels",
        ".values",
        *MAKING,
    ),
)
def animate(
    denoiser: Denoiser,
    scheduler: Scheduler,
    vae: VAE,
    image_encoder: ImageEncoder | None,
    prompt: PromptEmbeds,
    image: Image,
    pose: Video,
    face: Video,
    latents: Latents,
    ctx: Context,
    background: Video | None = None,
    mask: Video | None = None,
    guide: ScheduledGuidance | None = None,
    *,
    seed: Seed = 0,
    steps: Steps | None = None,
    guidance: Guidance | None = None,
    segment: Annotated[int, Field(ge=5, le=1001)] = 77,
    overlap: Literal[1, 5] = 1,
) -> Video:
    """Let the person in an image move as in a driving video, or take the place of somebody in a video.

    image: who moves. pose: drawn skeletons of the driving video. face: its face, cut out, square.
    background, mask: the video in which to replace somebody; white is where. Both or none.
    latents: empty; they say the clip's size and length. Videos may be longer; later frames are left out.
    guide: guidance by the step, the same for each segment, in place of `guidance`.
    seed: 0 to 2**53-1. steps, guidance: empty is the model's own.
    segment: frames made at once, 4k+1. overlap: frames with which a segment begins that end the one before.
    Goes on after the last finished segment when it is resumed, bit for bit.
    Raises ValueMismatch for parts of different models, NodeError for lengths that make no sense.
    """
    size = latents.width, latents.height
    given = Given(image=fitted_image(image, *size, "pad"))
    check_denoise(denoiser, prompt, latents, blank_condition(vae, latents, "animate", given))
    eyes = _check_eyes(image_encoder)
    _check_lengths(vae, latents, segment, overlap, background is None, mask is None)
    steps, frames = steps or denoiser.native.steps, latents.frames
    check_guide(denoiser, guide, guidance, steps=steps)
    call = Call(latents, steps, denoiser.native.guidance if guidance is None else guidance, None, guide=guide)
    arguments: dict[str, Any] = {
        "image": pil(given.image),
        "pose_video": pils(fitted_video(pose, *size, frames, "pad", "pose")),
        "face_video": pils(_cut(face, frames, "face")),
        "num_inference_steps": steps,
        "segment_frame_length": segment,
        "prev_segment_conditioning_frames": overlap,
        "width": size[0],
        "height": size[1],
    }
    if background is not None and mask is not None:
        arguments.update(_replacement(background, mask, latents))
    segments = -(-(frames - overlap) // (segment - overlap))
    run = _Run(ctx, denoiser, call, segments)
    return Video(frames=run.pipeline(scheduler, vae, eyes, prompt, arguments, seed), fps=latents.fps)


@dataclass
class _Run:
    """One call of the pipeline: which segment it is at, and what the finished ones came to."""

    ctx: Context
    denoiser: Denoiser
    call: Call
    segments: int
    at: int = 0
    """The segment that the pipeline is making."""
    finished: list[Any] = field(default_factory=list)
    """What each finished segment gave to the decoder, (1, channels, latent frames, height, width)."""
    tap: Tap = field(init=False)

    def pipeline(
        self,
        scheduler: Scheduler,
        vae: VAE,
        image_encoder: ImageEncoder,
        prompt: PromptEmbeds,
        arguments: dict[str, Any],
        seed: int,
    ) -> Any:
        """Run it. Returns uint8 (frames, height, width, 3) on the CPU."""
        import torch

        ctx, rules = self.ctx, family(self.denoiser.family)
        self.finished = list((ctx.restore() or {"finished": []})["finished"])
        self.tap = Tap(self.stepped, 0, self.call.steps, {}, None)
        self.begin()
        with (
            ctx.use(vae) as live,
            ctx.use(image_encoder) as eyes,
            ctx.use(self.denoiser.windowed()) as experts,
        ):
            watched = [*experts.live(), live.decoder, live.encoder, eyes.image_encoder]
            parts = {
                "vae": _SegmentVAE(live, self),
                "scheduler": tapped(scheduler.build(), self.tap),
                **dict(zip(rules.image_parts, eyes, strict=True)),
                **experts.named(),
            }
            pipe = shell(rules, parts, task="animate", **self.denoiser.settings)
            with cancel_points(watched, ctx.check), torch.no_grad():
                embeds = {name: tensor.to(ctx.device) for name, tensor in prompt.tensors.items()}
                generator = torch.Generator("cpu").manual_seed(seed)
                with by_step(self.call, pipe, self.tap.at, experts.live()) as call:
                    arguments = {**arguments, "guidance_scale": call.guidance}
                    found = pipe(**arguments, **embeds, generator=generator, output_type="pt").frames[0]
        return found.permute(0, 2, 3, 1).mul(255).round().to(torch.uint8).cpu()

    def begin(self) -> None:
        """Show the pipeline the steps of the segment it is at: none of a finished one."""
        self.tap.start = self.call.steps if self.at < len(self.finished) else 0

    def stepped(self, step: Step) -> None:
        """After each step: a preview, then progress, which is also a cancel point."""
        clip, steps, matrix = self.call.latents, self.call.steps, self.denoiser.preview
        self.ctx.preview(lambda: preview_clip(step.expected()[:, :, 1:], clip, matrix))
        self.ctx.progress(self.at * steps + step.index + 1, self.segments * steps)

    def decoded(self, samples: Any, decode: Any, **options: Any) -> Any:
        """The end of a segment: what it came to is kept, or was kept before."""
        if self.at < len(self.finished):
            samples = self.finished[self.at].to(samples.device)
        else:
            self.finished.append(samples.cpu())
            if self.at + 1 < self.segments:
                self.ctx.checkpoint(lambda: {"finished": list(self.finished)})
        self.at += 1
        self.begin()
        return decode(samples, **options)


class _SegmentVAE:
    """A live VAE of which the run hears when it decodes. No torch module: pipelines look past it."""

    def __init__(self, live: Any, run: _Run) -> None:
        self._live, self._run = live, run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._live, name)

    def decode(self, samples: Any, **options: Any) -> Any:
        return self._run.decoded(samples, self._live.decode, **options)


def _replacement(background: Video, mask: Video, latents: Latents) -> dict[str, Any]:
    """The arguments that let somebody take the place of another."""
    size = latents.width, latents.height, latents.frames
    return {
        "mode": "replace",
        "background_video": pils(fitted_video(background, *size, "cover", "background")),
        "mask_video": pils(fitted_video(mask, *size, "cover", "mask")),
    }


def _cut(video: Video, frames: int, where: str) -> Video:
    height, width = video.frames.shape[1:3]
    return fitted_video(video, width, height, frames, "stretch", where)


def _check_eyes(image_encoder: ImageEncoder | Unknown | None) -> Any:
    if image_encoder is None:
        raise NodeError("there is no image encoder", where="image_encoder", hint="wire the model's own")
    return image_encoder


def _check_lengths(
    vae: VAE, latents: Latents, segment: int, overlap: int, no_background: bool, no_mask: bool
) -> None:
    if latents.stage != "empty":
        raise NodeError("an animation draws its own noise", where="latents", hint="wire the empty latents")
    if no_background != no_mask:
        missing = "background" if no_background else "mask"
        raise NodeError("a background goes with a mask", where=missing, hint=f"wire the {missing} too")
    temporal = vae.geometry.temporal
    if segment % temporal != 1:
        below = segment // temporal * temporal + 1
        raise NodeError(
            f"a segment has {temporal} frames a latent frame and one more, not {segment}",
            where="segment",
            hint=f"choose {below} or {below + temporal}",
        )
    if not (2 * overlap < segment and overlap < latents.frames):  # the pipeline would count segments wrongly
        raise NodeError(
            f"a segment of {segment} frames is too short for an overlap of {overlap}",
            where="segment",
            hint="choose longer segments, or an overlap of 1",
        )
