"""Autoscoper's track files (.tra): one 4×4 matrix a line, by rows, with commas; NaN where a frame has none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.view import is_rigid
from SphericalRegLib.text_files import read_text
from SphericalRegLib.whole_file import write_whole

_NUMBERS = 16


def write_tra(path: str | Path, poses: Sequence[Tensor | None]) -> None:
    """Write poses, all digits, whole or not at all.

    Args:
        path: of the file.
        poses: of each frame (4, 4) calibration_from_world: the calibration's frame, in which Autoscoper's cameras lie,
            from the CT's own; mm. None where a frame was not tracked: its line is NaN, and nothing fills it.

    Raises:
        GeometryError: for a matrix that is not rigid.
        InputError: where the file cannot be written.
    """
    lines = []
    for number, pose in enumerate(poses):
        if pose is None:
            lines.append(",".join(["NaN"] * _NUMBERS))
            continue
        matrix = pose.detach().to("cpu", torch.float64)
        if matrix.shape != (4, 4) or not is_rigid(matrix):
            raise GeometryError(f"The pose of line {number + 1} is not a rigid 4×4 matrix: {matrix.tolist()}.")
        lines.append(",".join(repr(value) for value in matrix.flatten().tolist()))
    write_whole(path, "\n".join(lines) + "\n")


def read_tra(path: str | Path) -> list[Tensor | None]:
    """The poses of :func:`write_tra`, one for each line; None for a line of NaN.

    Raises:
        InputError: for a line that is not 16 numbers, or none at all.
        GeometryError: for a matrix that is not rigid.
    """
    poses = list[Tensor | None]()
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        cells = [cell.strip() for cell in line.strip().rstrip(",").split(",")]
        try:
            values = [float(cell) for cell in cells]
        except ValueError:
            values = []
        if len(values) != _NUMBERS:
            raise InputError(f"{where} must hold 16 numbers with commas between, and is {line.strip()[:60]!r}.")
        if all(math.isnan(value) for value in values):
            poses.append(None)
            continue
        matrix = torch.tensor(values, dtype=torch.float64).view(4, 4)
        if not is_rigid(matrix):
            raise GeometryError(f"{where} is not a rigid matrix by rows: {matrix.tolist()}.")
        poses.append(matrix)
    if not poses:
        raise InputError(f"{path} holds no pose: is it a track of Autoscoper (.tra)?")
    return poses
