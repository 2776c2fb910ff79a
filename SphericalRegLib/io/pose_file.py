"""A pose out of any file that holds one: an ITK transform, or one of our JSON files."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.view import is_rigid
from SphericalRegLib.io.transform_file import TRANSFORM_SUFFIXES, read_transform
from SphericalRegLib.text_files import existing_file, finite_numbers, read_json_file

_KEYS = ("pose_rig_from_world_ras_mm", "rig_from_world_ras_mm")


def read_pose(path: str | Path) -> Tensor:
    """The pose (4, 4) float64 rig_from_world, RAS mm.

    Args:
        path: an ITK transform as :func:`transform_file.write_transform` and 3D Slicer write it, or a JSON file with
            the key "rig_from_world_ras_mm" (a calibration, a truth) or "pose_rig_from_world_ras_mm" (``result.json``).

    Raises:
        InputError: for a file that cannot be read, or without a pose.
        GeometryError: for a pose that is not rigid.
    """
    path = existing_file(path)
    if path.suffix.lower() in TRANSFORM_SUFFIXES:
        return read_transform(path)
    try:
        content = read_json_file(path)
    except InputError as error:
        raise InputError(
            f"{path} is neither an ITK transform ({', '.join(TRANSFORM_SUFFIXES)}) nor a JSON file that holds a pose "
            f"({error}). From 3D Slicer, save the transform itself as .tfm."
        ) from None
    keys = [key for key in _KEYS if content.get(key) is not None] if isinstance(content, dict) else []
    if not keys:
        raise InputError(f"{path} holds no pose: it lacks the key '{_KEYS[1]}' with a 4×4 matrix.")
    numbers = finite_numbers(content[keys[0]], (4, 4), f"{path}: the pose '{keys[0]}'")
    pose = torch.tensor(numbers, dtype=torch.float64)
    if not is_rigid(pose):
        raise GeometryError(f"The pose in {path} is not a rigid 4×4 matrix: {numbers}.")
    return pose
