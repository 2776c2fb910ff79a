"""Opaque things in an X-ray: instruments, screws, wires, lead letters.

They stand out from what is around them by a step along their whole outline, as bone does not.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

# All lengths here are pixels of an image about 256 pixels large.
_RING = 3  # distance from an outline at which the surroundings are looked at
_BACKGROUND_WINDOWS = (28, 84)  # for things up to about half as wide
_BLOCK = 4  # the background needs no finer grid
_GROWTH = 2  # blur around an instrument
_SMALLEST_AREA = 8
_LARGEST_SHARE = 0.1  # of the field
_THRESHOLDS = 12

_SMALLEST_STEP = 0.35  # against the spread of densities in the field
_STEP_OVER_NOISE = 6.0
_SHARE_OF_OUTLINE = 0.85


def find_metal(image: np.ndarray, field: np.ndarray) -> np.ndarray:
    """(H, W) bool: opaque instruments and what their blur touches.

    Args:
        image: (H, W) float, bright = dense, about 256 pixels large.
        field: (H, W) bool, pixels that see the patient.
    """
    found = np.zeros(image.shape, bool)
    if not field.any():
        return found
    # What lies beyond the field must not make steps: it is continued from within.
    nearest = ndimage.distance_transform_edt(~field, return_distances=False, return_indices=True)
    smooth = cv2.medianBlur(image[tuple(nearest)].astype(np.float32), 3)
    noise = ndimage.uniform_filter(np.abs(smooth - cv2.medianBlur(smooth, 5)), 4 * _BLOCK)
    low, high = np.percentile(smooth[field], [5, 95])
    step = np.maximum(_SMALLEST_STEP * (high - low), _STEP_OVER_NOISE * noise)
    for window in _BACKGROUND_WINDOWS:
        relief = (smooth - _background(smooth, window)) / step
        for threshold in np.linspace(0.8, max(float(relief[field].max()), 1.0), _THRESHOLDS, endpoint=False):
            found |= _sharp_parts((relief > threshold) & field, smooth, step, _LARGEST_SHARE * field.sum())
    found |= _small_parts(ndimage.binary_fill_holes(found) & ~found, _LARGEST_SHARE * field.sum())
    return ndimage.binary_dilation(found, iterations=_GROWTH) & field


def _small_parts(mask: np.ndarray, largest: float) -> np.ndarray:
    """The connected parts of a mask that are no larger: the eye of a screw, not all that a frame encloses."""
    parts, count = ndimage.label(mask)
    kept = np.bincount(parts.ravel(), minlength=count + 1) <= largest
    kept[0] = False
    return kept[parts]


def _sharp_parts(mask: np.ndarray, smooth: np.ndarray, step: np.ndarray, largest: float) -> np.ndarray:
    """The connected parts of a mask, neither specks nor large, that are denser by a step than nearly all around
    them."""
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    areas = statistics[:, cv2.CC_STAT_AREA]
    candidate = (areas >= _SMALLEST_AREA) & (areas <= largest)
    candidate[0] = False
    if not candidate.any():
        return np.zeros_like(mask)
    levels = np.bincount(parts.ravel(), weights=smooth.ravel(), minlength=count) / np.maximum(areas, 1)
    distance, nearest = ndimage.distance_transform_edt(parts == 0, return_indices=True)
    ring = (distance > _RING - 1) & (distance <= _RING)
    owner = np.where(ring, parts[tuple(nearest)], 0)
    lower = levels[owner] - smooth >= step
    around = np.bincount(owner.ravel(), minlength=count)
    below = np.bincount(owner.ravel(), weights=lower.ravel(), minlength=count)
    return (candidate & (below >= _SHARE_OF_OUTLINE * np.maximum(around, 1)))[parts]


def _background(smooth: np.ndarray, window: int) -> np.ndarray:
    """A low percentile of the surroundings, (H, W): what would be there without the instrument."""
    height, width = smooth.shape
    padded = np.pad(smooth, ((0, -height % _BLOCK), (0, -width % _BLOCK)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // _BLOCK, _BLOCK, padded.shape[1] // _BLOCK, _BLOCK)
    coarse = ndimage.percentile_filter(np.median(blocks, axis=(1, 3)), 35, size=window // _BLOCK)
    rows = (np.arange(height) + 0.5) / _BLOCK - 0.5
    columns = (np.arange(width) + 0.5) / _BLOCK - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    return ndimage.map_coordinates(coarse, grid, order=1, mode="nearest")
