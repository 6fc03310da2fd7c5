"""HunyuanVideo and SkyReels-V2 begin with an image: the plain pipelines' bits, and their own traps."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from graphflow_nodes.diffusion import condition_image, empty_latents, encode_prompt, noise_latents
from graphflow_nodes.diffusion.families import Configs, family
from graphflow_nodes.diffusion.pixels import pil
from graphflow_nodes.diffusion.values import Blank, Condition

from graphflow.errors import Cancelled, NodeError
from graphflow.testing import LocalContext, run_node
from graphflow.values import Image, decode, encode
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_hunyuan import save_tiny_hunyuan_image
from tests.support.tiny_hunyuan15 import save_tiny_hunyuan15_image
from tests.support.tiny_skyreels import save_tiny_skyreels_image
from tests.support.wan_bench import PROMPT


def picture(seed: int, width: int, height: int) -> Image:
    generator = torch.Generator().manual_seed(seed)
    return Image(pixels=torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8))


class Bench(FamilyBench):
    """A tiny model that begins with an image, through the nodes and plain."""

    def picture(self, seed: int = 1) -> Image:
        return picture(seed, self.model.native.width, self.model.native.height)

    def encode(self, prompt: str = PROMPT, **settings: Any) -> Any:
        if family(self.model.vae.family).reads_image:
            settings = {"image": self.picture(), **settings}
        return super().encode(prompt, **settings)

    def condition(
        self, image: Image, last: Image | None = None, context: LocalContext | None = None, **latents: Any
    ) -> Condition:
        empty = run_node(empty_latents, self.model.vae, **latents)
        ports = self.model.vae, image, empty, last, self.model.image_encoder
        return run_node(condition_image, *ports, context=context or self.context())


@dataclass(frozen=True)
class Model:
    """A tiny model: how many images it takes, how many frames it makes and does not show, and whether its
    denoise can stop early."""

    save: Callable[[Path], Path]
    images: int = 1
    unshown: int = 0
    stops: bool = True


MODELS = {
    "skyreels": Model(save_tiny_skyreels_image),
    "skyreels, both ends": Model(functools.partial(save_tiny_skyreels_image, ends=True), 2),
    "hunyuan": Model(save_tiny_hunyuan_image),
    "hunyuan, 33 channels": Model(functools.partial(save_tiny_hunyuan_image, concat=True), unshown=4),
    "hunyuan 1.5": Model(save_tiny_hunyuan15_image),
    "hunyuan 1.5, few steps": Model(functools.partial(save_tiny_hunyuan15_image, meanflow=True), stops=False),
}
ALL = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory, mended_prompts: None) -> Callable[..., Bench]:
    root = tmp_path_factory.mktemp("image_families")
    folder = functools.cache(lambda name: MODELS[name].save(root / name))
    return functools.cache(lambda name, dtype="float32": Bench(folder(name), dtype))


def given(bench: Bench, name: str) -> dict[str, Image]:
    return dict(zip(("image", "last"), map(bench.picture, range(1, 1 + MODELS[name].images)), strict=False))


def plain(bench: Bench, images: dict[str, Image], **arguments: Any) -> Any:
    names = {"image": "image", "last": "last_image"}
    return bench.plain(**{names[name]: pil(image) for name, image in images.items()}, **arguments)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@ALL
def test_equal_to_the_plain_pipeline(benches: Callable[..., Bench], name: str, dtype: str) -> None:
    tiny = benches(name, dtype)
    images = given(tiny, name)
    reference, latents = plain(tiny, images), tiny.denoise(condition=tiny.condition(**images))
    assert torch.equal(latents.samples, reference.latents)
    assert torch.equal(tiny.decode(latents), reference.frames)
    assert len(reference.frames) == tiny.model.native.frames - MODELS[name].unshown


@pytest.mark.parametrize("name", [n for n, m in MODELS.items() if m.images == 1 and not m.unshown])
def test_one_frame_is_a_picture(benches: Callable[..., Bench], name: str) -> None:
    tiny = benches(name)
    images, empty = given(tiny, name), run_node(empty_latents, tiny.model.vae, frames=1)
    latents = tiny.denoise(latents=empty, condition=tiny.condition(**images, frames=1))
    assert torch.equal(tiny.decode(latents), plain(tiny, images, num_frames=1).frames)


@ALL
def test_resumes_at_any_step_and_two_halves_are_one_whole(benches: Callable[..., Bench], name: str) -> None:
    tiny, prompt, context = benches(name), benches(name).encode(), benches(name).context()
    condition = decode(*encode(tiny.condition(**given(tiny, name))))
    whole = tiny.denoise(prompt=prompt, condition=condition, context=context)
    assert len(context.states) == tiny.model.native.steps - 1
    for state in context.states:
        again = tiny.context(state=decode(*encode(state)))
        again = tiny.denoise(prompt=prompt, condition=condition, context=again)
        assert torch.equal(again.samples, whole.samples)
        assert torch.equal(tiny.decode(again), tiny.decode(whole))
    if not MODELS[name].stops:
        return
    first = decode(*encode(tiny.denoise(prompt=prompt, condition=condition, end_step=1)))
    second = tiny.denoise(prompt=prompt, condition=condition, latents=first, seed=8)
    assert torch.equal(second.samples, whole.samples)


@ALL
def test_what_is_given_counts_and_so_do_seed_and_prompt(benches: Callable[..., Bench], name: str) -> None:
    tiny = benches(name)
    images = given(tiny, name)
    condition = tiny.condition(**images)
    usual = tiny.denoise(condition=condition).samples
    assert not torch.equal(usual, tiny.denoise(condition=condition, seed=4).samples)
    assert not torch.equal(usual, tiny.denoise(condition=condition, prompt=tiny.encode("a blue box")).samples)
    for port in images:
        changed = tiny.condition(**{**images, port: tiny.picture(9)})
        assert not torch.equal(usual, tiny.denoise(condition=changed).samples), port
        if tiny.model.image_encoder is not None:  # which also looks at it, apart from the VAE
            mixed = condition.model_copy(update={"image_embeds": changed.image_embeds})
            assert not torch.equal(usual, tiny.denoise(condition=mixed).samples), port
    assert torch.equal(usual, tiny.denoise(condition=condition).samples)


@ALL
def test_cancel_leaves_no_trace(benches: Callable[..., Bench], name: str) -> None:
    tiny, prompt, counting = benches(name), benches(name).encode(), benches(name).context()
    images = given(tiny, name)
    condition = tiny.condition(**images, context=counting)
    with pytest.raises(Cancelled):
        tiny.condition(**images, context=tiny.context(cancel_after=counting._points - 1))
    counting = tiny.context()
    whole = tiny.denoise(prompt=prompt, condition=condition, context=counting).samples
    for point in (1, 4, counting._points - 1):
        with pytest.raises(Cancelled):
            tiny.denoise(prompt=prompt, condition=condition, context=tiny.context(cancel_after=point))
        assert torch.equal(tiny.denoise(prompt=prompt, condition=condition).samples, whole)


@ALL
def test_no_pixels_travel_beside_what_was_encoded(benches: Callable[..., Bench], name: str) -> None:
    tiny = benches(name)
    seen = tiny.condition(**given(tiny, name)).given
    assert isinstance(seen.image, Blank)
    assert seen.last_image is None or isinstance(seen.last_image, Blank)


# ------------------------------------------------------------------------------- each model's own


@pytest.mark.parametrize(
    ("name", "images", "problem"),
    [
        ("skyreels", 2, "takes no last image"),
        ("skyreels, both ends", 1, "needs a last image too"),
        ("hunyuan", 2, "takes no last image"),
        ("hunyuan 1.5", 2, "takes no last image"),
    ],
)
def test_images_that_a_model_was_not_made_for(
    benches: Callable[..., Bench], name: str, images: int, problem: str
) -> None:
    tiny, fresh = benches(name), LocalContext()
    with pytest.raises(NodeError, match=problem):
        tiny.condition(*map(tiny.picture, range(images)), context=fresh)
    assert not fresh.opened


@pytest.mark.parametrize("name", ["hunyuan", "hunyuan, 33 channels"])
def test_the_text_encoder_of_hunyuan_reads_the_image_too(benches: Callable[..., Bench], name: str) -> None:
    tiny = benches(name)
    condition = tiny.condition(**given(tiny, name))
    usual = tiny.denoise(condition=condition).samples
    other = tiny.denoise(condition=condition, prompt=tiny.encode(image=tiny.picture(9))).samples
    assert not torch.equal(usual, other)


def test_a_prompt_without_its_image_is_refused_before_anything_is_loaded(
    benches: Callable[..., Bench],
) -> None:
    fresh = LocalContext()
    for name, ports, problem in (
        ("hunyuan", {}, "reads the first image too"),
        ("hunyuan 1.5", {"image": picture(1, 24, 24)}, "reads no image"),
    ):
        encoder = benches(name).model.text_encoder
        with pytest.raises(NodeError, match=problem):
            run_node(encode_prompt, text_encoder=encoder, context=fresh, prompt="a", **ports)
    assert not fresh.opened


def test_hunyuan_mixes_the_image_into_whatever_latents_it_is_given(benches: Callable[..., Bench]) -> None:
    """So a stopped run cannot go on by `latents=`; noise of one's own is mixed as the pipeline does."""
    tiny = benches("hunyuan")
    images = given(tiny, "hunyuan")
    noise = run_node(noise_latents, run_node(empty_latents, tiny.model.vae), seed=5)
    mine = tiny.denoise(latents=noise, condition=tiny.condition(**images)).samples
    assert torch.equal(mine, plain(tiny, images, latents=noise.samples.clone()).latents)


def test_a_clip_of_frames_that_are_not_shown_is_refused(benches: Callable[..., Bench]) -> None:
    tiny = benches("hunyuan, 33 channels")
    with pytest.raises(NodeError, match="does not show the first 4 frames"):
        tiny.condition(tiny.picture(), frames=1)


def test_the_variant_of_hunyuan_decides_on_guidance(benches: Callable[..., Bench]) -> None:
    native = family("hunyuan_image").native
    found = [native(Configs({}, {"guidance_embeds": embeds}, {})).guidance for embeds in (True, False)]
    assert found == [6.0, 1.0]


def test_hunyuan_15_would_choose_another_size_than_that_of_the_image() -> None:
    """Rounding keeps it from sizes that are among its own, such as this one for phones."""
    from diffusers.pipelines.hunyuan_video1_5.image_processor import HunyuanVideo15ImageProcessor

    found = HunyuanVideo15ImageProcessor().calculate_default_height_width(848, 480, 640)
    assert (found[1], found[0]) == (480, 832)


def test_hunyuan_15_makes_the_size_that_is_asked_for(benches: Callable[..., Bench]) -> None:
    """The plain pipeline comes to 24 x 20 only from pictures of another shape, which it cuts."""
    from diffusers.pipelines.hunyuan_video1_5.image_processor import HunyuanVideo15ImageProcessor

    tiny, whole = benches("hunyuan 1.5"), pil(picture(1, 100, 83))
    cut = HunyuanVideo15ImageProcessor().resize(whole, height=20, width=24, resize_mode="crop")
    image = Image(pixels=torch.from_numpy(numpy.array(cut)))
    empty = run_node(empty_latents, tiny.model.vae, width=24, height=20)
    latents = tiny.denoise(latents=empty, condition=tiny.condition(image, width=24, height=20))
    assert torch.equal(tiny.decode(latents), tiny.plain(image=whole).frames)


def test_hunyuan_15_of_few_steps_looks_ahead(benches: Callable[..., Bench]) -> None:
    """Its pipeline tells it where the next step begins; at the end of a part of the steps it could not."""
    name = "hunyuan 1.5, few steps"
    tiny = benches(name)
    condition = tiny.condition(**given(tiny, name))
    with pytest.raises(NodeError, match="cannot stop before the last") as caught:
        tiny.denoise(condition=condition, end_step=1)
    assert caught.value.hint == "leave end_step empty"


def test_skyreels_is_advised_another_shift_for_images(benches: Callable[..., Bench]) -> None:
    native = benches("skyreels").model.native
    assert (native.shift, benches("skyreels").model.scheduler.config["flow_shift"]) == (5.0, 5.0)
