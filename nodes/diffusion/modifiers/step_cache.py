"""Step caches: parts of a denoise that change little from step to step are not computed anew. Faster, and
slightly other results.

What a cache remembers is not part of a checkpoint: a denoise with one begins anew when it is resumed.
Of diffusers' FasterCache only the half that foresees attention is used: the other, which foresees the pass
without the prompt, fails on every transformer of a video model.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.values import Value

ATTENTION = (r"(?:blocks|transformer_blocks|single_transformer_blocks)\.\d+\.attn\d*",)
"""Names of the attention layers of video transformers, whole: diffusers' own patterns for TaylorSeer match
`attn` but not `attn1`, so that on Wan and LTX it would do nothing, silently."""

Share = Annotated[float, Field(ge=0, le=1)]


class FirstBlock(Value):
    """Skip all blocks but the first where the first one's output changed less than `threshold`, relatively.

    https://github.com/chengzeyi/ParaAttention
    """

    threshold: Annotated[float, Field(ge=0, le=10)] = 0.05


class Magnitude(Value):
    """Skip all blocks while the known drift of their output's size stays below `threshold`.

    ratios: one for each step of a calibrating run, of the size of the blocks' output to that of the step
    before; stretched to the steps of the denoise. https://arxiv.org/abs/2506.09045
    """

    ratios: Annotated[tuple[float, ...], Field(min_length=2, max_length=1000)]
    threshold: Share = 0.06
    max_skips: Annotated[int, Field(ge=1, le=100)] = 3
    """Steps skipped in a row, at most."""
    retention: Share = 0.2
    """Part of the steps, from the first on, that are always computed."""


class Taylor(Value):
    """Foresee the output of layers from their last ones, by a Taylor series. https://arxiv.org/abs/2503.06923

    whole: foresee the transformer's last layer and compute nothing else; else every attention layer's.
    """

    interval: Annotated[int, Field(ge=2, le=100)] = 5
    """Steps from one that is computed to the next."""
    warmup: Annotated[int, Field(ge=1, le=1000)] = 3
    """First steps, always computed."""
    order: Annotated[int, Field(ge=0, le=4)] = 1
    whole: bool = True


class Broadcast(Value):
    """Use each attention layer's output again in the next steps. https://arxiv.org/abs/2408.12588"""

    interval: Annotated[int, Field(ge=2, le=100)] = 2
    """Steps from one that is computed to the next."""
    cross_interval: Annotated[int, Field(ge=2, le=100)] | None = None
    """The same for attention to the prompt; None computes it always."""
    begin: Annotated[float, Field(ge=0, le=1000)] = 800.0
    end: Annotated[float, Field(ge=0, le=1000)] = 100.0
    """Timesteps, counted down from 1000, between which outputs are used again."""


class Faster(Value):
    """Foresee each attention layer's output from its last two: the attention half of FasterCache.
    https://arxiv.org/abs/2410.19355"""

    interval: Annotated[int, Field(ge=2, le=100)] = 2
    """Steps from one that is computed to the next."""
    weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    """How much of the last change is added; 0 uses the last output as it is."""
    begin: Annotated[float, Field(ge=0, le=1000)] = 681.0
    end: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Timesteps, counted down from 1000, between which outputs are foreseen."""


StepCache = FirstBlock | Magnitude | Taylor | Broadcast | Faster


UNSKIPPABLE = {
    "WanAnimateTransformer3DModel": "WanTransformerBlock",
    "SkyReelsV2Transformer3DModel": "SkyReelsV2TransformerBlock",
    "LTX2VideoTransformer3DModel": "LTX2VideoTransformerBlock",
    "HunyuanVideo15Transformer3DModel": "HunyuanVideo15TransformerBlock",
}
"""Transformers with a block whose inputs diffusers does not know, and that block."""


def check_class(cache: StepCache | None, name: str) -> None:
    """What is known of a transformer's class by its name alone, without torch. None is no cache.

    Raises NodeError with the reason.
    """
    if isinstance(cache, FirstBlock | Magnitude) and name in UNSKIPPABLE:
        raise _unskippable(UNSKIPPABLE[name], name)


def _unskippable(block: str, name: str) -> NodeError:
    return NodeError(
        f"diffusers does not know the inputs of {block}; this step cache cannot skip it in {name}",
        where="step_cache",
        hint="use the Taylor step cache",
    )


def check_step_cache(cache: StepCache, model: Any) -> None:
    """Refuse a cache that would break or do nothing. model: the transformer, without weights.

    Raises NodeError with the reason.
    """
    name = type(model).__name__
    if isinstance(cache, FirstBlock | Magnitude):
        unknown = _unknown_blocks(model)
        if unknown:
            raise _unskippable(unknown, name)
    if isinstance(cache, Taylor) and cache.whole:
        outputs = [part for part, _ in model.named_children() if part.endswith("proj_out")]
        if outputs != ["proj_out"]:
            raise NodeError(
                f"{name} has the outputs {', '.join(outputs) or 'of other names'}; this step cache foresees "
                "'proj_out' alone",
                where="step_cache",
                hint="set whole to false",
            )
    if isinstance(cache, Faster) and name.startswith("LTX2"):
        raise NodeError(
            f"{name} attends to two streams of unlike sizes, which this step cache takes for one",
            where="step_cache",
            hint="use the Taylor step cache, with whole set to false",
        )
    if isinstance(cache, Taylor) and not cache.whole and not _attention_layers(model):
        raise NodeError(
            f"no attention layer of {name} is named as expected", where="step_cache", hint="set whole to true"
        )


def _unknown_blocks(model: Any) -> str:
    """The class of a block that diffusers has not registered; empty if it knows all."""
    from diffusers.hooks._common import _ALL_TRANSFORMER_BLOCK_IDENTIFIERS
    from diffusers.hooks._helpers import TransformerBlockRegistry

    found = [child for name, child in model.named_children() if name in _ALL_TRANSFORMER_BLOCK_IDENTIFIERS]
    for block in (block for blocks in found for block in blocks):
        try:
            TransformerBlockRegistry.get(type(block))
        except ValueError:
            return type(block).__name__
    return "" if found else "its blocks"


def _attention_layers(model: Any) -> list[str]:
    import re

    return [name for name, _ in model.named_modules() if re.fullmatch(ATTENTION[0], name)]


@contextmanager
def caching(modules: list[Any], cache: StepCache, steps: int, start: int = 0) -> Iterator[None]:
    """The cache on every expert; one of two alone would change nothing in the other's steps.

    steps: of the whole denoise. start: its first step that is run.
    """
    with ExitStack() as stack:
        position = _Position(start)
        for module in modules:
            stack.enter_context(_enabled(module, cache, steps, position))
        yield


@contextmanager
def _enabled(module: Any, cache: StepCache, steps: int, position: _Position) -> Iterator[None]:
    moment = _Moment()
    module.enable_cache(_config(cache, steps, moment))
    try:
        with ExitStack() as stack:
            stack.callback(module._reset_stateful_cache)  # half-used, it would break the next run
            if isinstance(cache, Broadcast | Faster):
                _separate_contexts(module, _SHARED[type(cache)])
                stack.callback(module.register_forward_pre_hook(moment, with_kwargs=True).remove)
            if isinstance(cache, Magnitude):
                stack.callback(module.register_forward_pre_hook(position.tell).remove)
            yield
    finally:
        module.disable_cache()


def _config(cache: StepCache, steps: int, moment: Callable[[], float]) -> Any:
    import torch

    diffusers: Any = importlib.import_module("diffusers")
    match cache:
        case FirstBlock():
            return diffusers.FirstBlockCacheConfig(threshold=cache.threshold)
        case Magnitude():
            return diffusers.MagCacheConfig(
                threshold=cache.threshold,
                max_skip_steps=cache.max_skips,
                retention_ratio=cache.retention,
                num_inference_steps=steps,
                mag_ratios=list(cache.ratios),
            )
        case Taylor():
            return diffusers.TaylorSeerCacheConfig(
                cache_interval=cache.interval,
                disable_cache_before_step=cache.warmup,
                max_order=cache.order,
                taylor_factors_dtype=torch.float32,
                use_lite_mode=cache.whole,
                cache_identifiers=None if cache.whole else list(ATTENTION),
            )
        case Faster():
            return diffusers.FasterCacheConfig(
                spatial_attention_block_skip_range=cache.interval,
                spatial_attention_timestep_skip_range=(cache.end, cache.begin),
                spatial_attention_block_identifiers=("blocks", "transformer_blocks"),
                temporal_attention_block_skip_range=None,
                attention_weight_callback=lambda _: cache.weight,
                is_guidance_distilled=True,  # for the half that leaves every pass alone
                current_timestep_callback=moment,
            )
        case _:
            between = (cache.end, cache.begin)
            return diffusers.PyramidAttentionBroadcastConfig(
                spatial_attention_block_skip_range=cache.interval,
                spatial_attention_timestep_skip_range=between,
                cross_attention_block_skip_range=cache.cross_interval,
                cross_attention_timestep_skip_range=between,
                current_timestep_callback=moment,
            )


class _Moment:
    """The timestep that a transformer was last called with.

    diffusers would have the cache ask the pipeline, which a model that pipelines share does not know.
    """

    def __init__(self) -> None:
        self.timestep = 1000.0

    def __call__(self, *call: Any) -> Any:
        """Without arguments: the timestep. As a hook on the transformer: remember it."""
        if not call:
            return self.timestep
        _, _, named = call
        self.timestep = float(named["timestep"].max())  # some models have one for each token
        return None


class _Position:
    """Which step of the whole denoise a call belongs to, counted over all experts."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._calls: dict[str, int] = {}

    def tell(self, module: Any, args: Any) -> None:
        """A hook on the transformer: its MagCache counts its own calls, which for a second expert are not
        the steps of the denoise that the ratios are for."""
        from diffusers.hooks import mag_cache

        leader = next(
            hook
            for part in module.modules()
            if (registry := getattr(part, "_diffusers_hook", None)) is not None
            and (hook := registry.get_hook(mag_cache._MAG_CACHE_LEADER_BLOCK_HOOK)) is not None
        )
        context = leader.state_manager.context.name
        step = self._start + self._calls.get(context, 0)
        self._calls[context] = self._calls.get(context, 0) + 1
        leader.state_manager.get_state().step_index = step


class _Shared(NamedTuple):
    """Hooks of diffusers that have one memory where every pass needs its own."""

    module: str
    key: str
    """Of the constant under which they are registered."""
    hook: str
    state: str


_PAB = "PyramidAttentionBroadcast"
_SHARED: dict[type, _Shared] = {
    Broadcast: _Shared(
        "pyramid_attention_broadcast", "_PYRAMID_ATTENTION_BROADCAST_HOOK", f"{_PAB}Hook", f"{_PAB}State"
    ),
    Faster: _Shared(
        "faster_cache", "_FASTER_CACHE_BLOCK_HOOK", "FasterCacheBlockHook", "FasterCacheBlockState"
    ),
}


def _separate_contexts(module: Any, shared: _Shared) -> None:
    """Give each attention layer's cache a memory for every pass of the guidance.

    diffusers' has one: with guidance in two passes, as Wan's, the pass without the prompt would be given what
    the pass with it has computed.
    """
    owner: Any = importlib.import_module(f"diffusers.hooks.{shared.module}")
    hooks: Any = importlib.import_module("diffusers.hooks.hooks")
    base: Any = getattr(owner, shared.hook)

    class Separate(base):  # type: ignore[misc]
        state_manager: Any

        @property
        def state(self) -> Any:
            return self.state_manager.get_state()

        def reset_state(self, module: Any) -> Any:
            self.state_manager.reset()
            return module

        @property
        def timestep_skip_range(self) -> tuple[float, float]:
            if self.state.cache is None:  # a denoise that begins late has nothing to go on from
                return 0.0, 0.0
            between: tuple[float, float] = vars(self)["timestep_skip_range"]
            return between

    for part in module.modules():
        registry = getattr(part, "_diffusers_hook", None)
        hook = registry.get_hook(getattr(owner, shared.key)) if registry is not None else None
        if hook is not None:
            del hook.state
            hook.state_manager = hooks.StateManager(getattr(owner, shared.state))
            hook.__class__ = Separate
