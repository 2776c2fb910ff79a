"""Bowel gas: pockets put where soft tissue was, and pockets of the CT filled up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float64]

GAS_HU = -950.0
_GAS_BELOW, _AIR_BELOW, _TISSUE_HU = -500.0, -300.0, 30.0
# Pockets stay away from bone and skin by this much, and out of slices that are to more than this share lung.
_FROM_BONE_MM, _FROM_SKIN_MM, _LUNG_SHARE = 10.0, 25.0, 0.12
# Half axes of a pocket's parts, over their mean radius.
_SHORTEST, _LONGEST = 0.6, 1.4
# Of a pocket's surface, mm: bowel wall and what moves during an exposure.
_EDGE_MM = 2.0


def add_gas(
    hu: NDArray[np.float32],
    spacing: FloatArray,
    factors: NDArray[np.int64],
    bone_mm: FloatArray,
    count: int,
    removed: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """(K, J, I) the CT with other bowel gas than it had.

    A pocket is a chain of four to ten ellipsoids of 5 to 16 mm, which bulges as bowel between its folds does. Gas is
    put into slices without lung only, deep within the body and away from bone; where there is no such place nothing is.

    Args:
        hu: (K, J, I).
        spacing: (3,) mm along k, j, i.
        factors: (3,) voxels of a cell, along k, j, i.
        bone_mm: (K', J', I') distance of cells from bone.
        count: pockets.
        removed: probability that a pocket of the CT's own is filled.
        rng: the source of chance.
    """
    values = hu.copy()
    coarse = hu[:: factors[0], :: factors[1], :: factors[2]]
    # slice by slice: a pocket or lung that the CT's end cuts open is no hole of the whole
    body = np.stack([ndimage.binary_fill_holes(part) for part in _largest(coarse > _AIR_BELOW)])
    air = body & (coarse < _GAS_BELOW)
    area = body.sum(axis=(1, 2))
    abdominal = air.sum(axis=(1, 2)) < _LUNG_SHARE * np.maximum(area, 1)
    if removed > 0:
        _fill(values, spacing, factors, air & abdominal[:, None, None], removed, rng)
    # the ends of the CT are not skin
    padded = np.pad(body, ((1, 1), (0, 0), (0, 0)), mode="edge")
    from_skin = ndimage.distance_transform_edt(padded, sampling=spacing * factors)[1:-1]
    shape = tuple(slice(0, n) for n in coarse.shape)
    place = (from_skin > _FROM_SKIN_MM) & (bone_mm[shape] > _FROM_BONE_MM) & abdominal[:, None, None]
    places = np.argwhere(place & (coarse > -200))
    if len(places):
        for _ in range(count):
            at = places[rng.integers(len(places))] * factors * spacing
            for _ in range(rng.integers(4, 11)):
                radius = rng.uniform(5, 16)
                cell = tuple(np.clip(np.round(at / spacing / factors).astype(int), 0, np.array(coarse.shape) - 1))
                # its longest half axis ends before bone
                radius = min(radius, (float(bone_mm[cell]) - 2 * _EDGE_MM) / _LONGEST)
                axes = np.linalg.qr(rng.standard_normal((3, 3)))[0] / rng.uniform(_SHORTEST, _LONGEST, (3, 1))
                if place[cell] and radius > 3:
                    _ellipsoid(values, spacing, at, radius, axes)
                at = at + rng.normal(0, 0.55 * max(radius, 8), 3)
    return values


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(parts == sizes.argmax())


def _fill(
    values: NDArray[np.float32],
    spacing: FloatArray,
    factors: NDArray[np.int64],
    gas: NDArray[np.bool_],
    probability: float,
    rng: np.random.Generator,
) -> None:
    """Fill some pockets with what bowel holds otherwise, their partial-volume rims too."""
    parts, count = ndimage.label(gas)
    gone = np.flatnonzero(rng.random(count) < probability) + 1
    if not len(gone):
        return
    cells = ndimage.binary_dilation(np.isin(parts, gone), iterations=2)
    for axis, factor in enumerate(factors):
        cells = np.repeat(cells, factor, axis=axis)
    k, j, i = values.shape
    near = cells[:k, :j, :i]
    inner = near & (values[: near.shape[0], : near.shape[1], : near.shape[2]] < 0)
    part = values[: near.shape[0], : near.shape[1], : near.shape[2]]
    # fat around bowel stays fat
    part[inner & (part < -150)] = _TISSUE_HU


def _ellipsoid(
    values: NDArray[np.float32], spacing: FloatArray, at: FloatArray, radius: float, axes: FloatArray
) -> None:
    """Gas about ``at`` (mm from the first voxel's center, along k, j, i) where |axes · offset| < radius, within the
    array."""
    reach = _LONGEST * radius + _EDGE_MM
    low = np.maximum(np.floor((at - reach) / spacing), 0).astype(int)
    high = np.minimum(np.ceil((at + reach) / spacing) + 1, values.shape).astype(int)
    if (low >= high).any():
        return
    offsets = [np.arange(a, b) * mm - x for a, b, mm, x in zip(low, high, spacing, at, strict=True)]
    z, y, x = np.meshgrid(*offsets, indexing="ij", sparse=True)
    distance = np.sqrt(sum((row[0] * z + row[1] * y + row[2] * x) ** 2 for row in axes))
    share = np.clip((radius - distance) / _EDGE_MM + 0.5, 0, 1).astype(np.float32)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    part = values[box]
    values[box] = np.where(part > GAS_HU, part + share * (np.float32(GAS_HU) - part), part)
