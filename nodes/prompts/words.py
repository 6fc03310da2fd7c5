"""The words of film language: what each means here, how prose says it, and what each model family calls it.

A `Vocabulary` is one to one, so that reading a family's word and writing it again gives the same word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

ShotSize = Literal[
    "", "extreme_wide", "wide", "long", "full", "medium_wide", "medium", "medium_close_up", "close_up",
    "extreme_close_up", "other",
]  # fmt: skip
ShotAngle = Literal["", "eye_level", "high", "low", "dutch", "other"]
ShotView = Literal[
    "", "front", "back", "side", "over_the_shoulder", "overhead", "point_of_view", "aerial", "overlooking",
    "other",
]  # fmt: skip
Composition = Literal["", "center", "balanced", "right_heavy", "left_heavy", "symmetrical", "short_side"]
CameraMove = Literal[
    "", "static", "forward", "backward", "left", "right", "up", "down", "pan_left", "pan_right", "tilt_up",
    "tilt_down", "zoom_in", "zoom_out", "orbit", "orbit_360", "follow", "handheld", "fpv", "drone",
]  # fmt: skip
Intensity = Literal["", "slow", "fast"]
Speed = Literal["", "slow_motion", "slow", "fast", "time_lapse"]
DayTime = Literal["", "day", "night", "dawn", "sunrise", "dusk", "sunset"]
LightSource = Literal[
    "", "daylight", "artificial", "moonlight", "practical", "firelight", "fluorescent", "overcast", "sunny"
]
LightQuality = Literal["", "soft", "hard"]
LightDirection = Literal["", "top", "side", "under", "edge"]
Tone = Literal["", "warm", "cool", "mixed"]


@dataclass(frozen=True)
class Vocabulary:
    """What a family calls the values of one field.

    words: our value to the family's word, one to one.
    nearest: for values that have no word, the value whose word comes closest.

    >>> SKY_SIZE.write("medium"), SKY_SIZE.read("medium_shot"), SKY_SIZE.write("wide")
    ('medium_shot', 'medium', 'long_shot')
    """

    words: Mapping[str, str]
    nearest: Mapping[str, str]

    def write(self, value: str) -> str:
        """The family's word, that of the nearest value, or "" if it has none."""
        return self.words.get(value) or self.words.get(self.nearest.get(value, ""), "")

    def read(self, word: str) -> str:
        """Our value for a family's word. Raises KeyError for a word that is not in its vocabulary."""
        return {theirs: ours for ours, theirs in self.words.items()}[word]


def _vocabulary(words: Mapping[str, str], **nearest: str) -> Vocabulary:
    return Vocabulary(MappingProxyType(dict(words)), MappingProxyType(nearest))


# ------------------------------------------------------- SkyCaptioner-V1: closed lists, "other" for the rest

SKY_SIZE = _vocabulary(
    {
        "long": "long_shot",
        "full": "full_shot",
        "medium": "medium_shot",
        "close_up": "close_up",
        "extreme_close_up": "extreme_close_up",
        "other": "other",
    },
    extreme_wide="long",
    wide="long",
    medium_wide="full",
    medium_close_up="close_up",
)
SKY_ANGLE = _vocabulary(
    {"eye_level": "eye_level", "high": "high_angle", "low": "low_angle", "other": "other"}, dutch="other"
)
SKY_VIEW = _vocabulary(
    {
        "front": "front_view",
        "back": "back_view",
        "side": "side_view",
        "over_the_shoulder": "over_the_shoulder",
        "overhead": "overhead_view",
        "point_of_view": "point_of_view",
        "aerial": "aerial_view",
        "overlooking": "overlooking_view",
        "other": "other",
    }
)

# -------------------------------------------------- Wan 2.2: tags of its prompt guide, at the prompt's head

WAN_SIZE = _vocabulary(
    {
        "extreme_wide": "Extreme wide shot",
        "wide": "Wide shot",
        "medium_wide": "Medium wide shot",
        "medium": "Medium shot",
        "medium_close_up": "Medium close-up shot",
        "close_up": "Close-up shot",
        "extreme_close_up": "Extreme close-up shot",
    },
    long="wide",
    full="medium_wide",
)
WAN_ANGLE = _vocabulary({"low": "Low angle shot", "high": "High angle shot", "dutch": "Dutch angle shot"})
WAN_VIEW = _vocabulary(
    {"over_the_shoulder": "Over-the-shoulder shot", "aerial": "Aerial shot", "overhead": "Overhead shot"},
    overlooking="aerial",
)
WAN_COMPOSITION = _vocabulary(
    {
        "center": "Center composition",
        "balanced": "Balanced composition",
        "right_heavy": "Right-heavy composition",
        "left_heavy": "Left-heavy composition",
        "symmetrical": "Symmetrical composition",
        "short_side": "Short-side composition",
    }
)
WAN_TIME = _vocabulary(
    {"day": "Day time", "night": "Night time", "dawn": "Dawn time", "sunrise": "Sunrise time"}
)
WAN_SOURCE = _vocabulary(
    {
        "daylight": "Daylight",
        "artificial": "Artificial lighting",
        "moonlight": "Moonlight",
        "practical": "Practical lighting",
        "firelight": "Firelight",
        "fluorescent": "Fluorescent lighting",
        "overcast": "Overcast lighting",
        "sunny": "Sunny lighting",
    }
)
WAN_QUALITY = _vocabulary({"soft": "Soft lighting", "hard": "Hard lighting"})
WAN_DIRECTION = _vocabulary(
    {"top": "Top lighting", "side": "Side lighting", "under": "Underlighting", "edge": "Edge lighting"}
)
WAN_TONE = _vocabulary({"warm": "Warm colors", "cool": "Cool colors", "mixed": "Mixed colors"})

# --------------------------------------------------------- LTX-2: exactly one of six shot types, in prose

LTX2_SIZE = _vocabulary(
    {
        "extreme_wide": "extreme wide shot",
        "wide": "wide shot",
        "medium": "medium shot",
        "medium_close_up": "medium close-up",
        "close_up": "close-up",
        "extreme_close_up": "extreme close-up",
    },
    long="wide",
    full="wide",
    medium_wide="medium",
    other="medium",
)

# ------------------------------------------------------------------------------------------ plain prose

SIZE_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "extreme_wide": "extreme wide shot",
        "wide": "wide shot",
        "long": "long shot",
        "full": "full shot",
        "medium_wide": "medium wide shot",
        "medium": "medium shot",
        "medium_close_up": "medium close-up",
        "close_up": "close-up",
        "extreme_close_up": "extreme close-up",
    }
)
ANGLE_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "eye_level": "at eye level",
        "high": "from a high angle",
        "low": "from a low angle",
        "dutch": "with a tilted horizon",
    }
)
VIEW_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "front": "from the front",
        "back": "from behind",
        "side": "from the side",
        "over_the_shoulder": "over the shoulder",
        "overhead": "from directly above",
        "point_of_view": "from a first-person point of view",
        "aerial": "from the air",
        "overlooking": "from a place that overlooks the scene",
    }
)
COMPOSITION_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "center": "centered composition",
        "balanced": "balanced composition",
        "right_heavy": "composition weighted to the right",
        "left_heavy": "composition weighted to the left",
        "symmetrical": "symmetrical composition",
        "short_side": "short-side composition",
    }
)
CAMERA_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "static": "is static",
        "forward": "moves forward",
        "backward": "moves backward",
        "left": "moves to the left",
        "right": "moves to the right",
        "up": "rises",
        "down": "sinks",
        "pan_left": "pans left",
        "pan_right": "pans right",
        "tilt_up": "tilts up",
        "tilt_down": "tilts down",
        "zoom_in": "zooms in",
        "zoom_out": "zooms out",
        "orbit": "orbits the subject",
        "orbit_360": "turns all the way around the subject",
        "follow": "follows the subject",
        "handheld": "is handheld and shakes a little",
        "fpv": "flies through the scene in first-person view",
        "drone": "flies like a drone",
    }
)
"""What follows "The camera"."""

INTENSITY_WORDS: Mapping[str, str] = MappingProxyType({"slow": "slowly", "fast": "fast"})
SPEED_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "slow_motion": "Everything happens in slow motion.",
        "slow": "The movement is slow.",
        "fast": "The movement is fast.",
        "time_lapse": "The clip is a time-lapse.",
    }
)
TIME_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "day": "in the daytime",
        "night": "at night",
        "dawn": "at dawn",
        "sunrise": "at sunrise",
        "dusk": "at dusk",
        "sunset": "at sunset",
    }
)
SOURCE_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "daylight": "daylight",
        "artificial": "artificial light",
        "moonlight": "moonlight",
        "practical": "light from lamps in the scene",
        "firelight": "firelight",
        "fluorescent": "fluorescent light",
        "overcast": "overcast light",
        "sunny": "sunlight",
    }
)
DIRECTION_WORDS: Mapping[str, str] = MappingProxyType(
    {"top": "from above", "side": "from the side", "under": "from below", "edge": "along the edges"}
)
