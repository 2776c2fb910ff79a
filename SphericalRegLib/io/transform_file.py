"""Poses as ITK transform files, which 3D Slicer reads."""

from __future__ import annotations

from pathlib import Path

import SimpleITK
import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import frames, se3
from SphericalRegLib.geometry.view import is_rigid
from SphericalRegLib.io.images.isolated_itk import read_itk_transform
from SphericalRegLib.io.images.itk_writer import write_itk_transform
from SphericalRegLib.io.transform_checks import check_transform

TRANSFORM_SUFFIXES = (".tfm", ".txt", ".h5", ".mat")


def write_transform(path: str | Path, pose: Tensor) -> None:
    """Write a pose so that 3D Slicer, with the CT under the transform, moves the CT into the rig's frame.

    An ITK file holds the inverse of what Slicer calls "to parent", in LPS: so ITK's ``TransformPoint`` takes points of
    the rig (LPS, mm) to the CT's world (LPS, mm), as resampling needs it, and Slicer shows rig_from_world in RAS.

    Args:
        path: ``.tfm`` (text) or ``.h5``.
        pose: (4, 4) rig_from_world, RAS mm.

    Raises:
        GeometryError: for a matrix that is not rigid.
        InputError: where the file cannot be written.
    """
    matrix = pose.detach().to("cpu", torch.float64)
    if matrix.shape != (4, 4) or not is_rigid(matrix):
        raise GeometryError(f"The pose to write is not a rigid 4×4 matrix: {matrix.tolist()}.")
    stored = frames.flip_transform(se3.inverse(matrix))
    transform = SimpleITK.AffineTransform(3)
    transform.SetMatrix(stored[:3, :3].flatten().tolist())
    transform.SetTranslation(stored[:3, 3].tolist())
    write_itk_transform(path, transform)


def read_transform(path: str | Path) -> Tensor:
    """The pose (4, 4) rig_from_world, RAS mm, of a rigid ITK transform: the inverse of :func:`write_transform`.

    A center of rotation counts, and of a CompositeTransform all members in ITK's order, the last one first.

    Raises:
        InputError: for a file that is no linear ITK transform in 3D, or holds several that are no composite.
        GeometryError: for one that scales, shears or mirrors.
    """
    check_transform(path)
    transform = read_itk_transform(path)
    if transform.GetDimension() != 3 or not transform.IsLinear():
        raise InputError(
            f"{path} holds no linear 3D transform ({transform.GetName()}, {transform.GetDimension()}D): a pose is a "
            "rigid one. Export that from 3D Slicer."
        )
    origin = torch.tensor(transform.TransformPoint((0.0, 0.0, 0.0)), dtype=torch.float64)
    ends = torch.tensor([transform.TransformPoint(axis) for axis in torch.eye(3).tolist()], dtype=torch.float64)
    matrix = se3.from_parts((ends - origin).T, origin)
    if not is_rigid(matrix):
        lengths = [round(float(length), 6) for length in matrix[:3, :3].norm(dim=0)]
        raise GeometryError(
            f"{path} is not rigid: it scales, shears or mirrors (its axes become {lengths} long): {matrix.tolist()}."
        )
    return se3.inverse(frames.flip_transform(matrix))
