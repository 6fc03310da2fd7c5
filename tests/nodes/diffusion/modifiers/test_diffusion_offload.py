"""Where weights are while a model works changes no bit and no key, and is undone after use."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes import diffusion
from graphflow_nodes.diffusion import offload
from graphflow_nodes.diffusion.modifiers.offload import BLOCKWISE_VAES, Offload, check_vae, placed

from graphflow.errors import Cancelled, NodeError
from graphflow.registry import Registry
from graphflow.testing import LocalContext, run_node
from graphflow.workflow import from_raw
from graphflow.workspace import Workspace
from tests.support.treatments import traces, treated
from tests.support.wan_bench import PROMPT, Bench

Benches = Callable[..., Bench]

WAYS: list[dict[str, Any]] = [
    {"strategy": "model"},
    {"strategy": "block"},
    {"strategy": "block", "blocks": 2},
    {"strategy": "block", "disk": True},
    {"strategy": "leaf"},
    {"strategy": "leaf", "disk": True},
    {"strategy": "sequential"},
]


def name(way: dict[str, Any]) -> str:
    return "-".join(str(value) if key != "disk" else key for key, value in way.items())


@pytest.mark.parametrize("way", WAYS, ids=name)
@pytest.mark.parametrize("variant", ["wan21", "wan22"])
def test_bit_equal_and_undone(bench: Benches, variant: str, way: dict[str, Any]) -> None:
    """Traps of weights on disk: two experts name their files alike, so each has its own folder; a weight that
    two layers of a text encoder share would be written by the one and lost for the other; weights read from a
    file lie elsewhere in memory, which changes last bits on a CPU."""
    tiny = bench(variant)
    whole, embeds = tiny.denoise().samples, tiny.encode().tensors
    far = treated(
        tiny,
        denoiser=run_node(offload, tiny.model.denoiser, **way),
        text_encoder=run_node(offload, tiny.model.text_encoder, **way),
    )
    assert torch.equal(far.denoise().samples, whole)
    assert all(torch.equal(tensor, embeds[key]) for key, tensor in far.encode().tensors.items())
    assert torch.equal(tiny.denoise().samples, whole)
    with tiny.context().use(tiny.model.denoiser) as experts:
        assert not [traces(module) for module in experts.live() if traces(module)]
    with tiny.context().use(tiny.model.text_encoder) as shell:
        assert not traces(shell.text_encoder)


@pytest.mark.parametrize("way", WAYS[:-1], ids=name)
def test_a_vae_too(bench: Benches, way: dict[str, Any]) -> None:
    tiny = bench("wan21")
    latents = tiny.denoise()
    far = treated(tiny, vae=run_node(offload, tiny.model.vae, **way))
    assert torch.equal(far.decode(latents), tiny.decode(latents))


def test_a_vae_is_asked_where_it_is_so_it_cannot_be_offloaded_sequentially(bench: Benches) -> None:
    recipe = run_node(offload, bench("wan21").model.vae, strategy="sequential")
    context = LocalContext()
    with pytest.raises(NodeError, match="a VAE cannot be offloaded sequentially"), context.use(recipe):
        pass
    assert not context.opened


@pytest.mark.parametrize(
    "cls",
    [
        "AutoencoderKLWan", "AutoencoderKLLTXVideo", "AutoencoderKLLTX2Video", "AutoencoderKLHunyuanVideo",
        "AutoencoderKLHunyuanVideo15", "AutoencoderKLHunyuanImage",
    ],
)  # fmt: skip
def test_it_is_known_which_vaes_name_their_blocks(cls: str) -> None:
    import diffusers

    named = bool(getattr(getattr(diffusers, cls), "_group_offload_block_modules", None))
    assert named == (cls in BLOCKWISE_VAES)
    if not named:
        with pytest.raises(NodeError, match=f"{cls} does not name its blocks"):
            check_vae(Offload(strategy="block"), cls)


@pytest.mark.parametrize("way", WAYS, ids=name)
def test_placement_is_no_part_of_keys(bench: Benches, way: dict[str, Any]) -> None:
    for part in bench("wan22").model[:2]:
        far = run_node(offload, part, **way)
        assert far != part and far.key_fields() == part.key_fields()
        assert (far.home("cuda"), part.home("cuda")) == ("cpu", "cuda")
        assert run_node(offload, far, strategy="resident") == part


def test_changing_it_recomputes_nothing(bench: Benches, tmp_path: Path) -> None:
    def document(**way: Any) -> dict[str, Any]:
        parts = {
            "denoiser": "far.out",
            "scheduler": "model.scheduler",
            "prompt": "encode",
            "latents": "empty",
        }
        model = {"model": str(bench("wan21").folder), "dtype": "float32"}
        return {
            "graphflow": 1,
            "nodes": {
                "model": {"type": "diffusion/load_model", "params": model},
                "far": {"type": "diffusion/offload", "params": way, "inputs": {"part": "model.denoiser"}},
                "encode": {
                    "type": "diffusion/encode_prompt",
                    "params": {"prompt": PROMPT},
                    "inputs": {"text_encoder": "model.text_encoder"},
                },
                "empty": {"type": "diffusion/empty_latents", "inputs": {"vae": "model.vae"}},
                "denoise": {"type": "diffusion/denoise", "params": {"seed": 3}, "inputs": parts},
            },
            "outputs": {"latents": "denoise"},
        }

    ran: list[str] = []

    def listen(event: Any) -> None:
        if event.type == "node.started":
            ran.append(event.node)

    registry = Registry().with_nodes([getattr(diffusion, name) for name in diffusion.__all__])
    with Workspace(tmp_path, registry=registry, device="cpu") as workspace:
        for way in [{"strategy": "resident"}, *WAYS]:
            graph = workspace.graph(from_raw(document(**way)))
            assert workspace.run(graph, on_event=listen).status == "finished"
    assert ran == ["encode", "denoise"]


def test_the_folder_on_disk_is_temporary(
    bench: Benches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tiny = bench("wan22")
    recipe = run_node(offload, tiny.model.denoiser, strategy="block", disk=True)
    with tiny.context().use(recipe):
        folders = list(tmp_path.iterdir())
        files = [{file.name for file in folder.iterdir()} for folder in folders]
        assert len(folders) == 2 and files[0] == files[1]  # in one folder they would share the weights
    assert not list(tmp_path.iterdir())


def test_a_cancel_leaves_no_trace(bench: Benches) -> None:
    tiny, prompt = bench("wan22"), bench("wan22").encode()
    whole = tiny.denoise(prompt=prompt).samples
    for way in WAYS:
        far = treated(tiny, denoiser=run_node(offload, tiny.model.denoiser, **way))
        for point in (1, 6):
            with pytest.raises(Cancelled):
                far.denoise(prompt=prompt, context=far.context(cancel_after=point))
        assert torch.equal(tiny.denoise(prompt=prompt).samples, whole)


def test_only_the_expert_that_works_is_on_the_device() -> None:
    class Expert(torch.nn.Linear):
        """Its weights can always compute; only a mark is moved."""

        def __init__(self) -> None:
            super().__init__(1, 1)
            self.register_buffer("moved", torch.empty(0))

        def to(self, device: Any) -> Any:  # type: ignore[override]
            self._buffers["moved"] = torch.empty(0, device=device)
            return self

        @property
        def place(self) -> str:
            return str(self.moved.device)

    first, second = Expert(), Expert()
    modules = {"transformer": first, "transformer_2": second}
    with placed(modules, Offload(strategy="model"), "meta"):
        assert (first.place, second.place) == ("meta", "cpu")
        second(torch.zeros(1, 1))
        assert (first.place, second.place) == ("cpu", "meta")
    assert (first.place, second.place) == ("cpu", "cpu")


def test_streams_need_a_gpu_and_are_refused_before_loading(bench: Benches) -> None:
    tiny = bench("wan21")
    context = LocalContext()
    for strategy in ("block", "leaf"):
        recipe = run_node(offload, tiny.model.denoiser, strategy=strategy, stream=True)
        with pytest.raises(NodeError, match="needs a GPU; this run computes on 'cpu'"), context.use(recipe):
            pass
        recipe.check("cuda:0")
    assert not context.opened


NONSENSE = [
    ({"strategy": "model", "disk": True}, "strategy 'model' has no disk"),
    ({"strategy": "resident", "stream": True}, "strategy 'resident' has no stream"),
    ({"strategy": "leaf", "blocks": 2}, "strategy 'leaf' has no blocks"),
    ({"strategy": "block", "blocks": 2, "stream": True}, "a stream moves one block at a time"),
]


@pytest.mark.parametrize(("settings", "message"), NONSENSE)
def test_settings_that_make_no_sense_are_refused(
    bench: Benches, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(NodeError, match=message):
        run_node(offload, bench("wan21").model.denoiser, **settings)


def test_blocks_of_a_text_encoder_are_found_one_level_down(bench: Benches) -> None:
    from diffusers.hooks.group_offloading import _GROUP_OFFLOADING

    tiny = bench("wan21")
    recipe = run_node(offload, tiny.model.text_encoder, strategy="block")
    with tiny.context().use(recipe) as shell:
        blocks = shell.text_encoder.encoder.block
        assert all(block._diffusers_hook.get_hook(_GROUP_OFFLOADING) is not None for block in blocks)


def test_strategies_are_those_of_the_memory_forecast() -> None:
    from typing import get_args

    from graphflow_nodes.diffusion.modifiers.offload import Strategy

    from graphflow.claims import Placing

    assert get_args(Strategy) == get_args(Placing)
