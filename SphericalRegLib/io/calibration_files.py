"""Calibration files: Autoscoper's text (MayaCam 2, as XMALab writes it), and a small JSON file of our own."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.krt import krt_from_view, view_from_krt
from SphericalRegLib.geometry.view import View, is_rigid
from SphericalRegLib.text_files import finite_numbers, parse_json, read_text
from SphericalRegLib.whole_file import write_whole

FORMAT = "SphericalReg geometry"
SCHEMA_VERSION = 1

# Autoscoper's headings, with the rows and columns of numbers below each.
_SECTIONS = {"image size": (1, 2), "camera matrix": (3, 3), "rotation": (3, 3), "translation": (3, 1)}
_FILE_KEYS = {"format", "schema_version", "views", "rig_from_world_ras_mm"}
_VIEW_KEYS = {
    "name",
    "rows",
    "columns",
    "intrinsics_px",
    "source_to_detector_mm",
    "source_to_isocenter_mm",
    "camera_from_rig_mm",
}
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# Rows or columns of the largest detector, ten times over.
_MOST_PIXELS = 100_000


class Calibration(NamedTuple):
    """Views that share a rig, and the pose rig_from_world (4, 4), RAS mm, where the file has one."""

    views: list[View]
    pose: Tensor | None


def read_autoscoper(
    path: str | os.PathLike[str],
    *,
    sdd: float | None = None,
    spacing: float | tuple[float, float] | None = None,
    mm_per_unit: float = 1.0,
) -> View:
    """A view from an Autoscoper camera file (MayaCam 2).

    The file is OpenCV's K, R, t of the image as stored, first row on top, with "image size" as width,height. That
    Autoscoper flips y when it reads one is only its change to OpenGL's frame. (Checked on the wrist sample: implanted
    beads seen in both images lie within 0.4 pixels of each other's epipolar lines, and 20 pixels off with a flip.)

    Args:
        path: file.
        sdd: source-to-detector distance, mm. The file does not say; without sdd and spacing the detector is put 1.5
            times as far from the source as the file's origin, as Autoscoper does: pixels are exact all the same, but
            millimeters on the detector are nominal then.
        spacing: detector spacing in mm, instead of sdd.
        mm_per_unit: the length that 1 is in the file's translation: 10 for calibrations in centimeters.

    Raises:
        InputError: for a file that can't be read.
        GeometryError: for another kind of file or impossible values.
    """
    sections = _autoscoper_sections(Path(path))
    width, height = (_pixels(number, f"{path}: 'image size'") for number in sections["image size"][0])
    offset = torch.tensor(sections["translation"], dtype=torch.float64)[:, 0] * mm_per_unit
    if sdd is None and spacing is None:
        sdd = 1.5 * float(offset.norm())
        if sdd < 1.0:
            raise GeometryError(
                f"{path}: its origin lies in the X-ray source, and nothing else in it tells how far the detector is: "
                "give the source-to-detector distance (sdd) or the detector's spacing, in mm."
            )
    return view_from_krt(
        sections["camera matrix"],
        sections["rotation"],
        offset,
        height,
        width,
        sdd=sdd,
        spacing=spacing,
        name=Path(path).stem,
    )


def write_autoscoper(path: str | os.PathLike[str], view: View) -> None:
    """Write a view as an Autoscoper camera file (MayaCam 2), in mm, all digits; complete or not at all.

    Raises:
        InputError: where the file can't be written.
    """
    k, r, t = krt_from_view(view)
    matrices = {"camera matrix": k, "rotation": r, "translation": t[:, None]}
    lines = ["image size", f"{view.width},{view.height}", ""]
    for heading, matrix in matrices.items():
        lines += [heading, *(",".join(repr(number) for number in row) for row in matrix.tolist()), ""]
    write_whole(path, "\n".join(lines))


def read_json(path: str | os.PathLike[str]) -> Calibration:
    """Views and pose from our JSON file.

    Raises:
        InputError: for a file that can't be read or is no JSON.
        GeometryError: for another format or version, missing or unknown keys, and impossible values.
    """
    path = Path(path)
    content = parse_json(read_text(path), path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise GeometryError(f"{path} is not a geometry file of ours: its key 'format' must be '{FORMAT}'.")
    if content.get("schema_version") != SCHEMA_VERSION or content["schema_version"] is True:
        raise GeometryError(
            f"{path} has schema_version {content.get('schema_version')!r}; this program reads {SCHEMA_VERSION}: "
            "write the file again, or update the program."
        )
    _check_keys(content, _FILE_KEYS, {"rig_from_world_ras_mm"}, str(path))
    if not isinstance(content["views"], list) or not content["views"]:
        raise GeometryError(f"{path}: 'views' must be a list of one view or more.")
    views = [_view_from_json(item, f"{path}, view {index}") for index, item in enumerate(content["views"])]
    pose = None
    if content.get("rig_from_world_ras_mm") is not None:
        pose = _numbers(content, "rig_from_world_ras_mm", (4, 4), str(path))
        if not is_rigid(pose):
            raise GeometryError(f"{path}: 'rig_from_world_ras_mm' is not a rigid 4×4 matrix: {pose.tolist()}.")
    return Calibration(views, pose)


def write_json(path: str | os.PathLike[str], views: Sequence[View], pose: Tensor | None = None) -> None:
    """Write views, and a pose rig_from_world (4, 4) if given, to our JSON file; all digits, complete or not at all.

    Raises:
        InputError: where the file can't be written.
        GeometryError: for no view, or a pose that isn't rigid.
    """
    if not views:
        raise GeometryError("There is no view to write.")
    if pose is not None and (pose.shape != (4, 4) or not is_rigid(pose.to(torch.float64))):
        raise GeometryError(f"The pose to write is not a rigid 4×4 matrix: {pose.tolist()}.")
    content = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "views": [
            {
                "name": view.name,
                "rows": view.height,
                "columns": view.width,
                "intrinsics_px": view.intrinsics.tolist(),
                "source_to_detector_mm": view.sdd,
                "source_to_isocenter_mm": view.sad,
                "camera_from_rig_mm": view.camera_from_rig.tolist(),
            }
            for view in views
        ],
        "rig_from_world_ras_mm": None if pose is None else pose.to(torch.float64).tolist(),
    }
    write_whole(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def _view_from_json(item: Any, where: str) -> View:
    if not isinstance(item, dict):
        raise GeometryError(f"{where} is not an object with the keys {', '.join(sorted(_VIEW_KEYS))}.")
    _check_keys(item, _VIEW_KEYS, {"name", "source_to_isocenter_mm", "camera_from_rig_mm"}, where)
    for key in ("rows", "columns"):
        if not isinstance(item[key], int) or isinstance(item[key], bool):
            raise GeometryError(f"{where}: '{key}' must be a whole number, not {repr(item[key])[:60]}.")
        _pixels(item[key], f"{where}: '{key}'")
    if not isinstance(item.get("name", ""), str):
        raise GeometryError(f"{where}: 'name' must be a text, not {repr(item['name'])[:60]}.")
    sad = None
    if item.get("source_to_isocenter_mm") is not None:
        sad = float(_numbers(item, "source_to_isocenter_mm", (), where))
    camera_from_rig = torch.eye(4, dtype=torch.float64)
    if "camera_from_rig_mm" in item:
        camera_from_rig = _numbers(item, "camera_from_rig_mm", (4, 4), where)
    try:
        return View(
            _numbers(item, "intrinsics_px", (3, 3), where),
            item["rows"],
            item["columns"],
            float(_numbers(item, "source_to_detector_mm", (), where)),
            camera_from_rig,
            sad,
            item.get("name", "view"),
        )
    except GeometryError as error:
        raise GeometryError(f"{where}: {error}") from error


def _check_keys(item: dict[str, Any], known: set[str], optional: set[str], where: str) -> None:
    if missing := sorted(known - optional - set(item)):
        raise GeometryError(f"{where} lacks {', '.join(repr(key) for key in missing)}.")
    if unknown := sorted(set(item) - known):
        raise GeometryError(
            f"{where} has unknown keys {', '.join(repr(key) for key in unknown)}; known are {', '.join(sorted(known))}."
        )


def _numbers(item: dict[str, Any], key: str, shape: tuple[int, ...], where: str) -> Tensor:
    try:
        return torch.tensor(finite_numbers(item[key], shape, f"{where}: '{key}'"), dtype=torch.float64)
    except InputError as error:
        raise GeometryError(str(error)) from None


def _pixels(number: float, where: str) -> int:
    """Rows or columns as a whole number."""
    if number != int(number) or not 1 <= number <= _MOST_PIXELS:
        raise GeometryError(f"{where} must be a whole number of pixels from 1 to {_MOST_PIXELS}, not {number:.12g}.")
    return int(number)


def _autoscoper_sections(path: Path) -> dict[str, list[list[float]]]:
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if not lines or lines[0].lower() != "image size":
        raise GeometryError(
            f"{path} is not a MayaCam 2 file{_other_kind(lines)}: it must begin with 'image size', not "
            f"'{lines[0][:40] if lines else ''}'. Export the calibration of XMALab as MayaCam 2."
        )
    sections: dict[str, list[list[float]]] = {}
    heading = ""
    for line in lines:
        if line.lower() in _SECTIONS:
            heading = line.lower()
            if heading in sections:
                raise GeometryError(f"{path} has the heading '{heading}' twice: one file holds one camera.")
            sections[heading] = []
            continue
        row = _row(line)
        if row is None:
            raise GeometryError(f"{path}, below '{heading}': '{line[:60]}' is neither finite numbers nor a heading.")
        sections[heading].append(row)
    for name, (rows, columns) in _SECTIONS.items():
        section = sections.get(name, [])
        if len(section) != rows or not all(len(row) == columns for row in section):
            raise GeometryError(
                f"{path}: '{name}' must have {rows} lines of {columns} finite numbers, but has {str(section)[:200]}."
            )
    return sections


def _row(line: str) -> list[float] | None:
    """Numbers between commas (one more may end the line), or between spaces and tabs; None where one is none."""
    cells = line.rstrip(", \t").split(",") if "," in line else line.split()
    words = [cell.strip() for cell in cells]
    if not all(_NUMBER.fullmatch(word) and math.isfinite(float(word)) for word in words):
        return None
    return [float(word) for word in words]


def _other_kind(lines: list[str]) -> str:
    """In words what a text file is that is no MayaCam 2 file, where that is plain."""
    if lines and lines[0].startswith("#Insight Transform File"):
        return " but an ITK transform, which is a pose and no calibration"
    if len(lines) == 5 and all((row := _row(line)) is not None and len(row) == 3 for line in lines):
        return " but one of MayaCam 1 (five lines of three numbers), whose detector and directions are not told apart"
    return ""
