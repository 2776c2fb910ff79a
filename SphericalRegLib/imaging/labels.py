"""Label maps: which voxel belongs to which bone, and choosing bones by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.imaging.dicom_file import read_dataset
from SphericalRegLib.imaging.image_grid import ImageGrid, image_grid
from SphericalRegLib.imaging.itk_io import read_header, read_pixels
from SphericalRegLib.imaging.lattice import Placement, onto_lattice, overlaps, place_on_lattice
from SphericalRegLib.imaging.nifti_affine import Affine, is_nifti
from SphericalRegLib.imaging.segment_names import segment_names
from SphericalRegLib.text_files import existing_file, read_json_file

# A label map written by another tool has its grid rounded differently; a tenth of a voxel is not seen.
_TOLERANCE_VOXELS = 0.1
# Labels that went through floating point, or a NIfTI file's scale, come back with rounding.
_ROUNDING = 1e-3
_LARGEST_LABEL = 2**31 - 1
_MOST_VOXELS = 10**9
# Above this, labels are found by sorting: a table of all numbers up to the largest would not fit.
_LARGEST_TABLE = 2**16
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
    if values.max() > _LARGEST_LABEL:
        raise InputError(
            f"{path} holds the label {values.max():.0f}: labels are at most {_LARGEST_LABEL}. Renumber them."
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
        if not isinstance(name, str) or not digits.isdecimal() or len(digits) > len(str(_LARGEST_LABEL)):
            raise InputError(
                f'{path} holds {key[:60]!r}: {str(value)[:60]!r}, where label names look like {{"1": "sacrum"}}.'
            )
        if int(digits) in names:
            raise InputError(f"{path} names the label {int(digits)} twice, {names[int(digits)]!r} and {name!r}.")
        names[int(digits)] = name
    return names


def labels_present(labels: np.ndarray) -> list[int]:
    """The labels other than 0 that a map (K, J, I) holds, in increasing order."""
    largest = int(labels.max(initial=0))
    if largest > _LARGEST_TABLE:
        return sorted({int(label) for plane in labels for label in np.unique(plane)} - {0})
    counts = np.zeros(largest + 1, dtype=np.int64)
    for plane in labels:
        counts += np.bincount(plane.ravel(), minlength=len(counts))
    return [int(label) for label in np.flatnonzero(counts) if label != 0]


def select_labels(labels: np.ndarray | None, names: Mapping[int, str], selection: Sequence[int | str]) -> list[int]:
    """Numbers of the labels chosen by number or name (upper or lower case), in the order chosen.

    Raises:
        InputError: without a label map, for an empty selection, for labels that are not there, or a name that several
            have; lists those that are there.
    """
    if labels is None:
        raise InputError(
            f"Labels {list(selection)} were chosen, but the CT came without a label map: pass labels=PATH."
        )
    if isinstance(selection, str):
        selection = [selection]
    present = labels_present(labels)
    listing = ", ".join(f"{label} {names.get(label, '')}".strip() for label in present) or "none"
    if not selection:
        raise InputError(f"The selection of labels is empty: choose some of those in the map ({listing}).")
    chosen: list[int] = []
    for entry in selection:
        text = str(entry).strip()
        number = int(text) if text.isdecimal() and len(text) <= len(str(_LARGEST_LABEL)) else None
        named = [label for label in present if names.get(label, "").strip().casefold() == text.casefold()]
        if len(named) > 1:
            raise InputError(f"The labels {named} are all named {entry!r}: choose by number. The map holds: {listing}.")
        label = named[0] if named and not isinstance(entry, int) else number
        if label is None or label not in present:
            raise InputError(f"There is no label {entry!r} in the label map. It holds: {listing}.")
        if label not in chosen:
            chosen.append(label)
    return chosen


def block_labels(labels: np.ndarray, factors: tuple[int, int, int]) -> np.ndarray:
    """The commonest label of each block of ``factors`` voxels (i, j, k), the smaller of two that are equally common."""
    fi, fj, fk = factors
    size = [-(-n // f) for n, f in zip(labels.shape, (fk, fj, fi), strict=True)]
    pad = [(0, m * f - n) for m, f, n in zip(size, (fk, fj, fi), labels.shape, strict=True)]
    blocks = np.pad(labels, pad).reshape(size[0], fk, size[1], fj, size[2], fi)
    best = np.zeros(size, np.int32)
    most = (blocks == 0).sum(axis=(1, 3, 5))
    for label in labels_present(labels):
        count = (blocks == label).sum(axis=(1, 3, 5))
        best[count > most] = label
        np.maximum(most, count, out=most)
    return best
