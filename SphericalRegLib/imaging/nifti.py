"""What ITK does not check in a NIfTI file: that its pixels are all there, and that its axes are not sheared.

ITK's reader fills the missing end of a truncated file with garbage and rounds a sheared matrix to the nearest rotation,
both without a word. Header layout: https://nifti.nimh.nih.gov, nifti1.h and nifti2.h.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from SphericalRegLib.errors import GeometryError, InputError

_LARGEST_SHEAR = 1e-3  # cosine between two axes
_CHUNK = 1 << 24


def check_nifti(path: Path) -> None:
    """Check a NIfTI file's length and its sform matrix; other files pass.

    Raises:
        InputError: for a file that is shorter than its header says.
        GeometryError: for a sheared sform.
    """
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        return
    compressed = name.endswith(".gz")
    try:
        with gzip.open(path) if compressed else path.open("rb") as file:
            header = file.read(540)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read as NIfTI: {error}. Copy or export it again.") from None
    parsed = _parse(header)
    if parsed is None:
        raise InputError(f"{path} is not a NIfTI file (wrong header): check the path, or export it again.")
    needed, sform = parsed
    there = _compressed_length(path, needed) if compressed else path.stat().st_size
    if there < needed:
        raise InputError(
            f"{path} is truncated: its header announces {needed} bytes and {there} are there. Copy or export it again."
        )
    if sform is not None:
        axes = sform / np.maximum(np.linalg.norm(sform, axis=0), 1e-30)
        cosines = np.abs(np.triu(axes.T @ axes, 1))
        if cosines.max() > _LARGEST_SHEAR:
            a, b = np.unravel_index(cosines.argmax(), cosines.shape)
            raise GeometryError(
                f"{path} is sheared: its sform has a cosine of {cosines.max():.4f} between the axes {'ijk'[a]} and "
                f"{'ijk'[b]}, which should be at right angles. Resample it to a rectangular grid first."
            )


def _parse(header: bytes) -> tuple[int, np.ndarray | None] | None:
    """(bytes the file must have, sform's 3×3 part or None) of a NIfTI-1 or -2 header, or None if it is neither."""
    if len(header) < 348:
        return None
    for order in "<>":
        (length,) = struct.unpack_from(order + "i", header)
        if length == 348:
            dims = struct.unpack_from(order + "8h", header, 40)
            (bits,) = struct.unpack_from(order + "h", header, 72)
            (offset,) = struct.unpack_from(order + "f", header, 108)
            (code,) = struct.unpack_from(order + "h", header, 254)
            rows = struct.unpack_from(order + "12f", header, 280)
        elif length == 540 and len(header) == 540:
            dims = struct.unpack_from(order + "8q", header, 16)
            (bits,) = struct.unpack_from(order + "h", header, 14)
            (offset,) = struct.unpack_from(order + "q", header, 168)
            (code,) = struct.unpack_from(order + "i", header, 348)
            rows = struct.unpack_from(order + "12d", header, 400)
        else:
            continue
        if not 1 <= dims[0] <= 7 or not np.isfinite(offset):
            return None
        voxels = int(np.prod([max(int(n), 1) for n in dims[1 : dims[0] + 1]], dtype=object))
        sform = np.array(rows).reshape(3, 4)[:, :3] if code > 0 else None
        return int(offset) + voxels * bits // 8, sform
    return None


def _compressed_length(path: Path, needed: int) -> int:
    """Bytes that a gzip file unpacks to; reads it whole only where its last four bytes do not agree with ``needed``."""
    with path.open("rb") as file:
        file.seek(-4, 2)
        (length,) = struct.unpack("<I", file.read(4))
    if length == needed % (1 << 32):
        return needed
    total = 0
    try:
        with gzip.open(path) as unpacked:
            while block := unpacked.read(_CHUNK):
                total += len(block)
    except (OSError, EOFError, zlib.error):
        return min(total, needed - 1)
    return total
