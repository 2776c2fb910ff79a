"""Slicer's markups files: ``.mrk.json`` (markups-schema 1.0.x) and the older ``.fcsv``.

Both hold points with labels in LPS or RAS. Layouts: Slicer, Modules/Loadable/Markups, Resources/Schema and
MRML/vtkMRMLMarkupsFiducialStorageNode.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.landmarks.table import Places
from SphericalRegLib.text_files import finite_numbers, read_json_file, read_text

# Slicer up to 4.10 wrote numbers for the two.
_TO_RAS = {"RAS": (1.0, 1.0), "0": (1.0, 1.0), "LPS": (-1.0, -1.0), "1": (-1.0, -1.0)}
# UCUM codes of lengths.
_MILLIMETERS = {"nm": 1e-6, "um": 1e-3, "mm": 1.0, "cm": 10.0, "dm": 100.0, "m": 1000.0, "[in_i]": 25.4}
# Markups whose control points are places that somebody marked; those of planes and boxes are handles.
_TYPES = ("Fiducial", "Line", "Angle", "Curve", "ClosedCurve")
_OTHER_STATUS = ("undefined", "preview", "missing")
_FCSV_COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatednodeid"
_FCSV_FLAGS, _FCSV_LABEL, _FCSV_STATUS = slice(8, 11), 11, 14
# Cells of a row: the columns, of which description and node may be left out, and in newer files two for the status.
_FCSV_CELLS = (12, 13, 14, 16)
# vtkMRMLMarkupsNode's number for a position that is defined.
_DEFINED = "2"
_SAVE_AGAIN = "open it in 3D Slicer and save the points as .mrk.json"


def is_markups(path: Path, content: Any = None) -> bool:
    """Whether a file is Slicer's markups: by its name, or JSON with a list of markups.

    Args:
        path: of the file.
        content: of a JSON file that was read already; None reads it.
    """
    name = path.name.lower()
    if name.endswith((".mrk.json", ".fcsv", ".acsv")):
        return True
    if path.suffix.lower() != ".json":
        return False
    content = read_json_file(path) if content is None else content
    return isinstance(content, dict) and isinstance(content.get("markups"), list)


def read_markups(path: Path, content: Any = None) -> Places:
    """{label: [x, y, z]} RAS mm of the points in a markups file whose position is defined.

    Args:
        path: of the file.
        content: of a JSON file that was read already; None reads it.

    Raises:
        InputError: for other files, unknown units or coordinate systems, planes and boxes, points without a name or two
            of one name, and positions that are no finite numbers.
    """
    name = path.name.lower()
    if name.endswith(".acsv"):
        raise InputError(f"{path} is an annotation of 3D Slicer 3 and 4: {_SAVE_AGAIN}.")
    places: Places = {}
    for label, position in _fcsv(path) if name.endswith(".fcsv") else _json(path, content):
        if not label:
            raise InputError(f"{path} has a point without a name, at {position} mm RAS: landmarks are paired by name.")
        if label in places:
            raise InputError(f"{path} has two landmarks named {label!r}: give each its own name.")
        places[label] = position
    if not places:
        raise InputError(f"{path} holds no point that has been placed: place the landmarks and save it again.")
    return places


def _json(path: Path, content: Any) -> list[tuple[str, list[float]]]:
    content = read_json_file(path) if content is None else content
    if not isinstance(content, dict) or not isinstance(content.get("markups"), list):
        raise InputError(
            f"{path} is not a markups file of 3D Slicer: it lacks the list 'markups'. Save the points again."
        )
    points = []
    for index, markup in enumerate(content["markups"]):
        where = f"{path}, markup {index}"
        if not isinstance(markup, dict):
            raise InputError(f"{where} is {str(markup)[:60]!r}, no markup: {_SAVE_AGAIN}.")
        if markup.get("type", "Fiducial") not in _TYPES:
            raise InputError(
                f"{where} is of type {markup['type']!r}: landmarks are points ({', '.join(_TYPES)}). Save a list of "
                "points to a file of its own."
            )
        for key in ("coordinateSystem", "coordinateUnits"):
            if key in content and markup.get(key) != content[key]:
                raise InputError(
                    f"{path} says {key} {content[key]!r} for the whole file and {markup.get(key)!r} for markup "
                    f"{index}; 3D Slicer takes the markup's only. Write it there."
                )
        flips = (*_flips(markup.get("coordinateSystem", "LPS"), where), 1.0)
        unit = _millimeters(markup.get("coordinateUnits", "mm"), where)
        control_points = markup.get("controlPoints", [])
        if not isinstance(control_points, list):
            raise InputError(f"{where}: 'controlPoints' is {str(control_points)[:60]!r}, no list: {_SAVE_AGAIN}.")
        for number, point in enumerate(control_points, start=1):
            label, position = _control_point(point, f"{where}, point {number}")
            if position is not None:
                points.append((label, [c * flip * unit for c, flip in zip(position, flips, strict=True)]))
    return points


def _control_point(point: Any, where: str) -> tuple[str, list[float] | None]:
    """(label, position as written, or None where it is not defined)."""
    if not isinstance(point, dict):
        raise InputError(f"{where} is {str(point)[:60]!r}, no control point: {_SAVE_AGAIN}.")
    status = point.get("positionStatus", "defined")
    if status in _OTHER_STATUS:
        return "", None
    if status != "defined":
        raise InputError(f"{where} has the positionStatus {status!r}: it is defined, or {', '.join(_OTHER_STATUS)}.")
    label = point.get("label", "")
    if not isinstance(label, str):
        raise InputError(f"{where} has the label {label!r}, which is no text: write it in quotes.")
    return label.strip(), finite_numbers(point.get("position"), (3,), f"{where}: the position of {label!r}")


def _fcsv(path: Path) -> list[tuple[str, list[float]]]:
    lines = read_text(path).splitlines()
    comments = [line[1:].partition("=") for line in lines if line.startswith("#")]
    said = {key.strip().lower(): value.strip() for key, equals, value in comments if equals}
    if "markups fiducial file version" not in said:
        raise InputError(f"{path} lacks the line '# Markups fiducial file version', as of Slicer 3: {_SAVE_AGAIN}.")
    columns = said.get("columns", _FCSV_COLUMNS).replace(" ", "").lower()
    if columns != _FCSV_COLUMNS:
        raise InputError(
            f"{path} has the columns {columns[:120]!r}, where Slicer's are {_FCSV_COLUMNS}: {_SAVE_AGAIN}."
        )
    if "coordinatesystem" not in said:
        raise InputError(
            f"{path} does not say its coordinate system: add the line '# CoordinateSystem = LPS', or RAS, below the "
            "first."
        )
    flips = (*_flips(said["coordinatesystem"], str(path)), 1.0)
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    points = []
    try:
        for number, row in enumerate(csv.reader(rows), start=1):
            where = f"{path}, point {number}"
            if len(row) not in _FCSV_CELLS or not {cell.strip() for cell in row[_FCSV_FLAGS]} <= {"0", "1"}:
                raise InputError(
                    f"{where}, {','.join(row)[:120]!r}, does not hold {_FCSV_COLUMNS} (is a comma missing, or not in "
                    f"quotes?): {_SAVE_AGAIN}."
                )
            if row[_FCSV_STATUS:] and row[_FCSV_STATUS].strip() != _DEFINED:
                continue
            position = [_number(cell, where) * flip for cell, flip in zip(row[1:4], flips, strict=True)]
            points.append((row[_FCSV_LABEL].strip(), position))
    except csv.Error as error:
        raise InputError(f"{path} cannot be read ({error}): {_SAVE_AGAIN}.") from None
    return points


def _number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{where} has the coordinate {text[:40]!r}, which is no finite number: place it again.")
    return number


def _flips(system: Any, where: str) -> tuple[float, float]:
    """Signs that turn x and y into RAS."""
    word = str(system) if isinstance(system, str | int) and not isinstance(system, bool) else None
    if word not in _TO_RAS:
        raise InputError(
            f"{where} has the coordinate system {system!r}, which is not known: it is 'RAS' or 'LPS' (in older files 0 "
            "or 1). Write which of them it is."
        )
    return _TO_RAS[word]


def _millimeters(units: Any, where: str) -> float:
    """Millimeters in one of a unit, as UCUM text or (code, "UCUM", meaning)."""
    code = units
    if isinstance(units, list) and len(units) == 3 and units[1] == "UCUM":
        code = units[0]
    if not isinstance(code, str) or code not in _MILLIMETERS:
        raise InputError(
            f"{where} has the units {units!r}, which are not known: coordinateUnits is one of "
            f"{', '.join(_MILLIMETERS)} (UCUM). Convert the points to mm."
        )
    return _MILLIMETERS[code]
