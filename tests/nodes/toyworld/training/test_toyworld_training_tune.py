"""Training further: the same numbers as the stock classes, and runs that go on where they stopped."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import graphflow_nodes.toyworld as toyworld
import pytest
import torch
from graphflow_nodes.toyworld.render import render
from graphflow_nodes.toyworld.training import train_control, train_encoder, train_image
from graphflow_nodes.toyworld.training.codec import ChunkCodec, fit, save
from graphflow_nodes.toyworld.training.evaluate import read_settings
from graphflow_nodes.toyworld.training.pack import PRODUCTS, pack
from graphflow_nodes.toyworld.training.painted import Painted, PaintedPool
from graphflow_nodes.toyworld.training.stock import WanImageToVideoPipeline, WanPipeline, WanVACEPipeline
from graphflow_nodes.toyworld.training.tune import Coder, TuneRun, multiply_in_half, open_denoiser, start
from graphflow_nodes.toyworld.world import sample_scenes

BASE = Path(toyworld.__path__[0]).parent / "diffusion" / "embedded" / "toy-wan"
TEXTS = ["a red ball moving right", "a blue box on black"]


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Training takes one thread; the tests after it get theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def codec() -> ChunkCodec:
    return fit(sample_scenes(64, 1))[0]


def _noisy() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(2, 24, 4, 8, 8), torch.tensor([700.0, 300.0]), torch.full((2,), 64.0)


@torch.no_grad()
def test_coder_gives_what_pipelines_make_of_a_clip() -> None:
    coder, clips = Coder.open(BASE), render(sample_scenes(2, 3))
    spread = torch.tensor(coder.vae.config.latents_std)[:, None, None, None]
    stock = coder.vae.encode(clips).latent_dist.mode() / spread
    assert torch.allclose(coder.encode(clips), stock, atol=1e-4)


@torch.no_grad()
def test_half_multiplication_keeps_three_digits() -> None:
    denoiser = open_denoiser(BASE)
    noisy, times, lengths = _noisy()
    exact = denoiser.velocity(noisy, times, TEXTS, lengths)
    multiply_in_half(denoiser.transformer.blocks)
    rough = denoiser.velocity(noisy, times, TEXTS, lengths)
    assert not torch.equal(exact, rough)
    assert (exact - rough).abs().mean() < 0.02 * exact.abs().mean()


@torch.no_grad()
def test_control_blocks_are_silent_at_first() -> None:
    denoiser = open_denoiser(BASE)
    noisy, times, lengths = _noisy()
    plain = denoiser.velocity(noisy, times, TEXTS, lengths)
    controlled = train_control.build_control(denoiser)
    assert torch.equal(plain, controlled.velocity(noisy, times, TEXTS, lengths, torch.randn(2, 112, 4, 8, 8)))


def test_a_clean_first_frame_is_not_asked_for(codec: ChunkCodec) -> None:
    pool = PaintedPool(8, random.Random(0), first=8)
    teacher = train_image.Teacher(
        open_denoiser(BASE), codec, Coder.open(BASE), pool, pool, random.Random(0), 4
    )
    painted = pool.batch(4)
    levels = torch.full((4,), 0.6)
    losses = {}
    for task in train_image.TASKS:
        torch.manual_seed(0)
        losses[task] = float(teacher.flow_loss(painted, ["a ball"] * 4, levels, task).detach())
    assert len(set(losses.values())) == 3
    assert all(0 < loss < 5 for loss in losses.values())
    captions = [teacher.captions(pool.batch(8), "image") for _ in range(20)]
    assert any(text.startswith(("it ", "the object")) for batch in captions for text in batch)


def test_every_task_of_control_is_drawn_and_learnt(codec: ChunkCodec) -> None:
    rng = random.Random(0)
    coder, pools = Coder.open(BASE), {c: PaintedPool(8, rng, c, 8) for c in train_control.COURSES}
    denoiser = train_control.build_control(open_denoiser(BASE))
    teacher = train_control.Teacher(denoiser, codec, coder, pools, rng, 2, 8)
    for task in train_control.TASKS:
        teacher.draw(task)
        examples = teacher.examples[task][0]
        assert examples.clean.shape == (2, 24, 4, 8, 8)
        assert examples.control.shape == (2, 112, 4, 8, 8)
        teacher.flow_loss(examples, TEXTS, torch.full((2,), 0.7)).backward()  # type: ignore[no-untyped-call]
    assert denoiser.transformer.vace_blocks[3].proj_out.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in denoiser.text_encoder.parameters())


def test_conditions_are_coded_by_the_autoencoder_later_on(codec: ChunkCodec) -> None:
    rng = random.Random(0)
    pools = {c: PaintedPool(8, rng, c, 8) for c in train_control.COURSES}
    denoiser = train_control.build_control(open_denoiser(BASE))
    teacher = train_control.Teacher(denoiser, codec, Coder.open(BASE), pools, rng, 2, 8)
    teacher.loss(0.0)
    before = [examples for held in teacher.examples.values() for examples in held]
    teacher.loss(1.0)
    after = [examples for held in teacher.examples.values() for examples in held]
    assert before and after and not any(one is other for one in before for other in after)


def test_encoder_is_measured_against_the_linear_code(codec: ChunkCodec) -> None:
    coder = Coder.open(BASE)
    fixed = {"clips": Painted.draw(sample_scenes(2, 3)).clips}
    pools = (PaintedPool(8, random.Random(0), first=8),)
    plain = train_encoder.LayerPool(8, random.Random(0))
    plain.grow(8)
    teacher = train_encoder.Teacher(coder, codec, plain, pools, random.Random(0), 2)
    assert 0 < train_encoder.look(teacher, fixed)["clips"] < 3
    names = {name.partition(".")[0] for name, _ in train_encoder.encoder_parts(coder.vae)}
    assert names == {"encoder", "quant_conv"}


@pytest.mark.parametrize("module", [train_encoder, train_image], ids=lambda m: m.__name__[-7:])
def test_a_short_run_logs_saves_and_goes_on(module: ModuleType, codec: ChunkCodec, tmp_path: Path) -> None:
    """Control goes on as images do."""
    save(codec, tmp_path / "codec.safetensors")

    def told(minutes: float) -> list[dict[str, float]]:
        start(TuneRun("run", tmp_path, BASE, minutes, 0.1, batch=2, clips=8), module.train)
        return [json.loads(line) for line in (tmp_path / "run.log").read_text().splitlines()]

    first = told(0.001)
    assert len(first) == 1 and first[0]["step"] >= 1
    later = told(first[0]["minutes"] + 0.005)
    assert later[0] == first[0] and later[-1]["step"] > first[0]["step"]
    assert (tmp_path / "run.safetensors").exists()


@pytest.mark.parametrize("kind", ["image", "control"])
def test_packed_folders_load_in_the_stock_pipelines(kind: str, codec: ChunkCodec, tmp_path: Path) -> None:
    save(codec, tmp_path / "codec.safetensors")
    module = {"image": train_image, "control": train_control}[kind]
    start(TuneRun(kind, tmp_path, BASE, 0.005, 0.1, batch=2, clips=8), module.train)
    folder = tmp_path / PRODUCTS[kind].name
    assert pack(PRODUCTS[kind], tmp_path, BASE, folder) < 11_000_000
    assert read_settings(folder)["frames"] == 13
    assert not any(str(BASE) in file.read_text() for file in folder.rglob("*.json"))
    assert PRODUCTS[kind].pipeline in (folder / "README.md").read_text()
    classes = {"image": (WanPipeline, WanImageToVideoPipeline), "control": (WanVACEPipeline,)}[kind]
    for pipeline_class in classes:
        pipeline = pipeline_class.from_pretrained(folder)
        parts = (pipeline.transformer, pipeline.vae, pipeline.text_encoder)
        assert {part.dtype for part in parts} == {torch.float32}
        assert kind == "control" or pipeline.config.expand_timesteps
