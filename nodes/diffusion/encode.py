"""Prompts to embeddings."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import MissingModel, NodeError
from graphflow.node import Context, Unknown, node
from graphflow.values import Image

from .activations import encoding
from .families import family
from .recipes import OPENING, TextEncoder
from .shell import cancel_points
from .source import locate, read_json
from .values import PromptEmbeds
from .vocabulary import check_words


def _foreseen(
    text_encoder: TextEncoder | Unknown,
    image: Image | Unknown | None,
    prompt: str | Unknown,
    negative_prompt: str | Unknown,
    max_sequence_length: int | Unknown | None,
) -> Mapping[str, Any] | None:
    """Checked as far as it is known; what comes out are the embeddings without their tensors."""
    if isinstance(text_encoder, Unknown):
        return None
    if not isinstance(prompt, Unknown):
        check_words(text_encoder.source, prompt)
    _check(text_encoder, "" if isinstance(negative_prompt, Unknown) else negative_prompt, image)
    length = max_sequence_length or text_encoder.native.max_sequence_length
    if isinstance(length, Unknown):
        return None
    if isinstance(negative_prompt, Unknown):
        return None
    told = _holds_negative(text_encoder, negative_prompt)
    embeds = PromptEmbeds(
        family=text_encoder.family,
        tensors={},
        max_sequence_length=length,
        negative=told,
        width=_width(text_encoder),
    )
    return {"out": embeds}


def _width(text_encoder: TextEncoder) -> int | None:
    """How wide its embeddings will be, by its config; None where connectors make them, or it is not here."""
    if "connectors" in text_encoder.parts():
        return None
    try:
        folder = locate(text_encoder.source.model, revision=text_encoder.source.revision)
    except MissingModel:
        return None
    config = read_json(folder / text_encoder.parts()[0] / "config.json")
    config = config.get("text_config", config)
    width = config.get("d_model") or config.get("hidden_size")
    return width if isinstance(width, int) and width > 0 else None


def _holds_negative(text_encoder: TextEncoder, negative_prompt: str) -> bool:
    return bool(negative_prompt) or family(text_encoder.family).negative_prompts


@node(
    "diffusion/encode_prompt", check=_foreseen, forecast=encoding, depends=(".shell", ".vocabulary", *OPENING)
)
def encode_prompt(
    text_encoder: TextEncoder,
    ctx: Context,
    image: Image | None = None,
    *,
    prompt: str = "",
    negative_prompt: str = "",
    max_sequence_length: Annotated[int, Field(ge=1, le=4096)] | None = None,
) -> PromptEmbeds:
    """Encode what the video should show, and what it should not.

    image: the first image, only for models whose text encoder reads it too, as HunyuanVideo image to video.
    prompt, negative_prompt: free text; both may be empty. Some models take a negative prompt only together
        with guide_true_cfg.
    max_sequence_length: tokens; longer prompts are cut, shorter ones padded. Empty: the model's own.
    Raises NodeError for a prompt of which a model of few words knows none.
    Returns embeddings of shape (1, max_sequence_length, text width) in the text encoder's dtype, on the CPU.
    """
    import torch

    length = max_sequence_length or text_encoder.native.max_sequence_length
    check_words(text_encoder.source, prompt)
    _check(text_encoder, negative_prompt, image)
    seen = () if image is None else (image,)
    with ctx.use(text_encoder) as shell, torch.no_grad():
        modules = [part for part in shell.components.values() if isinstance(part, torch.nn.Module)]
        with cancel_points(modules, ctx.check):
            tensors = family(text_encoder.family).encode(shell, prompt, negative_prompt, length, *seen)
    return PromptEmbeds(
        family=text_encoder.family,
        tensors={name: tensor.cpu() for name, tensor in tensors.items()},
        max_sequence_length=length,
        negative=_holds_negative(text_encoder, negative_prompt),
    )


def _check(text_encoder: TextEncoder, negative_prompt: str, image: Image | Unknown | None) -> None:
    """Refuse what the family cannot do, before anything is loaded."""
    rules, model = family(text_encoder.family), text_encoder.source.model
    if negative_prompt and not (rules.negative_prompts or "true_cfg" in rules.guides):
        raise NodeError(
            f"model {model!r} takes no negative prompt",
            where="negative_prompt",
            hint="leave it empty, and say in the prompt what the video should show",
        )
    if rules.reads_image and image is None:
        raise NodeError(
            f"the text encoder of model {model!r} reads the first image too",
            where="image",
            hint="wire the image that the clip begins with",
        )
    if image is not None and not rules.reads_image:
        raise NodeError(
            f"the text encoder of model {model!r} reads no image",
            where="image",
            hint="leave it out; condition_image takes the image",
        )
    for package in rules.packages:
        if importlib.util.find_spec(package) is None:
            raise NodeError(
                f"model {model!r} needs the Python package {package!r}", hint=f"run 'pip install {package}'"
            )
