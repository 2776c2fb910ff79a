"""The pixels of a DICOM X-ray, and what its tags say about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.tone import Tone
from SphericalRegLib.io.dicom.file import damage_named, read_dataset
from SphericalRegLib.io.dicom.modality import described, kind_of
from SphericalRegLib.io.dicom.pixels import check_bits, stored_values
from SphericalRegLib.io.dicom.sent_pixels import check_sent_pixels
from SphericalRegLib.io.dicom.shutter import field_from_tags
from SphericalRegLib.io.dicom.tags import named
from SphericalRegLib.io.dicom.tone_tags import modality_values, tone_from_tags
from SphericalRegLib.io.picture_size import check_picture_size


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
        notes: what is doubtful about the values, for the user.
    """

    dataset: Dataset
    values: np.ndarray
    usable: np.ndarray
    tone: Tone
    tone_reason: str
    frame: int
    notes: tuple[str, ...] = ()


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
    dataset = read_dataset(path)
    if "PixelData" not in dataset:
        raise InputError(
            f"{path} is DICOM ({dataset.get('Modality', 'no modality')}) without pixels: name the image file."
        )
    if kind_of(dataset) != "X-ray":
        raise InputError(
            f"{path} is no X-ray but {described(dataset)}: name an X-ray (XA, RF, CR, DX, RTIMAGE); a CT goes into ct."
        )
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if int(dataset.get("SamplesPerPixel") or 1) != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(
            f"{path} is a color image ({photometric}): an X-ray has gray values. Export the original, not a screenshot."
        )
    frame = chosen_frame(int(dataset.get("NumberOfFrames") or 1), frame, path)
    check_picture_size(int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0), path)
    check_bits(dataset, path)
    check_sent_pixels(dataset, path)
    stored = stored_values(dataset, path, frame)
    usable = ~_padding(dataset, stored)
    field = field_from_tags(dataset, stored.shape[0], stored.shape[1], frame)
    if field is not None:
        usable &= field
    tone = tone_from_tags(dataset, frame)
    values = modality_values(stored, dataset, frame)
    if not np.isfinite(values).all():
        raise InputError(
            f"{path} rescales its pixels to values that are not finite: check RescaleSlope and -Intercept."
        )
    notes = tone.notes
    if str(dataset.get("BurnedInAnnotation") or "").strip().upper() == "YES":
        notes += (f"{named('BurnedInAnnotation')} is YES: text in the picture is compared as if it were anatomy.",)
    return DicomXRay(dataset, values, usable, tone.tone, tone.reason, frame, notes)


def _padding(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels that hold no measurement (PS3.3 C.7.5.1.1.2); files mix up signed and unsigned there."""
    first = dataset.get("PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, bool)
    last = dataset.get("PixelPaddingRangeLimit")
    ends = [_in_type(int(end), stored.dtype) for end in (first, first if last is None else last)]
    return np.asarray((stored >= min(ends)) & (stored <= max(ends)))


def _in_type(value: int, dtype: np.dtype) -> int:
    """A number of the pixels' type with the same bits, where it is out of range: 63536 is -2000 in 16 bits."""
    bits = dtype.itemsize * 8
    limits = np.iinfo(dtype)
    if limits.min <= value <= limits.max or not -(2 ** (bits - 1)) <= value < 2**bits:
        return value
    return value - 2**bits if value > limits.max else value + 2**bits


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
