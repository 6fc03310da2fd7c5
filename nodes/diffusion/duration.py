"""How long a clip should be, by what its prompt tells: a small model that LTX-2.5 ships with."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Context, Unknown, node

from .component import Component, read_configs
from .families import code_digest, family_of
from .opening import load_module
from .recipes import VAE
from .source import INDEX, identify, locate, read_json
from .values import Dtype, PromptEmbeds

PART = "duration_head"
"""The component's name in a model folder."""

Seconds = Annotated[float, Field(gt=0, le=600)]


class DurationHead(Component):
    """The model that predicts a duration from an encoded prompt."""

    def parts(self) -> tuple[str, ...]:
        return (PART,)

    def open(self, device: str) -> Any:
        folder = self.folder()
        return load_module(read_json(folder / INDEX), folder, PART, self.dtype, device)


@node("diffusion/load_duration_head", fold=True, depends=(".source", ".component"))
def load_duration_head(
    *, model: str, revision: str | None = None, dtype: Dtype | None = None, download: bool = False
) -> DurationHead:
    """The part of a model that predicts how long a clip should be; LTX-2.5 has one.

    dtype: empty is the model's own. For the other settings and errors see load_text_encoder.
    Raises NodeError if the model has none.
    """
    path = locate(model, revision=revision, download=download)
    configs = read_configs(path)
    rules = family_of(str(configs.index.get("_class_name")))
    if not configs.class_of(PART):
        raise NodeError(
            f"model {model!r} does not predict durations", where="model", hint="set the number of frames"
        )
    native = rules.native(configs)
    return DurationHead(
        source=identify(model, path, revision=revision, download=download),
        family=rules.name,
        family_code=code_digest(rules.name),
        dtype=dtype or native.dtype,
        native=native,
    )


def _foreseen(head: DurationHead | Unknown, prompt: PromptEmbeds | Unknown, vae: VAE | Unknown) -> None:
    if not (isinstance(head, Unknown) or isinstance(prompt, Unknown) or isinstance(vae, Unknown)):
        _check(head, prompt, vae)


def _check(head: DurationHead, prompt: PromptEmbeds, vae: VAE) -> None:
    if not head.family == prompt.family == vae.family:
        raise ValueMismatch(
            f"the prompt is for {prompt.family}, the VAE for {vae.family}, the duration for {head.family}",
            hint="use parts of one model",
        )


@node("diffusion/predict_frames", check=_foreseen, depends=(".component", ".values"))
def predict_frames(
    head: DurationHead,
    prompt: PromptEmbeds,
    vae: VAE,
    ctx: Context,
    *,
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None,
    min_seconds: Seconds = 1.0,
    max_seconds: Seconds = 20.0,
) -> int:
    """The number of frames that suits a prompt, one that the model can make: wire it to empty_latents.

    vae: that of the model. fps: frames a second of the clip; empty is what the model was made for.
    min_seconds, max_seconds: no shorter and no longer.
    Raises ValueMismatch for parts of different models, NodeError for seconds that leave nothing.
    """
    import torch

    _check(head, prompt, vae)
    if min_seconds >= max_seconds:
        raise NodeError("min_seconds must be less than max_seconds", where="min_seconds")
    with ctx.use(head) as live, torch.no_grad():
        # as in the pipeline's call with guidance: the prompt itself stands after the negative one
        streams = ("guided_prompt_embeds", "guided_audio_prompt_embeds")
        seen, heard = (prompt.tensors[name][1:].to(ctx.device) for name in streams)
        return int(
            live.predict_num_frames(
                seen,
                heard,
                frame_rate=fps or vae.native.fps,
                temporal_compression_ratio=vae.geometry.temporal,
                min_seconds=min_seconds,
                max_seconds=max_seconds,
            )
        )
