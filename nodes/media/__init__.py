"""Media nodes: videos and images in, out and in between. Frames are uint8 sRGB everywhere."""

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
from .save import save_frames, save_image, save_video
from .sheet import contact_sheet

__all__ = [
    "change_fps",
    "concat_videos",
    "contact_sheet",
    "crop",
    "images_to_video",
    "load_frames",
    "load_image",
    "load_video",
    "pick_frame",
    "pick_frames",
    "ping_pong",
    "resize",
    "reverse",
    "save_frames",
    "save_image",
    "save_video",
    "side_by_side",
    "trim",
    "video_to_images",
]
