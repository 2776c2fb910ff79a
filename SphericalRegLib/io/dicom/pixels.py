"""The stored values of one frame of a DICOM image: decoded, and with the bits that belong to the pixel (PS3.5 8.1)."""

from __future__ import annotations

import copy
import struct
import tempfile
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import pixel_array
from pydicom.uid import UID, RLELossless

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.images import itk_io

_PIXEL_TAGS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
)


def stored_values(dataset: Dataset, path: Path, frame: int) -> np.ndarray:
    """(H, W) integers as stored, of one frame (from 0).

    Bits beside the pixel's own (overlays and what else older software left there) are masked off; a pixel in the
    higher bits of its cell is moved down.

    Args:
        dataset: with pixels, in one gray channel.
        path: of the file, for messages.
        frame: from 0.

    Raises:
        InputError: for pixels that cannot be decoded, and for bit numbers that contradict each other.
    """
    try:
        syntax = dataset.file_meta.TransferSyntaxUID
    except AttributeError:
        raise InputError(f"{path} does not name its transfer syntax: export it again as a DICOM file.") from None
    stored, high = check_bits(dataset, path)
    signed = int(dataset.get("PixelRepresentation") or 0) == 1
    if _keeps_cells(syntax):
        return _own_bits(_cells(dataset, path, frame), stored, high, signed)
    values = _decompressed(dataset, path, frame)
    # Compressions keep values, not cells; but the decoder may not know their sign.
    return _own_bits(values, stored, high, signed) if signed else values


def check_bits(dataset: Dataset, path: Path) -> tuple[int, int]:
    """(BitsStored, HighBit) of a dataset whose pixels can be told from its other bits.

    Raises:
        InputError: for bit numbers that contradict each other, or a transfer syntax that leaves them in doubt.
    """
    allocated, stored, high = _bits(dataset, path)
    syntax = dataset.file_meta.get("TransferSyntaxUID") if "file_meta" in vars(dataset) else None
    if syntax is not None and not _keeps_cells(syntax) and high != stored - 1:
        raise InputError(
            f"{path} is compressed ({syntax.name}) with BitsAllocated {allocated}, BitsStored {stored} and HighBit "
            f"{high}: which bits are the pixel's is not certain then. Decompress it with the software that wrote it."
        )
    return stored, high


def _keeps_cells(syntax: UID) -> bool:
    """Whether pixels come out of their cells as they went in: run lengths keep whole cells, as no compression does."""
    return not syntax.is_compressed or syntax == RLELossless


def _bits(dataset: Dataset, path: Path) -> tuple[int, int, int]:
    """(BitsAllocated, BitsStored, HighBit); the last two as is usual where they are absent."""
    allocated = int(dataset.get("BitsAllocated") or 0)
    stored = dataset.get("BitsStored")
    stored = allocated if stored is None else int(stored)
    high = dataset.get("HighBit")
    high = stored - 1 if high is None else int(high)
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise InputError(
            f"{path} has BitsAllocated {allocated}, BitsStored {stored} and HighBit {high}, which do not fit together "
            "for an X-ray (8, 16 or 32 bits allocated, and the stored ones within them): export it again."
        )
    return allocated, stored, high


def _cells(dataset: Dataset, path: Path, frame: int) -> np.ndarray:
    """(H, W) unsigned integers of BitsAllocated bits, as they lie in the file."""
    whole = _pixels_alone(dataset)
    whole.BitsStored, whole.HighBit, whole.PixelRepresentation = dataset.BitsAllocated, dataset.BitsAllocated - 1, 0
    try:
        return np.asarray(pixel_array(whole, index=frame))
    except (ValueError, AttributeError, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"The pixels of {path} cannot be read: {error}. Export it again.") from None


def _pixels_alone(dataset: Dataset) -> Dataset:
    """A copy with nothing but what is needed to decode the pixels."""
    bare = Dataset()
    for keyword in _PIXEL_TAGS:
        if keyword in dataset:
            bare[keyword] = copy.copy(dataset[keyword])  # an element's value may be set below
    bare.PhotometricInterpretation = "MONOCHROME2"
    bare.SamplesPerPixel = 1
    bare.file_meta = dataset.file_meta
    return bare


def _own_bits(cells: np.ndarray, stored: int, high: int, signed: bool) -> np.ndarray:
    """The numbers in bits ``high`` − ``stored`` + 1 to ``high`` of cells, in the cells' own width."""
    width = cells.dtype.itemsize * 8
    # Shifted up, the pixel's sign bit is the cell's; shifted down, an integer type brings the sign or zeros along.
    up = (cells.view(f"u{cells.dtype.itemsize}") << (width - 1 - high)).astype(f"u{cells.dtype.itemsize}")
    return up.view(f"{'i' if signed else 'u'}{cells.dtype.itemsize}") >> (width - stored)


def _decompressed(dataset: Dataset, path: Path, frame: int) -> np.ndarray:
    """(H, W) stored values of one frame, by GDCM within ITK: pydicom itself knows few compressions.

    GDCM gets a copy with nothing but the pixels, so that it returns what is stored and neither rescales nor inverts.
    """
    bare = _frame_alone(_pixels_alone(dataset), path, frame)
    bare.preamble = b"\0" * 128
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "xray.dcm"
        pydicom.dcmwrite(file, bare, enforce_file_format=False)
        try:
            array = itk_io.read_pixels(itk_io.read_header(file))
        except InputError as error:
            reason = str(error).rpartition("ITK says: ")[2]
            name = dataset.file_meta.TransferSyntaxUID.name
            raise InputError(f"The pixels of {path} ({name}) cannot be decoded, export it again: {reason}") from None
    return array.reshape(-1, *array.shape[-2:])[0]


def _frame_alone(bare: Dataset, path: Path, frame: int) -> Dataset:
    """One frame of several, still compressed: of a long run each is decoded by itself.

    Raises:
        InputError: where it cannot be told which fragments are the frame's (PS3.5 A.4).
    """
    count = int(bare.get("NumberOfFrames") or 1)
    if count == 1:
        return bare
    try:
        own = get_frame(bare.PixelData, frame, number_of_frames=count)
    except (ValueError, EOFError, struct.error) as error:
        raise InputError(f"Frame {frame} of {path} cannot be told from the others: {error}. Export it again.") from None
    bare.PixelData = encapsulate([own])
    bare["PixelData"].is_undefined_length = True
    bare.NumberOfFrames = 1
    return bare
