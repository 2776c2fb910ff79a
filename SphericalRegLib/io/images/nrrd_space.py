"""What an NRRD header says of space and units that ITK passes over: it takes any space for the patient's, in mm.

Format: https://teem.sourceforge.net/nrrd/format.html, sections 5 and 7.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

from SphericalRegLib.errors import InputError

#: What one unit of length is in mm, by the names that files give it.
MILLIMETERS = {
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1.0),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 10.0),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1000.0),
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer", "micrometers", "micrometre"), 0.001),
}
_UNKNOWN_UNITS = ("", "?", "??", "???", "none")
# Spaces whose axes are the patient's; ITK turns them into LPS.
_PATIENT_SPACES = {
    *("right-anterior-superior", "ras", "left-anterior-superior", "las", "left-posterior-superior", "lps"),
}
_LONGEST_HEADER = 2**24


class NrrdSpace(NamedTuple):
    """``is_patient``: whether its axes are told in the patient. space: as the file spells it, or "".

    millimeters: in one unit of its lengths. has_spacing: whether the voxel size is told. notes: for the user.
    """

    is_patient: bool
    space: str
    millimeters: float
    has_spacing: bool
    notes: tuple[str, ...]


def nrrd_space(path: Path) -> NrrdSpace:
    """Space and units of an NRRD or NHDR file.

    Raises:
        InputError: for units that are unknown or differ by axis.
    """
    fields = _fields(path)
    space = fields.get("space", "")
    if "spacedirections" in fields:
        is_patient = space.lower() in _PATIENT_SPACES
        millimeters = _millimeters(path, "space units", fields.get("spaceunits", ""))
        no_origin = "spaceorigin" not in fields
        notes = ("its NRRD header has no space origin: its first voxel was put at (0, 0, 0).",) if no_origin else ()
        return NrrdSpace(is_patient, space, millimeters, True, notes if is_patient else ())
    spacings = [_number(word) for word in fields.get("spacings", "").split()]
    has_spacing = sum(math.isfinite(value) and value != 0 for value in spacings) >= 3
    return NrrdSpace(False, space, _millimeters(path, "units", fields.get("units", "")), has_spacing, ())


def _millimeters(path: Path, field: str, text: str) -> float:
    """Units of the axes, each in quotation marks."""
    quoted = re.findall(r'"([^"]*)"', text) or text.split()
    units = {word.strip().lower() for word in quoted} - set(_UNKNOWN_UNITS)
    if not units:
        return 1.0
    sizes = {MILLIMETERS.get(unit) for unit in units}
    if None in sizes or len(sizes) != 1:
        raise InputError(
            f"{path} has the NRRD {field} {text[:80]}: the same of mm, cm, m or um is needed for all axes. Correct its "
            "header."
        )
    return next(size for size in sizes if size is not None)


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _fields(path: Path) -> dict[str, str]:
    """The header's fields by name, in lower case without spaces."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        file.readline(16)
        while (line := file.readline(_LONGEST_HEADER)).strip():
            name, colon, value = line.decode("utf-8", "replace").partition(":")
            if colon and not value.startswith("=") and not name.startswith("#"):
                fields[re.sub(r"\s", "", name.lower())] = value.strip()
    return fields
