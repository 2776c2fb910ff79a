"""A CT at finer voxels than it was reconstructed with, so that an X-ray shows more than the registered CT knows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from SphericalRegLib.errors import InputError

FloatArray = NDArray[np.float64]

# Metal and what is not: a sharpened edge of dense bone must not become steel.
_METAL_HU = 2500.0
_LOWEST, _HIGHEST = -1024.0, 3071.0
# Catmull and Rom's cubic, a = -1/2 (Keys, IEEE Trans. Acoust. Speech Signal Process. 29, 1981).
_KEYS = -0.5


def finer(
    hu: NDArray[np.floating], world_from_voxel: FloatArray, voxel_mm: float, most: int = 4
) -> tuple[NDArray[np.float32], FloatArray]:
    """A CT supersampled by whole numbers along each axis until voxels are at most ``voxel_mm``, sharpened on the way.

    A voxel is the mean over its cell (and a thick slice over its thickness), so plain interpolation blurs it once more.
    Along each axis values are therefore first sharpened by the filter that undoes, to first order, what cubic
    interpolation and averaging over the cell do together; averaged down again the result is the CT, nearly.

    Args:
        hu: (K, J, I) Hounsfield units.
        world_from_voxel: (4, 4) mm of voxel centers.
        voxel_mm: the size wanted.
        most: the largest factor along an axis.

    Returns:
        (K', J', I') float32 HU within -1024 to 3071, and its grid.

    Raises:
        InputError: for a size that is not above 0.
    """
    if not voxel_mm > 0:
        raise InputError(f"Voxels of {voxel_mm} mm are impossible: give a size above 0.")
    spacing = np.linalg.norm(np.asarray(world_from_voxel)[:3, :3], axis=0)
    # a voxel that is hardly larger is fine enough
    factors = [min(most, max(1, math.ceil(size / voxel_mm - 0.1))) for size in spacing]
    values = np.asarray(hu, np.float32)
    grid = np.array(world_from_voxel, np.float64)
    if factors == [1, 1, 1]:
        return np.ascontiguousarray(values), grid
    for axis, factor in zip((2, 1, 0), factors, strict=True):
        if factor > 1:
            values = _finer_along(values, axis, factor)
    not_metal = np.asarray(hu, np.float32) < _METAL_HU
    for axis, factor in zip((2, 1, 0), factors, strict=True):
        not_metal = np.repeat(not_metal, factor, axis=axis)
    ceiling = np.where(not_metal, np.float32(_METAL_HU - 1), np.float32(_HIGHEST))
    values = np.clip(values, np.float32(_LOWEST), ceiling)
    scale = np.array([1 / f for f in factors])
    grid[:3, 3] += grid[:3, :3] @ ((scale - 1) / 2)
    grid[:3, :3] *= scale
    return np.ascontiguousarray(values), grid


def phases(factor: int) -> FloatArray:
    """(factor, 5) weights of the voxels -2 to 2 away for each part of a voxel; each row has the sum 1."""
    rows = np.zeros((factor, 5))
    for part in range(factor):
        at = (part + 0.5) / factor - 0.5
        rows[part] = [_cubic(abs(at - n)) for n in range(-2, 3)]
    return rows


def sharpening(factor: int) -> FloatArray:
    """(5,) the filter 2δ - g, where g is what interpolation and averaging over the cell leave of a voxel."""
    filtered = -phases(factor).mean(axis=0)
    filtered[2] += 2
    return filtered


def _cubic(distance: float) -> float:
    d, a = distance, _KEYS
    if d < 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def _finer_along(values: NDArray[np.float32], axis: int, factor: int) -> NDArray[np.float32]:
    sharp = _filtered(values, axis, sharpening(factor))
    parts = [_filtered(sharp, axis, row) for row in phases(factor)]
    shape = list(values.shape)
    shape[axis] *= factor
    return np.stack(parts, axis=axis + 1).reshape(shape)


def _filtered(values: NDArray[np.float32], axis: int, weights: FloatArray) -> NDArray[np.float32]:
    """Each voxel as a weighted sum of those -2 to 2 away; beyond its ends the CT goes on as at them."""
    pad = [(0, 0)] * 3
    pad[axis] = (2, 2)
    padded = np.pad(values, pad, mode="edge")
    count = values.shape[axis]
    total = np.zeros(values.shape, np.float32)
    for n, weight in enumerate(weights):
        if weight != 0:
            part = [slice(None)] * 3
            part[axis] = slice(n, n + count)
            total += np.float32(weight) * padded[tuple(part)]
    return total
