"""A LoRA on a live transformer while it is trained; afterwards the module is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphflow_nodes.diffusion.recipes import Denoiser, Experts

from graphflow.errors import NodeError

from .noise import generator
from .values import Expert, LoRAWeights, TrainSettings

NAME = "learnt"
EXPERTS: dict[Expert, int] = {"only": 0, "first": 0, "second": 1}


def check_expert(denoiser: Denoiser, expert: Expert) -> None:
    """Raises NodeError for an expert that the model does not have, or a model that cannot learn as it is."""
    if (expert == "only") != (denoiser.experts == 1):
        one = denoiser.experts == 1
        raise NodeError(
            f"model {denoiser.source.model!r} has {'one transformer' if one else 'two experts'}",
            where="expert",
            hint="choose only" if one else "choose first (high noise) or second (low noise), and train each",
        )
    if denoiser.expert != "both":
        raise NodeError(
            f"this denoiser is the {denoiser.expert} expert alone",
            where="denoiser",
            hint="wire the whole denoiser, and choose its expert here",
        )
    for name in ("quantisation", "casting", "compilation", "step_cache", "parallel"):
        if getattr(denoiser, name) is not None:
            raise NodeError(
                f"a denoiser with {name.replace('_', ' ')} cannot be trained",
                where="denoiser",
                hint="train the plain model, and treat it so afterwards",
            )


def ranged(denoiser: Denoiser, expert: Expert, settings: TrainSettings) -> TrainSettings:
    """The settings with the noise levels of the chosen expert, where the settings leave them open."""
    boundary = denoiser.settings.get("boundary_ratio")
    if expert == "only" or boundary is None or (settings.lowest, settings.highest) != (0.0, 1.0):
        return settings
    bounds = {"lowest": float(boundary)} if expert == "first" else {"highest": float(boundary)}
    return settings.model_copy(update=bounds)


def chosen(experts: Experts, expert: Expert) -> Any:
    """The live transformer that is trained."""
    return experts.live()[EXPERTS[expert]]


@contextmanager
def learning(module: Any, settings: TrainSettings, seed: int) -> Iterator[list[tuple[str, Any]]]:
    """The transformer with a fresh LoRA, whose parameters alone learn, in float32; taken off on the way out.

    Gives the parameters by name. A fresh LoRA changes nothing. Raises NodeError if no layer has such a name.
    """
    from peft import LoraConfig

    alpha: Any = settings.alpha or settings.rank  # peft takes any number
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=alpha,
        target_modules=list(settings.targets),
        init_lora_weights=False,
    )
    try:
        try:
            module.add_adapter(config, adapter_name=NAME)
        except ValueError as error:
            raise NodeError(
                f"no layer's name ends with any of {', '.join(settings.targets)}",
                where="settings",
                hint="such as to_q, to_k, to_v and to_out.0",
            ) from error
        named = [(name, one) for name, one in module.named_parameters() if f".{NAME}." in name]
        for name, one in named:
            one.data = fresh(name, one, seed)
            one.requires_grad_(True)
        with checkpointed(module, settings.checkpointing):
            yield named
    finally:
        if getattr(module, "peft_config", None):
            module.unload_lora()
        module.eval().requires_grad_(False)


def fresh(name: str, like: Any, seed: int) -> Any:
    """What a LoRA's matrix begins with, float32: A as peft draws it (uniform, by its columns), B zeros.

    Drawn from a generator of its own: other threads may draw from the common one, or load a model, meanwhile.
    """
    import torch

    if ".lora_A." not in name:
        return torch.zeros(like.shape, dtype=torch.float32, device=like.device)
    bound = like.shape[1] ** -0.5
    drawn = torch.rand(like.shape, generator=generator("lora", seed, name), dtype=torch.float32)
    return ((2 * drawn - 1) * bound).to(like.device)


@contextmanager
def checkpointed(module: Any, wanted: bool) -> Iterator[None]:
    """With activations computed twice, if wanted."""
    if not wanted:
        yield
        return
    module.enable_gradient_checkpointing()
    try:
        yield
    finally:
        module.disable_gradient_checkpointing()


def tensors_of(named: list[tuple[str, Any]]) -> dict[str, Any]:
    """A LoRA's parameters as a file names them."""
    return {
        name.replace(f".{NAME}.weight", ".weight"): one.detach().float().cpu().clone().contiguous()
        for name, one in named
    }


def lora_of(
    denoiser: Denoiser,
    expert: Expert,
    settings: TrainSettings,
    named: list[tuple[str, Any]],
    trigger: str = "",
) -> LoRAWeights:
    """What was learnt, with all that a file must tell of it. named: the LoRA's parameters."""
    return LoRAWeights(
        family=denoiser.family,
        base=denoiser.source.model,
        base_identity=denoiser.source.identity,
        expert=expert,
        rank=settings.rank,
        alpha=float(settings.alpha or settings.rank),
        targets=settings.targets,
        tensors=tensors_of(named),
        trigger=trigger,
        steps=settings.steps,
    )
