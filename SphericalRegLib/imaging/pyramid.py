"""Area-averaged image pyramids with exact intrinsics at each level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View

# A coarse pixel counts where at least this share of its area is usable.
_USABLE_SHARE = 0.5

Level = tuple[np.ndarray, np.ndarray, View]


def pyramid(image: np.ndarray, mask: np.ndarray, view: View, heights: Sequence[int]) -> list[Level]:
    """The image at several heights, its width in proportion, each with its mask and its own intrinsics.

    Each coarse pixel is the mean over exactly the area that it covers (fractions of pixels where the sizes do not
    divide), over usable pixels only; ``View.resized`` gives the same cells, so a point projects where it is seen.

    Args:
        image: (H, W) float.
        mask: (H, W) bool, usable pixels.
        view: of the full image.
        heights: rows of each level, in the order wanted, none above H.

    Returns:
        [(image (h, w) float32, mask (h, w) bool, view), ...]. Where nothing is usable, the image is the plain mean.

    Raises:
        InputError: for sizes that do not belong together, or a level larger than the image.
    """
    if image.ndim != 2 or mask.shape != image.shape or (view.height, view.width) != image.shape:
        raise InputError(
            f"Image {image.shape}, mask {mask.shape} and view ({view.height}, {view.width}) must have the "
            "same rows and "
            "columns: resize the view with View.resized."
        )
    levels: list[Level] = []
    for height in heights:
        if not 1 <= height <= view.height:
            raise InputError(
                f"A level of {height} rows cannot be averaged from {view.height}: choose 1 to {view.height}."
            )
        width = max(1, round(view.width * height / view.height))
        smaller, usable = resize_area(image, mask, height, width)
        levels.append((smaller, usable, view.resized(height, width)))
    return levels


def resize_area(image: np.ndarray, mask: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean of an image (H, W) over the cells of a coarser grid, weighted with its mask; and the coarser mask.

    Returns:
        (height, width) float32 and (height, width) bool.
    """
    # Each coarse pixel sees few fine ones: sparse, this costs a pass over the image instead of a matrix product.
    rows = sparse.csr_array(area_weights(image.shape[0], height))
    columns = sparse.csr_array(area_weights(image.shape[1], width))
    if mask.all():
        averaged = _averaged(rows, columns, image)
        return averaged.astype(np.float32), np.ones(averaged.shape, bool)
    share = _averaged(rows, columns, mask)
    usable = _averaged(rows, columns, np.where(mask, image, 0)) / np.where(share > 0, share, 1)
    averaged = np.where(share > 0, usable, _averaged(rows, columns, image))
    return averaged.astype(np.float32), share >= _USABLE_SHARE - 1e-9


def _averaged(rows: sparse.csr_array, columns: sparse.csr_array, image: np.ndarray) -> np.ndarray:
    return (columns @ (rows @ image.astype(np.float64)).T).T


def area_weights(fine: int, coarse: int) -> np.ndarray:
    """(coarse, fine) float64: the share of each coarse cell that each fine cell fills; rows add up to 1."""
    edges = np.arange(coarse + 1) * (fine / coarse)
    cells = np.arange(fine)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    return np.maximum(overlap, 0) * (coarse / fine)
