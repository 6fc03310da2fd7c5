"""Media nodes: videos, images and sound in, out and in between. Frames are uint8 sRGB everywhere."""

from .audio import load_audio, mix_audio, save_audio, trim_audio
from .frames import (
    change_fps,
    concat_videos,
    images_to_video,
    pick_frame,
    pick_frames,
    ping_pong,
    reverse,
    trim,
    video_to_images,
)
from .load import load_frames, load_image, load_video
from .pictures import crop, resize, side_by_side
from .remote import remote_video, video_service
from .save import save_frames, save_image, save_video
from .sheet import contact_sheet

__all__ = [
    "change_fps",
    "concat_videos",
    "contact_sheet",
    "crop",
    "images_to_video",
    "load_audio",
    "load_frames",
    "load_image",
    "load_video",
    "mix_audio",
    "pick_frame",
    "pick_frames",
    "ping_pong",
    "remote_video",
    "resize",
    "reverse",
    "save_audio",
    "save_frames",
    "save_image",
    "save_video",
    "side_by_side",
    "trim",
    "trim_audio",
    "video_service",
    "video_to_images",
]
