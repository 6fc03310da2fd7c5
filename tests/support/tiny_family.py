"""What the tiny models of all families share: a byte tokenizer, a sidecar, and a bench for any pipeline."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from graphflow_nodes.diffusion import load_vae
from graphflow_nodes.diffusion.families import family

from graphflow.testing import run_node
from tests.support.wan_bench import NEGATIVE, PROMPT, Bench, Plain

SEED = 3


def byte_tokenizer(*, end: bool = True, length: int = 4096) -> Any:
    """One token a byte; with `end`, an end mark (token 1) closes a text. Padding is token 0."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={w: i for i, w in enumerate(words)}, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if end:
        closed = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
        tokenizer.post_processor = closed
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=length,
    )


def write_sidecar(folder: Path, **settings: Any) -> Path:
    """What the tiny model is made for. Returns the folder."""
    (folder / "graphflow.json").write_text(json.dumps(settings))
    return folder


def _called(pipe: Any, seed: int, arguments: dict[str, Any]) -> tuple[Any, Any]:
    """The last step's latents and the frames. A pipeline that tells of no steps runs twice."""
    import torch

    final: list[Any] = []

    def last(pipe: Any, step: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        final[:] = [tensors["latents"].clone()]
        return {}

    def run(output_type: str, **watch: Any) -> Any:
        generator = torch.Generator().manual_seed(seed)
        with warnings.catch_warnings():  # LTXConditionPipeline gives numpy 2 a tensor
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            return pipe(**arguments, **watch, generator=generator, output_type=output_type).frames

    if hasattr(pipe, "guider"):  # HunyuanVideo 1.5 takes these as components and attributes
        pipe.guider = pipe.guider.new(guidance_scale=arguments.pop("guidance_scale"))
        pipe.tokenizer_max_length = arguments.pop("max_sequence_length")
        if "image" in arguments:  # whose size is the clip's
            del arguments["width"], arguments["height"]
        return run("latent"), run("np")[0]
    frames = run("np", callback_on_step_end=last)[0]
    return final[0], frames


class FamilyBench(Bench):
    """A Bench for any family: the reference is whatever pipeline the folder names."""

    def __init__(self, folder: Path, dtype: str = "float32") -> None:
        super().__init__(folder, dtype)
        if self.model.vae.family == "ltx_condition":  # its pipeline decodes in the dtype of the embeddings
            self.model = self.model._replace(vae=run_node(load_vae, model=str(folder), dtype=dtype))

    def plain(self, *, scheduler: Any = None, **arguments: Any) -> Plain:
        """The stock pipeline's latents, (1, channels, frames, height, width), and uint8 frames.

        scheduler: in place of the folder's own.
        """
        import torch
        from diffusers import DiffusionPipeline

        dtypes = {"default": getattr(torch, self.dtype), "vae": getattr(torch, self.model.vae.dtype)}
        if self.model.image_encoder is not None:
            dtypes["image_encoder"] = torch.float32
        pipe = DiffusionPipeline.from_pretrained(self.folder, dtype=dtypes)
        pipe.set_progress_bar_config(disable=True)
        pipe.scheduler = scheduler or pipe.scheduler
        native, chosen = self.model.native, family(self.model.vae.family)
        usual = {
            "prompt": PROMPT,
            "width": native.width,
            "height": native.height,
            "num_frames": native.frames,
            "num_inference_steps": native.steps,
            "guidance_scale": native.guidance,
            "max_sequence_length": native.max_sequence_length,
            **({"negative_prompt": NEGATIVE} if chosen.negative_prompts else {}),
            **({"frame_rate": native.fps} if chosen.name.startswith("ltx") else {}),
            **native.decode,
            **native.arguments,
        }
        seed = arguments.pop("seed", SEED)
        latents, frames = _called(pipe, seed, {**usual, **arguments})
        if latents.ndim == 3:  # packed
            cells = self.model.vae.geometry.latent_shape(native.width, native.height, len(frames))[2:]
            latents = pipe._unpack_latents(latents, *cells)
        return Plain(latents, torch.from_numpy((frames * 255).round().astype("uint8")))

    def encode(self, prompt: str = PROMPT, **settings: Any) -> Any:
        if not family(self.model.text_encoder.family).negative_prompts:
            settings = {"negative_prompt": "", **settings}
        return super().encode(prompt, **settings)
