"""CT values: finite, in Hounsfield units, in a plausible range; and block means of them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from SphericalRegLib.errors import InputError

Units = Literal["auto", "hu"]

# Below air there is only padding (-2000, -3024, -32768 outside the scanner's circle). Above, steel ends near 20000 on
# scanners with an extended scale; 12-bit ones stop at 3071.
LOWEST_HU = -1024.0
HIGHEST_HU = 30000.0
# Fat ends near -150; lung, gas and air lie below.
_HIGHEST_AIR = -200.0


def hounsfield(
    values: np.ndarray, name: str, units: Units, rescale: tuple[float, float] | None, padding: np.ndarray | None = None
) -> np.ndarray:
    """(K, J, I) float32 HU of stored values.

    Args:
        values: (K, J, I), any real type.
        name: what the errors call it.
        units: "auto" refuses what cannot be HU; "hu" takes any values as HU.
        rescale: (slope, intercept) that turn values into HU where the file did not say.
        padding: (K, J, I) bool: voxels that the file says are none; they become -1024 whatever the rescale.

    Raises:
        InputError: for NaN or infinite values (how many, where first), a constant image, and values that are not HU.
    """
    if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
        bad = np.argwhere(~finite)
        k, j, i = (int(n) for n in bad[0])
        raise InputError(
            f"{name} holds {len(bad)} values that are not finite, the first ({values[k, j, i]}) at voxel "
            f"(i, j, k) = ({i}, {j}, {k}): repair the file, for example by setting them to -1000 (air)."
        )
    told = values if padding is None else values[~padding]
    if not told.size:
        raise InputError(f"{name} holds nothing but padding: check that it is the right file.")
    low, high = float(told.min()), float(told.max())
    if low == high:
        raise InputError(f"{name} is {low:g} everywhere: it holds no anatomy. Check that it is the right file.")
    if rescale is None and units == "auto" and low >= 0:
        raise InputError(
            f"{name} does not look like Hounsfield units: its values run from {low:g} to {high:g}, none "
            "below 0, while air "
            "is -1000. If they are HU + 1024 pass rescale=(1, -1024) (slope, intercept), otherwise the scanner's own "
            "slope and intercept; if they are HU all the same, pass units='hu'."
        )
    slope, intercept = rescale if rescale is not None else (1.0, 0.0)
    hu = values.astype(np.float32)
    if rescale is not None:
        if not (np.isfinite([slope, intercept]).all() and slope > 0):
            raise InputError(
                f"rescale=({slope}, {intercept}) is no scale: give a positive slope and a finite intercept."
            )
        hu *= np.float32(slope)
        hu += np.float32(intercept)
    if padding is not None:
        hu[padding] = LOWEST_HU
    return np.clip(hu, LOWEST_HU, HIGHEST_HU, out=hu)


def without_air(hu: np.ndarray, padding: np.ndarray | None = None) -> str:
    """What to tell of a CT in which nothing is as thin as lung or air; otherwise "".

    Args:
        hu: (K, J, I).
        padding: (K, J, I) bool: voxels that do not count.
    """
    lowest = float(hu.min() if padding is None else hu.min(initial=HIGHEST_HU, where=~padding))
    if lowest < _HIGHEST_AIR:
        return ""
    return (
        f"it holds no air: its lowest value is {lowest:g} HU. Around a crop of bone that is right, and what lies "
        "outside of it is taken as air; otherwise its values are no Hounsfield units."
    )


def block_means(values: np.ndarray, factors: tuple[int, int, int], fill: float) -> np.ndarray:
    """(K, J, I) float32 means over blocks of ``factors`` voxels (i, j, k); blocks that reach beyond the end see
    ``fill``."""
    fi, fj, fk = factors
    size = [-(-n // f) for n, f in zip(values.shape, (fk, fj, fi), strict=True)]
    means = np.empty(size, np.float32)
    pad = [(0, m * f - n) for m, f, n in zip(size[1:], (fj, fi), values.shape[1:], strict=True)]
    for k in range(size[0]):  # slab by slab, so that a huge CT is never copied whole
        slab = np.pad(values[k * fk : (k + 1) * fk], [(0, 0), *pad], constant_values=fill)
        blocks = slab.reshape(len(slab), size[1], fj, size[2], fi).astype(np.float64)
        total = blocks.sum(axis=(0, 2, 4)) + fill * (fk - len(slab)) * fj * fi
        means[k] = total / (fk * fj * fi)
    return means


def block_grid(matrix: np.ndarray, factors: tuple[int, int, int]) -> np.ndarray:
    """``world_from_voxel`` of :func:`block_means`: a block's center lies (factor - 1)/2 voxels beyond its first
    voxel."""
    step = np.diag([*factors, 1]).astype(float)
    step[:3, 3] = (np.asarray(factors) - 1) / 2
    return matrix @ step
