"""Label maps: which voxel belongs to which bone, and choosing bones by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from SphericalRegLib.errors import InputError
from SphericalRegLib.former_names import served

#: The label maps are int32.
LARGEST_LABEL = 2**31 - 1
# Above this, labels are found by sorting: a table of all numbers up to the largest would not fit.
_LARGEST_TABLE = 2**16


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
        number = int(text) if text.isdecimal() and len(text) <= len(str(LARGEST_LABEL)) else None
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


if not TYPE_CHECKING:  # which would take any name for one of this module's
    __getattr__ = served(__name__)
