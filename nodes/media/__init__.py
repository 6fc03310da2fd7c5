"""Media nodes: videos and images in, out and in between. Frames are uint8 sRGB everywhere."""

from .save import save_frames, save_image, save_video
from .sheet import contact_sheet

__all__ = ["contact_sheet", "save_frames", "save_image", "save_video"]
