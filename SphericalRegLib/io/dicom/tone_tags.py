"""What DICOM's attributes say the values of an X-ray are, and the steps from stored to meaningful values.

The way of a value (PS3.4 N.2): stored, then the modality's LUT or rescale, then windows and LUTs for display. We
register what comes out of the modality's step. Pixel Intensity Relationship and its sign speak of what is *stored*
(PS3.3 C.8.11.3.1.2), so a modality's step that falls turns the sign. What is for display (VOI LUT, Presentation LUT
Shape, MONOCHROME1) says something of the values only where the sign is not given. The Pixel Intensity Relationship LUT
of enhanced XA leads to other values than those that are displayed; it is not applied, and so turns nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.tone import Tone
from SphericalRegLib.io.dicom import tags
from SphericalRegLib.io.dicom.tags import named

# Fluoroscopy and angiography show bone dark, radiography shows it bright.
_DARK_BONE = ("XA", "RF")


class TaggedTone(NamedTuple):
    """What values are, which attributes said so, and what is doubtful about it."""

    tone: Tone
    reason: str
    notes: tuple[str, ...] = ()


def tone_from_tags(dataset: Dataset, frame: int = 0) -> TaggedTone:
    """What the values of a frame are behind the modality's LUT or rescale (:func:`modality_values`).

    The sign decides where it is given. Where it is not, XA and RF are taken to be displayed with bone dark and all
    others bright. A logarithmic XA that brings a modality LUT is linear behind it (C.8.7.1.1.2).

    Raises:
        GeometryError, InputError: for attributes that make no sense.
    """
    modality = tags.text(dataset, "Modality")
    relationship = tags.text(dataset, "PixelIntensityRelationship", frame)
    sign = tags.number(dataset, "PixelIntensityRelationshipSign", frame)
    falls = modality_falls(dataset, frame)
    notes: tuple[str, ...] = ()
    if sign in (1, -1):
        dense_is_high = (sign == -1) != falls
        why = f"sign {sign:+.0f}" + (", turned by a falling modality LUT or rescale" if falls else "")
    elif _is_optical_density(dataset, frame):
        dense_is_high, why = False, "no sign, optical density of a film"
    else:
        shown_rising, notes = _displayed_rising(dataset)
        dense_is_high = (modality in _DARK_BONE) != shown_rising
        photometric = tags.text(dataset, "PhotometricInterpretation") or "MONOCHROME2"
        why = f"no sign, so as {modality or 'an X-ray'} in {photometric} is displayed"
    linear = relationship == "LIN" or (
        relationship == "LOG" and "ModalityLUTSequence" in dataset and modality in _DARK_BONE
    )
    reason = f"pixel intensity relationship {relationship or 'not given'}, {why}"
    if dense_is_high:
        return TaggedTone("attenuation", reason, notes)
    if linear and falls and _reaches_below_zero(dataset, frame):
        # Turned about an unknown value: where no X-rays arrived is not at 0.
        linear = False
    return TaggedTone("intensity" if linear else "inverted", reason, notes)


def tone_as_itk_reads(dataset: Dataset, frame: int = 0) -> Tone:
    """What the values of a frame are as ITK, and so 3D Slicer, hands them over.

    ITK turns MONOCHROME1 over before it applies slope and intercept, and applies neither a modality LUT nor what stands
    in functional groups.
    """
    tone = tone_from_tags(dataset, frame).tone
    monochrome1 = tags.text(dataset, "PhotometricInterpretation") == "MONOCHROME1"
    slope = dataset.get("RescaleSlope")
    itk_falls = (slope is not None and float(slope) < 0) != monochrome1
    if itk_falls != modality_falls(dataset, frame):
        return "inverted" if tone == "attenuation" else "attenuation"
    if tone == "intensity" and (monochrome1 or "ModalityLUTSequence" in dataset):
        # No longer counted from where no X-rays arrived, or not yet.
        return "inverted"
    return tone


def modality_values(stored: np.ndarray, dataset: Dataset, frame: int = 0) -> np.ndarray:
    """Stored values behind the modality's LUT or rescale (PS3.3 C.11.1), by frame where functional groups hold it.

    Raises:
        InputError: for a slope of 0, which leaves no image.
    """
    if "ModalityLUTSequence" in dataset:
        return np.asarray(apply_modality_lut(stored, dataset))
    slope = tags.number(dataset, "RescaleSlope", frame)
    intercept = tags.number(dataset, "RescaleIntercept", frame)
    if slope is None and intercept is None:
        return stored
    if slope == 0:
        raise InputError(f"{named('RescaleSlope')} is 0, which makes all pixels the same: export the image again.")
    return stored * (1.0 if slope is None else slope) + (0.0 if intercept is None else intercept)


def modality_falls(dataset: Dataset, frame: int = 0) -> bool:
    """Whether larger stored values become smaller ones behind the modality's LUT or rescale."""
    ramp = _stored_range(dataset)
    values = np.asarray(modality_values(ramp, dataset, frame), dtype=float)
    return float(np.dot(ramp - ramp.mean(), values - values.mean())) < 0


def _stored_range(dataset: Dataset) -> np.ndarray:
    """Whole numbers over all values that a pixel can have, or those that a LUT maps where there is one."""
    if "ModalityLUTSequence" in dataset:
        count, first = (int(n) for n in dataset.ModalityLUTSequence[0].LUTDescriptor[:2])
        return first + np.arange(count or 2**16)
    bits = int(dataset.get("BitsStored") or 16)
    lowest = -(2 ** (bits - 1)) if int(dataset.get("PixelRepresentation") or 0) == 1 else 0
    return np.round(np.linspace(lowest, lowest + 2**bits - 1, 257)).astype(np.int64)


def _reaches_below_zero(dataset: Dataset, frame: int) -> bool:
    return float(np.min(modality_values(_stored_range(dataset), dataset, frame))) < 0


def _is_optical_density(dataset: Dataset, frame: int) -> bool:
    lut = dataset.get("ModalityLUTSequence") or [Dataset()]
    return "OD" in (tags.text(dataset, "RescaleType", frame), tags.text(lut[0], "ModalityLUTType"))


def _displayed_rising(dataset: Dataset) -> tuple[bool, tuple[str, ...]]:
    """Whether larger values behind the modality's step are shown brighter, and what is doubtful about it."""
    monochrome1 = tags.text(dataset, "PhotometricInterpretation") == "MONOCHROME1"
    shape = tags.text(dataset, "PresentationLUTShape")
    notes: tuple[str, ...] = ()
    # The two say the same in a consistent file (PS3.3 C.8.11.3.1.1); they do not add up.
    if shape and (shape == "INVERSE") != monochrome1:
        notes = (
            f"{named('PresentationLUTShape')} {shape} contradicts {named('PhotometricInterpretation')} "
            f"{'MONOCHROME1' if monochrome1 else 'MONOCHROME2'}, by which it was judged whether bone is bright: check, "
            "and give intensity if it is not.",
        )
    return monochrome1 == _voi_falls(dataset), notes


def _voi_falls(dataset: Dataset) -> bool:
    """Whether the first VOI LUT shows larger values darker; windows always rise."""
    items = dataset.get("VOILUTSequence") or []
    if not items:
        return False
    item = items[0]
    data = item.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, "<u2" if int(item.LUTDescriptor[2]) > 8 else "u1")
    entries = np.asarray(data, dtype=float)
    return float(np.dot(np.arange(len(entries)) - (len(entries) - 1) / 2, entries - entries.mean())) < 0
