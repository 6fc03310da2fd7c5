"""Judges: models that answer questions about clips with the probability of yes; by LLaVA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import Recipe, Tensor

from .weights import Dtype, Weights, pixels_for, recipe

Answer = Callable[[Tensor, str], float]
"""An opened judge: frames, uint8 (frames, height, width, 3), and a question, to the probability of `yes`
against `no`, 0..1."""

PROMPT = "USER: {images}\n{question} Answer with yes or no. ASSISTANT:"
"""As LLaVA 1.5 was taught."""


class Judge(Recipe):
    """Something that answers questions about clips. Its word is one opinion: hold it against people's before
    you trust it. A pack of its own adds one: a subclass whose `open` gives `Answer`."""


class LlavaJudge(Judge, Weights):
    """LLaVA by transformers; the probability of the answer's first word, nothing is sampled."""

    def open(self, device: str) -> Answer:
        from transformers import LlavaForConditionalGeneration

        model, tokenizer = self.loaded(LlavaForConditionalGeneration, device, "llava"), self.tokenizer()
        return lambda frames, question: _yes(self, model, tokenizer, frames, question, device)


@node("evaluation/llava_judge", fold=True)
def llava_judge(
    *,
    model: Annotated[str, Field(min_length=1)] = "llava-hf/llava-1.5-7b-hf",
    download: bool = False,
    dtype: Dtype = "bfloat16",
) -> LlavaJudge:
    """A judge by LLaVA.

    model: a folder or a hub repository with safetensors. Raises MissingModel if it is not on this machine.
    """
    return recipe(LlavaJudge, model, download=download, dtype=dtype)


def _yes(judge: LlavaJudge, model: Any, tokenizer: Any, frames: Tensor, question: str, device: str) -> float:
    import torch

    config = model.config
    side, patch = config.vision_config.image_size, config.vision_config.patch_size
    seen = (side // patch) ** 2 + (config.vision_feature_select_strategy == "full")
    before, after = PROMPT.split("{images}")
    image = [
        config.image_token_index if hasattr(config, "image_token_index") else config.image_token_id
    ] * seen
    opening = tokenizer(before)["input_ids"]
    closing = tokenizer(after.format(question=question), add_special_tokens=False)["input_ids"]
    tokens = torch.tensor([opening + image * len(frames) + closing], device=device, dtype=torch.long)
    pixels = pixels_for(frames, judge.folder(), int(side), device, model.dtype)
    with torch.no_grad():
        made = model(input_ids=tokens, pixel_values=pixels, attention_mask=torch.ones_like(tokens))
    logits = made.logits[0, -1].float()
    scores = torch.stack(
        [logits[_first(tokenizer, words)].logsumexp(0) for words in (("yes", "Yes"), ("no", "No"))]
    )
    return float(scores.softmax(0)[0])


def _first(tokenizer: Any, words: tuple[str, ...]) -> list[int]:
    """Ids of the tokens that words begin with. Raises NodeError if the tokenizer has none."""
    found = [tokenizer(word, add_special_tokens=False)["input_ids"][:1] for word in words]
    ids = sorted({one[0] for one in found if one and one[0] != tokenizer.unk_token_id})
    if not ids:
        raise NodeError(f"the model's tokenizer knows none of {', '.join(words)}", where="model")
    return ids
