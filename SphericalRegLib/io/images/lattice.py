"""Two voxel grids that share their voxels' centers: other axes, flips, crops, and so nothing to resample."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np

_T = TypeVar("_T")


class Placement(NamedTuple):
    """How a grid lies on another one's lattice.

    Attributes:
        axes: for each axis i, j, k of the other grid, which of this grid's runs along it.
        flipped: for each, whether it runs the other way.
        start: (3,) voxel of the other grid on which this one's lowest corner (after flips) lies; may be negative.
        size: (3,) this grid's voxels along the other's axes.
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    start: tuple[int, int, int]
    size: tuple[int, int, int]


def place_on_lattice(
    matrix: np.ndarray, size: tuple[int, int, int], lattice: np.ndarray, tolerance: float
) -> Placement | None:
    """Where a grid's voxels lie among another's, or None where their centers do not coincide.

    Args:
        matrix: (4, 4) world_from_voxel of the grid, right- or left-handed.
        size: its voxels along i, j, k.
        lattice: (4, 4) world_from_voxel of the other, of which the lattice goes on beyond its borders.
        tolerance: how far centers may lie apart, in fractions of the lattice's smallest spacing.
    """
    if not np.isfinite(matrix).all():
        return None
    exact = np.linalg.inv(lattice) @ matrix
    rounded = np.round(exact)
    steps = rounded[:3, :3]
    if (np.abs(steps).sum(axis=0) != 1).any() or (np.abs(steps).sum(axis=1) != 1).any():
        return None
    corners = np.array([[i, j, k, 1.0] for i in (0, size[0] - 1) for j in (0, size[1] - 1) for k in (0, size[2] - 1)]).T
    apart = np.linalg.norm((lattice @ (exact - rounded) @ corners)[:3], axis=0).max()
    if not apart <= tolerance * np.linalg.norm(lattice[:3, :3], axis=0).min():
        return None
    axes = [int(np.abs(row).argmax()) for row in steps]
    flipped = [bool(row[axis] < 0) for row, axis in zip(steps, axes, strict=True)]
    lengths = [size[axis] for axis in axes]
    start = [int(rounded[a, 3]) - (lengths[a] - 1 if flipped[a] else 0) for a in range(3)]
    return Placement(_triple(axes), _triple(flipped), _triple(start), _triple(lengths))


def onto_lattice(values: np.ndarray, placement: Placement, size: tuple[int, int, int]) -> np.ndarray:
    """The values (K, J, I) on the other grid of ``size`` voxels (i, j, k): reordered, cropped, padded with 0."""
    ordered = values.transpose(2, 1, 0).transpose(placement.axes)
    ordered = np.flip(ordered, tuple(axis for axis in range(3) if placement.flipped[axis]))
    result = np.zeros(size[::-1], values.dtype)
    there, here = [], []
    for start, length, whole in zip(placement.start, placement.size, size, strict=True):
        low, high = max(start, 0), min(start + length, whole)
        there.append(slice(low, max(high, low)))
        here.append(slice(low - start, max(high, low) - start))
    result.transpose(2, 1, 0)[tuple(there)] = ordered[tuple(here)]
    return result


def overlaps(placement: Placement, size: tuple[int, int, int]) -> bool:
    """Whether any voxel lies on the other grid of ``size`` voxels (i, j, k)."""
    return all(start < whole and start + length > 0 for start, length, whole in zip(*placement[2:], size, strict=True))


def _triple(values: list[_T]) -> tuple[_T, _T, _T]:
    return values[0], values[1], values[2]
