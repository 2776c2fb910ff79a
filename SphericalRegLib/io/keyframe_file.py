"""Poses of bodies in frames that somebody knows: a JSON file, {frame: {body: 4×4 matrix by rows}}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.view import is_rigid
from SphericalRegLib.text_files import finite_numbers, read_json_file
from SphericalRegLib.whole_file import write_whole


def read_keyframes(path: str | Path) -> dict[int, dict[str, Tensor]]:
    """{frame: {name of a body: (4, 4) rig_from_world, RAS mm}}.

    Raises:
        InputError: for another layout.
        GeometryError: for a matrix that is not rigid.
    """
    content = read_json_file(path)
    if not isinstance(content, dict) or not content:
        raise InputError(f'{path} holds no keyframes: they look like {{"12": {{"femur": [[1, 0, 0, 0], ...]}}}}.')
    keyframes: dict[int, dict[str, Tensor]] = {}
    for frame, poses in content.items():
        if not frame.isdecimal() or not isinstance(poses, dict) or not poses:
            raise InputError(f"{path}: {frame[:40]!r} is no frame's number with poses of bodies.")
        keyframes[int(frame)] = {
            name: _pose(matrix, f"{path}, frame {frame}, {name!r}") for name, matrix in poses.items()
        }
    return keyframes


def write_keyframes(path: str | Path, keyframes: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Write what :func:`read_keyframes` reads, all digits, whole or not at all.

    Raises:
        InputError: where it cannot be written.
    """
    content = {
        str(frame): {name: pose.to(torch.float64).tolist() for name, pose in poses.items()}
        for frame, poses in keyframes.items()
    }
    write_whole(path, json.dumps(content, indent=1) + "\n")


def _pose(matrix: object, where: str) -> Tensor:
    pose = torch.tensor(finite_numbers(matrix, (4, 4), where), dtype=torch.float64)
    if not is_rigid(pose):
        raise GeometryError(f"{where} is not a rigid 4×4 matrix: {pose.tolist()}.")
    return pose
