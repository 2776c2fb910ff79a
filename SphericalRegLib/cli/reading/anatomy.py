"""Joints and anatomical frames, out of a command's options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.imaging.bodies import Body
from SphericalRegLib.text_files import finite_numbers, read_json_file
from SphericalRegLib.tracking.anatomical_frames import frame_of_inertia, named_frames
from SphericalRegLib.tracking.kinematics import Joint

_LAYOUT = (
    '{"landmarks": {"name": [x, y, z]}, "frames": {"body": {"origin": "name", "along": ["from", "to"], "aside": '
    '["from", "to"]}}}, mm RAS'
)


def chosen_joints(written: Sequence[str] | None, order: str, orders: Sequence[str]) -> list[Joint]:
    """The joints that an option names, each PROXIMAL:DISTAL.

    Raises:
        InputError: for one that is none, or another order of axes.
    """
    if order not in orders:
        raise InputError(f"--axes {order} is no order of three axes: choose from {', '.join(orders)}.")
    joints = []
    for text in written or ():
        proximal, _, distal = (part.strip() for part in text.partition(":"))
        if not proximal or not distal:
            raise InputError(f"--joints {text!r} is no pair of bodies: write PROXIMAL:DISTAL.")
        joints.append(Joint(proximal, distal, order))
    return joints


def anatomical_frames(joints: Sequence[Joint], bodies: Sequence[Body], anatomy: str | None) -> dict[str, Tensor]:
    """{name: (4, 4) world_from_anatomical} of the joints' bodies, from a file, or from axes of inertia for those that
    it does not name.

    Raises:
        InputError, GeometryError: for a file of another layout, bodies that are not there, or bodies without a frame.
    """
    frames = {} if anatomy is None else read_anatomy(anatomy)
    volumes = {body.name: body.volume for body in bodies}
    for name in sorted({name for joint in joints for name in (joint.proximal, joint.distal)}):
        if name not in volumes:
            raise InputError(f"--joints names {name!r}, which is no body: choose from {', '.join(volumes)}.")
        if name in frames:
            continue
        try:
            frames[name] = frame_of_inertia(volumes[name])
        except GeometryError as error:
            raise GeometryError(f"{name}: {error} (--anatomy)") from None
    return frames


def read_anatomy(path: str) -> dict[str, Tensor]:
    """{name of a body: (4, 4) world_from_anatomical, RAS mm} from a JSON file with landmarks.

    Raises:
        InputError: for another layout.
        GeometryError: for landmarks that make no frame.
    """
    content: Any = read_json_file(path)
    if not isinstance(content, Mapping) or set(content) != {"landmarks", "frames"}:
        raise InputError(f"{path} is no anatomy: it looks like {_LAYOUT}.")
    if not all(isinstance(content[key], Mapping) for key in content):
        raise InputError(f"{path} is no anatomy: landmarks and frames are tables, as in {_LAYOUT}.")
    landmarks = {
        name: torch.tensor(finite_numbers(value, (3,), f"{path}: the landmark {name!r}"), dtype=torch.float64)
        for name, value in content["landmarks"].items()
    }
    return named_frames(content["frames"], landmarks)
