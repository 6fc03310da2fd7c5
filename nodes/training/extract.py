"""A LoRA from the difference of two models, by singular value decomposition."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from graphflow_nodes.diffusion.recipes import Denoiser
from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Context, node

from .adapters import check_expert, chosen
from .values import LoRAWeights, ModelWeights


class Extracted(NamedTuple):
    """A LoRA, and how much of the difference it leaves out."""

    lora: LoRAWeights
    error: float
    """The norm of what is left out of the layers' differences, as a share of the norm of these; 0 is
    nothing."""
    elsewhere: float
    """The share of all change (squared) that lies in weights that no LoRA can hold, such as norms and
    biases."""


@node("training/extract_lora", depends=(".adapters", ".values", "graphflow_nodes.diffusion.recipes"))
def extract_lora(
    denoiser: Denoiser,
    weights: ModelWeights,
    ctx: Context,
    *,
    rank: Annotated[int, Field(ge=1, le=4096)] = 64,
    targets: list[str] | None = None,
    trigger: Annotated[str, Field(max_length=100)] = "",
) -> Extracted:
    """Make a LoRA of what a training changed: the nearest one of a rank, layer by layer.

    denoiser: the base that was trained; weights: what came of it. rank: at most a layer's smaller side; of
    smaller layers all is kept. targets: ends of the names of the layers; empty is every linear layer that
    changed. The nearest matrix of a rank is that of its largest singular values (Eckart and Young 1936).
    Raises ValueMismatch for weights of another model, NodeError if nothing changed.
    """
    import torch

    check_expert(denoiser, weights.expert)
    if weights.base_identity != denoiser.source.identity:
        raise ValueMismatch(
            f"the weights were trained on {weights.base!r}, not on {denoiser.source.model!r}",
            where="weights",
            hint="wire the denoiser that was trained",
        )
    wanted = tuple(targets or [""])
    tensors: dict[str, Any] = {}
    total = inside = left = 0.0
    with ctx.use(denoiser.base()) as experts, torch.no_grad():
        module = chosen(experts, weights.expert)
        linear = {name for name, one in module.named_modules() if isinstance(one, torch.nn.Linear)}
        for done, (name, base) in enumerate(module.state_dict().items()):
            ctx.progress(done, len(weights.tensors))
            away = weights.tensors[name].to(ctx.device).float() - base.float()
            total += float(away.square().sum())
            layer = name.removesuffix(".weight")
            if layer not in linear or not layer.endswith(wanted) or not bool(away.any()):
                continue
            down, up = factors(away, rank)
            tensors[f"{layer}.lora_A.weight"], tensors[f"{layer}.lora_B.weight"] = down.cpu(), up.cpu()
            inside += float(away.square().sum())
            left += float((away - up @ down).square().sum())
    if not tensors:
        raise NodeError(
            "no such layer has changed", where="targets", hint="leave targets empty, or train longer"
        )
    lora = LoRAWeights(
        family=weights.family,
        base=weights.base,
        base_identity=weights.base_identity,
        expert=weights.expert,
        rank=rank,
        alpha=float(rank),
        targets=tuple(dict.fromkeys(name.rpartition(".lora_")[0] for name in tensors)),
        tensors=tensors,
        trigger=trigger,
        steps=weights.steps,
    )
    return Extracted(lora, (left / inside) ** 0.5, 1 - inside / total)


def factors(matrix: Any, rank: int) -> tuple[Any, Any]:
    """Two matrices, (rank, columns) and (rows, rank), whose product is nearest to `matrix`.

    Both carry the roots of the singular values, so that neither is large. If the matrix has fewer singular
    values than `rank`, the rest is zeros.
    """
    import torch

    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    kept = min(rank, len(values))
    root = values[:kept].sqrt()
    up, down = matrix.new_zeros(len(matrix), rank), matrix.new_zeros(rank, matrix.shape[1])
    up[:, :kept], down[:kept] = left[:, :kept] * root, root[:, None] * right[:kept]
    return down.contiguous(), up.contiguous()
