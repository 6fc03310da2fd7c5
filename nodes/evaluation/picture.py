"""Metrics of single pictures: sharpness, blocks of a codec, noise."""

from __future__ import annotations

import cv2
import numpy as np

from .clip import Clip, Metric, Reading, Unmeasurable, curve_of, worst_frames
from .vision import Array

BLOCK = 8
"""Pixels: the block of JPEG, MPEG and of most autoencoders' latents."""


def _sharpness(clip: Clip) -> Reading:
    """Energy of the Laplacian against the energy of brightness itself, so that contrast cancels out."""
    if clip.side < 3:
        raise Unmeasurable("frames under three pixels have no edges")
    edges = np.array([np.abs(cv2.Laplacian(plane, cv2.CV_32F)).mean() for plane in clip.luma])
    sharp = edges / (clip.luma.std((1, 2)) + 1)
    return Reading(float(sharp.mean()), curve_of(sharp), worst_frames(-sharp))


def _steps(planes: Array, axis: int) -> tuple[Array, Array]:
    """Mean absolute second difference across block borders, and elsewhere, along an axis; (frames,) each."""
    bends = np.abs(np.diff(planes, n=1, axis=axis))
    at = np.arange(bends.shape[axis]) % BLOCK == BLOCK - 1
    across = np.compress(at, bends, axis=axis).mean((1, 2))
    inside = np.compress(~at, bends, axis=axis).mean((1, 2))
    return across, inside


def _blockiness(clip: Clip) -> Reading:
    if clip.side < 2 * BLOCK:
        raise Unmeasurable(f"frames under {2 * BLOCK} pixels have too few blocks")
    ratios = [across / (inside + 0.25) for across, inside in (_steps(clip.luma, axis) for axis in (1, 2))]
    ratio = np.maximum(*ratios)
    return Reading(float(ratio.mean()), curve_of(ratio), worst_frames(ratio))


def _noise(clip: Clip) -> Reading:
    """Immerkaer 1996, with the median in place of the mean, so that edges do not count."""
    if clip.side < 3:
        raise Unmeasurable("frames under three pixels have no neighbourhoods")
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    found = [np.median(np.abs(cv2.filter2D(plane, -1, kernel)[1:-1, 1:-1])) for plane in clip.luma]
    sigma = np.array(found) / (6 * 0.6745)
    return Reading(float(sigma.mean()), curve_of(sigma), worst_frames(sigma))


METRICS = (
    Metric(
        "sharpness",
        "higher",
        "share of contrast",
        "blur: mean absolute Laplacian over the standard deviation of brightness; fine texture raises it",
        ("blur",),
        _sharpness,
    ),
    Metric(
        "blockiness",
        "lower",
        "ratio",
        f"edges on a grid of {BLOCK} pixels, against edges elsewhere; 1 is none",
        ("blocks",),
        _blockiness,
    ),
    Metric(
        "noise_level",
        "lower",
        "levels of 255",
        "grain: standard deviation of noise by Immerkaer's filter, median over the frame",
        ("noise",),
        _noise,
    ),
)
