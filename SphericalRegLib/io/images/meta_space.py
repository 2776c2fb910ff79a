"""What a MetaImage header (MHA, MHD) says of lengths, axes and values that ITK passes over.

Format: https://itk.org/Wiki/ITK/MetaIO/Documentation. Its offset and its transform are LPS mm, as ITK writes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.images.nrrd_space import MILLIMETERS

_LONGEST_LINE = 2**16
_MOST_LINES = 1000
_OPPOSITE = str.maketrans("LRAPSI", "RLPAIS")


class MetaSpace(NamedTuple):
    """``millimeters``: in one unit of its lengths. has_spacing: whether the voxel size is told.

    rescale: (slope, intercept) that the header gives for its values. notes: for the user.
    """

    millimeters: float
    has_spacing: bool
    rescale: tuple[float, float]
    notes: tuple[str, ...]


def meta_space(path: Path, directions: np.ndarray) -> MetaSpace:
    """Units, rescale and the words for the axes of a MetaImage.

    Args:
        path: of the file, or of its header.
        directions: (3, 3) LPS direction cosines as ITK read them.

    Raises:
        InputError: for unknown units, and a rescale that is no number.
    """
    fields = _fields(path)
    units = fields.get("DistanceUnits", "?").lower()
    if units not in MILLIMETERS and units != "?":
        raise InputError(f"{path} has DistanceUnits = {units[:40]!r}, where mm, cm or um belongs: correct its header.")
    try:
        slope = float(fields.get("ElementToIntensityFunctionSlope", 1))
        intercept = float(fields.get("ElementToIntensityFunctionOffset", 0))
    except ValueError as error:
        raise InputError(f"{path} has an ElementToIntensityFunction that is no number: {error}.") from None
    has_spacing = "ElementSpacing" in fields or "ElementSize" in fields
    return MetaSpace(MILLIMETERS.get(units, 1.0), has_spacing, (slope, intercept), _notes(fields, directions))


def _notes(fields: dict[str, str], directions: np.ndarray) -> tuple[str, ...]:
    """AnatomicalOrientation repeats in letters what the transform says: ITK writes whence axes come, others whither."""
    letters = fields.get("AnatomicalOrientation", "").strip().upper()
    if len(letters) != 3 or not set(letters) <= set("LRAPSI"):
        return ()
    strongest = np.abs(directions).argmax(axis=0)
    toward = "".join(("LR", "PA", "SI")[axis][int(directions[axis, n] < 0)] for n, axis in enumerate(strongest))
    # an oblique axis may be named after either of two neighbors
    oblique = bool((np.abs(directions).max(axis=0) < 0.9).any())
    if oblique or letters in (toward, toward.translate(_OPPOSITE)):
        return ()
    return (
        f"its AnatomicalOrientation ({letters}) does not fit its TransformMatrix, which was used: i, j and k grow "
        f"toward {toward}.",
    )


def _fields(path: Path) -> dict[str, str]:
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        for _ in range(_MOST_LINES):
            name, sign, value = file.readline(_LONGEST_LINE).decode("utf-8", "replace").partition("=")
            if not sign:
                break
            fields[name.strip()] = value.strip()
            if name.strip() == "ElementDataFile":
                break
    return fields
