"""Reading numbers out of DICOM headers, with errors that name the tag, its value and the remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.multival import MultiValue

from SphericalRegLib.errors import GeometryError


def named(keyword: str) -> str:
    """``"PixelSpacing (0028,0030)"``."""
    tag = tag_for_keyword(keyword)
    return keyword if tag is None else f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _places(dataset: pydicom.Dataset, frame: int) -> Iterator[pydicom.Dataset]:
    """The header itself, then an enhanced image's functional groups: this frame's before the shared ones."""
    yield dataset
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    groups = [per_frame[frame]] if frame < len(per_frame) else []
    groups += list(dataset.get("SharedFunctionalGroupsSequence") or [])
    for group in groups:
        for element in group:
            if element.VR == "SQ":
                yield from element.value


def values(dataset: pydicom.Dataset, keyword: str, count: int | None, frame: int = 0) -> list[float] | None:
    """The numbers of an attribute, or None where it is absent or empty.

    Args:
        dataset: header of a classic or enhanced image.
        keyword: DICOM keyword.
        count: how many numbers there must be; None for any.
        frame: which frame's functional group to look into, from 0.

    Raises:
        GeometryError: for text that is no number, for NaN, and for another count.
    """
    for place in _places(dataset, frame):
        if keyword not in place:
            continue
        try:
            raw = place[keyword].value
            if raw is None or raw == "" or (isinstance(raw, MultiValue | list) and len(raw) == 0):
                continue
            numbers = [float(n) for n in (raw if isinstance(raw, MultiValue | list | tuple) else [raw])]
        except (ValueError, TypeError, OverflowError) as error:
            raise GeometryError(f"{named(keyword)} is not a number: {error}. Give the value by an option.") from error
        if not all(math.isfinite(n) for n in numbers):
            raise GeometryError(f"{named(keyword)} is {numbers}: give a finite value by an option.")
        if count is not None and len(numbers) != count:
            raise GeometryError(f"{named(keyword)} has {len(numbers)} values ({numbers}), not {count}.")
        return numbers
    return None


def number(dataset: pydicom.Dataset, keyword: str, frame: int = 0) -> float | None:
    """The one number of an attribute, or None where it is absent or empty; errors as :func:`values`."""
    found = values(dataset, keyword, 1, frame)
    return None if found is None else found[0]


def pair(dataset: pydicom.Dataset, keyword: str, frame: int = 0) -> tuple[float, float] | None:
    """The two numbers of an attribute, or None where it is absent or empty; errors as :func:`values`."""
    found = values(dataset, keyword, 2, frame)
    return None if found is None else (found[0], found[1])


def text(dataset: pydicom.Dataset, keyword: str) -> str:
    """An attribute as upper-case text without blanks around it; empty where it is absent."""
    return str(dataset.get(keyword) or "").strip().upper()


def size(dataset: pydicom.Dataset) -> tuple[int, int]:
    """(rows, columns).

    Raises:
        GeometryError: where the header has none.
    """
    rows, columns = number(dataset, "Rows"), number(dataset, "Columns")
    if not rows or not columns:
        raise GeometryError(
            f"{named('Rows')} is {rows} and {named('Columns')} is {columns}: this DICOM file holds no image."
        )
    return int(rows), int(columns)
