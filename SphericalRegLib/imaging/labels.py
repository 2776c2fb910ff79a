"""Label maps: which voxel belongs to which bone, and choosing bones by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.imaging.grid import same_grid, world_from_voxel
from SphericalRegLib.imaging.itk_io import read_header, read_pixels
from SphericalRegLib.text_files import existing_file

# A label map written by another tool has its grid rounded differently; a tenth of a voxel is not seen.
_TOLERANCE_VOXELS = 0.1


def read_labels(path: str | Path, matrix: np.ndarray, size: tuple[int, int, int]) -> tuple[np.ndarray, dict[int, str]]:
    """A label map on the CT's own grid, and the names it carries (Slicer's .seg.nrrd does).

    Args:
        path: NRRD, NIfTI or MHA.
        matrix: the CT's ``world_from_voxel``, (4, 4) RAS mm.
        size: the CT's voxels along i, j, k.

    Returns:
        (K, J, I) int32 and {label: name}.

    Raises:
        InputError: for layered (overlapping) or fractional labels, or one that has another grid than the CT.
    """
    reader = read_header(path)
    if reader.GetNumberOfComponents() != 1:
        raise InputError(
            f"{path} has {reader.GetNumberOfComponents()} layers: overlapping segments cannot be used. Export it from "
            "3D Slicer as a label map."
        )
    own = tuple(reader.GetSize())
    if own != size:
        raise GeometryError(
            f"The label map {path} has {own} voxels (i, j, k), the CT {size}: bring it onto the CT's grid "
            "(in 3D Slicer: "
            "Resample Scalar/Vector/DWI Volume with nearest neighbor, or export the segmentation with the "
            "CT as reference)."
        )
    directions = np.array(reader.GetDirection()).reshape(3, 3)
    grid = world_from_voxel(
        np.array(reader.GetSpacing()), directions, np.array(reader.GetOrigin()), f"The label map {path}"
    )
    if not same_grid(matrix, grid, size, _TOLERANCE_VOXELS):
        raise GeometryError(
            f"The label map {path} has as many voxels as the CT but lies elsewhere: its first voxel is at "
            f"{np.round(grid[:3, 3], 3).tolist()} mm RAS, the CT's at {np.round(matrix[:3, 3], 3).tolist()}, spacings "
            f"{np.linalg.norm(grid[:3, :3], axis=0).round(4).tolist()} and "
            f"{np.linalg.norm(matrix[:3, :3], axis=0).round(4).tolist()} mm. Bring it onto the CT's grid."
        )
    values = read_pixels(reader)
    if values.dtype.kind == "f" and (fractional := values != np.round(values)).any():
        raise InputError(
            f"{path} holds {values[fractional].flat[0]:g}, which is no label: a label map has whole numbers. "
            "Is it a probability map?"
        )
    labels = values.astype(np.int32)
    if labels.min() < 0:
        raise InputError(f"{path} holds the label {labels.min()}: labels are 0 (nothing) or greater.")
    return labels, _names_in_header(reader)


def read_label_names(path: str | Path) -> dict[int, str]:
    """{label: name} from a JSON file, written either way round: ``{"1": "sacrum"}`` or ``{"sacrum": 1}``.

    Raises:
        InputError: for a file that is not such a table.
    """
    path = existing_file(path)
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not a JSON file of label names: {error}.") from None
    if not isinstance(table, dict):
        raise InputError(f'{path} holds a {type(table).__name__}: label names look like {{"1": "sacrum"}}.')
    names: dict[int, str] = {}
    for key, value in table.items():
        number, name = (value, key) if isinstance(value, int) and not key.isdecimal() else (key, value)
        if not isinstance(name, str) or not str(number).isdecimal():
            raise InputError(f'{path} holds {key!r}: {value!r}, where label names look like {{"1": "sacrum"}}.')
        names[int(number)] = name
    return names


def labels_present(labels: np.ndarray) -> list[int]:
    """The labels other than 0 that a map (K, J, I) holds, in increasing order."""
    counts = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.int64)
    for plane in labels:
        counts += np.bincount(plane.ravel(), minlength=len(counts))
    return [int(label) for label in np.flatnonzero(counts) if label != 0]


def select_labels(labels: np.ndarray | None, names: Mapping[int, str], selection: Sequence[int | str]) -> list[int]:
    """Numbers of the labels chosen by number or name (upper or lower case), in the order chosen.

    Raises:
        InputError: without a label map, for an empty selection, or for labels that are not there; lists those that are.
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
    numbers = {names[label].casefold(): label for label in present if label in names}
    chosen: list[int] = []
    for entry in selection:
        text = str(entry).strip()
        label = numbers.get(text.casefold(), int(text) if text.isdecimal() else None)
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


def _names_in_header(reader: object) -> dict[int, str]:
    """{label: name} of Slicer's segmentation format: Segment0_LabelValue, Segment0_Name, ..."""
    keys = set(reader.GetMetaDataKeys())  # type: ignore[attr-defined]
    names: dict[int, str] = {}
    number = 0
    while {f"Segment{number}_LabelValue", f"Segment{number}_Name"} <= keys:
        label = reader.GetMetaData(f"Segment{number}_LabelValue")  # type: ignore[attr-defined]
        names[int(label)] = reader.GetMetaData(f"Segment{number}_Name")  # type: ignore[attr-defined]
        number += 1
    return names
