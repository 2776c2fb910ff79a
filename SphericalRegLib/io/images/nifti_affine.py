"""Where a NIfTI file's voxels lie, by its own header: ITK takes spacings from pixdim whatever the sform says, chooses
between a qform and an sform that differ without a word, and makes up a place where there is neither.

Layout and meaning: https://nifti.nimh.nih.gov, nifti1.h; ITK does not read NIfTI-2.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from SphericalRegLib.errors import GeometryError, InputError

Affine = Literal["sform", "qform"]

# Of xyzt_units' spatial part: unknown (millimeters, as everyone takes it), meter, millimeter, micron.
_MILLIMETERS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
# Voxels by which sform and qform may part, and radians: a quaternion in float32 loses half of its digits near 180°.
_LARGEST_OFFSET, _LARGEST_TURN = 0.1, 1e-3
_LARGEST_STRETCH = 0.01


class NiftiGrid(NamedTuple):
    """``matrix``: (4, 4) float64 RAS mm of voxel centers, of either hand, or None where the header has none.

    spacing: (3,) mm of pixdim. added: what ITK adds to the values although the header says that they are not scaled.
    """

    matrix: np.ndarray | None
    spacing: np.ndarray
    added: float
    notes: tuple[str, ...]


class _Header(NamedTuple):
    size: tuple[int, ...]
    pixdim: tuple[float, ...]
    qform_code: int
    sform_code: int
    quaternion: tuple[float, ...]
    rows: tuple[float, ...]
    slope: float
    intercept: float
    units: int


def is_nifti(path: Path) -> bool:
    """By its name, as ITK goes by it."""
    return path.name.lower().endswith((".nii", ".nii.gz", ".hdr", ".img", ".img.gz"))


def nifti_grid(path: Path, choice: Affine | None) -> NiftiGrid:
    """The grid of a NIfTI file.

    Args:
        path: ``.nii``, ``.nii.gz``, or one file of a pair.
        choice: which matrix to use; by default they must agree where there are both.

    Raises:
        InputError: for a header that is none, unknown units, or a choice that is not there.
        GeometryError: for an sform and a qform that put voxels at different places.
    """
    header = _header(path)
    if header.units not in _MILLIMETERS:
        raise InputError(
            f"{path} has xyzt_units {header.units} for lengths, which NIfTI does not define: correct its header (2 is "
            "millimeter)."
        )
    scale = np.diag([*[_MILLIMETERS[header.units]] * 3, 1.0])
    spacing = np.abs(header.pixdim[1:4]) * _MILLIMETERS[header.units]
    matrices: dict[str, np.ndarray] = {}
    if header.sform_code > 0:
        matrices["sform"] = scale @ np.array([*header.rows, 0, 0, 0, 1], dtype=float).reshape(4, 4)
    if header.qform_code > 0:
        matrices["qform"] = scale @ _from_quaternion(header)
    if not np.isfinite([*header.pixdim[1:4], *(n for matrix in matrices.values() for n in matrix.ravel())]).all():
        raise GeometryError(f"{path} has numbers that are not finite in its pixdim, sform or qform: export it again.")
    if choice is not None and choice not in matrices:
        there = " and ".join(matrices) or "neither sform nor qform"
        raise InputError(f"{path} has no {choice} (nifti_affine={choice!r}): it has {there}.")
    if choice is None and len(matrices) == 2:
        _check_agreement(path, header, matrices["sform"], matrices["qform"])
    matrix = matrices.get(choice or "sform", matrices.get("qform"))
    return NiftiGrid(matrix, spacing, _added(path, header), _notes(matrix, spacing))


def _check_agreement(path: Path, header: _Header, sform: np.ndarray, qform: np.ndarray) -> None:
    size = header.size[:3]
    corners = np.array([[i, j, k, 1] for i in (0, size[0]) for j in (0, size[1]) for k in (0, size[2])], dtype=float).T
    apart = float(np.linalg.norm(((sform - qform) @ corners)[:3], axis=0).max())
    lengths = np.linalg.norm(qform[:3, :3], axis=0)
    allowed = _LARGEST_OFFSET * float(lengths.min()) + _LARGEST_TURN * float(np.linalg.norm(lengths * size))
    if apart > allowed:
        raise GeometryError(
            f"{path} says twice where it lies, and differently: its sform (code {header.sform_code}) and its qform "
            f"(code {header.qform_code}) put voxels up to {apart:.4g} mm apart, with spacings "
            f"{_shown(np.linalg.norm(sform[:3, :3], axis=0))} and {_shown(lengths)} mm and first voxels at "
            f"{_shown(sform[:3, 3])} and {_shown(qform[:3, 3])} mm. Choose the one to use with nifti_affine='sform' or "
            "nifti_affine='qform' (the qform is mostly the scanner's)."
        )


def _notes(matrix: np.ndarray | None, spacing: np.ndarray) -> tuple[str, ...]:
    if matrix is None:
        return ()
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if (np.abs(lengths - spacing) <= _LARGEST_STRETCH * lengths).all():
        return ()
    return (
        f"its voxel size is {_shown(lengths)} mm by its sform, which was used, and {_shown(spacing)} mm by its pixdim.",
    )


def _added(path: Path, header: _Header) -> float:
    """A slope of 0 says that values are not scaled, but ITK adds the intercept."""
    if np.isfinite(header.slope) and header.slope != 0 and not np.isfinite(header.intercept):
        raise InputError(f"{path} has scl_inter {header.intercept} with scl_slope {header.slope:g}: export it again.")
    return header.intercept if header.slope == 0 and np.isfinite(header.intercept) else 0.0


def _from_quaternion(header: _Header) -> np.ndarray:
    """(4, 4): rotation by the quaternion, spacing by pixdim, k reversed where pixdim[0] is negative."""
    b, c, d, *place = (float(n) for n in header.quaternion)
    squared = b * b + c * c + d * d
    if squared > 1:
        b, c, d = (n / np.sqrt(squared) for n in (b, c, d))
        squared = 1.0
    a = np.sqrt(1.0 - squared)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ]  # fmt: skip
    hand = -1.0 if header.pixdim[0] < 0 else 1.0
    matrix[:3, :3] *= np.abs(header.pixdim[1:4]) * [1, 1, hand]
    matrix[:3, 3] = place
    return matrix


def _header(path: Path) -> _Header:
    start = _start(path)
    for order in "<>":
        if len(start) >= 348 and struct.unpack_from(order + "i", start)[0] == 348:
            codes = struct.unpack_from(order + "2h", start, 252)
            if start[344:347] not in (b"n+1", b"ni1"):
                codes = (0, 0)  # Analyze 7.5, which has other things there
            floats = struct.unpack_from(order + "18f", start, 256)
            return _Header(
                size=struct.unpack_from(order + "8h", start, 40)[1:],
                pixdim=struct.unpack_from(order + "8f", start, 76),
                qform_code=codes[0],
                sform_code=codes[1],
                quaternion=floats[:6],
                rows=floats[6:],
                slope=struct.unpack_from(order + "f", start, 112)[0],
                intercept=struct.unpack_from(order + "f", start, 116)[0],
                units=start[123] & 7,
            )
    raise InputError(f"{path} is not a NIfTI file (wrong header): check the path, or export it again.")


def _start(path: Path) -> bytes:
    name = path.name.lower()
    if name.endswith((".img", ".img.gz")):
        path = path.with_name(path.name[: name.rindex(".img")] + ".hdr")
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            return bytes(file.read(348))
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read as NIfTI: {error}. Copy or export it again.") from None


def _shown(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in values) + ")"
