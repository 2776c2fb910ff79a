"""Landmarks from files: CSV or JSON that hold both sides, or Slicer's markups of the CT and of the X-ray."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.landmarks.markups import is_markups, read_markups
from SphericalRegLib.io.landmarks.markups_on_image import pixels_on_image
from SphericalRegLib.io.landmarks.table import LAYOUT, Places, read_table
from SphericalRegLib.text_files import existing_file, finite_numbers, read_json_file


def read_landmarks(
    files: Sequence[str | Path], xrays: Sequence[str | Path], frames: Sequence[int] | None = None
) -> tuple[list[Places], list[Places]]:
    """For each X-ray the CT's landmarks {name: (x, y, z) world RAS mm} and its own {name: (u, v) pixels}.

    Args:
        files: one CSV or JSON file for each X-ray, which hold both; or Slicer's markups (``.mrk.json``, ``.fcsv``): the
            CT's, then one for each X-ray, placed on that image as Slicer loads it.
        xrays: the image files, whose grids tell where in the image a markup lies.
        frames: which frame of each is registered, counted from 0; the first by default.

    Raises:
        InputError: for unreadable files, other layouts, another number of files than needed, and markups that do not
            lie on their X-ray.
    """
    paths = [existing_file(file) for file in files]
    # what JSON holds tells of which kind it is, and is not read again
    contents = [read_json_file(path) if path.suffix.lower() == ".json" else None for path in paths]
    markups = [is_markups(path, content) for path, content in zip(paths, contents, strict=True)]
    if any(markups):
        if not all(markups):
            other = paths[markups.index(False)]
            raise InputError(
                f"{other} is no markups file of 3D Slicer but {paths[markups.index(True)]} is: give markups of the CT "
                f"and of each X-ray, or a file with both for each X-ray ({LAYOUT})."
            )
        if len(paths) != len(xrays) + 1:
            raise InputError(
                f"{len(paths)} landmark files for {len(xrays)} X-rays: Slicer's markups are the CT's, then one for "
                "each X-ray."
            )
        world = read_markups(paths[0], contents[0])
        shown = frames if frames is not None else [0] * len(xrays)
        pixels = [
            pixels_on_image(read_markups(path, content), path, xray, frame)
            for path, content, xray, frame in zip(paths[1:], contents[1:], xrays, shown, strict=True)
        ]
        return [world] * len(xrays), pixels
    if len(paths) != len(xrays):
        raise InputError(f"{len(paths)} landmark files for {len(xrays)} X-rays: give one for each.")
    both = [
        _json(path, content) if path.suffix.lower() == ".json" else read_table(path)
        for path, content in zip(paths, contents, strict=True)
    ]
    return [points for points, _ in both], [pixels for _, pixels in both]


def _json(path: Path, content: Any) -> tuple[Places, Places]:
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}: landmarks are {LAYOUT}.")
    points: Places = {}
    pixels: Places = {}
    for key, item in content.items():
        name = key.strip()
        if not name or name in points:
            raise InputError(f"{path} has {'a landmark without a name' if not name else f'two landmarks {name!r}'}.")
        if not isinstance(item, dict) or not {"world_ras_mm", "pixel"} <= set(item):
            raise InputError(f"{path}: the landmark {name!r} is {str(item)[:60]!r}; landmarks are {LAYOUT}.")
        points[name] = finite_numbers(item["world_ras_mm"], (3,), f"{path}: 'world_ras_mm' of the landmark {name!r}")
        pixels[name] = finite_numbers(item["pixel"], (2,), f"{path}: 'pixel' of the landmark {name!r}")
    return points, pixels
