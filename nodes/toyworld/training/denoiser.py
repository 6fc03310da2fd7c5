"""The denoiser: a small Wan transformer and its UMT5 text encoder, built, initialised and run."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from .codec import COMPONENTS
from .stock import Stock, UMT5Config, UMT5EncoderModel, WanAttnProcessor, WanTransformer3DModel
from .tokenizer import ROWS, build_tokenizer

HEADS, HEAD_SIZE, LAYERS, TEXT_WIDTH = 8, 16, 4, 128
TOKENS = 28
"""Text tokens while training; `PaddedContext` makes them count like a longer padded text."""
PADDED_LENGTHS: tuple[int, ...] = (32, 64, 128, 226, 512, 512)
SHORT_LENGTHS: tuple[int, ...] = (28, 32, 48, 64)
SHORT_UNTIL = 0.35
"""Lengths a pipeline may pad a text to, drawn while training; short ones until this share of the budget,
because a long padding drowns the words that are still to be learnt."""

_TURN, _SHARPEN = 4.0, 1.4
"""Strength of the attention priors against the spread of untrained queries and keys; sharpening of both."""


class PaddedContext:
    """Cross-attention that weighs padding as if the text were padded to another length.

    Stock Wan pipelines pad the text with zeros to a fixed length and mask nothing, so every softmax also sums
    over hundreds of equal padding keys. A key bias of log(padding there / padding here) on the padding keys
    is exactly the same sum, at the cost of a short text.
    """

    def __init__(self) -> None:
        self.bias: Tensor | None = None
        self._stock: Stock = WanAttnProcessor()

    def __call__(
        self,
        attn: Stock,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """As the stock processor, with the padding bias for a mask."""
        result: Tensor = self._stock(attn, hidden_states, encoder_hidden_states, self.bias, rotary_emb)
        return result


def padding_bias(mask: Tensor, lengths: Tensor) -> Tensor:
    """Key bias [B, 1, 1, L] that makes texts with `mask` [B, L] count as padded to `lengths` [B]."""
    real = mask.sum(1)
    ratio = (lengths - real).clamp(min=0) / (mask.shape[1] - real).clamp(min=1)
    bias = ratio.clamp(min=1e-6).log()[:, None] * (1 - mask)
    return bias[:, None, None, :]


@dataclass(frozen=True, slots=True)
class Denoiser:
    """Transformer, text encoder and tokenizer, with the padding processor they share while training."""

    transformer: Stock
    text_encoder: Stock
    tokenizer: Stock
    context: PaddedContext

    def velocity(
        self,
        noisy: Tensor,
        times: Tensor,
        texts: Sequence[str],
        lengths: Tensor,
        control: Tensor | None = None,
    ) -> Tensor:
        """Predicted noise - clean for `noisy` [B, 24, n, h, w] at `times` [B] (or [B, tokens]) in 0..1000.

        `control` [B, 112, n, h, w] is for a VACE transformer alone.
        """
        words = self.tokenizer(
            list(texts), padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
        )
        mask = words.attention_mask
        states = self.text_encoder(words.input_ids, attention_mask=mask).last_hidden_state * mask[..., None]
        self.context.bias = padding_bias(mask.float(), lengths)
        extra = {} if control is None else {"control_hidden_states": control}
        result: Tensor = self.transformer(noisy, times, states, return_dict=False, **extra)[0]
        return result

    def parameters(self) -> list[tuple[str, Parameter]]:
        """All parameters, by names that start with `transformer.` or `text_encoder.`."""
        named = [("transformer." + name, p) for name, p in self.transformer.named_parameters()]
        return named + [("text_encoder." + name, p) for name, p in self.text_encoder.named_parameters()]

    def matrices_and_rest(self) -> tuple[list[Parameter], list[Parameter]]:
        """Matrices inside blocks (for Muon) and everything else (for AdamW)."""
        matrices: list[Parameter] = []
        rest: list[Parameter] = []
        for name, p in self.parameters():
            inner = ".blocks." in name or "encoder.block." in name
            is_matrix = inner and p.ndim == 2 and "relative_attention_bias" not in name
            (matrices if is_matrix else rest).append(p)
        return matrices, rest


def build_denoiser(seed: int, example: Tensor) -> Denoiser:
    """A denoiser before training; `example` latents [B, 24, n, h, w] measure the spread of its queries."""
    torch.manual_seed(seed)
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=HEADS,
        attention_head_dim=HEAD_SIZE,
        in_channels=COMPONENTS,
        out_channels=COMPONENTS,
        text_dim=TEXT_WIDTH,
        freq_dim=256,
        ffn_dim=4 * HEADS * HEAD_SIZE,
        num_layers=LAYERS,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        eps=1e-6,
        image_dim=None,
        added_kv_proj_dim=None,
        rope_max_seq_len=64,
    )
    denoiser = Denoiser(transformer, _text_encoder(), build_tokenizer(), PaddedContext())
    _initialize(denoiser)
    _attention_priors(transformer, example)
    for block in transformer.blocks:
        block.attn2.set_processor(denoiser.context)
    return denoiser


def _text_encoder() -> Stock:
    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=ROWS,
            d_model=TEXT_WIDTH,
            d_kv=32,
            d_ff=256,
            num_layers=2,
            num_heads=4,
            relative_attention_num_buckets=16,
            relative_attention_max_distance=32,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
            tie_word_embeddings=False,
        )
    )


@torch.no_grad()
def _initialize(denoiser: Denoiser) -> None:
    """Zero output, half-open gates, time enters through its bias alone: a calm start for a small budget."""
    transformer = denoiser.transformer
    nn.init.zeros_(transformer.proj_out.weight)
    nn.init.zeros_(transformer.proj_out.bias)
    nn.init.zeros_(transformer.condition_embedder.time_proj.weight)
    nn.init.normal_(denoiser.text_encoder.shared.weight)
    transformer.scale_shift_table.zero_()
    for block in transformer.blocks:
        block.scale_shift_table.zero_()
        block.scale_shift_table[:, (2, 5)] = 0.5


HEAD_STEPS: tuple[dict[str, int], ...] = (
    {"t": 1, "h": 0, "w": 0},
    {"t": -1, "h": 0, "w": 0},
    {"w": 1, "t": 0, "h": 0},
    {"w": -1, "t": 0, "h": 0},
    {"h": 1, "t": 0, "w": 0},
    {"h": -1, "t": 0, "w": 0},
    {"t": 0},
    {},
)
"""Where each head looks before training: the next or last place along one axis, its own frame, anywhere."""


@torch.no_grad()
def _attention_priors(transformer: Stock, example: Tensor) -> None:
    """Bias queries and keys so that each head starts with a direction (see `HEAD_STEPS`).

    Rotary attention between constant q and k depends on the distance alone and peaks at zero; turning q by
    the angle of one step moves the peak by one place. Without such odd attention a small model learns the
    axis of a motion but not its sign.
    """
    spread = _query_spread(transformer, example)
    plane = 2 * (HEAD_SIZE // 6)
    rest = HEAD_SIZE - 2 * plane
    axes = {"t": (0, rest), "h": (rest, plane), "w": (rest + plane, plane)}
    for block, (query, key) in zip(transformer.blocks, spread, strict=True):
        attention = block.attn1
        for head, steps in enumerate(HEAD_STEPS):
            for axis, step in steps.items():
                offset, width = axes[axis]
                for pair in range(min(2, width // 2)):
                    turn = 10000 ** (-2 * pair / width)
                    if pair and not step and turn < 0.05:
                        continue
                    i = head * HEAD_SIZE + offset + 2 * pair
                    attention.to_q.bias[i] += _TURN * query * math.cos(step * turn)
                    attention.to_q.bias[i + 1] += _TURN * query * math.sin(step * turn)
                    attention.to_k.bias[i] += _TURN * key
        attention.norm_q.weight.mul_(_SHARPEN)
        attention.norm_k.weight.mul_(_SHARPEN)


def _query_spread(transformer: Stock, example: Tensor) -> list[tuple[float, float]]:
    """Root mean square of each block's queries and keys on half-noised examples."""
    seen: dict[nn.Module, float] = {}

    def note(module: nn.Module, _inputs: object, output: Tensor) -> None:
        seen[module] = float(output.pow(2).mean().sqrt())

    attentions = [block.attn1 for block in transformer.blocks]
    hooks = [m.register_forward_hook(note) for a in attentions for m in (a.to_q, a.to_k)]
    noisy = 0.5 * example + 0.5 * torch.randn_like(example)
    batch = len(example)
    transformer(noisy, torch.full((batch,), 500.0), torch.zeros(batch, 4, TEXT_WIDTH))
    for hook in hooks:
        hook.remove()
    return [(seen[a.to_q], seen[a.to_k]) for a in attentions]


def draw_lengths(count: int, rng: random.Random, done: float) -> Tensor:
    """Padded lengths [count] as pipelines might choose them, when `done` (0..1) of the budget is spent."""
    choices = SHORT_LENGTHS if done < SHORT_UNTIL else PADDED_LENGTHS
    return torch.tensor([float(rng.choice(choices)) for _ in range(count)])


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    texts: Sequence[str],
    seed: int,
    steps: int = 20,
    guidance: float = 3.0,
    shift: float = 3.0,
) -> Tensor:
    """Latents [B, 24, 4, 8, 8] by Euler steps with classifier-free guidance, for a look during training."""
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(len(texts), COMPONENTS, 4, 8, 8, generator=generator)
    lengths = torch.full((2 * len(texts),), 64.0)
    line = torch.linspace(1, 0, steps + 1)
    sigmas = shift * line / (1 + (shift - 1) * line)
    both = [*texts, *[""] * len(texts)]
    for now, after in pairwise(sigmas.tolist()):
        times = torch.full((len(both),), now * 1000)
        told, free = denoiser.velocity(latents.repeat(2, 1, 1, 1, 1), times, both, lengths).chunk(2)
        latents = latents + (after - now) * (free + guidance * (told - free))
    return latents
