"""Training captions: most of them structured, some derived, fields left out now and then."""

from __future__ import annotations

import pytest
from graphflow_nodes.prompts import caption_mix, mix_report, render
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import NodeError
from graphflow.testing import run_node
from tests.support.prompt_values import BEACH, PROMPTS

SAMPLES = 600


def mixed(count: int = SAMPLES, **settings: object) -> list[object]:
    return [run_node(caption_mix, BEACH, sample=f"clip {i}", **settings) for i in range(count)]


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


def test_nine_in_ten_are_structured() -> None:
    report = run_node(mix_report, [caption.source for caption in mixed()])
    assert abs(report.structured - 0.9) < 0.04
    assert report.text.startswith("600 captions: structured 5")


def test_each_field_is_left_out_in_a_tenth_by_itself() -> None:
    prompts = [caption.prompt for caption in mixed(structured=1.0)]
    no_looks = [not p.subjects[0].appearance for p in prompts]
    no_place = [not p.subjects[0].position for p in prompts]
    other_looks = [not p.subjects[1].appearance for p in prompts]
    no_light = [p.lighting.time == "" for p in prompts]
    for flags in (no_looks, no_place, other_looks, no_light):
        assert abs(share(flags) - 0.1) < 0.04
    both = share([a and b for a, b in zip(no_looks, other_looks, strict=True)])
    assert abs(both - 0.01) < 0.015


def test_fields_are_left_out_whatever_was_chosen_before() -> None:
    captions = [caption for caption in mixed(structured=0.5) if caption.source == "structured"]
    assert abs(share([caption.prompt.lighting.time == "" for caption in captions]) - 0.1) < 0.05


def test_with_nothing_left_to_chance_it_is_the_rendered_prompt() -> None:
    off = {"structured": 1.0, "drop_appearance": 0.0, "drop_position": 0.0, "drop_lighting": 0.0}
    caption = run_node(caption_mix, BEACH, style="wan", **off)
    assert caption.text == run_node(render, BEACH, style="wan").text
    assert caption.source == "structured" and caption.prompt == BEACH


@given(PROMPTS, st.integers(0, 5), st.integers(0, 5), st.sampled_from(["short", "dense", "subset"]))
def test_the_same_seed_sample_and_epoch_give_the_same_caption(
    prompt: object, seed: int, epoch: int, derived: str
) -> None:
    settings = {"seed": seed, "epoch": epoch, "structured": 0.5, "derived": derived}
    assert run_node(caption_mix, prompt, **settings) == run_node(caption_mix, prompt, **settings)


def test_another_seed_or_epoch_chooses_anew() -> None:
    def choice(**settings: object) -> list[str]:
        return [caption.source for caption in mixed(60, structured=0.5, **settings)]

    assert choice() == choice()
    assert len({tuple(choice(seed=s, epoch=e)) for s in (0, 1) for e in (0, 1)}) == 4


def test_derived_captions_are_what_they_are_called() -> None:
    def derived(kind: str, **settings: object) -> object:
        return run_node(caption_mix, BEACH, structured=0.0, derived=kind, **settings)

    short = derived("short")
    assert short.source == "short"
    assert short.text.startswith("A woman walks along the beach. First, a woman waves her hand.")
    assert "dog" not in short.text and "coat" not in short.text and "dunes" not in short.text
    dense = derived("dense")
    assert "red coat" in dense.text and "sunlight" in dense.text and "happy" in dense.text
    subsets = {derived("subset", seed=seed).text for seed in range(10)}
    assert len(subsets) > 5 and all(subsets)


def test_captions_of_another_captioner_can_be_mixed_in() -> None:
    caption = run_node(caption_mix, BEACH, "a day at the sea", structured=0.0, derived="other")
    assert caption.text == "a day at the sea" and caption.source == "other"
    with pytest.raises(NodeError, match="nothing is wired to `other`"):
        run_node(caption_mix, BEACH, derived="other")


def test_a_report_needs_captions() -> None:
    with pytest.raises(NodeError, match="no captions"):
        run_node(mix_report, [])
