"""Encoding frames into video files, one frame at a time; equal frames give equal bytes.

Colours: BT.709 in limited range, tagged as such, so that players and the decoder agree on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .containers import written
from .embed import KEY, add_gif_comment
from .soundtrack import AAC, OPUS, AudioCodec, Sound, Track
from .tensors import padded

if TYPE_CHECKING:
    from av import VideoFrame
    from av.filter import Graph

PADDED_KEY = "graphflow_size"
"""Name of the tag with the true width and height of padded frames."""

THREADS = 4
"""Fixed: the number of encoder threads changes the bytes, the number of cores must not."""

Frames = Iterable[Any]
"""Frames in order, each a uint8 numpy array, (height, width, 3), sRGB."""


@dataclass(frozen=True)
class Codec:
    """How one video format is written."""

    muxer: str
    encoder: str
    media_type: str
    options: Mapping[str, str]
    sound: AudioCodec
    scaling: str
    """How colour is brought to half the resolution: flags and, for left-sited colour, its place."""
    container: Mapping[str, str] = field(default_factory=dict)


H264 = Codec(
    "mp4",
    "libx264",
    "video/mp4",
    {"preset": "medium"},
    AAC,
    "bicubic+accurate_rnd+bitexact:out_h_chr_pos=0:out_v_chr_pos=128",
    {"movflags": "use_metadata_tags+faststart"},
)
VP9 = Codec(
    "webm",
    "libvpx-vp9",
    "video/webm",
    {"b": "0", "deadline": "good", "cpu-used": "3", "row-mt": "0"},
    OPUS,
    "area+accurate_rnd+bitexact",
)


def encode_video(
    path: Path,
    codec: Codec,
    frames: Frames,
    fps: float,
    *,
    crf: int,
    text: str,
    sound: Sound | None = None,
) -> None:
    """Write `frames`, all of one size, as 4:2:0 video with `text` as its provenance.

    An odd height or width gets its last row or column twice; the tag `graphflow_size` tells the true size.
    crf: constant quality, 0 best. sound: written beside the frames, and cut where they end.
    Raises StorageError if the encoder or the disk refuses.
    """
    rate = exact_rate(fps)
    with written(path, codec.muxer, codec.container, "video") as container:
        container.metadata[KEY] = text
        stream: Any = None
        graph: Any = None
        track: Track | None = None
        for position, array in enumerate(frames):
            if stream is None:
                options = {**codec.options, **_exact(codec), "crf": str(crf)}
                stream = container.add_stream(codec.encoder, rate, options=options)
                height, width = array.shape[:2]
                stream.height, stream.width = height + height % 2, width + width % 2
                stream.pix_fmt = "yuv420p"
                _set_up(stream.codec_context)
                graph = _to_yuv(codec, stream.height, stream.width, rate)
                track = Track(container, codec.sound, sound) if sound else None
                if height % 2 or width % 2:
                    container.metadata[PADDED_KEY] = f"{width}x{height}"
            graph.push(_picture(padded(array, 2), position, rate))
            container.mux(stream.encode(graph.pull()))
            if track is not None:
                track.write(until=(position + 1) / rate)
        container.mux(stream.encode(None))
        if track is not None:
            track.close()


def encode_gif(path: Path, frames: Callable[[], Iterator[Any]], fps: float, *, text: str) -> None:
    """Write a GIF that repeats for ever, with one palette of 256 colours made from all frames.

    frames: called twice and gives the same frames, once for the palette and once for the file.
    Times are kept to 1/100 s, so 50 fps is the most. Raises StorageError as `encode_video` does.
    """
    bare = path.with_name(f"{path.name}.bare.tmp")
    try:
        _encode_bare_gif(bare, frames, exact_rate(min(fps, 50.0)))
        add_gif_comment(bare, path, text)
    finally:
        bare.unlink(missing_ok=True)


def _encode_bare_gif(path: Path, frames: Callable[[], Iterator[Any]], rate: Fraction) -> None:
    with written(path, "gif", {}, "video") as container:
        palette = _palette(frames(), rate)
        stream: Any = None
        graph: Any = None
        for position, array in enumerate(frames()):
            if stream is None:
                stream = container.add_stream("gif", rate)
                stream.height, stream.width = array.shape[:2]
                stream.pix_fmt = "pal8"
                graph = _Paletted(palette, array.shape, rate)
            graph.push(_picture(array, position, rate))
            container.mux(stream.encode(graph.pull()))
        container.mux(stream.encode(None))


def exact_rate(fps: float) -> Fraction:
    """Frames a second as the nearest fraction of small numbers, such as 24000/1001.

    >>> exact_rate(23.976023976023978)
    Fraction(24000, 1001)
    """
    return max(Fraction(fps).limit_denominator(10_000), Fraction(1, 10_000))


def _exact(codec: Codec) -> dict[str, str]:
    """Options without which equal frames may give other bytes.

    x264 with AVX-512 reads memory that nobody wrote where a plane's width is no multiple of 64 (measured: 48
    x 48 gave four files in sixty tries; with AVX2 or less one, the same on both).
    """
    from torch.backends.cpu import get_cpu_capability

    wide = get_cpu_capability() in ("AVX2", "AVX512")
    return {"x264-params": "asm=avx2"} if codec.encoder == "libx264" and wide else {}


def _set_up(context: Any) -> None:
    from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

    context.thread_count = THREADS
    context.colorspace = Colorspace.ITU709
    context.color_range = ColorRange.MPEG
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.IEC61966_2_1


def _picture(array: Any, position: int, rate: Fraction) -> VideoFrame:
    from av import VideoFrame

    frame = VideoFrame.from_ndarray(array, format="rgb24")
    frame.pts, frame.time_base = position, 1 / rate
    return frame


def _to_yuv(codec: Codec, height: int, width: int, rate: Fraction) -> Graph:
    """A filter graph that turns RGB frames into 4:2:0, with colour samples where decoders look for them."""
    scale = f"out_color_matrix=bt709:out_range=tv:flags={codec.scaling}"
    return _chain((height, width), rate, ("scale", scale), ("format", "yuv420p"))


def _palette(frames: Iterator[Any], rate: Fraction) -> VideoFrame:
    graph: Any = None
    for position, array in enumerate(frames):
        if graph is None:
            graph = _chain(array.shape, rate, ("palettegen", "reserve_transparent=0"))
        graph.push(_picture(array, position, rate))
    graph.push(None)
    palette: VideoFrame = graph.pull()
    return palette


def _chain(shape: tuple[int, ...], rate: Fraction, *filters: tuple[str, str]) -> Graph:
    """RGB frames of (height, width) in, frames out, through filters in a row."""
    from av.filter import Graph

    graph = Graph()
    source = _buffer(graph, shape[1], shape[0], "rgb24", rate)
    steps = [graph.add(name, arguments) for name, arguments in filters]
    graph.link_nodes(source, *steps, graph.add("buffersink")).configure()
    return graph


def _buffer(graph: Graph, width: int, height: int, pixels: str, rate: Fraction) -> Any:
    from av import VideoFormat

    return graph.add_buffer(width=width, height=height, format=VideoFormat(pixels), time_base=1 / rate)


class _Paletted:
    """A filter graph that maps frames onto a palette."""

    def __init__(self, palette: VideoFrame, shape: tuple[int, ...], rate: Fraction) -> None:
        from av.filter import Graph

        graph = Graph()
        self._frames = _buffer(graph, shape[1], shape[0], "rgb24", rate)
        colours = _buffer(graph, palette.width, palette.height, palette.format.name, rate)
        use = graph.add("paletteuse", "dither=sierra2_4a:diff_mode=rectangle")
        self._sink = graph.add("buffersink")
        self._frames.link_to(use, 0, 0)
        colours.link_to(use, 0, 1)
        use.link_to(self._sink)
        graph.configure()
        colours.push(palette)
        colours.push(None)
        self._graph = graph  # the contexts do not keep it alive

    def push(self, frame: VideoFrame) -> None:
        self._frames.push(frame)

    def pull(self) -> Any:
        return self._sink.pull()
