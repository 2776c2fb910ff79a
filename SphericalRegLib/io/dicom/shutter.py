"""Collimators and shutters that DICOM tags describe (PS3.3 C.8.7.3 and C.7.6.11): rectangular, circular, polygonal."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from SphericalRegLib.io.dicom import tags


def field_from_tags(dataset: Dataset, height: int, width: int, frame: int = 0) -> np.ndarray | None:
    """(H, W) bool: the pixels inside every collimator and shutter of a frame that the tags describe, or None.

    Edges are counted from 1 in DICOM. Edges that leave nothing, or that lie outside the image (units other than pixels
    occur in practice), describe no field of this image and are left out.
    """
    field: np.ndarray | None = None
    for prefix in ("Collimator", "Shutter"):
        for shape in tags.texts(dataset, f"{prefix}Shape", frame):
            inside = _inside(dataset, prefix, shape, height, width, frame)
            if inside is not None and inside.any():
                field = inside if field is None else field & inside
    return field


def _inside(dataset: Dataset, prefix: str, shape: str, height: int, width: int, frame: int) -> np.ndarray | None:
    rows, columns = np.mgrid[1 : height + 1, 1 : width + 1]
    if shape == "RECTANGULAR":
        names = ("LeftVerticalEdge", "RightVerticalEdge", "UpperHorizontalEdge", "LowerHorizontalEdge")
        edges = [_values(dataset, prefix + name, frame) for name in names]
        if any(len(edge) != 1 for edge in edges):
            return None
        left, right, upper, lower = (edge[0] for edge in edges)
        if not (0 <= left < right <= width + 1 and 0 <= upper < lower <= height + 1):
            return None
        # The edges themselves are shadow.
        return (columns > left) & (columns < right) & (rows > upper) & (rows < lower)
    if shape == "CIRCULAR":
        name = "CenterOfCircularCollimator" if prefix == "Collimator" else "CenterOfCircularShutter"
        center, radius = _values(dataset, name, frame), _values(dataset, f"RadiusOfCircular{prefix}", frame)
        if len(center) != 2 or len(radius) != 1 or radius[0] <= 0:
            return None
        return np.hypot(rows - center[0], columns - center[1]) <= radius[0]
    if shape == "POLYGONAL":
        name = "VerticesOfThePolygonalCollimator" if prefix == "Collimator" else "VerticesOfThePolygonalShutter"
        numbers = np.array(_values(dataset, name, frame))
        if len(numbers) < 6 or len(numbers) % 2:
            return None
        return _in_polygon(rows, columns, numbers.reshape(-1, 2))
    return None


def _in_polygon(rows: np.ndarray, columns: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Even-odd rule for vertices (N, 2) as (row, column)."""
    inside = np.zeros(rows.shape, bool)
    for (r0, c0), (r1, c1) in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        if r0 == r1:
            continue
        crossing = (rows >= min(r0, r1)) & (rows < max(r0, r1))
        inside ^= crossing & (columns < c0 + (rows - r0) * (c1 - c0) / (r1 - r0))
    return inside


def _values(dataset: Dataset, keyword: str, frame: int) -> list[float]:
    return tags.values(dataset, keyword, None, frame) or []
