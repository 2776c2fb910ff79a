"""Where the voxels of an image file lie: by its own header where ITK passes over part of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import frames
from SphericalRegLib.io.images import grid
from SphericalRegLib.io.images.meta_space import meta_space
from SphericalRegLib.io.images.nifti_affine import Affine, is_nifti, nifti_grid
from SphericalRegLib.io.images.nrrd_space import nrrd_space

_TAKEN_AXES = "its axes were taken as axes={!r}, as you said."


class ImageGrid(NamedTuple):
    """``matrix``: (4, 4) float64 RAS mm of voxel centers; left-handed where the file's index is.

    rescale: (slope, intercept) that the header gives for the values that ITK returns. added: what ITK added wrongly.
    notes: for the user.
    """

    matrix: np.ndarray
    rescale: tuple[float, float]
    added: float
    notes: tuple[str, ...]


def image_grid(
    path: Path,
    reader: SimpleITK.ImageFileReader,
    *,
    affine: Affine | None = None,
    axes: str | None = None,
    spacing: tuple[float, float, float] | None = None,
) -> ImageGrid:
    """The grid of a three-dimensional image file.

    Args:
        path: NRRD, NIfTI, MHA, or another format that ITK reads.
        reader: of that file, which has read its header.
        affine: of a NIfTI file: which of its matrices to use where they disagree.
        axes: for files that do not tell their axes: the patient directions toward which i, j and k grow.
        spacing: mm along i, j, k, for files that do not tell.

    Raises:
        InputError: for unknown units, or options that the file has no use for.
        GeometryError: for a file that does not tell where its voxels lie, or tells it twice and differently.
    """
    if affine is not None and not is_nifti(path):
        raise InputError(f"nifti_affine={affine!r} is for NIfTI files, and {path} is none: leave it out.")
    directions = np.array(reader.GetDirection()).reshape(3, 3)
    itk_spacing, origin = np.array(reader.GetSpacing()), np.array(reader.GetOrigin())
    if is_nifti(path):
        nifti = nifti_grid(path, affine)
        if nifti.matrix is None:
            matrix, notes = _placed_by_axes(path, nifti.spacing, axes, "neither sform nor qform (their codes are 0)")
            return ImageGrid(matrix, (1.0, 0.0), nifti.added, notes)
        _refuse_axes(path, axes)
        return ImageGrid(_checked(nifti.matrix, str(path)), (1.0, 0.0), nifti.added, nifti.notes)
    suffix = path.suffix.lower()
    rescale, millimeters, notes = (1.0, 0.0), 1.0, ()
    if suffix in (".nrrd", ".nhdr"):
        nrrd = nrrd_space(path)
        _require_spacing(path, nrrd.has_spacing, spacing)
        if not nrrd.is_patient:
            why = f"the NRRD space {nrrd.space!r}" if nrrd.space else "no NRRD space with space directions"
            matrix, notes = _placed_by_axes(path, itk_spacing * nrrd.millimeters, axes, why)
            return ImageGrid(matrix, rescale, 0.0, notes)
        millimeters, notes = nrrd.millimeters, nrrd.notes
    elif suffix in (".mha", ".mhd"):
        meta = meta_space(path, directions)
        _require_spacing(path, meta.has_spacing, spacing)
        rescale, millimeters, notes = meta.rescale, meta.millimeters, meta.notes
    _refuse_axes(path, axes)
    matrix = grid.world_from_voxel(
        itk_spacing * millimeters, directions, origin * millimeters, str(path), right_handed=False
    )
    return ImageGrid(matrix, rescale, 0.0, notes)


def _placed_by_axes(path: Path, spacing: np.ndarray, axes: str | None, why: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The grid of a file that does not tell its axes; its first voxel lies at (0, 0, 0)."""
    if axes is None:
        raise GeometryError(
            f"{path} does not tell how it lies in the patient: it has {why}. Pass axes='LPS', or other letters for the "
            "patient directions toward which i, j and k grow, or convert the original files again."
        )
    directions = grid.directions_of(axes)
    matrix = grid.world_from_voxel(spacing, directions, np.zeros(3), str(path), right_handed=False)
    return matrix, (_TAKEN_AXES.format(axes),)


def _checked(matrix: np.ndarray, name: str) -> np.ndarray:
    """The same RAS matrix, if its axes are at right angles and have a length."""
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    lps = frames.flip_affine(torch.from_numpy(matrix)).numpy()
    return grid.world_from_voxel(
        spacing, lps[:3, :3] / np.maximum(spacing, 1e-30), lps[:3, 3], name, right_handed=False
    )


def _require_spacing(path: Path, is_told: bool, spacing: tuple[float, float, float] | None) -> None:
    if not is_told and spacing is None:
        raise GeometryError(f"{path} does not tell its voxel size: pass spacing=(i, j, k) in mm.")


def _refuse_axes(path: Path, axes: str | None) -> None:
    if axes is not None:
        raise InputError(f"axes={axes!r} is for files that do not tell their axes, and {path} does: leave it out.")
