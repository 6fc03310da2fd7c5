"""Which parts of models go together. Nodes ask with the values that they are given.

They ask already while planning, with what is known then: latents without samples, prompts without
embeddings, blanks in place of pictures. So nothing is loaded for a run that cannot work.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import UNKNOWN, Unknown

from .families import Configs, Family, Task, family, served
from .guidance import Guide, ScheduledGuidance, TrueGuidance
from .latents import check_reach
from .modifiers.parallel import check_tokens
from .recipes import VAE, Denoiser, ImageEncoder
from .values import Blank, Condition, Given, Latents, PromptEmbeds

DENOISE = "diffusion/denoise"


# ------------------------------------------------------------------------------------- for a denoise


def check_denoise(
    denoiser: Denoiser,
    prompt: PromptEmbeds | Unknown,
    latents: Latents,
    condition: Condition | Unknown | None,
    node: str = DENOISE,
) -> None:
    """Refuse parts of different models, a clip or a task that the model was not made for.

    node: the one that asks. Raises ValueMismatch; NodeError for a model that another node denoises.
    """
    check_parts(denoiser, prompt, latents, node)
    check_reach(latents, denoiser.config)
    if denoiser.parallel is not None:
        check_tokens(denoiser.parallel, _tokens(denoiser, latents))
    if condition is not UNKNOWN:
        check_task(denoiser, latents, condition)


def _tokens(denoiser: Denoiser, latents: Latents) -> int:
    """How many tokens the denoiser makes of a clip."""
    cells = latents.geometry.latent_shape(latents.width, latents.height, latents.frames)[2:]
    patch = denoiser.config.get("patch_size", 1)
    return math.prod(cells) // (math.prod(patch) if isinstance(patch, list | tuple) else patch)


def check_parts(
    denoiser: Denoiser, prompt: PromptEmbeds | Unknown, latents: Latents, node: str = DENOISE
) -> None:
    """Refuse parts that do not belong together."""
    own = family(denoiser.family).denoised_by
    if own != node:
        model = denoiser.source.model
        raise NodeError(f"model {model!r} is denoised in its own way", where="denoiser", hint=f"use {own}")
    for name, value in (("prompt", prompt), ("latents", latents)):
        if not isinstance(value, Unknown) and value.family != denoiser.family:
            are = "are" if name == "latents" else "is"
            text = f"the {name} {are} for {value.family}, the denoiser for {denoiser.family}"
            raise ValueMismatch(text, where=name, hint="use parts of one model")
    channels = latents.geometry.channels
    wanted = denoiser.config.get("out_channels") or denoiser.config.get("in_channels", channels)
    if channels != wanted:
        raise ValueMismatch(
            f"the latents have {channels} channels, the denoiser takes {wanted}",
            where="latents",
            hint="make the latents with the VAE of the denoiser's model",
        )
    if isinstance(prompt, PromptEmbeds):
        embeds = prompt.tensors.get("prompt_embeds")
        width = prompt.width if embeds is None else embeds.shape[-1]
        if width is not None:
            _check_width(denoiser, width)


def check_negative(denoiser: Denoiser, prompt: PromptEmbeds | Unknown, guide: Guide | None) -> None:
    """Refuse a negative prompt that the model would not look at, and none where there must be one."""
    if isinstance(prompt, Unknown) or family(denoiser.family).negative_prompts:
        return
    model, asked = denoiser.source.model, isinstance(guide, TrueGuidance | ScheduledGuidance)
    if prompt.negative and not asked:
        raise NodeError(
            f"model {model!r} does not look at a negative prompt by itself",
            where="prompt",
            hint="wire guide_true_cfg, or leave the negative prompt empty",
        )
    if asked and not prompt.negative:
        raise NodeError(
            "there is no negative prompt to keep away from",
            where="prompt",
            hint="give encode_prompt a negative prompt, such as 'blurred'",
        )


def _check_width(denoiser: Denoiser, width: int) -> None:
    rule = family(denoiser.family).text_width
    wanted = rule(denoiser.config) if callable(rule) else denoiser.config.get(rule, width)
    if width != wanted:
        raise ValueMismatch(
            f"the prompt is {width} numbers wide, the denoiser takes {wanted}",
            where="prompt",
            hint="encode the prompt with the text encoder of the denoiser's model",
        )


def task_of(condition: Condition | None) -> str:
    """The task that a denoise runs."""
    return "text_to_video" if condition is None else condition.task


def check_task(denoiser: Denoiser, latents: Latents, condition: Condition | None) -> None:
    """Refuse a condition that does not fit the denoiser or the latents, or a missing one."""
    task, model = task_of(condition), denoiser.source.model
    if task not in denoiser.tasks:
        able = words(", ".join(denoiser.tasks))
        raise ValueMismatch(
            f"model {model!r} was not made for {words(task)}",
            where="condition",
            hint=f"it was made for: {able}",
        )
    rules = family(denoiser.family).tasks[task]
    if latents.stage == "again" and not rules.refines:
        raise ValueMismatch(
            f"model {model!r} cannot refine a denoised clip", where="latents", hint="wire empty latents"
        )
    if condition is None:
        return
    if condition.family != denoiser.family or condition.vae != latents.vae:
        raise ValueMismatch(
            "the condition was encoded for another model", where="condition", hint="use one model's parts"
        )
    sizes = [(value.width, value.height, value.frames) for value in (condition, latents)]
    if sizes[0] != sizes[1]:
        raise ValueMismatch(
            f"the condition is for {_size(*sizes[0])}, the latents are {_size(*sizes[1])}",
            where="condition",
            hint="wire the same empty latents to both",
        )
    if latents.stage == "noise" and rules.own_noise(condition.given):
        raise ValueMismatch(
            f"{words(task)} draws its own noise", where="latents", hint="wire the empty latents instead"
        )


def words(name: str) -> str:
    """A task's name in words."""
    return name.replace("_", " ")


def _size(width: int, height: int, frames: int) -> str:
    return f"{width} x {height}, {frames} frames"


# ---------------------------------------------------------------------------------- for a condition


def check_given(
    vae: VAE,
    latents: Latents,
    task: str,
    given: Given,
    configs: Configs,
    image_encoder: ImageEncoder | Unknown | None,
) -> Task:
    """The task's rules. Refuses what a model cannot follow, and parts that do not belong together."""
    rules, model = family(vae.family), vae.source.model
    check_origin(vae, latents)
    _check_able(rules, configs, task, model)
    chosen = rules.tasks[task]
    reason = chosen.refuses(configs, given)
    if reason:
        raise NodeError(f"model {model!r} {reason}")
    if chosen.image_encoder(configs) and image_encoder is None:
        raise NodeError(
            f"model {model!r} needs its image encoder", where="image_encoder", hint="wire load_image_encoder"
        )
    if not chosen.image_encoder(configs) and image_encoder is not None:
        raise ValueMismatch(
            f"model {model!r} takes no image encoder", where="image_encoder", hint="leave it empty"
        )
    return chosen


def _check_able(rules: Family, configs: Configs, task: str, model: str) -> None:
    able = served(rules, configs)
    if task not in able:
        raise NodeError(
            f"model {model!r} was not made for {words(task)}",
            hint=f"it was made for {words(', '.join(able))}",
        )


def check_origin(vae: VAE, latents: Latents) -> None:
    """Refuse latents of another VAE. Raises ValueMismatch."""
    if latents.family != vae.family or latents.vae != vae.info:
        raise ValueMismatch(
            f"these latents were made for another VAE than that of model {vae.source.model!r}",
            where="latents",
            hint="use the VAE that the empty latents were made with",
        )


def foreseen(
    vae: VAE | Unknown,
    latents: Latents | Unknown,
    task: str,
    given: Given,
    image_encoder: ImageEncoder | Unknown | None = None,
) -> Mapping[str, Any] | None:
    """What the condition will look like, checked as far as it is known. For the `check` of a node."""
    if isinstance(vae, Unknown) or isinstance(latents, Unknown):
        return None
    check_given(vae, latents, task, given, vae.configs(), image_encoder)
    return {"out": blank_condition(vae, latents, task, given)}


def blank_condition(vae: VAE, latents: Latents, task: str, given: Given) -> Condition:
    """A condition of which nothing is encoded yet."""
    return Condition(
        family=vae.family,
        task=task,
        vae=vae.info,
        width=latents.width,
        height=latents.height,
        frames=latents.frames,
        given=given,
    )


def stand_in(content: Any, latents: Latents | Unknown, *, still: bool = True) -> Blank | None:
    """Stands for a picture, or a video of the clip's length, that is still to be made. None for none."""
    if content is None:
        return None
    if isinstance(latents, Unknown):
        return Blank(frames=1, width=1, height=1)
    return Blank(frames=1 if still else latents.frames, width=latents.width, height=latents.height)
