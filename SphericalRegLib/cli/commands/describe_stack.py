"""What a file of several pictures is that does not say so (TIFF, NRRD, MHA): slices of a CT, or frames of an X-ray run.

Goes by what the values look like, and says by what. Nothing else in the program does: whoever registers a file says
what it is by the option that names it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

# Air is -1000 HU by definition; a crop of an abdomen may hold none but in the bowel.
_AIR_HU = -500.0
# Where CTs are stored as HU + 1024 (or + 1000): air, and soft tissue between fat and contrast agent.
_STORED_AIR = (0.0, 150.0)
_STORED_TISSUE = (850.0, 1250.0)
_STORED_HIGHEST = 32768.0
# Of all voxels, the least that air and tissue take of a CT.
_LEAST_SHARE = 0.05
# Values that are looked at.
_VALUES = 2_000_000
# Rows or columns; image intensifiers have been read out with 256 and more.
_SMALLEST_DETECTOR = 200

Stack = Literal["CT", "X-ray", "unknown"]


class Guess(NamedTuple):
    """What a file is taken for, and after "as" why."""

    kind: Stack
    reason: str


def guess(values: np.ndarray, spacing: tuple[float, ...]) -> Guess:
    """What a stack of pictures is.

    Args:
        values: (pages, rows, columns) as stored.
        spacing: of columns, rows and pages as the file tells it, mm; 1 where it does not.
    """
    pages = f"it has {len(values)} pictures"
    low, high = float(values.min()), float(values.max())
    if values.dtype.itemsize == 1:
        return Guess("X-ray", f"{pages} of 8 bits, which cannot hold Hounsfield units")
    sampled = values.reshape(-1)[:: max(1, values.size // _VALUES)]
    if low <= _AIR_HU:
        return Guess("CT", f"{pages} and values from {low:g} to {high:g}, as Hounsfield units have (air is -1000)")
    if low >= 0 and high < _STORED_HIGHEST and _share(sampled, _STORED_AIR) and _share(sampled, _STORED_TISSUE):
        return Guess("CT", f"{pages}, with many values near 0 and near 1024, as air and soft tissue have in HU + 1024")
    if len(set(spacing)) > 1 and spacing[-1] != 1.0:
        measures = " × ".join(f"{one:.4g}" for one in spacing)
        return Guess("CT", f"{pages} that lie apart, {measures} mm; but its values ({low:g} to {high:g}) are no HU")
    if max(values.shape[1:]) < _SMALLEST_DETECTOR:
        rows, columns = values.shape[1:]
        return Guess("CT", f"{pages} of {rows} × {columns} pixels, fewer than any detector has")
    return Guess("unknown", f"{pages} with values from {low:g} to {high:g}, which both may have")


def of_volume(pages: int, spacing: tuple[float, ...], low: float, high: float) -> str:
    """Why a file that could be read as a CT is taken for one, after "as"."""
    measures = " × ".join(f"{one:.4g}" for one in spacing)
    doubt = "" if low <= _AIR_HU else ", which are none of air"
    return f"it has {pages} slices, voxels of {measures} mm, and values from {low:g} to {high:g}{doubt}"


def _share(values: np.ndarray, band: tuple[float, float]) -> bool:
    """Whether many values lie within a band."""
    return float(((values >= band[0]) & (values <= band[1])).mean()) >= _LEAST_SHARE
