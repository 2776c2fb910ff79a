"""Pictures computed from X-ray and DRR: checkerboard, edges of the DRR's bones over the X-ray, difference."""

from __future__ import annotations

from typing import Literal

import numpy as np

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.pyramid import resize_area
from SphericalRegLib.io.picture import to_gray
from SphericalRegLib.reporting import figures

ComparisonMode = Literal["checkerboard", "edges", "difference"]
COMPARISONS: tuple[ComparisonMode, ...] = ("checkerboard", "edges", "difference")

# A DRR of chosen bones covers less of the picture than this.
_SMALL_SHARE = 0.4


def compare(
    mode: ComparisonMode, xray: np.ndarray, drr: np.ndarray, mask: np.ndarray, bone: np.ndarray | None = None
) -> np.ndarray:
    """The picture: (H, W) uint8 for the checkerboard, (H, W, 3) uint8 red-green-blue for the others.

    In the DRR's number of pixels, whatever the X-ray's: so a quick DRR gives a quick picture.

    Args:
        mode: which.
        xray: bright = dense, over the same detector area as the DRR.
        drr: (H, W) line integrals.
        mask: of the X-ray's size, bool: usable pixels.
        bone: (H, W) line integrals of the bones alone, whose edges are drawn; the DRR's own without it.

    Raises:
        InputError: for another mode.
    """
    if mode not in COMPARISONS:
        raise InputError(f"There is no comparison '{mode}': choose one of {', '.join(COMPARISONS)}.")
    image, usable = xray.astype(np.float32), mask.astype(bool)
    if image.shape != drr.shape:
        image, usable = resize_area(image, np.ones_like(usable), *drr.shape)[0], _resized(usable, drr.shape)
    gray = to_gray(image, usable)
    if mode == "edges":
        return figures.edge_overlay(gray, drr if bone is None else bone)
    matched = figures.matched_tone(drr, image, usable)
    covered = drr > 1e-3 * float(drr.max())
    if mode == "difference":
        return figures.difference(image, matched, usable & covered)
    # one window for both: a checkerboard of two windows would show seams where there are none
    low, high = (float(value) for value in np.percentile(image[usable] if usable.any() else image, [0.5, 99.5]))
    drr_gray = np.round(255 * np.clip((matched - low) / max(high - low, 1e-12), 0, 1)).astype(np.uint8)
    if covered.mean() < _SMALL_SHARE:
        # one bone alone: around it the X-ray goes on, since an empty DRR there says nothing
        drr_gray = np.where(covered, drr_gray, gray)
    return figures.checkerboard(gray, drr_gray, usable)


def _resized(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    share, _ = resize_area(mask.astype(np.float32), np.ones_like(mask), *shape)
    return np.asarray(share > 0.5)
