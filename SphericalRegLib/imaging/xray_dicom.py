"""The pixels of a DICOM X-ray, and what its tags say about them."""

from __future__ import annotations

import contextlib
import struct
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels import apply_modality_lut, pixel_array

from SphericalRegLib.errors import InputError, SphericalRegError
from SphericalRegLib.imaging import itk_io
from SphericalRegLib.imaging.shutter import field_from_tags
from SphericalRegLib.imaging.tone import Tone

# Fluoroscopy and angiography show bone dark, radiography shows it bright.
_DARK_BONE = ("XA", "RF")
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


@dataclass(frozen=True)
class DicomXRay:
    """One frame as stored.

    Attributes:
        dataset: all tags.
        values: (H, W) after modality LUT or rescale.
        usable: (H, W) bool: not padding, inside collimator and shutter as far as the tags tell.
        tone: what the tags say the values are.
        tone_reason: which tags said so.
        frame: counted from 0.
    """

    dataset: Dataset
    values: np.ndarray
    usable: np.ndarray
    tone: Tone
    tone_reason: str
    frame: int


# What pydicom, numpy and conversions raise over damaged or nonsensical tags.
_DAMAGE = (
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    IndexError,
    NotImplementedError,
    OverflowError,
    ZeroDivisionError,
    BytesLengthException,
    struct.error,
)


@contextlib.contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Errors over damaged tags within become an InputError that names the file; our own pass.

    Raises:
        InputError: for a file with damaged or nonsensical tags.
    """
    try:
        yield
    except SphericalRegError:
        raise
    except _DAMAGE as error:
        raise InputError(
            f"{path} is damaged, or one of its DICOM tags makes no sense ({type(error).__name__}: {error}): export it "
            "again."
        ) from error


def read_dicom_xray(path: Path, frame: int | None) -> DicomXRay:
    """Read one frame of a DICOM X-ray (XA, RF, CR, DX, RTIMAGE), compressed or not.

    Args:
        path: the file.
        frame: counted from 0; required where there are several.

    Raises:
        InputError: for damaged or truncated files, files without pixels, color, or several frames and none chosen.
    """
    with damage_named(path):
        return _read(path, frame)


def _read(path: Path, frame: int | None) -> DicomXRay:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd private tags; what matters raises
            dataset = pydicom.dcmread(path)
    except (InvalidDicomError, EOFError, OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as DICOM: {error}. Export it again.") from None
    if "PixelData" not in dataset:
        raise InputError(
            f"{path} is DICOM ({dataset.get('Modality', 'no modality')}) without pixels: name the image file."
        )
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if int(dataset.get("SamplesPerPixel") or 1) != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(
            f"{path} is a color image ({photometric}): an X-ray has gray values. Export the original, not a screenshot."
        )
    frame = chosen_frame(int(dataset.get("NumberOfFrames") or 1), frame, path)
    stored = _decoded(dataset, path, frame)
    usable = np.ones(stored.shape, bool)
    if (padding := dataset.get("PixelPaddingValue")) is not None:
        limit = dataset.get("PixelPaddingRangeLimit", padding)
        usable &= ~((stored >= min(padding, limit)) & (stored <= max(padding, limit)))
    field = field_from_tags(dataset, *stored.shape)
    if field is not None:
        usable &= field
    tone, reason = tone_from_tags(dataset)
    values = np.asarray(apply_modality_lut(stored, dataset))
    if not np.isfinite(values).all():
        raise InputError(
            f"{path} rescales its pixels to values that are not finite: check RescaleSlope and -Intercept."
        )
    return DicomXRay(dataset, values, usable, tone, reason, frame)


def tone_from_tags(dataset: Dataset) -> tuple[Tone, str]:
    """What stored values (after the modality LUT) are, and the reason in words.

    Pixel Intensity Relationship and its sign decide (PS3.3 C.8.11.3.1.2, C.8.7.1.1.2). Where the sign is not given,
    XA and RF are taken to show bone dark and all others bright, as they are displayed (MONOCHROME1 reverses).
    A logarithmic XA that brings a modality LUT is linear behind it.
    """
    modality = str(dataset.get("Modality", ""))
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    relationship = str(dataset.get("PixelIntensityRelationship") or "")
    sign = dataset.get("PixelIntensityRelationshipSign")
    if sign in (1, -1):
        dense_is_high = sign == -1
        why = f"sign {sign:+d}"
    else:
        dense_is_high = (modality in _DARK_BONE) == (photometric == "MONOCHROME1")
        why = f"no sign, so as {modality or 'an X-ray'} in {photometric} is displayed"
    linear = relationship == "LIN" or (
        relationship == "LOG" and "ModalityLUTSequence" in dataset and modality in _DARK_BONE
    )
    reason = f"pixel intensity relationship {relationship or 'not given'}, {why}"
    if dense_is_high:
        return "attenuation", reason
    return ("intensity" if linear else "inverted"), reason


def chosen_frame(count: int, frame: int | None, path: Path) -> int:
    """The frame to use, counted from 0.

    Raises:
        InputError: where there are several and none is chosen, or the chosen one is not there.
    """
    if frame is None:
        if count > 1:
            raise InputError(f"{path} holds {count} frames: choose one with frame=0 to frame={count - 1}.")
        return 0
    if not 0 <= frame < count:
        raise InputError(
            f"{path} has no frame {frame}: it holds {count}, counted from 0 (frame=0 to frame={count - 1})."
        )
    return frame


def _decoded(dataset: Dataset, path: Path, frame: int) -> np.ndarray:
    """(H, W) stored values of one frame."""
    try:
        syntax = dataset.file_meta.TransferSyntaxUID
    except AttributeError:
        raise InputError(f"{path} does not name its transfer syntax: export it again as a DICOM file.") from None
    if syntax.is_compressed:
        return _decompressed(dataset, path, frame)
    try:
        return np.asarray(pixel_array(dataset, index=frame))
    except (ValueError, AttributeError, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"The pixels of {path} cannot be read: {error}. Export it again.") from None


def _decompressed(dataset: Dataset, path: Path, frame: int) -> np.ndarray:
    """(H, W) stored values of one frame, by GDCM within ITK: pydicom itself knows few compressions.

    GDCM gets a copy with nothing but the pixels, so that it returns what is stored and neither rescales nor inverts.
    """
    bare = Dataset()
    for keyword in _PIXEL_TAGS:
        if keyword in dataset:
            bare[keyword] = dataset[keyword]
    bare.PhotometricInterpretation = "MONOCHROME2"
    bare.SamplesPerPixel = 1
    bare.file_meta = dataset.file_meta
    bare.preamble = b"\0" * 128
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "xray.dcm"
        pydicom.dcmwrite(copy, bare, enforce_file_format=False)
        try:
            array = itk_io.read_pixels(itk_io.read_header(copy))
        except InputError as error:
            reason = str(error).rpartition("ITK says: ")[2]
            name = dataset.file_meta.TransferSyntaxUID.name
            raise InputError(f"The pixels of {path} ({name}) cannot be decoded, export it again: {reason}") from None
    return array.reshape(-1, *array.shape[-2:])[frame]
