"""A phase that was stopped goes on at its last checkpoint and gives the bits of one that was not."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from diffusers.modular_pipelines.modular_pipeline import BlockState, LoopSequentialPipelineBlocks
from graphflow_nodes.diffusion.modular.resume import resume
from graphflow_nodes.diffusion.modular.state import ModularState

from graphflow.errors import Cancelled
from graphflow.testing import LocalContext
from graphflow.values import decode, encode
from tests.support.modular_clips import PHASES, SIZE, TEXT, marked, phases_of, picture, seeded
from tests.support.tiny_modular import ModularBench

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),  # Helios' scheduler
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning"),
]

Bench = Callable[..., ModularBench]


def same(one: ModularState, other: ModularState) -> bool:
    """To the bit, with the random numbers that come next."""
    (header, tensors), (header_2, tensors_2) = encode(one), encode(other)
    return header == header_2 and all(
        torch.equal(a, b) for a, b in zip(tensors.values(), tensors_2.values(), strict=True)
    )


def stored(state: Any) -> Any:
    """A checkpoint as it comes back from the disk."""
    return decode(*encode(state))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Wan-Animate-2 compiles its attention's mask
@pytest.mark.parametrize("pipeline", [marked(pipeline) for pipeline in (*PHASES, "wan_animate_2")])
def test_resumes_at_any_step(modular_bench: Bench, pipeline: str) -> None:
    """Also between two chunks of a clip, and inside of one."""
    bench, (*before, (_, given), _) = modular_bench(pipeline), seeded(phases_of(pipeline))
    state, context = bench.clip(before), bench.context()
    whole = bench.run("denoise", state, context=context, **given)
    steps = context.progress_log
    assert len(context.states) >= 1

    few = 3 if pipeline == "wan_animate_2" else 1  # its blocks are slow; one inside each of its segments
    for checkpoint in context.states[::few]:
        again = bench.context(state=stored(checkpoint))
        assert same(bench.run("denoise", state, context=again, **given), whole)
        done = len(steps) - len(again.progress_log)
        assert done > 0 and again.progress_log == steps[done:], "no step is made twice"


def test_every_step_can_be_the_last_before_a_crash(modular_bench: Bench) -> None:
    bench, (text, (_, given), _) = modular_bench("helios"), seeded(PHASES["helios"])
    context = bench.context()
    bench.run("denoise", bench.clip([text]), context=context, **given)
    left = []
    for checkpoint in context.states:
        again = bench.context(state=checkpoint)
        bench.run("denoise", bench.clip([text]), context=again, **given)
        left.append(len(again.progress_log))
    assert sorted(set(left)) == [0, 1, 2, 3, 4, 5]


def test_cancelled_in_the_middle_of_a_step_and_run_again(modular_bench: Bench) -> None:
    """The second run begins at the last step that was finished."""
    bench, (text, (_, given), _) = modular_bench("cosmos3_omni"), seeded(PHASES["cosmos3_omni"])
    state = bench.clip([text])
    whole = bench.run("denoise", state, **given)
    counted = bench.context(cancel_after=10_000)
    bench.run("denoise", state, context=counted, **given)
    points = counted._points
    cancelled = bench.context(cancel_after=points // 2 + 2)
    with pytest.raises(Cancelled):
        bench.run("denoise", state, context=cancelled, **given)
    assert cancelled.progress_log == [(1, 3)], "within the second step"

    again = bench.context(state=cancelled.state)
    assert same(bench.run("denoise", state, context=again, **given), whole)
    assert again.progress_log == [(2, 3), (3, 3)]


def test_random_numbers_of_an_earlier_phase_go_on(modular_bench: Bench) -> None:
    bench, encoding = modular_bench("helios"), {**SIZE, "num_latent_frames_per_chunk": 2, "seed": 3}
    seen = bench.run("vae_encoder", bench.run("text_encoder", **TEXT), image=picture(), **encoding)
    given, context = {"num_frames": 9, "num_inference_steps": 2, "seed": 3}, bench.context()
    whole = bench.run("denoise", seen, context=context, **given)

    for checkpoint in context.states:
        assert same(bench.run("denoise", seen, context=bench.context(state=checkpoint), **given), whole)


def test_the_blocks_that_all_pipelines_share_are_left_alone(modular_bench: Bench) -> None:
    """diffusers makes the blocks inside a class once: what is changed in one is changed in all."""
    from diffusers import HeliosAutoBlocks

    def loop() -> Any:
        denoise = HeliosAutoBlocks().sub_blocks["denoise"]
        return denoise.sub_blocks["text2video"].sub_blocks["chunk_denoise"]

    assert loop() is loop()
    before = dict(vars(loop())), dict(loop().sub_blocks)
    bench, (text, (_, given), _) = modular_bench("helios"), seeded(PHASES["helios"])
    bench.run("denoise", bench.clip([text]), **given)
    assert (vars(loop()), dict(loop().sub_blocks)) == before


# ---------------------------------------------------------------------------------------- one loop by itself


class _Loop(LoopSequentialPipelineBlocks):
    """Two turns; each adds a random number in place."""

    block_classes: ClassVar[list[Any]] = []
    block_names: ClassVar[list[str]] = []
    description = ""

    def loop_step(self, components: Any, state: Any, **turn: Any) -> Any:
        state.total += torch.rand(1, generator=state.generator)
        state.seen = [*state.seen, turn["i"]]
        if components is not None:
            state.memory = components
        return components, state

    def run(self, memory: Any = None) -> Any:
        state = BlockState(total=torch.zeros(1), seen=[], generator=self.generator)
        for i in range(3):
            _, state = self.loop_step(memory, state, i=i, t=0.5)
        return state


def _loop(context: LocalContext) -> _Loop:
    loop = _Loop()
    loop.generator = torch.Generator().manual_seed(3)
    resume(loop, context, {}, loop.generator, SimpleNamespace(done=0, heard=None))
    return loop


def test_what_a_turn_writes_in_place_is_kept_as_it_was() -> None:
    context = LocalContext()
    whole = _loop(context).run()
    assert [state["turn"] for state in context.states] == [1, 2, 3]
    for state in context.states:
        found = _loop(LocalContext(state=state)).run()
        assert torch.equal(found.total, whole.total) and found.seen == [0, 1, 2]


def test_a_loop_that_remembers_something_live_offers_no_checkpoint() -> None:
    context = LocalContext()
    _loop(context).run(memory=object())
    assert context.states == []
