"""What the diffusion nodes pass to each other: prompt embeddings, latents and the facts about a model.

Everything here is a frozen value. Live models never travel; their recipes are in `recipes.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.values import Image, Tensor, Value, Video

Positive = Annotated[int, Field(ge=1)]


Dtype = Literal["float32", "bfloat16", "float16"]

Stage = Literal["empty", "noise", "stopped", "done", "again"]
"""How far latents are: noise not drawn, pure noise, stopped between two steps, fully denoised, or denoised
and to be refined: a denoise lays noise over them and begins at a later step."""


class Sound(Value):
    """The sound of a clip in latent space.

    samples: (1, channels, length, bins), float32, normalised. None as long as the latents are empty.
    """

    channels: Positive
    bins: Positive
    """Mel bins in a cell's height."""
    rate: Positive
    """Samples of the wave a second."""
    hop: Positive
    """Samples between two columns of the spectrogram."""
    compression: Positive
    """Columns in a latent cell."""
    samples: Tensor | None = None

    def latent_shape(self, frames: int, fps: float) -> tuple[int, int, int, int]:
        """(batch, channels, length, bins) of the sound of one clip, rounded as pipelines do."""
        return (1, self.channels, round(frames / fps * (self.rate / self.hop / self.compression)), self.bins)


class Native(Value):
    """The settings a model was made for; a node's setting left empty takes its value from here."""

    width: Positive
    """Pixels."""
    height: Positive
    """Pixels."""
    frames: Positive
    fps: Annotated[float, Field(gt=0)]
    steps: Positive
    guidance: float
    """Classifier-free guidance scale; 1 or less means none."""
    guidance_2: float | None = None
    """The same for the low-noise expert of a model with two."""
    shift: float | None = None
    """Shift of the noise schedule; None leaves the scheduler's own."""
    max_sequence_length: Positive = 512
    """Text tokens; shorter prompts are padded to it."""
    dtype: Dtype = "bfloat16"
    """What text encoder and denoiser compute in."""
    decode: dict[str, float] = Field(default_factory=dict)
    """Settings that the decoder takes, by the pipeline's argument names; empty for most models."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the pipeline that only some models take, by its own names."""
    sound: Sound | None = None
    """For models whose clips have sound."""


class VAEInfo(Value):
    """Which VAE latents belong to: its class and its architecture, not its weights."""

    class_name: str
    config: dict[str, Any]


class Geometry(Value):
    """How pixels map to latents."""

    channels: Positive
    spatial: Positive
    """Pixels along one side of a latent cell."""
    temporal: Positive
    """Frames a latent frame stands for; the first one stands alone."""
    multiple: Positive
    """Width and height must be multiples of this many pixels."""

    def latent_shape(self, width: int, height: int, frames: int) -> tuple[int, int, int, int, int]:
        """(batch, channels, latent frames, latent height, latent width) of one clip."""
        latent_frames = (frames - 1) // self.temporal + 1
        return (1, self.channels, latent_frames, height // self.spatial, width // self.spatial)


class SamplerState(Value):
    """Where a denoise stopped, with all that the sampler remembers of its earlier steps."""

    step: Annotated[int, Field(ge=0)] | None
    """Steps done. None in a plan, where only the run can tell."""
    steps: Positive
    """Steps of the whole denoise."""
    scheduler: str
    """Digest of the scheduler's class and config: only the same one can go on."""
    history: dict[str, Any]
    """The scheduler's own attributes, such as the earlier model outputs of a multistep solver."""
    kept: dict[str, Any] = Field(default_factory=dict)
    """What the pipeline itself holds from step to step beside the latents; see `Task.adjust`."""


class Latents(Value):
    """A clip in latent space, with all that a later phase must know about it.

    samples: (1, channels, latent frames, latent height, latent width), float32, normalised as the
    denoiser sees them, also where the denoiser itself works on packed tokens. None at stage `empty`.
    An upsampler may leave them in its own dtype.
    """

    family: str
    vae: VAEInfo
    geometry: Geometry
    width: Positive
    height: Positive
    frames: Positive
    fps: Annotated[float, Field(gt=0)]
    stage: Stage = "empty"
    samples: Tensor | None = None
    strength: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Part of the steps that a refinement runs; less than 1 only at stage `again` and after it."""
    normalised: bool = True
    sampler: SamplerState | None = None
    """Set at stage `stopped`."""
    rng: Tensor | None = None
    """State of the clip's random generator, uint8; later phases of some families draw from it."""
    embeds_dtype: str | None = None
    """Dtype of the prompt embeddings used; some families decode in it."""
    reference_frames: Annotated[int, Field(ge=0)] = 0
    """Latent frames at the front that hold reference images; cut before decoding."""
    decode: dict[str, float] = Field(default_factory=dict)
    """Decoder settings that were chosen for this clip, by the pipeline's argument names; others are the
    model's own."""
    sound: Sound | None = None
    """For models whose clips have sound."""


class PromptEmbeds(Value):
    """An encoded prompt.

    tensors: by the pipeline's own argument names; for Wan `prompt_embeds` and `negative_prompt_embeds`,
    each (1, max_sequence_length, text width) in the text encoder's dtype.
    """

    family: str
    tensors: dict[str, Tensor]
    max_sequence_length: Positive
    negative: bool = True
    """Whether a negative prompt is in it; some models only look at one if they are asked to."""
    width: Positive | None = None
    """Text width, for a plan that has no tensors yet; None if it is not known."""


class Blank(Value):
    """Stands for pixels whose only use was to be encoded, and that were encoded."""

    frames: Positive
    """1 for a picture."""
    width: Positive
    height: Positive


class Keyframe(Value):
    """Frames that a clip must show at a certain place."""

    content: Image | Video | Blank
    index: int
    """The first of the clip's frames that shows it; negative counts from the end."""
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    """1 keeps it as it is."""


class Given(Value):
    """What a clip must follow beside its prompt: pixels at the clip's own size, and settings."""

    image: Image | Blank | None = None
    """The first frame."""
    last_image: Image | Blank | None = None
    video: Video | Blank | None = None
    mask: Video | Blank | None = None
    """Grey frames; white is what may change."""
    references: tuple[Image | Blank, ...] = ()
    keyframes: tuple[Keyframe, ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)
    """By the pipeline's argument names, such as `strength`."""


class Condition(Value):
    """What a clip must follow beside its prompt, encoded for one model and one size.

    moments: what the VAE's encoder said, in the order it was asked: parameters of a normal distribution,
    each (1, 2 * channels, latent frames, latent height, latent width) in the VAE's dtype.
    statistics: by name, the mean and spread of latents that some VAEs hold beside their weights.
    image_embeds: what the pipeline's `encode_image` says, for models with an image encoder.
    """

    family: str
    task: str
    vae: VAEInfo
    width: Positive
    height: Positive
    frames: Positive
    given: Given
    moments: tuple[Tensor, ...] = ()
    statistics: dict[str, Tensor] = Field(default_factory=dict)
    image_embeds: Tensor | None = None
