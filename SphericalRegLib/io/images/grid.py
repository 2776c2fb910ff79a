"""A CT's voxel grid: from ITK's and DICOM's LPS description to one RAS matrix, checked."""

from __future__ import annotations

import numpy as np
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import frames

_LARGEST_SHEAR = 1e-3  # cosine between two axes: 0.06 degrees
_GIB = 2**30
# HU and attenuation in float32, labels in int16, and the masks in between.
_BYTES_PER_VOXEL = 12
# Stored values in 16 bits and HU in float32, before block means are made of them.
_BYTES_WHILE_READING = 6


def world_from_voxel(
    spacing: np.ndarray, directions: np.ndarray, origin: np.ndarray, name: str, *, right_handed: bool = True
) -> np.ndarray:
    """(4, 4) float64 RAS mm of voxel centers, from ITK's LPS description.

    Args:
        spacing: (3,) mm along i, j, k.
        directions: (3, 3), columns are the unit vectors of i, j, k in LPS.
        origin: (3,) LPS mm of the center of voxel (0, 0, 0).
        name: what the errors call it.
        right_handed: refuse left-handed axes; otherwise make them right-handed with :func:`right_handed_grid`.

    Raises:
        GeometryError: for spacing that is not positive, sheared or left-handed axes; the message names the value.
    """
    if not np.isfinite(spacing).all() or (spacing <= 0).any():
        raise GeometryError(
            f"{name} has a voxel spacing of {_show(spacing)} mm: give its true spacing (i, j, k) in mm."
        )
    if not np.isfinite(directions).all() or not np.isfinite(origin).all():
        raise GeometryError(
            f"{name} has the direction cosines {_show(directions.ravel())} and the origin {_show(origin)}: "
            "all must be finite."
        )
    lengths = np.linalg.norm(directions, axis=0)
    if (np.abs(lengths - 1) > _LARGEST_SHEAR).any():
        raise GeometryError(
            f"{name} has direction cosines of length {_show(lengths)}, not 1 ({_show(directions.ravel())}): its axes "
            "are sheared or scaled. Resample it to a rectangular grid first, or correct its header."
        )
    cosines = np.abs(np.triu(directions.T @ directions, 1))
    if cosines.max() > _LARGEST_SHEAR:
        a, b = np.unravel_index(cosines.argmax(), cosines.shape)
        raise GeometryError(
            f"{name} is sheared: its axes {'ijk'[a]} and {'ijk'[b]} meet at "
            f"{np.degrees(np.arccos(cosines.max())):.2f}°, "
            f"not 90° (direction cosines {_show(directions.ravel())}). Resample it to a rectangular grid first; in "
            "3D Slicer, load a tilted series with 'Acquisition geometry regularization'."
        )
    if right_handed and np.linalg.det(directions) < 0:
        raise GeometryError(
            f"{name} has left-handed direction cosines {_show(directions.ravel())} (determinant -1): a "
            "mirrored image and "
            "a flipped index cannot be told apart. If the file is right, reorder its voxels with "
            'SimpleITK.DICOMOrient(image, "LPS"), which resamples nothing; if it is mirrored, export it again.'
        )
    matrix = np.eye(4)
    matrix[:3, :3] = directions * spacing
    matrix[:3, 3] = origin
    return frames.flip_affine(torch.from_numpy(matrix)).numpy()


def right_handed_grid(matrix: np.ndarray, size: tuple[int, ...]) -> tuple[np.ndarray, bool]:
    """The grid whose slices are counted from the other end, if the given one is left-handed.

    A file whose header tells where every voxel lies may count them along axes of either hand (NIfTI's first axis often
    leads to the left while the others lead to the front and up); reversing one index moves no voxel.

    Args:
        matrix: ``world_from_voxel``, (4, 4).
        size: voxels along i, j, k.

    Returns:
        A right-handed ``world_from_voxel``, and whether the voxels must be reversed along k to fit it.
    """
    if np.linalg.det(matrix[:3, :3]) > 0:
        return matrix, False
    reversal = np.diag([1.0, 1.0, -1.0, 1.0])
    reversal[2, 3] = size[2] - 1
    return matrix @ reversal, True


def check_size(size: tuple[int, ...], name: str, max_voxels: int, downsample: tuple[int, int, int]) -> None:
    """Refuse images that are no volume, and those that would not fit.

    Args:
        size: voxels along i, j, k as the file has them.
        name: what the errors call it.
        max_voxels: the most that may remain after downsampling.
        downsample: factors along i, j, k.

    Raises:
        InputError: with the size, the memory it would need and the factor that helps.
    """
    shape = " × ".join(str(n) for n in size)
    if len(size) != 3 or min(size) < 2:
        raise InputError(
            f"{name} is {shape} voxels: a CT needs three dimensions with two slices or more. Give the whole volume, "
            "or for a DICOM series its folder."
        )
    remaining = np.prod([-(-n // f) for n, f in zip(size, downsample, strict=True)], dtype=float)
    if remaining > max_voxels:
        factor = 2
        while np.prod([-(-n // (f * factor)) for n, f in zip(size, downsample, strict=True)], dtype=float) > max_voxels:
            factor += 1
        reading = np.prod(size, dtype=float) * _BYTES_WHILE_READING / _GIB
        raise InputError(
            f"{name} is {shape} voxels: registering it would need about "
            f"{remaining * _BYTES_PER_VOXEL / _GIB:.1f} GiB of memory. Crop it (best), pass "
            f"downsample={factor * max(downsample)} (block means: about {reading:.1f} GiB while reading, "
            f"{remaining * _BYTES_PER_VOXEL / factor**3 / _GIB:.1f} GiB after), or raise max_voxels={max_voxels}."
        )


def same_grid(a: np.ndarray, b: np.ndarray, size: tuple[int, int, int], tolerance: float) -> bool:
    """Whether two ``world_from_voxel`` put every voxel of a grid within a fraction ``tolerance`` of a voxel."""
    corners = np.array([[i, j, k, 1] for i in (0, size[0]) for j in (0, size[1]) for k in (0, size[2])], dtype=float).T
    smallest = np.linalg.norm(a[:3, :3], axis=0).min()
    return bool(np.linalg.norm(((a - b) @ corners)[:3], axis=0).max() <= tolerance * smallest)


def _show(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{v:.6g}" for v in np.asarray(values)) + ")"


def directions_of(axes: str) -> np.ndarray:
    """(3, 3) LPS direction cosines of three letters such as "LPS" or "RAI": where i, j and k grow toward.

    Raises:
        GeometryError: for anything but one letter for each of left-right, front-back and head-foot.
    """
    letters = axes.strip().upper()
    if len(letters) != 3 or sorted("LAS".find(_AXIS.get(letter, "?")) for letter in letters) != [0, 1, 2]:
        raise GeometryError(
            f"axes={axes!r} must be three letters, one each of L or R, P or A, S or I: where i, j and k grow toward."
        )
    columns = [frames.flip_points(torch.tensor(frames.DIRECTIONS[letter], dtype=torch.float64)) for letter in letters]
    return torch.stack(columns, dim=1).numpy()


_AXIS = {"L": "L", "R": "L", "A": "A", "P": "A", "S": "S", "I": "S"}
