"""Anatomical frames of bodies, in the CT's world: from landmarks, or from how a body's mass lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.volume import Volume

# Degrees: two axes closer than this do not fix a frame.
_PARALLEL_DEG = 5.0
# Second moments within this share of one another have no axis of their own.
_ROUND = 0.05


def frame_of_landmarks(origin: Tensor, along: tuple[Tensor, Tensor], aside: tuple[Tensor, Tensor]) -> Tensor:
    """(4, 4) world_from_anatomical, mm.

    z runs along the bone, exactly; x to the side, as nearly as z allows; y = z × x to the front.

    Args:
        origin: (3,) world mm.
        along: (3,) from and to, of z.
        aside: (3,) from and to, of x.

    Raises:
        GeometryError: for points that coincide, or axes that are parallel.
    """
    z, rough = along[1] - along[0], aside[1] - aside[0]
    if float(z.norm()) < 1e-6 or float(rough.norm()) < 1e-6:
        raise GeometryError("Two landmarks of an axis are at one place: mark them apart.")
    z, rough = z / z.norm(), rough / rough.norm()
    y = torch.linalg.cross(z, rough)
    if float(y.norm()) < torch.sin(torch.deg2rad(torch.tensor(_PARALLEL_DEG))):
        raise GeometryError("The landmarks' axes along the bone and to its side are parallel: mark other ones.")
    y = y / y.norm()
    return se3.from_parts(torch.stack([torch.linalg.cross(y, z), y, z], 1), origin)


def frame_of_inertia(volume: Volume) -> Tensor:
    """(4, 4) world_from_anatomical, mm, of a body by its attenuation as mass.

    The origin is the center of mass; z the axis of the smallest moment of inertia (along a long bone), turned to the
    head (or, of a lying axis, to where its largest component is positive), x that of the others which is more to the
    right, turned there, y = z × x.

    Raises:
        GeometryError: for a body without mass, or one so round that its axes are chance.
    """
    density = volume.density.sum(0).clamp(min=0).double()
    k, j, i = torch.nonzero(density > 0, as_tuple=True)
    if len(k) == 0:
        raise GeometryError("A body that attenuates nothing has no axes of inertia: give landmarks.")
    weights = density[k, j, i]
    weights = weights / weights.sum()
    matrix = volume.world_from_voxel
    points = torch.stack([i, j, k], 1).double() @ matrix[:3, :3].T + matrix[:3, 3]
    center = weights @ points
    spread = points - center
    values, vectors = torch.linalg.eigh((spread * weights[:, None]).T @ spread)
    smallest, middle, largest = (float(value) for value in values)
    if largest - middle < _ROUND * largest or middle - smallest < _ROUND * middle:
        raise GeometryError(
            f"The body is too round for axes of inertia (second moments {smallest:.1f}, {middle:.1f} and "
            f"{largest:.1f} mm²): give landmarks."
        )
    z = _turned_to(vectors[:, 2], 2)
    x = _turned_to(max(vectors[:, 0], vectors[:, 1], key=lambda axis: abs(float(axis[0]))), 0)
    return se3.from_parts(torch.stack([x, torch.linalg.cross(z, x), z], 1), center)


def named_frames(
    table: Mapping[str, Mapping[str, Sequence[str] | str]], landmarks: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """{name of a body: (4, 4) world_from_anatomical} by names of landmarks.

    Args:
        table: {name of a body: {"origin": landmark, "along": [from, to], "aside": [from, to]}}.
        landmarks: {name: (3,) world mm}.

    Raises:
        InputError: for an entry that is none, or landmarks that are not there.
        GeometryError: as :func:`frame_of_landmarks`.
    """
    frames = {}
    for body, entry in table.items():
        if set(entry) != {"origin", "along", "aside"}:
            raise InputError(
                f"The anatomical frame of {body!r} has {', '.join(entry) or 'nothing'}: give origin (a landmark), "
                "along and aside (two landmarks each)."
            )

        def point(name: object, of: str = body) -> Tensor:
            if not isinstance(name, str) or name not in landmarks:
                raise InputError(f"There is no landmark {name!r} for {of!r}: there are {', '.join(landmarks)}.")
            return landmarks[name]

        axes = []
        for key in ("along", "aside"):
            ends = entry[key]
            if isinstance(ends, str) or len(ends) != 2:
                raise InputError(f"{key} of {body!r} must name two landmarks, from and to, not {ends!r}.")
            axes.append((point(ends[0]), point(ends[1])))
        frames[body] = frame_of_landmarks(point(entry["origin"]), axes[0], axes[1])
    return frames


def _turned_to(axis: Tensor, direction: int) -> Tensor:
    """The axis or its opposite: toward a direction of the world, or, where it is across it, its largest component."""
    component = axis[direction] if abs(float(axis[direction])) > 0.1 else axis[axis.abs().argmax()]
    return axis if float(component) > 0 else -axis
