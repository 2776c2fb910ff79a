"""Whether a DICOM file's pixels can be what its tags promise, before a decoder sets memory aside for them."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import NamedTuple

from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes, RLELossless

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.dicom.file import damage_named, read_dataset

# A run of PS3.5 G.3.1 stands for 128 values and takes two bytes; zeros pack more densely in the other compressions.
_RLE_RATIO, _RATIO = 64, 100_000
# Bytes behind the last run of a segment: one by the standard.
_PADDING = 8
# Tiles of a JPEG 2000 image that its standard can number.
_MOST_TILES = 65535


class _Picture(NamedTuple):
    rows: int
    columns: int
    components: int


def check_dicom_pixels(path: Path) -> None:
    """Check that a DICOM file holds as many bytes as its pixels need, and compressed frames of the size that it says.

    Raises:
        InputError: for a file without pixels, truncated ones, or compressed frames of another size.
    """
    dataset = read_dataset(path)
    with damage_named(path):
        check_sent_pixels(dataset, path)


def check_sent_pixels(dataset: Dataset, path: Path) -> None:
    """The same of a dataset that was read already.

    Raises:
        InputError: as :func:`check_dicom_pixels`.
    """
    if "PixelData" not in dataset:
        raise InputError(f"{path} is DICOM without pixels: name the image file.")
    rows, columns = (int(dataset.get(tag) or 0) for tag in ("Rows", "Columns"))
    frames, samples = (int(dataset.get(tag) or 1) for tag in ("NumberOfFrames", "SamplesPerPixel"))
    bits = int(dataset.get("BitsAllocated") or 0)
    if min(rows, columns, frames, samples) < 1 or bits not in (1, 8, 16, 32, 64):
        raise InputError(
            f"{path} has Rows {rows}, Columns {columns}, NumberOfFrames {frames}, SamplesPerPixel {samples} and "
            f"BitsAllocated {bits}, which is no image: export it again."
        )
    pixels = bytes(dataset.PixelData)
    promised = math.ceil(rows * columns * frames * samples * bits / 8)
    syntax = dataset.file_meta.TransferSyntaxUID
    ratio = 1 if not syntax.is_encapsulated else _RLE_RATIO if syntax == RLELossless else _RATIO
    if promised > len(pixels) * ratio:
        raise InputError(
            f"{path} is truncated: {columns} × {rows} pixels in {frames} frames need {promised} bytes, and "
            f"{len(pixels)} {'bytes' if ratio == 1 else 'compressed bytes'} are there. Copy or export it again."
        )
    if syntax == RLELossless:
        for number, frame in enumerate(generate_frames(pixels, number_of_frames=frames)):
            if not _fits_run_lengths(frame, rows * columns, samples * bits // 8):
                raise InputError(
                    f"The compressed frame {number} of {path} does not hold {columns} × {rows} pixels of {bits} bits: "
                    "export it again."
                )
    if syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes):
        for number, frame in enumerate(generate_frames(pixels, number_of_frames=frames)):
            found = _picture(frame)
            if found != (rows, columns, samples):
                shown = "no size" if found is None else f"{found.columns} × {found.rows} pixels of {found.components}"
                raise InputError(
                    f"The compressed frame {number} of {path} says {shown}, its tags {columns} × {rows} of {samples}: "
                    "export it again."
                )


def _fits_run_lengths(stream: bytes, pixels: int, segments: int) -> bool:
    """Whether run lengths (PS3.5 G) unpack to one byte of each pixel in each segment, but for padding."""
    offsets = struct.unpack_from("<16I", stream) if len(stream) > 64 else (0,)
    starts = offsets[1 : segments + 1]
    if offsets[0] != segments or segments > 15 or not all(64 <= start < len(stream) for start in starts):
        return False
    for start, end in zip(starts, (*starts[1:], len(stream)), strict=True):
        at, total = start, 0
        while at < end and total < pixels:
            control = stream[at]
            total += control + 1 if control < 128 else 257 - control if control > 128 else 0
            at += control + 2 if control < 128 else 2 if control > 128 else 1
        if not start < end or not pixels <= total <= pixels + 1 or end - at > _PADDING:
            return False
    return True


def _picture(stream: bytes) -> _Picture | None:
    """What a compressed frame says of itself: JPEG and JPEG-LS (T.81 B.2.2, T.87 C.2.2), or JPEG 2000 (T.800 A.5.1)."""
    try:
        start = stream[:256].find(b"\xff\x4f\xff\x51")
        return _jpeg(stream) if start < 0 else _jpeg2000(stream[start:])
    except (struct.error, IndexError):
        return None


def _jpeg(stream: bytes) -> _Picture | None:
    at = 2
    while stream[:2] == b"\xff\xd8" and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            return _Picture(*struct.unpack_from(">HHB", stream, at + 5))
        at += 2 + max(2, int.from_bytes(stream[at + 2 : at + 4], "big"))
    return None


def _jpeg2000(stream: bytes) -> _Picture | None:
    width, height, left, top, tile_width, tile_height, tile_left, tile_top, components = struct.unpack_from(
        ">8IH", stream, 8
    )
    if tile_width < 1 or tile_height < 1 or tile_left > left or tile_top > top:
        return None
    tiles = math.ceil((width - tile_left) / tile_width) * math.ceil((height - tile_top) / tile_height)
    # decoders set aside the whole reference grid, however little of it the image covers
    if not 0 < tiles <= _MOST_TILES or left > width // 2 or top > height // 2:
        return None
    return _Picture(height - top, width - left, components)
