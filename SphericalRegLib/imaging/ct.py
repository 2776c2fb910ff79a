"""A CT as read: Hounsfield units on their own grid, nothing resampled."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging import ct_dicom, grid, hounsfield, itk_io
from SphericalRegLib.imaging import labels as label_maps

# 512 × 512 slices, 1500 of them: about 4.7 GB while registering.
MAX_VOXELS = 400_000_000


@dataclass(frozen=True)
class CT:
    """A CT in Hounsfield units.

    Attributes:
        hu: (K, J, I) float32, within -1024..30000.
        world_from_voxel: (4, 4) float64, RAS mm of voxel centers (i, j, k).
        labels: (K, J, I) int32 label map on the same grid, or None.
        label_names: {label: name}, as far as known.
        path: where it came from.
    """

    hu: np.ndarray
    world_from_voxel: np.ndarray
    labels: np.ndarray | None = None
    label_names: dict[int, str] = field(default_factory=dict)
    path: str = ""

    @property
    def spacing(self) -> np.ndarray:
        """(3,) mm along i, j, k."""
        return np.linalg.norm(self.world_from_voxel[:3, :3], axis=0)


def read_ct(
    path: str | Path,
    labels: str | Path | None = None,
    label_names: str | Path | None = None,
    max_voxels: int = MAX_VOXELS,
    *,
    downsample: int | tuple[int, int, int] = 1,
    series: str | None = None,
    units: hounsfield.Units = "auto",
    rescale: tuple[float, float] | None = None,
    spacing: tuple[float, float, float] | None = None,
    axes: str = "LPS",
) -> CT:
    """Read a CT from NRRD, NIfTI, MHA, a DICOM series or a multi-page TIFF, with any direction cosines and spacing.

    Args:
        path: an image file, a folder that holds a DICOM series, or one file of it.
        labels: a label map on the CT's grid.
        label_names: a JSON file ``{"1": "sacrum", ...}``; Slicer's .seg.nrrd brings its own names.
        max_voxels: the most that may remain after downsampling; beyond it is an error that says what memory is needed.
        downsample: block means over that many voxels (i, j, k); labels by majority.
        series: SeriesInstanceUID or its end, where a folder holds several.
        units: "auto" refuses values that cannot be HU; "hu" takes any.
        rescale: (slope, intercept) that turn stored values into HU, where the file does not say.
        spacing: voxel size (i, j, k) in mm. Required for TIFF, whose header is not trusted; elsewhere it replaces
        the file's. axes: for TIFF only, the patient directions toward which i, j and k grow, as in ITK and Slicer
        ("LPS": columns to
            the left, rows to the back, pages to the head). A left-handed choice reverses the pages.

    Returns:
        The CT; values below -1024 (padding) become -1024.

    Raises:
        InputError: for anything that is no volume in HU; the message names the value and the remedy.
        GeometryError: for sheared or left-handed axes, missing slices, or a label map on another grid.
    """
    factors = tuple(downsample) if isinstance(downsample, tuple | list) else (downsample,) * 3
    if len(factors) != 3 or not all(isinstance(f, int) and f >= 1 for f in factors):
        raise InputError(f"downsample={downsample!r} must be a whole number of voxels ≥ 1, or three of them (i, j, k).")
    path = Path(path)
    if os.path.isdir(path) or ct_dicom.is_dicom(path):
        files = ct_dicom.find_series(path, series)
        grid.check_size(files.size, str(path), max_voxels, factors)
        values, matrix = files.read(), files.world_from_voxel
    elif path.suffix.lower() in itk_io.TIFF_SUFFIXES:
        values, matrix = _read_tiff(path, spacing, axes, max_voxels, factors)
    else:
        values, matrix = _read_volume(path, max_voxels, factors)
    if spacing is not None:
        matrix = matrix.copy()
        matrix[:3, :3] *= _checked(spacing) / np.linalg.norm(matrix[:3, :3], axis=0)
    hu = hounsfield.hounsfield(values, str(path), units, rescale)
    size = hu.shape[::-1]
    label_map: np.ndarray | None = None
    names: dict[int, str] = {}
    if labels is not None:
        label_map, names = label_maps.read_labels(labels, matrix, size)
    if label_names is not None:
        names = {**names, **label_maps.read_label_names(label_names)}
    if factors != (1, 1, 1):
        hu = hounsfield.block_means(hu, factors, fill=-1000.0)
        label_map = None if label_map is None else label_maps.block_labels(label_map, factors)
        matrix = hounsfield.block_grid(matrix, factors)
    return CT(hu, matrix, label_map, names, str(path))


def _read_volume(path: Path, max_voxels: int, factors: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    reader = itk_io.read_header(path)
    if reader.GetNumberOfComponents() != 1:
        raise InputError(
            f"{path} has {reader.GetNumberOfComponents()} values per voxel: a CT has one. Is it a color image?"
        )
    grid.check_size(tuple(reader.GetSize()), str(path), max_voxels, factors)
    directions = np.array(reader.GetDirection()).reshape(3, 3)
    matrix = grid.world_from_voxel(np.array(reader.GetSpacing()), directions, np.array(reader.GetOrigin()), str(path))
    return itk_io.read_pixels(reader), matrix


def _read_tiff(
    path: Path, spacing: tuple[float, float, float] | None, axes: str, max_voxels: int, factors: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    if spacing is None:
        raise InputError(f"{path} is a TIFF, which does not hold a voxel size: pass spacing=(i, j, k) in mm.")
    reader = itk_io.read_header(path)
    if reader.GetNumberOfComponents() != 1:
        raise InputError(
            f"{path} has {reader.GetNumberOfComponents()} values per voxel: a CT has one. Is it a color image?"
        )
    grid.check_size(tuple(reader.GetSize()), str(path), max_voxels, factors)
    directions = grid.directions_of(axes)
    values = itk_io.read_pixels(reader)
    if np.linalg.det(directions) < 0:
        values, directions = values[::-1], directions * [1, 1, -1]
    return values, grid.world_from_voxel(_checked(spacing), directions, np.zeros(3), str(path))


def _checked(spacing: tuple[float, float, float]) -> np.ndarray:
    values = np.asarray(spacing, dtype=float)
    if values.shape != (3,) or not np.isfinite(values).all() or (values <= 0).any():
        raise InputError(f"spacing={spacing} must be three positive lengths (i, j, k) in mm.")
    return values
