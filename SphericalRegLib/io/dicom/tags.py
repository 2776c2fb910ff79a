"""Reading attributes of DICOM headers wherever the standard lets them stand, with errors that name tag, value, remedy.

An enhanced (multi-frame) image keeps what may differ by frame in functional groups (PS3.3 C.7.6.16): an item of
PerFrameFunctionalGroupsSequence for each frame, and one of SharedFunctionalGroupsSequence for all. A group holds
macros, sequences of one item; an attribute counts only within the macros that define it for X-rays (:data:`_MACROS`),
not within any nested sequence that happens to hold it, such as a reference to another image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.multival import MultiValue

from SphericalRegLib.errors import GeometryError

# Functional group macros of X-ray images and what we read in them (PS3.3 C.7.6.16.2, C.8.19.6).
_MACROS: dict[str, tuple[str, ...]] = {
    "XRayGeometrySequence": (
        "DistanceSourceToDetector",
        "DistanceSourceToIsocenter",
        "DistanceSourceToPatient",
        "EstimatedRadiographicMagnificationFactor",
        "DetectorPrimaryAngle",
        "DetectorSecondaryAngle",
    ),
    "PositionerPositionSequence": (
        "PositionerPrimaryAngle",
        "PositionerSecondaryAngle",
        "DetectorPrimaryAngle",
        "DetectorSecondaryAngle",
    ),
    "FramePixelDataPropertiesSequence": (
        "ImagerPixelSpacing",
        "PixelIntensityRelationship",
        "PixelIntensityRelationshipSign",
    ),
    "FieldOfViewSequence": (
        "FieldOfViewOrigin",
        "FieldOfViewRotation",
        "FieldOfViewHorizontalFlip",
    ),
    "FrameDetectorParametersSequence": (
        "DetectorActiveDimensions",
        "DetectorActiveOrigin",
        "DetectorBinning",
        "DetectorElementPhysicalSize",
        "DetectorElementSpacing",
        "PositionOfIsocenterProjection",
    ),
    "PixelMeasuresSequence": ("PixelSpacing", "PixelSpacingCalibrationType"),
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope", "RescaleType"),
    "PatientOrientationInFrameSequence": ("PatientOrientation",),
    "CollimatorShapeSequence": (
        "CollimatorShape",
        "CollimatorLeftVerticalEdge",
        "CollimatorRightVerticalEdge",
        "CollimatorUpperHorizontalEdge",
        "CollimatorLowerHorizontalEdge",
        "CenterOfCircularCollimator",
        "RadiusOfCircularCollimator",
        "VerticesOfThePolygonalCollimator",
    ),
    "FrameDisplayShutterSequence": (
        "ShutterShape",
        "ShutterLeftVerticalEdge",
        "ShutterRightVerticalEdge",
        "ShutterUpperHorizontalEdge",
        "ShutterLowerHorizontalEdge",
        "CenterOfCircularShutter",
        "RadiusOfCircularShutter",
        "VerticesOfThePolygonalShutter",
    ),
}
# The same of CT and other sectional images (PS3.3 C.7.6.16.2, C.8.15.3, C.8.13.5).
_MACROS |= {
    "FrameContentSequence": (
        "DimensionIndexValues",
        "StackID",
        "TemporalPositionIndex",
        "FrameAcquisitionNumber",
    ),
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "CardiacSynchronizationSequence": ("NominalPercentageOfCardiacPhase", "NominalCardiacTriggerDelayTime"),
    "TemporalPositionSequence": ("TemporalPositionTimeOffset",),
    "CTImageFrameTypeSequence": ("FrameType",),
    "MRImageFrameTypeSequence": ("FrameType",),
    "PETFrameTypeSequence": ("FrameType",),
    "CTXRayDetailsSequence": ("KVP",),
    "CTReconstructionSequence": ("ConvolutionKernel", "ReconstructionAlgorithm"),
    "MREchoSequence": ("EffectiveEchoTime",),
}
# A macro whose items are alternatives, not parts of one: the sequence itself is the value.
_SEQUENCES_IN_GROUPS = ("RealWorldValueMappingSequence",)
# RT images with several frames say in the Exposure Sequence what differs by frame (PS3.3 C.8.8.2.4).
_OF_AN_EXPOSURE = ("GantryAngle", "GantryPitchAngle", "PatientSupportAngle", "XRayImageReceptorAngle")


def named(keyword: str) -> str:
    """``"PixelSpacing (0028,0030)"``."""
    tag = tag_for_keyword(keyword)
    return keyword if tag is None else f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def element(dataset: pydicom.Dataset, keyword: str, frame: int = 0) -> tuple[Any, str] | None:
    """The value of an attribute and the words for its place ("" is the header itself), or None where it is absent.

    A frame's functional group comes before the shared one, and that before the header itself: what a group says is of
    the frame, and a copy outside can only be of all. Empty attributes count as absent.

    Args:
        dataset: header of a classic or enhanced image.
        keyword: DICOM keyword.
        frame: from 0.

    Raises:
        GeometryError: for functional groups that do not reach to the frame.
    """
    for place, words in _places(dataset, keyword, frame):
        if keyword in place:
            value = place[keyword].value
            if not _is_empty(value):
                return value, words
    return None


def origin(dataset: pydicom.Dataset, keyword: str, frame: int = 0) -> str:
    """Where an attribute was found: its name and tag, and the functional group where it stands in one."""
    place = element(dataset, keyword, frame)
    return named(keyword) if place is None or not place[1] else f"{named(keyword)} in {place[1]}"


def values(dataset: pydicom.Dataset, keyword: str, count: int | None, frame: int = 0) -> list[float] | None:
    """The numbers of an attribute, or None where it is absent or empty.

    Args:
        dataset: header of a classic or enhanced image.
        keyword: DICOM keyword.
        count: how many numbers there must be; None for any.
        frame: which frame's functional group to look into, from 0.

    Raises:
        GeometryError: for text that is no number, for NaN, and for another count.
    """
    try:
        place = element(dataset, keyword, frame)
        if place is None:
            return None
        raw = place[0]
        numbers = [float(n) for n in (raw if isinstance(raw, MultiValue | list | tuple) else [raw])]
    except GeometryError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise GeometryError(f"{named(keyword)} is not a number: {error}. Give the value by an option.") from error
    if not all(math.isfinite(n) for n in numbers):
        raise GeometryError(f"{named(keyword)} is {numbers}: give a finite value by an option.")
    if count is not None and len(numbers) != count:
        raise GeometryError(f"{named(keyword)} has {len(numbers)} values ({numbers}), not {count}.")
    return numbers


def number(dataset: pydicom.Dataset, keyword: str, frame: int = 0) -> float | None:
    """The one number of an attribute, or None where it is absent or empty; errors as :func:`values`."""
    numbers = values(dataset, keyword, 1, frame)
    return None if numbers is None else numbers[0]


def pair(dataset: pydicom.Dataset, keyword: str, frame: int = 0) -> tuple[float, float] | None:
    """The two numbers of an attribute, or None where it is absent or empty; errors as :func:`values`."""
    numbers = values(dataset, keyword, 2, frame)
    return None if numbers is None else (numbers[0], numbers[1])


def texts(dataset: pydicom.Dataset, keyword: str, frame: int = 0) -> list[str]:
    """The values of an attribute as upper-case texts without blanks around them; none where it is absent."""
    place = element(dataset, keyword, frame)
    if place is None:
        return []
    parts = place[0] if isinstance(place[0], MultiValue | list | tuple) else [place[0]]
    return [str(part).strip().upper() for part in parts]


def text(dataset: pydicom.Dataset, keyword: str, frame: int = 0) -> str:
    """The first value of :func:`texts`; empty where it is absent."""
    parts = texts(dataset, keyword, frame)
    return parts[0] if parts else ""


def size(dataset: pydicom.Dataset) -> tuple[int, int]:
    """(rows, columns).

    Raises:
        GeometryError: where the header has none.
    """
    rows, columns = number(dataset, "Rows"), number(dataset, "Columns")
    if not rows or not columns:
        raise GeometryError(
            f"{named('Rows')} is {rows} and {named('Columns')} is {columns}: this DICOM file holds no image."
        )
    return int(rows), int(columns)


def frame_count(dataset: pydicom.Dataset) -> int:
    """Frames of the image; 1 where the header doesn't say.

    Raises:
        GeometryError: for text that is no number.
    """
    return max(1, int(number(dataset, "NumberOfFrames") or 1))


def _places(dataset: pydicom.Dataset, keyword: str, frame: int) -> Iterator[tuple[pydicom.Dataset, str]]:
    """Where the standard lets an attribute of a frame stand, first what counts first, with words for each place."""
    macros = [name for name, keywords in _MACROS.items() if keyword in keywords]
    if macros:
        for group, words in _groups(dataset, frame):
            for name in macros:
                for item in group.get(name) or []:
                    yield item, f"{name} of {words}"
    if keyword in _SEQUENCES_IN_GROUPS:
        yield from _groups(dataset, frame)
    if keyword in _OF_AN_EXPOSURE:
        for item in dataset.get("ExposureSequence") or []:
            if str(item.get("ReferencedFrameNumber") or "") == str(frame + 1):
                yield item, f"ExposureSequence of frame {frame}"
    yield dataset, ""


def _groups(dataset: pydicom.Dataset, frame: int) -> Iterator[tuple[pydicom.Dataset, str]]:
    """The functional groups of a frame: its own, then the shared one."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if per_frame and not 0 <= frame < len(per_frame):
        raise GeometryError(
            f"{named('PerFrameFunctionalGroupsSequence')} describes {len(per_frame)} frames, but frame {frame} (from "
            "0) was asked for: export the image again, or give a calibration of its view."
        )
    if per_frame:
        yield per_frame[frame], f"frame {frame}'s functional group"
    for group in dataset.get("SharedFunctionalGroupsSequence") or []:
        yield group, "the functional group of all frames"


def _is_empty(value: Any) -> bool:
    return (
        value is None
        or (isinstance(value, pydicom.Sequence) and len(value) == 0)
        or (isinstance(value, str) and not value.strip())
        or (
            isinstance(value, MultiValue | list | tuple) and (len(value) == 0 or all(_is_empty(part) for part in value))
        )
    )
