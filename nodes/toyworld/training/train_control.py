"""Trains a VACE model: given frames, boxes, outlines or figures to follow, holes to fill.

It starts from the text-to-video model: each control block as a copy of the block it accompanies, silent at
first. The text encoder stays as it is.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from ..captions import caption, motion_caption
from ..render import Course
from ..world import Scene
from .codec import COMPONENTS, ChunkCodec, load
from .conditions import (
    CHANNELS,
    KINDS,
    Condition,
    Encode,
    as_bytes,
    code,
    given_frames,
    holes,
    led_by,
)
from .denoiser import LAYERS, Denoiser, draw_lengths
from .painted import Painted, PaintedPool, latents_of
from .stock import Stock, WanVACETransformer3DModel
from .train_denoiser import ADAM_RATE, DROP_CAPTION, MUON_RATE, OBJECT_WEIGHT, draw_noise_levels
from .tune import Coder, Lesson, TuneRun, build_trainee, multiply_in_half, open_denoiser, tune

Task = Literal["frames", "control", "holes", "none"]
TASKS: Mapping[Task, float] = {
    "frames": 0.58,
    "control": 0.19,
    "holes": 0.2,
    "none": 0.03,
}
"""Shares of examples."""
COURSES: tuple[Course, ...] = ("told", "wandering")
"""Half of the objects go as the words say, half go anywhere and the words do not tell."""
MOTION_ONLY = 0.3
"""Share of captions beside given frames that tell the motion and nothing else."""
MOTION_WEIGHT = 1.0
"""Extra loss weight of latent channels that change sign when time runs backwards."""
GIVEN_WEIGHT = 4.0
"""Extra loss weight of latents that hold something given, shared among channels by what they mean in pixels:
without it the first channel, the mean colour, counts as little as any of 24, and given frames come out in
other shades."""
NOISE = 0.02
"""Spread of noise on coded conditions: an autoencoder codes almost, not quite, as the linear code does."""
LEVELS = (0.3, 0.6, 0.9, 0.98)
"""Noise levels at which progress is measured."""
EVERY = 4
"""Steps between two drawings of new examples; each is used about so many times."""
ENCODED_FROM = 0.8
"""Share of the budget after which conditions are coded by the autoencoder; before by the linear code, which
it follows and which costs nothing."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Coded clips with conditions: `clean` [B, 24, n, h, w], `control` [B, 112, n, h, w], `coverage` and
    `given` [B, 1, n, h, w], 1 where a latent holds a part of the object or something given (half precision),
    scenes, and whether they go as the scene says."""

    task: Task
    clean: Tensor
    control: Tensor
    coverage: Tensor
    given: Tensor
    scenes: Sequence[Scene]
    told: bool

    @classmethod
    def of(
        cls, task: Task, painted: Painted, condition: Condition, told: bool, codec: ChunkCodec, encode: Encode
    ) -> "Examples":
        """The clips coded by `codec`, their condition by `encode`."""
        clean, control = codec.encode(painted.clips).half(), code(encode, condition).half()
        given = latents_of(1 - (condition.mask > 0.5).float())
        return cls(task, clean, control, painted.coverage.half(), given.half(), painted.scenes, told)


def draw_examples(
    task: Task, painted: Painted, told: bool, codec: ChunkCodec, encode: Encode, rng: random.Random
) -> Examples:
    """Clips with a random condition of the task, coded."""
    condition = draw_condition(task, painted, rng)
    return Examples.of(
        task, painted, condition if task == "none" else as_bytes(condition), told, codec, encode
    )


def draw_condition(task: Task, painted: Painted, rng: random.Random) -> Condition:
    """What a person may give for the task, around the known clips."""
    if task == "frames":
        middle = rng.randrange(1, painted.over.shape[2] - 1)
        choices = ([0, -1], [0], [-1], [0, middle, -1])
        return given_frames(painted, rng.choices(choices, (0.8, 0.08, 0.06, 0.06))[0])
    if task == "holes":
        return holes(painted, rng)
    if task == "control":
        lead = led_by(painted, rng.choices([*KINDS], [*KINDS.values()])[0], rng)
        if rng.random() < 0.2:
            lead.video[:, :, 0] = painted.clips[:, :, 0]
            lead.mask[:, :, 0] = 0
        return lead
    return Condition(torch.zeros_like(painted.clips), torch.ones_like(painted.over))


@dataclass(slots=True)
class Teacher:
    """Draws batches from examples of each task and measures the model on them."""

    denoiser: Denoiser
    codec: ChunkCodec
    coder: Coder
    pools: Mapping[Course, PaintedPool]
    rng: random.Random
    batch: int
    kept: int
    examples: dict[Task, list[Examples]] = field(default_factory=lambda: {task: [] for task in TASKS})
    _steps: int = 0
    _linear: bool = True

    def loss(self, done: float) -> Tensor:
        """Flow-matching loss of one batch of a random task."""
        if self._linear and done >= ENCODED_FROM:
            self._linear, self.examples = False, {task: [] for task in TASKS}
        if self._steps % EVERY == 0:
            self.draw()
        self._steps += 1
        task = self.rng.choices([*TASKS], [*TASKS.values()])[0]
        if not self.examples[task]:
            self.draw(task)
        mixed = _shuffle(self.examples[task], self.batch, self.rng)
        levels = draw_noise_levels(self.batch)
        return self.flow_loss(mixed, [self.caption(mixed, scene) for scene in mixed.scenes], levels)

    def draw(self, task: Task | None = None) -> None:
        """Code a batch of new examples; beyond the number kept the oldest go."""
        task = task or self.rng.choices([*TASKS], [*TASKS.values()])[0]
        course = self.rng.choice(COURSES)
        painted = self.pools[course].batch(self.batch)
        held = self.examples[task]
        encode = self.codec.encode if self._linear else self.coder.encode
        held.append(draw_examples(task, painted, course == "told", self.codec, encode, self.rng))
        del held[: max(0, len(held) - self.kept // self.batch)]

    def caption(self, examples: Examples, scene: Scene) -> str:
        """A caption as a person may write it for the task, sometimes empty."""
        chance = self.rng.random()
        if chance < DROP_CAPTION:
            return ""
        if examples.task == "frames" and examples.told and chance > 1 - MOTION_ONLY:
            return motion_caption(scene, self.rng)
        return caption(scene, self.rng, noise=True, moving=examples.told)

    def flow_loss(self, examples: Examples, captions: Sequence[str], levels: Tensor) -> Tensor:
        """Weighted mean square error of the predicted velocity at noise `levels` [B]."""
        clean = examples.clean.float()
        sigma = levels[:, None, None, None, None]
        motion = 1 + MOTION_WEIGHT * self.codec.motion_share[:, None, None, None]
        weight = (1 + (OBJECT_WEIGHT - 1) * examples.coverage.float()) * motion
        weight = weight + GIVEN_WEIGHT * examples.given.float() * self.codec.pixel_share[:, None, None, None]
        noise = torch.randn_like(clean)
        noisy = (1 - sigma) * clean + sigma * noise
        lengths = draw_lengths(len(clean), self.rng, 1.0)
        control = examples.control.float()
        control[:, : 2 * COMPONENTS] += NOISE * torch.randn_like(control[:, : 2 * COMPONENTS])
        predicted = self.denoiser.velocity(noisy, levels * 1000, captions, lengths, control)
        return ((predicted - (noise - clean)).square() * weight).sum() / weight.sum()

    def grow(self) -> None:
        """Draw more clips."""
        for pool in self.pools.values():
            pool.grow()


@torch.no_grad()
def build_control(base: Denoiser) -> Denoiser:
    """The denoiser `base` with control blocks beside all of its blocks; at first it gives the same output."""
    config = {k: v for k, v in base.transformer.config.items() if not k.startswith("_")}
    torch.manual_seed(0)
    transformer = WanVACETransformer3DModel(
        **config, vace_layers=list(range(LAYERS)), vace_in_channels=CHANNELS
    )
    transformer.load_state_dict(base.transformer.state_dict(), strict=False)
    for block, twin in zip(transformer.blocks, transformer.vace_blocks, strict=True):
        twin.load_state_dict(block.state_dict(), strict=False)
        nn.init.zeros_(twin.proj_out.weight)
        nn.init.zeros_(twin.proj_out.bias)
        for part in (block, twin):
            part.attn2.set_processor(base.context)
    nn.init.eye_(transformer.vace_blocks[0].proj_in.weight)
    nn.init.zeros_(transformer.vace_blocks[0].proj_in.bias)
    base.text_encoder.requires_grad_(False)
    return Denoiser(transformer, base.text_encoder, base.tokenizer, base.context)


def matrices(transformer: Stock) -> list[nn.Parameter]:
    """The matrices inside the blocks of both kinds, for Muon."""
    return [p for name, p in transformer.named_parameters() if "blocks." in name and p.ndim == 2]


def probes(codec: ChunkCodec, encode: Encode, seed: int = 7) -> list[Examples]:
    """Examples on which progress is measured, the same in every session."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    told, wandering = (PaintedPool(32, rng, course) for course in COURSES)
    clips = wandering.batch(16), told.batch(16)
    conditions: list[tuple[Task, Condition]] = [
        ("frames", given_frames(clips[0], [0, -1])),
        ("control", led_by(clips[0], "box", rng)),
        ("holes", holes(clips[1], rng)),
    ]
    return [
        Examples.of(task, clip, condition, clip is clips[1], codec, encode)
        for clip, (task, condition) in zip((clips[0], clips[0], clips[1]), conditions, strict=True)
    ]


@torch.no_grad()
def look(teacher: Teacher, fixed: Sequence[Examples]) -> dict[str, float]:
    """Losses by task and noise level."""
    result = {}
    with torch.random.fork_rng():
        torch.manual_seed(7)
        for examples in fixed:
            rng = random.Random(7)
            captions = [caption(scene, rng, moving=examples.told) for scene in examples.scenes]
            for level in LEVELS:
                levels = torch.full((len(captions),), level)
                result[f"{examples.task} {level}"] = float(teacher.flow_loss(examples, captions, levels))
    return result


def train(rank: int, run: TuneRun) -> None:
    """One of `run.workers` processes; goes on from a checkpoint if there is one."""
    torch.set_num_threads(1)
    codec = load(run.work / "codec.safetensors")
    coder = Coder.open(run.folder, run.work / "encoder.safetensors")
    denoiser = build_control(open_denoiser(run.folder))
    named = [(name, p) for name, p in denoiser.parameters() if p.requires_grad]
    trainee = build_trainee(matrices(denoiser.transformer), named, ADAM_RATE)
    multiply_in_half(denoiser.transformer.blocks)
    multiply_in_half(denoiser.transformer.vace_blocks)
    fixed = probes(codec, coder.encode)

    def teach(rng: random.Random) -> Lesson:
        pools = {course: PaintedPool(run.clips // 2, rng, course) for course in COURSES}
        teacher = Teacher(denoiser, codec, coder, pools, rng, run.batch, run.clips)
        return Lesson(teacher.loss, teacher.grow, lambda: look(teacher, fixed))

    tune(run, rank, trainee, (MUON_RATE, ADAM_RATE), teach)


def _shuffle(held: Sequence[Examples], count: int, rng: random.Random) -> Examples:
    """`count` examples of one task, from several batches that agree in whether they go as told."""
    told = rng.choice(held).told
    batches = [examples for examples in held if examples.told == told]
    picks = [(rng.choice(batches), rng.randrange(count)) for _ in range(count)]
    clean, control, coverage, given = (
        torch.stack([getattr(examples, name)[i] for examples, i in picks])
        for name in ("clean", "control", "coverage", "given")
    )
    scenes = [examples.scenes[i] for examples, i in picks]
    return Examples(batches[0].task, clean, control, coverage, given, scenes, told)
