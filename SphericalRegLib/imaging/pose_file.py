"""A pose out of any file that holds one: an ITK transform, or one of our JSON files."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.view import is_rigid
from SphericalRegLib.imaging.transform_file import TRANSFORM_SUFFIXES, read_transform
from SphericalRegLib.text_files import existing_file

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
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is neither an ITK transform (.tfm, .h5) nor a JSON file: {error}.") from None
    found = [content[key] for key in _KEYS if content.get(key) is not None] if isinstance(content, dict) else []
    if not found:
        raise InputError(f"{path} holds no pose: it lacks the key '{_KEYS[1]}' with a 4×4 matrix.")
    try:
        pose = torch.tensor(found[0], dtype=torch.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"The pose in {path} is no 4×4 matrix of numbers: {error}.") from None
    if pose.shape != (4, 4) or not is_rigid(pose):
        raise GeometryError(f"The pose in {path} is not a rigid 4×4 matrix: {found[0]}.")
    return pose
