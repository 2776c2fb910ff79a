"""What ITK does not check in a NIfTI file: that its pixels are all there, and that its axes are not sheared.

ITK's reader fills the missing end of a truncated file with garbage, rounds a sheared matrix to the nearest rotation,
and turns NaN and infinity into 0, all without a word. Header layout: https://nifti.nimh.nih.gov, nifti1.h and nifti2.h.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from SphericalRegLib.errors import GeometryError, InputError

_LARGEST_SHEAR = 1e-3  # cosine between two axes
_CHUNK = 1 << 24
# Bits of a voxel by NIfTI's codes of what it holds; ITK goes by the code, whatever the header says of the bits.
_BITS = {2: 8, 4: 16, 8: 32, 16: 32, 32: 64, 64: 64, 128: 24, 256: 8, 512: 16, 768: 32, 1024: 64, 1280: 64, 2304: 32}
# NIfTI's codes of real floating-point voxels.
_FLOATS = {16: "f4", 64: "f8"}


class _Header(NamedTuple):
    """needed: bytes in all. sform: its 3×3 part or None. offset: of the voxels. kind: numpy's dtype, of floats only."""

    needed: int
    sform: np.ndarray | None
    offset: int
    kind: str | None
    size: tuple[int, ...]


def check_nifti(path: Path) -> None:
    """Check a NIfTI file's length, its sform matrix, and that floating-point voxels are finite; other files pass.

    Raises:
        InputError: for a file that is shorter than its header says, or holds NaN or infinity (how many, where first).
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
        raise InputError(
            f"{path} is not a NIfTI file, or its header contradicts itself: check the path, or export it again."
        )
    needed, sform = parsed.needed, parsed.sform
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
    if parsed.kind is not None:
        _check_finite(path, parsed)


def _check_finite(path: Path, header: _Header) -> None:
    """Refuse NaN and infinity among floating-point voxels, read block by block."""
    kind = np.dtype(header.kind)
    bad, first, at, left = 0, -1, 0, int(np.prod(header.size, dtype=object))
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        file.seek(header.offset)
        while left > 0 and (block := file.read(min(left, _CHUNK // kind.itemsize) * kind.itemsize)):
            wrong = np.flatnonzero(~np.isfinite(np.frombuffer(block, kind)))
            if first < 0 and len(wrong):
                first = at + int(wrong[0])
            bad, at, left = bad + len(wrong), at + len(block) // kind.itemsize, left - len(block) // kind.itemsize
    if bad:
        place = np.unravel_index(first, header.size, order="F")
        raise InputError(
            f"{path} holds {bad} values that are not finite, the first at voxel (i, j, k) = "
            f"({', '.join(str(int(n)) for n in place[:3])}): repair the file, for example by setting them to -1000 "
            "(air)."
        )


def _parse(header: bytes) -> _Header | None:
    """A NIfTI-1 or -2 header, or None if it is neither."""
    if len(header) < 348:
        return None
    for order in "<>":
        (length,) = struct.unpack_from(order + "i", header)
        if length == 348:
            dims = struct.unpack_from(order + "8h", header, 40)
            (datatype, bits) = struct.unpack_from(order + "2h", header, 70)
            (offset,) = struct.unpack_from(order + "f", header, 108)
            (code,) = struct.unpack_from(order + "h", header, 254)
            rows = struct.unpack_from(order + "12f", header, 280)
        elif length == 540 and len(header) == 540:
            dims = struct.unpack_from(order + "8q", header, 16)
            (datatype, bits) = struct.unpack_from(order + "2h", header, 12)
            (offset,) = struct.unpack_from(order + "q", header, 168)
            (code,) = struct.unpack_from(order + "i", header, 348)
            rows = struct.unpack_from(order + "12d", header, 400)
        else:
            continue
        if not 1 <= dims[0] <= 7 or min(dims[1 : dims[0] + 1]) < 0 or not np.isfinite(offset) or offset < 0:
            return None
        if _BITS.get(datatype) != bits:
            return None
        size = tuple(max(int(n), 1) for n in dims[1 : dims[0] + 1])
        voxels = int(np.prod(size, dtype=object))
        sform = np.array(rows).reshape(3, 4)[:, :3] if code > 0 else None
        kind = f"{order}{_FLOATS[datatype]}" if datatype in _FLOATS else None
        return _Header(int(offset) + voxels * bits // 8, sform, int(offset), kind, size)
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
            # small pieces: what a broken one held is lost
            while total < needed and (block := unpacked.read(1 << 12)):
                total += len(block)
    except (OSError, EOFError, zlib.error):
        return min(total, needed - 1)
    return total
