"""Soft tissue that is not where it was in the CT: skin, muscle and bowel moved by millimetres, and bowel gas.

Between CT and X-ray a patient breathes, turns and digests. Bones stay rigid: the warp is exactly zero within them and
within a margin around them, and grows with the distance from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from SphericalRegLib.compilation import compiled
from SphericalRegLib.errors import InputError
from SphericalRegLib.simulation.anatomy.gas import add_gas
from SphericalRegLib.threads import share_out

FloatArray = NDArray[np.float64]

BONE_HU = 200.0
"""What is denser is taken for bone (or metal, or contrast), and stays where it is."""

# The warp is smooth: it is computed on cells of about this size.
_CELL_MM = 6.0
_NUMBERS_A_PART = 100_000
# Steps of larger voxels are smoothed by this many voxels.
_COARSE_MM, _STEP_SIGMA = 2.0, 0.9


@dataclass(frozen=True)
class SoftTissue:
    """How soft tissue differs from the CT's.

    Skin moves by 5 to 20 mm between lying on a scanner's curved table and on a flat one, and by breathing; organs by as
    much (from memory of the literature on radiotherapy set-up and on soft tissue artifacts, not checked).

    Attributes:
        shift_mm: the largest displacement along each axis.
        correlation_mm: how far neighboring tissue moves together.
        margin_mm: around bone in which nothing moves.
        ramp_mm: from there to where tissue moves freely.
        gas: number of gas pockets put into the bowel.
        gas_removed: probability that a gas pocket of the CT is gone.
        seed: of all of it.
    """

    shift_mm: float = 5.0
    correlation_mm: float = 60.0
    margin_mm: float = 4.0
    ramp_mm: float = 25.0
    gas: int = 0
    gas_removed: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.shift_mm >= 0 and self.correlation_mm > 0 and self.margin_mm >= 0 and self.ramp_mm > 0):
            raise InputError(f"Soft tissue moves by 0 mm or more, over distances above 0 mm: {self}.")
        # displacement is at most 1.5/ramp · √3 · shift times the distance from the margin: it must never reach bone
        if self.shift_mm > 0.35 * self.ramp_mm:
            raise InputError(
                f"Soft tissue that moves by {self.shift_mm} mm along each axis, {self.ramp_mm} mm from bone, would "
                f"tear or drag bone along: shift_mm may be 0.35 of ramp_mm at most, {0.35 * self.ramp_mm:g} mm."
            )
        if not (self.gas >= 0 and 0 <= self.gas_removed <= 1):
            raise InputError(f"Gas pockets are 0 or more, and some fraction of the CT's are gone: {self}.")


def moved(hu: NDArray[np.floating], world_from_voxel: FloatArray, settings: SoftTissue) -> NDArray[np.float32]:
    """(K, J, I) the CT with its soft tissue moved; voxels of bone and near it keep their value to the bit.

    Args:
        hu: (K, J, I) Hounsfield units.
        world_from_voxel: (4, 4) mm of voxel centers; any affine grid.
        settings: what moves.
    """
    values = np.ascontiguousarray(hu, np.float32)
    grid = np.asarray(world_from_voxel, np.float64)
    rng = np.random.default_rng(settings.seed)
    spacing = np.linalg.norm(grid[:3, :3], axis=0)[::-1]
    factors = np.maximum(1, np.round(_CELL_MM / spacing)).astype(np.int64)
    distance = bone_distance(values, spacing, factors)
    if settings.shift_mm > 0:
        values = _without_steps(values, spacing, factors, distance > settings.margin_mm)
        field = displacement(distance, spacing * factors, settings, rng)
        # along voxel axes k, j, i: the field is drawn alike along all axes, so its axes need not be the world's
        values = _warped(values, field / spacing[:, None, None, None], factors)
    if settings.gas or settings.gas_removed:
        values = add_gas(values, spacing, factors, distance, settings.gas, settings.gas_removed, rng)
    return values


def bone_distance(hu: NDArray[np.float32], spacing: FloatArray, factors: NDArray[np.int64]) -> FloatArray:
    """(K', J', I') mm that each cell of ``factors`` voxels is away from bone; no voxel in it is nearer.

    Args:
        hu: (K, J, I).
        spacing: (3,) mm along k, j, i.
        factors: (3,) voxels of a cell along k, j, i.
    """
    cells = blocks(hu, factors, np.max) > BONE_HU
    # single voxels are noise; bone is at least a few mm thick, and in one cell with or beside others
    counts = blocks((hu > BONE_HU).astype(np.float32), factors, np.sum)
    cells &= ndimage.uniform_filter(counts, 3, mode="constant") * 27 > 2.5
    size = spacing * factors
    if not cells.any():
        return np.full(cells.shape, np.inf)
    away = ndimage.distance_transform_edt(~cells, sampling=size)
    # both ends of the distance may lie at their cells' corners
    return np.maximum(away - float(np.linalg.norm(size)), 0)


def displacement(
    distance: FloatArray, cell_mm: FloatArray, settings: SoftTissue, rng: np.random.Generator
) -> FloatArray:
    """(3, K', J', I') mm along k, j, i: a smooth random field times a smooth step of the distance from bone."""
    step = np.clip((distance - settings.margin_mm) / settings.ramp_mm, 0, 1)
    weight = step * step * (3 - 2 * step)
    spacings = settings.correlation_mm / cell_mm
    splines = [_splines(n, spacing) for n, spacing in zip(distance.shape, spacings, strict=True)]
    coefficients = rng.uniform(-1, 1, (3, *(matrix.shape[1] for matrix in splines)))
    field = np.einsum("aKJI,kK,jJ,iI->akji", coefficients, *splines, optimize=True)
    largest = float(np.abs(field * weight).max())
    return settings.shift_mm * weight * field / max(largest, 1e-12) if largest > 0 else field * weight


def _splines(count: int, spacing: float) -> FloatArray:
    """(count, coefficients) values of cubic B-splines that are ``spacing`` cells apart; each row has the sum 1."""
    knots = int(np.ceil((count - 1) / spacing)) + 4
    away = np.abs(np.arange(count)[:, None] / spacing + 1.5 - np.arange(knots))
    inner = 2 / 3 - away**2 + away**3 / 2
    return np.where(away < 1, inner, np.clip(2 - away, 0, None) ** 3 / 6)


def blocks(values: NDArray[np.floating], factors: NDArray[np.int64], reduce: np.ufunc | object) -> FloatArray:
    """(K', J', I') of blocks of voxels: their maximum or sum; the last ones may be partly empty (-inf or 0)."""
    empty = -np.inf if reduce is np.max else 0.0
    padding = [(0, int(-n % f)) for n, f in zip(values.shape, factors, strict=True)]
    padded = np.pad(values, padding, constant_values=empty)
    k, j, i = (n // f for n, f in zip(padded.shape, factors, strict=True))
    parts = padded.reshape(k, factors[0], j, factors[1], i, factors[2])
    reduced = parts.max(axis=(1, 3, 5)) if reduce is np.max else parts.sum(axis=(1, 3, 5))
    return np.asarray(reduced, np.float64)


def _without_steps(
    hu: NDArray[np.float32], spacing: FloatArray, factors: NDArray[np.int64], free: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Coarse CTs hold skin and gas in steps of a voxel, which project as a comb that no X-ray shows: smoothed away from
    bone."""
    sigma = np.where(spacing > _COARSE_MM, _STEP_SIGMA, 0.0)
    if not sigma.any() or not free.any():
        return hu
    voxels = free
    for axis, factor in enumerate(factors):
        voxels = np.repeat(voxels, factor, axis=axis)
    voxels = voxels[: hu.shape[0], : hu.shape[1], : hu.shape[2]]
    return np.where(voxels, ndimage.gaussian_filter(hu, sigma, truncate=3), hu)


def _warped(hu: NDArray[np.float32], field: FloatArray, factors: NDArray[np.int64]) -> NDArray[np.float32]:
    """Pulled back: each voxel takes the value at its place plus the field (in voxels, on cells)."""
    out = np.empty_like(hu)
    cells = np.ascontiguousarray(field)

    def warp(first: int, last: int) -> None:
        _warp(first, last, hu, cells, factors, out)

    share_out(warp, hu.shape[0], hu.size // _NUMBERS_A_PART)
    return out


@compiled
def _warp(begin, end, hu, field, factors, out):  # type: ignore[no-untyped-def]
    """Slices [begin, end) of ``out``. Where the field is zero at all cells around a voxel, its value is copied."""
    depth, height, width = hu.shape
    cells_k, cells_j, cells_i = field.shape[1:]
    for k in range(begin, end):
        ck = min(max((k + 0.5) / factors[0] - 0.5, 0.0), cells_k - 1.0)
        k0 = min(int(ck), max(cells_k - 2, 0))
        k1, wk = min(k0 + 1, cells_k - 1), ck - k0
        for j in range(height):
            cj = min(max((j + 0.5) / factors[1] - 0.5, 0.0), cells_j - 1.0)
            j0 = min(int(cj), max(cells_j - 2, 0))
            j1, wj = min(j0 + 1, cells_j - 1), cj - j0
            for i in range(width):
                ci = min(max((i + 0.5) / factors[2] - 0.5, 0.0), cells_i - 1.0)
                i0 = min(int(ci), max(cells_i - 2, 0))
                i1, wi = min(i0 + 1, cells_i - 1), ci - i0
                u0, u1, u2 = 0.0, 0.0, 0.0
                for a in range(2):
                    ka, va = (k0, 1.0 - wk) if a == 0 else (k1, wk)
                    for b in range(2):
                        jb, vb = (j0, 1.0 - wj) if b == 0 else (j1, wj)
                        for c in range(2):
                            ic, vc = (i0, 1.0 - wi) if c == 0 else (i1, wi)
                            weight = va * vb * vc
                            u0 += weight * field[0, ka, jb, ic]
                            u1 += weight * field[1, ka, jb, ic]
                            u2 += weight * field[2, ka, jb, ic]
                if u0 == 0.0 and u1 == 0.0 and u2 == 0.0:
                    out[k, j, i] = hu[k, j, i]
                    continue
                z = min(max(k + u0, 0.0), depth - 1.0)
                y = min(max(j + u1, 0.0), height - 1.0)
                x = min(max(i + u2, 0.0), width - 1.0)
                z0, y0, x0 = (
                    min(int(z), max(depth - 2, 0)),
                    min(int(y), max(height - 2, 0)),
                    min(int(x), max(width - 2, 0)),
                )
                z1, y1, x1 = min(z0 + 1, depth - 1), min(y0 + 1, height - 1), min(x0 + 1, width - 1)
                fz, fy, fx = z - z0, y - y0, x - x0
                front = (1 - fy) * ((1 - fx) * hu[z0, y0, x0] + fx * hu[z0, y0, x1])
                front += fy * ((1 - fx) * hu[z0, y1, x0] + fx * hu[z0, y1, x1])
                back = (1 - fy) * ((1 - fx) * hu[z1, y0, x0] + fx * hu[z1, y0, x1])
                back += fy * ((1 - fx) * hu[z1, y1, x0] + fx * hu[z1, y1, x1])
                out[k, j, i] = (1 - fz) * front + fz * back
