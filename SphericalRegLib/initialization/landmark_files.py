"""Landmarks from files: CSV or JSON that hold both sides, or Slicer's markups of the CT and of the X-ray."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import frames
from SphericalRegLib.imaging.itk_io import read_header
from SphericalRegLib.text_files import existing_file

Places = dict[str, list[float]]

_COLUMNS = ("name", "x", "y", "z", "u", "v")
_LAYOUT = 'name,x,y,z,u,v as CSV, or {"name": {"world_ras_mm": [x, y, z], "pixel": [u, v]}} as JSON'


def read_landmarks(files: Sequence[str | Path], xrays: Sequence[str | Path]) -> tuple[list[Places], list[Places]]:
    """For each X-ray the CT's landmarks {name: (x, y, z) world RAS mm} and its own {name: (u, v) pixels}.

    Args:
        files: one CSV or JSON file for each X-ray, which hold both; or Slicer's ``.mrk.json``: the CT's, then one for
            each X-ray, placed on that image as Slicer loads it.
        xrays: the image files, whose grids tell where in the image a markup lies.

    Raises:
        InputError: for unreadable files, other layouts, and another number of files than needed.
    """
    paths = [existing_file(file) for file in files]
    if any(path.name.endswith(".mrk.json") for path in paths):
        if len(paths) != len(xrays) + 1:
            raise InputError(
                f"{len(paths)} landmark files for {len(xrays)} X-rays: Slicer's markups are the CT's, then one for "
                "each X-ray."
            )
        world = {name: frames.flip_points(torch.tensor(p)).tolist() for name, p in _markups(paths[0]).items()}
        pixels = [_on_image(_markups(path), xray) for path, xray in zip(paths[1:], xrays, strict=True)]
        return [world] * len(xrays), pixels
    if len(paths) != len(xrays):
        raise InputError(f"{len(paths)} landmark files for {len(xrays)} X-rays: give one for each.")
    both = [_csv(path) if path.suffix.lower() == ".csv" else _json(path) for path in paths]
    return [points for points, _ in both], [pixels for _, pixels in both]


def _csv(path: Path) -> tuple[Places, Places]:
    points: Places = {}
    pixels: Places = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            if missing := [column for column in _COLUMNS if column not in (reader.fieldnames or [])]:
                raise InputError(f"{path} lacks the columns {', '.join(missing)}: landmarks are {_LAYOUT}.")
            for row in reader:
                name = _new(row["name"], points, path)
                points[name] = [float(row[column]) for column in "xyz"]
                pixels[name] = [float(row[column]) for column in "uv"]
    except (UnicodeDecodeError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read ({error}): landmarks are {_LAYOUT}.") from None
    return points, pixels


def _json(path: Path) -> tuple[Places, Places]:
    content = _loaded(path)
    try:
        points = {str(name): [float(n) for n in item["world_ras_mm"]] for name, item in content.items()}
        pixels = {str(name): [float(n) for n in item["pixel"]] for name, item in content.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} cannot be used ({error!r}): landmarks are {_LAYOUT}.") from None
    return points, pixels


def _markups(path: Path) -> Places:
    """{name: LPS mm} of the defined control points of a Slicer markups file."""
    content = _loaded(path)
    places: Places = {}
    try:
        for markup in content["markups"]:
            to_lps = [1.0, 1.0, 1.0] if markup.get("coordinateSystem", "LPS") in ("LPS", "0") else [-1.0, -1.0, 1.0]
            for point in markup["controlPoints"]:
                if point.get("positionStatus", "defined") == "defined":
                    name = _new(point["label"], places, path)
                    places[name] = [float(n) * sign for n, sign in zip(point["position"], to_lps, strict=True)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a markups file of 3D Slicer ({error!r}): save the points again.") from None
    return places


def _on_image(places: Places, xray: str | Path) -> Places:
    """Pixels (u, v) of physical points on an image's grid."""
    header = read_header(xray)
    size = header.GetDimension()
    directions = np.eye(3)
    directions[:size, :size] = np.array(header.GetDirection()).reshape(size, size)
    spacing, origin = np.ones(3), np.zeros(3)
    spacing[:size], origin[:size] = header.GetSpacing(), header.GetOrigin()
    indices = {name: np.linalg.solve(directions * spacing, np.array(p) - origin) for name, p in places.items()}
    return {name: [float(index[0]), float(index[1])] for name, index in indices.items()}


def _loaded(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not a JSON file: {error}.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}: landmarks are {_LAYOUT}.")
    return content


def _new(name: str, places: Places, path: Path) -> str:
    if name in places:
        raise InputError(f"{path} has two landmarks named {name!r}: give each its own name.")
    return name
