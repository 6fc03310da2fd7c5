"""What controls a clip beside its prompt: poses, edges, boxes, masks, and videos with parts to be made anew.

Nothing here needs weights; importing it needs no torch.
"""

from .boxes import box_path, boxes_of_mask, boxes_of_pose, draw_boxes, mask_boxes, merge_boxes
from .canvas import composite, extend, inpaint, outpaint, place_images
from .change_pose import pose_distance, resize_pose, retime_pose
from .detect_pose import detect_pose, drawn_pose_detector
from .draw_pose import draw_pose
from .edges import edges, gray, sketch
from .load_pose import load_pose
from .masks import (
    chroma_key,
    combine_masks,
    feather_mask,
    grow_mask,
    invert_mask,
    luma_key,
    mask_of_image,
    repeat_mask,
)
from .walker import walker

__all__ = [
    "box_path",
    "boxes_of_mask",
    "boxes_of_pose",
    "chroma_key",
    "combine_masks",
    "composite",
    "detect_pose",
    "draw_boxes",
    "draw_pose",
    "drawn_pose_detector",
    "edges",
    "extend",
    "feather_mask",
    "gray",
    "grow_mask",
    "inpaint",
    "invert_mask",
    "load_pose",
    "luma_key",
    "mask_boxes",
    "mask_of_image",
    "merge_boxes",
    "outpaint",
    "place_images",
    "pose_distance",
    "repeat_mask",
    "resize_pose",
    "retime_pose",
    "sketch",
    "walker",
]
