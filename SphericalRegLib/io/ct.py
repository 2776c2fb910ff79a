"""Reading a CT from a file or a folder of any format, onto a right-handed grid and into Hounsfield units."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging import hounsfield
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.labels import block_labels
from SphericalRegLib.io.dicom.file import is_dicom
from SphericalRegLib.io.dicom_ct.series import find_series
from SphericalRegLib.io.images import grid, itk_io
from SphericalRegLib.io.images.image_grid import image_grid
from SphericalRegLib.io.images.nifti_affine import Affine
from SphericalRegLib.io.labels import GridHints, read_label_names, read_labels

# 512 × 512 slices, 1500 of them: about 4.7 GB while registering.
MAX_VOXELS = 400_000_000


def read_ct(
    path: str | Path,
    labels: str | Path | None = None,
    label_names: str | Path | None = None,
    max_voxels: int = MAX_VOXELS,
    *,
    downsample: int | tuple[int, int, int] = 1,
    series: str | None = None,
    phase: str | None = None,
    units: hounsfield.Units = "auto",
    rescale: tuple[float, float] | None = None,
    spacing: tuple[float, float, float] | None = None,
    axes: str | None = None,
    nifti_affine: Affine | None = None,
) -> CT:
    """Read a CT from NRRD, NIfTI, MHA, a DICOM series or a multi-page TIFF, with any direction cosines and spacing.

    A left-handed index, as NIfTI often has it, is made right-handed by counting slices from the other end: no voxel
    moves.

    Args:
        path: an image file, a folder that holds a DICOM series, or one file of it.
        labels: a label map on the CT's grid.
        label_names: a JSON file ``{"1": "sacrum", ...}``; Slicer's .seg.nrrd brings its own names.
        max_voxels: the most that may remain after downsampling; beyond it is an error that says what memory is needed.
        downsample: block means over that many voxels (i, j, k); labels by majority.
        series: SeriesInstanceUID or its end, where a folder holds several, or for what is no CT.
        phase: ``"Attribute=value"`` of the DICOM slices to read, where several volumes lie at one place.
        units: "auto" refuses values that cannot be HU; "hu" takes any.
        rescale: (slope, intercept) that turn stored values into HU, where the file does not say.
        spacing: voxel size (i, j, k) in mm. Required for TIFF, whose header is not trusted; elsewhere it replaces
            the file's.
        axes: where the file does not tell: the patient directions toward which i, j and k grow ("LPS": columns to the
            left, rows to the back, slices to the head, as TIFF is taken by default). The first voxel is then at the
            origin; of a TIFF that is left-handed, that of the last page.
        nifti_affine: "sform" or "qform", where they disagree.

    Returns:
        The CT; values below -1024 and DICOM's pixel padding become -1024.

    Raises:
        InputError: for anything that is no volume in HU; the message names the value and the remedy.
        GeometryError: for sheared axes, missing or tilted slices, a file that does not tell where its voxels lie or
            tells it twice and differently, or a label map on another grid.
    """
    factors = tuple(downsample) if isinstance(downsample, tuple | list) else (downsample,) * 3
    if len(factors) != 3 or not all(isinstance(f, int) and f >= 1 for f in factors):
        raise InputError(f"downsample={downsample!r} must be a whole number of voxels ≥ 1, or three of them (i, j, k).")
    if nifti_affine not in (None, "sform", "qform"):
        raise InputError(f"nifti_affine={nifti_affine!r} must be 'sform' or 'qform'.")
    path = Path(path)
    if os.path.isdir(path) or is_dicom(path):
        if axes is not None or nifti_affine is not None:
            raise InputError(f"{path} is DICOM, which tells its axes: leave axes= and nifti_affine= out.")
        voxels = _read_dicom(path, series, phase, units, rescale, max_voxels, factors)
    else:
        if series is not None or phase is not None:
            raise InputError(f"series= and phase= choose among DICOM slices, and {path} is no DICOM: leave them out.")
        if path.suffix.lower() in itk_io.TIFF_SUFFIXES:
            voxels = _read_tiff(path, spacing, axes or "LPS", max_voxels, factors)
        else:
            voxels = _read_volume(path, max_voxels, factors, rescale, spacing, axes, nifti_affine)
    matrix = voxels.matrix
    if spacing is not None:
        matrix = matrix.copy()
        matrix[:3, :3] *= _checked(spacing) / np.linalg.norm(matrix[:3, :3], axis=0)
    values, padding = voxels.values, voxels.padding
    matrix, reverse = grid.right_handed_grid(matrix, values.shape[::-1])
    if reverse:
        values, padding = values[::-1], None if padding is None else padding[::-1]
    hu = np.ascontiguousarray(hounsfield.hounsfield(values, str(path), units, rescale, padding))
    note = hounsfield.without_air(hu, padding)
    notes = (*voxels.notes, *([note] if note else []))
    size = hu.shape[::-1]
    label_map: np.ndarray | None = None
    names: dict[int, str] = {}
    if labels is not None:
        label_map, names = read_labels(labels, matrix, size, GridHints(nifti_affine, axes, spacing))
    if label_names is not None:
        names = {**names, **read_label_names(label_names)}
    if factors != (1, 1, 1):
        hu = hounsfield.block_means(hu, factors, fill=-1000.0)
        label_map = None if label_map is None else block_labels(label_map, factors)
        matrix = hounsfield.block_grid(matrix, factors)
    return CT(hu, matrix, label_map, names, str(path), notes)


class _Voxels(NamedTuple):
    """As stored: values (K, J, I), their ``world_from_voxel`` of either hand, padding (K, J, I) bool or None."""

    values: np.ndarray
    matrix: np.ndarray
    padding: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def _read_dicom(
    path: Path,
    series: str | None,
    phase: str | None,
    units: hounsfield.Units,
    rescale: tuple[float, float] | None,
    max_voxels: int,
    factors: tuple[int, int, int],
) -> _Voxels:
    files = find_series(path, series, phase)
    grid.check_size(files.size, str(path), max_voxels, factors)
    read = files.read()
    if read.not_hu and units == "auto" and rescale is None:
        raise InputError(
            f"{path} does not hold Hounsfield units: its values are {read.not_hu}. Choose the CT's series with HU; if "
            "they are HU all the same, pass units='hu'."
        )
    return _Voxels(read.array, files.world_from_voxel, read.padding, (*files.notes, *read.notes))


def _read_volume(
    path: Path,
    max_voxels: int,
    factors: tuple[int, int, int],
    rescale: tuple[float, float] | None,
    spacing: tuple[float, float, float] | None,
    axes: str | None,
    affine: Affine | None,
) -> _Voxels:
    reader = _reader(path, max_voxels, factors)
    place = image_grid(path, reader, affine=affine, axes=axes, spacing=spacing)
    slope, intercept = place.rescale
    if place.rescale != (1.0, 0.0) and rescale is None:
        raise InputError(
            f"{path} gives a slope of {slope:g} and an offset of {intercept:g} for its values "
            "(ElementToIntensityFunction), which most programs ignore. "
            f"Pass rescale=({slope:g}, {intercept:g}) to use them, or rescale=(1, 0) to take the values as stored."
        )
    values = itk_io.read_pixels(reader)
    return _Voxels(values - np.float32(place.added) if place.added else values, place.matrix, None, place.notes)


def _read_tiff(
    path: Path, spacing: tuple[float, float, float] | None, axes: str, max_voxels: int, factors: tuple[int, int, int]
) -> _Voxels:
    if spacing is None:
        raise InputError(f"{path} is a TIFF, which does not hold a voxel size: pass spacing=(i, j, k) in mm.")
    reader = _reader(path, max_voxels, factors)
    directions = grid.directions_of(axes)
    values = itk_io.read_pixels(reader)
    if np.linalg.det(directions) < 0:
        values, directions = values[::-1], directions * [1, 1, -1]
    return _Voxels(values, grid.world_from_voxel(_checked(spacing), directions, np.zeros(3), str(path)))


def _reader(path: Path, max_voxels: int, factors: tuple[int, int, int]) -> SimpleITK.ImageFileReader:
    """The reader of a file that holds a volume of one value per voxel, and not too many."""
    reader = itk_io.read_header(path)
    if reader.GetNumberOfComponents() != 1:
        raise InputError(
            f"{path} has {reader.GetNumberOfComponents()} values per voxel: a CT has one. Is it a color image?"
        )
    grid.check_size(tuple(reader.GetSize()), str(path), max_voxels, factors)
    return reader


def _checked(spacing: tuple[float, float, float]) -> np.ndarray:
    values = np.asarray(spacing, dtype=float)
    if values.shape != (3,) or not np.isfinite(values).all() or (values <= 0).any():
        raise InputError(f"spacing={spacing} must be three positive lengths (i, j, k) in mm.")
    return values
