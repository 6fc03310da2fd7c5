"""What a clip must follow beside its prompt: encoded once, apart from the denoise and from every prompt.

The standard pipeline encodes images and videos inside its one call. So that call runs here with a VAE whose
answers are written down and a denoiser that ends the call at its first step. The denoise node makes the same
call with a VAE stand-in that gives these answers again. The pipeline's own code prepares everything, twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Context, Unknown, node
from graphflow.values import Image, Mask, Video

from .activations import conditioning
from .checks import blank_condition, check_given, foreseen, stand_in
from .families import Begin, Call, Configs, Family, family
from .pixels import Fit, fitted_image, fitted_video
from .recipes import OPENING, VAE, ImageEncoder, Scheduler
from .shell import cancel_points, shell
from .stand_ins import Halt, HaltingDenoiser, RecordingVAE
from .values import Blank, Condition, Given, Keyframe, Latents

_DEPENDS = (".checks", ".shell", ".stand_ins", ".pixels", ".values", *OPENING)


def _image_foreseen(
    vae: VAE | Unknown,
    latents: Latents | Unknown,
    last_image: Any,
    image_encoder: ImageEncoder | Unknown | None,
) -> Mapping[str, Any] | None:
    given = Given(image=stand_in(True, latents), last_image=stand_in(last_image, latents))
    return foreseen(vae, latents, "image_to_video", given, image_encoder)


@node("diffusion/condition_image", check=_image_foreseen, forecast=conditioning, depends=_DEPENDS)
def condition_image(
    vae: VAE,
    image: Image,
    latents: Latents,
    ctx: Context,
    last_image: Image | None = None,
    image_encoder: ImageEncoder | None = None,
    *,
    fit: Fit = "cover",
) -> Condition:
    """Begin a clip with an image, and end it with another.

    latents: empty; they say the clip's size. last_image: only for models that were made for it.
    image_encoder: for models that have one, such as Wan 2.1 image to video.
    fit: how an image of another shape comes to the clip's: cut, with black bars, or stretched.
    Raises NodeError if the model cannot begin with an image, or lacks its image encoder.
    """
    size = latents.width, latents.height
    last = None if last_image is None else fitted_image(last_image, *size, fit)
    given = Given(image=fitted_image(image, *size, fit), last_image=last)
    return encoded(ctx, vae, latents, "image_to_video", given, image_encoder)


def _video_foreseen(
    vae: VAE | Unknown, latents: Latents | Unknown, strength: float | Unknown
) -> Mapping[str, Any] | None:
    settings = {} if isinstance(strength, Unknown) else {"strength": strength}
    given = Given(video=stand_in(True, latents, still=False), settings=settings)
    found = foreseen(vae, latents, "video_to_video", given)
    return found if settings else None


@node("diffusion/condition_video", check=_video_foreseen, forecast=conditioning, depends=_DEPENDS)
def condition_video(
    vae: VAE,
    video: Video,
    latents: Latents,
    ctx: Context,
    *,
    strength: Annotated[float, Field(gt=0, le=1)] = 0.8,
    fit: Fit = "cover",
) -> Condition:
    """Begin a clip with a video under noise: video to video.

    video: at least as many frames as the latents; later ones are left out.
    strength: 1 forgets the video; 0.3 changes little. That part of the steps is run.
    Raises NodeError if the model cannot do it or the video is too short.
    """
    content = fitted_video(video, latents.width, latents.height, latents.frames, fit, "video")
    given = Given(video=content, settings={"strength": strength})
    return encoded(ctx, vae, latents, "video_to_video", given)


def _control_foreseen(
    vae: VAE | Unknown,
    latents: Latents | Unknown,
    video: Any,
    mask: Any,
    references: Any,
    scale: float | Unknown,
) -> Mapping[str, Any] | None:
    _check_control(video, mask, references)
    if isinstance(references, Unknown) or isinstance(scale, Unknown):
        return None  # how many there are decides what the model makes of them
    given = Given(
        video=stand_in(video, latents, still=False),
        mask=stand_in(mask, latents, still=False),
        references=tuple(Blank(frames=1, width=1, height=1) for _ in references or ()),
        settings={"conditioning_scale": scale},
    )
    return foreseen(vae, latents, "control", given)


def _check_control(video: Any, mask: Any, references: Any) -> None:
    if video is None and not references:
        raise NodeError("there is nothing to follow", hint="wire a video, references or both")
    if mask is not None and video is None:
        raise NodeError("a mask needs the video that it is for", where="mask", hint="wire the video")


@node("diffusion/condition_control", check=_control_foreseen, forecast=conditioning, depends=_DEPENDS)
def condition_control(
    vae: VAE,
    latents: Latents,
    ctx: Context,
    video: Video | None = None,
    mask: Video | Mask | None = None,
    references: list[Image] | None = None,
    *,
    scale: Annotated[float, Field(ge=0, le=10)] = 1.0,
    fit: Fit = "cover",
) -> Condition:
    """Let a clip follow a control video, keep parts of a video, or show given things.

    video: poses, depth, edges, or a video of which a part is to change. mask: white may change, black is
        kept; one mask holds for all frames. references: pictures of what the clip shows; no part of it.
    scale: how closely to follow; 0 is not at all.
    Raises NodeError if the model has no control, nothing is given, or a video is too short.
    """
    _check_control(video, mask, references)
    width, height, frames = latents.width, latents.height, latents.frames
    marks = _repeated(mask, frames) if isinstance(mask, Mask) else mask
    given = Given(
        video=None if video is None else fitted_video(video, width, height, frames, fit, "video"),
        mask=None if marks is None else fitted_video(marks, width, height, frames, fit, "mask"),
        references=tuple(references or ()),
        settings={"conditioning_scale": scale},
    )
    return encoded(ctx, vae, latents, "control", given)


# ---------------------------------------------------------------------------------------- encoding


def encoded(
    ctx: Context,
    vae: VAE,
    latents: Latents,
    task: str,
    given: Given,
    image_encoder: ImageEncoder | None = None,
) -> Condition:
    """`given` encoded for a clip of the latents' size, by the pipeline of `task`.

    Raises ValueMismatch for parts of different models, NodeError if the model cannot do the task.
    """
    rules, configs = family(vae.family), vae.configs()
    chosen = check_given(vae, latents, task, given, configs, image_encoder)
    condition = blank_condition(vae, latents, task, given)
    found: dict[str, Any] = {"given": _blanked(given, chosen.keep)}
    if image_encoder is not None:
        found["image_embeds"] = _image_embeds(ctx, image_encoder, rules, task, given)
        condition = condition.model_copy(update=found | {"given": given})
    return condition.model_copy(update=found | _recorded(ctx, vae, configs, latents, condition))


_STATISTICS = ("latents_mean", "latents_std")
"""Buffers of some VAEs that pipelines read."""


def _recorded(
    ctx: Context, vae: VAE, configs: Configs, latents: Latents, condition: Condition
) -> dict[str, Any]:
    """What the VAE says while the pipeline prepares its first step, and what pipelines read of it."""
    import torch

    rules, task = family(vae.family), family(vae.family).tasks[condition.task]
    solver = next(iter(rules.solvers.values()))
    call = Call(latents, 2, guidance=1.0, guidance_2=None, condition=condition, native=vae.native)
    if task.skipped(call) == call.steps:
        call = replace(call, steps=1000)
    settings = {name: configs.index[name] for name in rules.settings if name in configs.index}
    with ctx.use(vae) as live, torch.no_grad(), cancel_points([live.encoder], ctx.check):
        recorder = RecordingVAE(live)
        embeds, members = rules.prompt(rules.blank_prompt(configs.transformer, live.dtype), call)
        parts = {
            "vae": recorder,
            "transformer": HaltingDenoiser(configs.class_of("transformer"), configs.transformer, live.dtype),
            "scheduler": Scheduler(class_name=solver.class_name, config=dict(solver.config)).build(),
            **members,
        }
        pipe = shell(rules, parts, task=condition.task, **settings)
        if condition.image_embeds is not None:
            pipe.encode_image = lambda *args, **kwargs: condition.image_embeds
        generator = torch.Generator("cpu").manual_seed(0)
        task.adjust(pipe, call, Begin(generator))
        with suppress(Halt):
            pipe(
                **task.arguments(call),
                **embeds,
                generator=generator,
                output_type="latent",
            )
        statistics = {name: held.cpu() for name, held in live.named_buffers() if name in _STATISTICS}
    return {"moments": tuple(recorder.moments), "statistics": statistics}


def _image_embeds(ctx: Context, encoder: ImageEncoder, rules: Family, task: str, given: Given) -> Any:
    import torch

    embed = rules.tasks[task].embed
    assert embed is not None  # checked before
    with ctx.use(encoder) as live, torch.no_grad(), cancel_points([live.image_encoder], ctx.check):
        return embed(live.pipeline(rules, task), given).cpu()


def _blanked(given: Given, keep: tuple[str, ...]) -> Given:
    """`given` without the pixels that nobody will look at again."""
    update: dict[str, Any] = {}
    for name in {"image", "last_image", "video", "mask"} - set(keep):
        update[name] = blank(getattr(given, name))
    if "references" not in keep:
        update["references"] = tuple(map(blank, given.references))
    if "keyframes" not in keep:
        update["keyframes"] = tuple(
            Keyframe(content=blank(frame.content), index=frame.index, strength=frame.strength)
            for frame in given.keyframes
        )
    return given.model_copy(update=update)


def blank(content: Image | Video | Blank | None) -> Any:
    """A blank as large as the content; None for none."""
    if content is None or isinstance(content, Blank):
        return content
    pixels = content.pixels.unsqueeze(0) if isinstance(content, Image) else content.frames
    frames, height, width = pixels.shape[:3]
    return Blank(frames=frames, width=width, height=height)


def _repeated(mask: Mask, frames: int) -> Video:
    """One mask for every frame, as grey frames."""
    return Video(frames=mask.pixels[None, :, :, None].expand(frames, -1, -1, 3), fps=1.0)
