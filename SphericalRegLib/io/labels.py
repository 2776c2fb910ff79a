"""Reading label maps, onto the voxels of the CT that they belong to, and tables of their names."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.imaging.labels import LARGEST_LABEL
from SphericalRegLib.io.dicom.file import read_dataset
from SphericalRegLib.io.images.image_grid import ImageGrid, image_grid
from SphericalRegLib.io.images.itk_io import read_header, read_pixels
from SphericalRegLib.io.images.lattice import Placement, onto_lattice, overlaps, place_on_lattice
from SphericalRegLib.io.images.nifti_affine import Affine, is_nifti
from SphericalRegLib.io.segment_names import segment_names
from SphericalRegLib.text_files import existing_file, read_json_file

# A label map written by another tool has its grid rounded differently; a tenth of a voxel is not seen.
_TOLERANCE_VOXELS = 0.1
# Labels that went through floating point, or a NIfTI file's scale, come back with rounding.
_ROUNDING = 1e-3
_MOST_VOXELS = 10**9
_RESAMPLE = (
    "Bring it onto the CT's grid (in 3D Slicer: Resample Scalar/Vector/DWI Volume with nearest neighbor, or export the "
    "segmentation with the CT as reference)."
)


_Size = tuple[int, int, int]


class GridHints(NamedTuple):
    """What the user said of where a CT lies; for label maps whose header tells it no better than the CT's.

    affine: of NIfTI, "sform" or "qform". axes: patient directions of i, j, k. spacing: mm along them.
    """

    affine: Affine | None = None
    axes: str | None = None
    spacing: tuple[float, float, float] | None = None


def read_labels(
    path: str | Path, matrix: np.ndarray, size: _Size, hints: GridHints | None = None
) -> tuple[np.ndarray, dict[int, str]]:
    """A label map on the CT's own voxels, and the names it carries (Slicer's .seg.nrrd does).

    Its axes may run in another order or the other way, as in a NIfTI segmentation of a DICOM CT; and it may hold a part
    of the CT only, as .seg.nrrd does, or more than the CT: the rest is 0, or left out. Nothing is resampled.

    Args:
        path: NRRD, NIfTI or MHA.
        matrix: the CT's ``world_from_voxel``, (4, 4) RAS mm.
        size: the CT's voxels along i, j, k.
        hints: for a map whose own header does not say where it lies.

    Returns:
        (K, J, I) int32 and {label: name}.

    Raises:
        InputError: for layered (overlapping) or fractional labels, and DICOM.
        GeometryError: for a map whose voxels are not the CT's.
    """
    path = existing_file(path)
    _refuse_dicom(path)
    reader = read_header(path)
    names = segment_names(
        path, {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}, reader.GetNumberOfComponents()
    )
    if reader.GetDimension() != 3:
        raise InputError(f"{path} has {reader.GetDimension()} dimensions: a label map has three, as the CT.")
    own = tuple(int(n) for n in reader.GetSize())
    if np.prod(own, dtype=float) > _MOST_VOXELS:
        raise InputError(f"The label map {path} has {own} voxels (i, j, k): crop it to the CT, which has {size}.")
    grid = _own_grid(path, reader, hints or GridHints())
    placement = _placement(path, own, grid.matrix, matrix, size)
    values = read_pixels(reader)
    # the reader adds an intercept that NIfTI does not mean
    labels = onto_lattice(_whole_numbers(path, values - grid.added if grid.added else values), placement, size)
    return labels, names


def _refuse_dicom(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return
    modality = read_dataset(path, pixels=False, tags=["Modality"]).get("Modality", "")
    kind = {"SEG": "DICOM segmentation", "RTSTRUCT": "DICOM structure set"}.get(str(modality), "DICOM file")
    raise InputError(
        f"{path} is a {kind}: label maps are read from NRRD, NIfTI or MHA. Load it in 3D Slicer and export it as a "
        "label map with the CT as reference."
    )


def _own_grid(path: Path, reader: SimpleITK.ImageFileReader, hints: GridHints) -> ImageGrid:
    """By the file's own header; what the user said of the CT counts only where the label map's header lacks it."""
    try:
        return image_grid(path, reader)
    except GeometryError:
        affine = hints.affine if is_nifti(path) else None
        if affine is None and hints.axes is None and hints.spacing is None:
            raise
        return image_grid(path, reader, affine=affine, axes=hints.axes, spacing=hints.spacing)


def _placement(path: Path, own: tuple[int, ...], grid: np.ndarray, matrix: np.ndarray, size: _Size) -> Placement:
    """Where the label map lies among the CT's voxels."""
    placement = place_on_lattice(grid, (own[0], own[1], own[2]), matrix, _TOLERANCE_VOXELS)
    if placement is None:
        raise GeometryError(
            f"The label map {path} has other voxels than the CT: {own} of {_spacings(grid)} mm, the first at "
            f"{np.round(grid[:3, 3], 3).tolist()} mm RAS, the CT {size} of {_spacings(matrix)} mm, the first at "
            f"{np.round(matrix[:3, 3], 3).tolist()}; their centers do not coincide. {_RESAMPLE}"
        )
    shifted = placement.size == size and placement.start != (0, 0, 0)
    if shifted or not overlaps(placement, size):
        raise GeometryError(
            f"The label map {path} lies elsewhere: its {own} voxels begin {placement.start} voxels (i, j, k) from the "
            f"CT's {size}. Is it of another CT, or was its origin changed? {_RESAMPLE}"
        )
    return placement


def _spacings(matrix: np.ndarray) -> list[float]:
    lengths: list[float] = np.linalg.norm(matrix[:3, :3], axis=0).round(4).tolist()
    return lengths


def _whole_numbers(path: Path, values: np.ndarray) -> np.ndarray:
    """Labels as int32."""
    if values.dtype.kind == "f":
        rounded = np.round(values)
        fractional = ~(np.isfinite(values) & np.isclose(values, rounded, rtol=0, atol=_ROUNDING))
        if fractional.any():
            raise InputError(
                f"{path} holds {values[fractional].flat[0]:g}, which is no label: a label map has whole numbers. "
                "Is it a probability map?"
            )
        values = rounded
    if values.dtype.kind not in "fiub":
        raise InputError(f"{path} holds values of the kind {values.dtype}: a label map has whole numbers.")
    if values.min() < 0:
        raise InputError(f"{path} holds the label {values.min():g}: labels are 0 (nothing) or greater.")
    if values.max() > LARGEST_LABEL:
        raise InputError(
            f"{path} holds the label {values.max():.0f}: labels are at most {LARGEST_LABEL}. Renumber them."
        )
    labels: np.ndarray = values.astype(np.int32)
    return labels


def read_label_names(path: str | Path) -> dict[int, str]:
    """{label: name} from a JSON file, written either way round: ``{"1": "sacrum"}`` or ``{"sacrum": 1}``.

    Raises:
        InputError: for a file that is not such a table, or gives one label two names.
    """
    table = read_json_file(path)
    if not isinstance(table, dict):
        raise InputError(f'{path} holds a {type(table).__name__}: label names look like {{"1": "sacrum"}}.')
    names: dict[int, str] = {}
    for key, value in table.items():
        number, name = (value, key) if isinstance(value, int) and not key.isdecimal() else (key, value)
        digits = str(number)
        if not isinstance(name, str) or not digits.isdecimal() or len(digits) > len(str(LARGEST_LABEL)):
            raise InputError(
                f'{path} holds {key[:60]!r}: {str(value)[:60]!r}, where label names look like {{"1": "sacrum"}}.'
            )
        if int(digits) in names:
            raise InputError(f"{path} names the label {int(digits)} twice, {names[int(digits)]!r} and {name!r}.")
        names[int(digits)] = name
    return names
