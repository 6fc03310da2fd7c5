"""Measures of videos on a wire, columns that models add, and a look at the file's own pixels."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Annotated, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError, StorageError
from graphflow.node import Context, node
from graphflow.values import Image, Recipe, Video, rows

from .caption import frames_of_clip, middle_frame
from .pairs import array_of
from .settings import Flow, Method
from .values import Clip, Score, refuse, with_scores

Measure = Callable[[Image], dict[str, Score]]
"""An opened frame scorer: one frame to columns."""

_PARTS = (
    ".values", ".shot_scores", ".motion", ".flow", ".picture", ".shots", ".hashing", ".frames", ".reading",
    ".caption", "graphflow_nodes.media.decode", "graphflow_nodes.evaluation.classic_flow",
    "graphflow_nodes.evaluation.texture",
)  # fmt: skip


class LoadedClip(NamedTuple):
    """A clip's frames, and what is known of it."""

    video: Video
    source: str
    caption: str


@node("dataset/load_clip", depends=(".values", ".reading", ".caption", "graphflow_nodes.media.decode"))
def load_clip(
    clip: Clip,
    *,
    max_side: Annotated[int, Field(ge=8, le=16_384)] | None = None,
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None,
) -> LoadedClip:
    """The frames of a clip, without borders. max_side: scales larger frames down. fps: takes or repeats
    frames.

    Raises StorageError if the file cannot be read any more, NodeError for a clip that was refused.
    """
    if clip.rejected:
        raise NodeError(f"{clip.id} was refused: {clip.reason}", hint="put dataset/kept before this")
    frames = frames_of_clip(clip, max_side, fps)
    return LoadedClip(Video(frames=frames, fps=fps or clip.fps), clip.source, clip.caption)


class FrameScorer(Recipe):
    """Something that puts figures on a frame: text found by OCR, a watermark, an aesthetic mark, an
    embedding's likeness to a reference. A pack of its own adds one: a subclass whose `open` gives a
    `Measure`."""


@node("dataset/measure", depends=_PARTS)
def measure(video: Video, *, flow: Flow = "dis") -> dict[str, Score]:
    """What is measured of a clip, by column. It is scaled down to 160 pixels and looked at 8 times a second.

    seconds; motion and motion_top, mean and most of the flow's length in percent of the shorter side a
    second; motion_jerk; camera (static, pan_left, pan_right, tilt_up, tilt_down, zoom_in, zoom_out, roll,
    shake, unclear) and camera_speed; sharpness, exposure, clipped, contrast, flicker; change_max, high where
    there is a cut; steadiness, likeness of the first and middle frame; overlay, share that looks like text;
    phash.
    """
    from .shot_scores import columns, small

    frames = small(array_of(video))
    return dict(columns(frames, video.fps, flow))


@node("dataset/find_cuts", depends=(".shots", ".frames", ".hashing", ".shot_scores", ".pairs"))
def find_cuts(
    video: Video, *, method: Method = "content", shortest: Annotated[int, Field(ge=1)] = 1
) -> list[int]:
    """Numbers of the frames that begin a new shot. shortest: frames of a shot.

    method: `content` by changes of colour, `adaptive` by changes that stand out from those around them,
    `hash` by a perceptual hash.
    """
    from .shot_scores import small
    from .shots import cuts

    return cuts(small(array_of(video)), method, shortest)


@node("dataset/split_shots", depends=(".shots", ".frames", ".hashing", ".shot_scores", ".pairs"))
def split_shots(
    video: Video, *, method: Method = "content", shortest: Annotated[int, Field(ge=1)] = 8
) -> list[Video]:
    """The shots of a video as videos of their own. shortest: frames of a shot; a shorter one stays with its
    neighbour."""
    from .shot_scores import small
    from .shots import cuts

    places = [0, *cuts(small(array_of(video)), method, shortest), len(video.frames)]
    return [
        Video(frames=video.frames[first:last].clone(), fps=video.fps)
        for first, last in itertools.pairwise(places)
    ]


@node("dataset/measure_blocks", depends=_PARTS)
def measure_blocks(clips: list[Clip], ctx: Context) -> list[Clip]:
    """Look at the middle of each clip in the file's own size, for what scaling hides.

    Adds `blockiness`, how visible the 8 x 8 grid of a codec is (0 is not at all), and `native_sharpness`.
    Worth its time after the first filters. A file that cannot be read any more is refused with the reason.
    """
    from .frames import laplacian, luma
    from .picture import blockiness

    def scores(frame: Image) -> dict[str, Score]:
        import numpy

        grey = luma(frame.pixels.numpy())[None]
        return {
            "blockiness": blockiness(grey),
            "native_sharpness": float(numpy.abs(laplacian(grey)).mean()),
        }

    return rows(_looked(clip, ctx, scores, place, len(clips)) for place, clip in enumerate(clips))


@node("dataset/motion_vectors", depends=(".values", ".vectors", "graphflow_nodes.media.containers"))
def motion_vectors(clips: list[Clip], ctx: Context) -> list[Clip]:
    """How much each clip moves, by the vectors that its encoder stored: cheaper than optical flow, and
    rougher.

    Adds `vector_motion` and `vector_motion_top`, mean and most, in percent of the shorter side a second;
    empty for codecs that tell none (H.264, MPEG-4 and such do). A file that cannot be read any more is
    refused.
    """
    from .vectors import vector_scores

    def looked(place: int, clip: Clip) -> Clip:
        ctx.progress(place, len(clips))
        try:
            return clip if clip.rejected else with_scores(clip, vector_scores(clip))
        except StorageError as error:
            return refuse(clip, "read", error.message)

    return rows(itertools.starmap(looked, enumerate(clips)))


@node("dataset/score_frames", depends=_PARTS)
def score_frames(clips: list[Clip], scorer: FrameScorer, ctx: Context) -> list[Clip]:
    """Columns by any scorer that is wired, from the middle frame of each clip that no filter has refused.

    A file that cannot be read any more is refused with the reason. Raises NodeError if the scorer gives
    something else than columns, or a column that is there already.
    """
    with ctx.use(scorer) as mark:

        def scores(frame: Image) -> dict[str, Score]:
            found = mark(frame)
            if not isinstance(found, dict):
                raise NodeError(
                    f"{type(scorer).__name__} gave a {type(found).__name__}, not columns",
                    hint="report this to the makers of the scorer's pack",
                )
            return found

        return rows(_looked(clip, ctx, scores, place, len(clips)) for place, clip in enumerate(clips))


def _looked(
    clip: Clip, ctx: Context, scores: Callable[[Image], dict[str, Score]], place: int, count: int
) -> Clip:
    """The clip with the scores of its middle frame."""
    ctx.progress(place, count)
    if clip.rejected:
        return clip
    try:
        return with_scores(clip, scores(middle_frame(clip)))
    except StorageError as error:
        return refuse(clip, "read", error.message)
