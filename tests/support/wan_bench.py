"""A tiny model run through the nodes and through the plain pipeline, in one line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from graphflow_nodes.diffusion import decode, denoise, empty_latents, encode_prompt, load_model
from graphflow_nodes.diffusion.load import Model
from graphflow_nodes.diffusion.values import Latents, PromptEmbeds

from graphflow.testing import LocalContext, run_node

PROMPT, NEGATIVE = "a red ball rolls", "blurred"


class Plain(NamedTuple):
    """What the unmodified pipeline gives."""

    latents: Any
    """(1, channels, frames, height, width), float32."""
    frames: Any
    """uint8, (frames, height, width, 3)."""


def plain_call(folder: Path, dtype: str, **arguments: Any) -> Plain:
    """The stock WanPipeline on a saved model: the reference for every comparison."""
    import torch
    from diffusers import WanPipeline

    pipe = WanPipeline.from_pretrained(folder, dtype={"default": getattr(torch, dtype), "vae": torch.float32})
    pipe.set_progress_bar_config(disable=True)
    seed = arguments.pop("seed")

    def run(output_type: str) -> Any:
        generator = torch.Generator().manual_seed(seed)
        return pipe(**arguments, generator=generator, output_type=output_type).frames

    frames = run("np")[0]
    return Plain(run("latent"), torch.from_numpy((frames * 255).round().astype("uint8")))


class Bench:
    """A tiny model with everything loaded once, and short ways to run the nodes."""

    def __init__(self, folder: Path, dtype: str = "float32") -> None:
        self.folder, self.dtype = folder, dtype
        self.opened: dict[str, Any] = {}
        self.model: Model = run_node(load_model, model=str(folder), dtype=dtype)

    def context(self, **options: Any) -> LocalContext:
        context = LocalContext(**options)
        context.opened = self.opened
        return context

    def encode(self, prompt: str = PROMPT, **settings: Any) -> PromptEmbeds:
        settings = {"negative_prompt": NEGATIVE, **settings}
        return run_node(
            encode_prompt, self.model.text_encoder, context=self.context(), prompt=prompt, **settings
        )

    def denoise(
        self,
        *,
        latents: Latents | None = None,
        prompt: PromptEmbeds | None = None,
        context: LocalContext | None = None,
        **settings: Any,
    ) -> Latents:
        latents = run_node(empty_latents, self.model.vae) if latents is None else latents
        prompt = self.encode() if prompt is None else prompt
        model, context = self.model, context or self.context()
        settings = {"seed": 3, **settings}  # a condition may stand among them
        return run_node(
            denoise, model.denoiser, model.scheduler, prompt, latents, context=context, **settings
        )

    def decode(self, latents: Latents, **settings: Any) -> Any:
        """uint8 frames."""
        return run_node(decode, self.model.vae, latents, context=self.context(), **settings).frames

    def plain(self, **arguments: Any) -> Plain:
        """The reference, with this model's own settings unless told otherwise."""
        native = self.model.native
        usual = {
            "prompt": PROMPT,
            "negative_prompt": NEGATIVE,
            "width": native.width,
            "height": native.height,
            "num_frames": native.frames,
            "num_inference_steps": native.steps,
            "guidance_scale": native.guidance,
            "max_sequence_length": native.max_sequence_length,
            "seed": 3,
        }
        return plain_call(self.folder, self.dtype, **{**usual, **arguments})
