"""Distances out of a DICOM X-ray's header: source to detector, source to isocenter, and the pixels' on the detector.

Each comes with the attribute or option that it was read from.
"""

from __future__ import annotations

from typing import NamedTuple

import pydicom

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.io.dicom import tags
from SphericalRegLib.io.dicom.tags import named, origin

#: What stands for an attribute's name where the caller gave the value.
AS_GIVEN = "as given"


class Distances(NamedTuple):
    """Source to detector, and to the isocenter or None, in mm, with where each came from and what is doubtful."""

    sdd: float
    sdd_from: str
    sad: float | None
    sad_from: str
    notes: tuple[str, ...] = ()


class Spacing(NamedTuple):
    """(row, column) distance of pixel centers on the detector in mm, where it came from and what is doubtful.

    ``magnified``: whether it was calculated back from the patient's depth, so that it depends on the distances.
    """

    mm: tuple[float, float]
    origin: str
    notes: tuple[str, ...] = ()
    magnified: bool = False


def source_distances(dataset: pydicom.Dataset, frame: int, sdd: float | None, sad: float | None) -> Distances:
    """The source's distances; ``sdd`` and ``sad`` (mm) replace the header's values.

    Raises:
        GeometryError: for values that are absent where needed, not above 0, or in the wrong order.
    """
    sdd_from, sad_from, notes = AS_GIVEN, AS_GIVEN, []
    if sdd is None:
        sdd_from = origin(dataset, "DistanceSourceToDetector", frame)
        sdd = tags.number(dataset, "DistanceSourceToDetector", frame)
        if sdd is None:
            raise GeometryError(f"The X-ray has no {sdd_from}: give sdd, usually 900 to 1500 mm.")
    if sdd <= 0:
        raise GeometryError(f"{_label(sdd_from, 'sdd')} is {sdd} mm: give sdd, usually 900 to 1500 mm.")
    if sad is None:
        for keyword in ("DistanceSourceToIsocenter", "DistanceSourceToPatient"):
            sad = tags.number(dataset, keyword, frame)
            sad_from = origin(dataset, keyword, frame)
            if sad is not None:
                break
    label = _label(sad_from, "sad")
    if sad is None:
        magnification = tags.number(dataset, "EstimatedRadiographicMagnificationFactor", frame)
        sad_from = origin(dataset, "EstimatedRadiographicMagnificationFactor", frame)
        if magnification is None:
            sad_from = ""
        elif magnification > 1:
            sad, label = sdd / magnification, f"{sad_from} {magnification}, which makes it"
        else:
            notes.append(f"{sad_from} is {magnification:g}, but an X-ray magnifies: it is not used.")
            sad_from = ""
    if sad is not None and not 0 < sad < sdd:
        raise GeometryError(
            f"The source-to-isocenter distance ({label}) is {sad} mm, but must lie between 0 and the "
            f"source-to-detector distance ({_label(sdd_from, 'sdd')}), {sdd} mm: give sad, or sdd, in mm."
        )
    return Distances(sdd, sdd_from, sad, sad_from, tuple(notes))


def detector_spacing(
    dataset: pydicom.Dataset, frame: int, spacing: tuple[float, float] | None, sdd: float, sad: float | None
) -> Spacing:
    """The pixels' distance on the detector; ``spacing`` replaces the header's.

    PixelSpacing stands in where ImagerPixelSpacing is absent (PS3.3 10.7.1.3): on the detector, unless it says that it
    was calibrated to the patient's depth; then it is magnified back. Where there is neither, a film's
    NominalScannedPixelSpacing, then the detector's elements and how many of them make a pixel.

    Raises:
        GeometryError: where no usable spacing is found.
    """
    if spacing is not None:
        if min(spacing) <= 0:
            raise GeometryError(f"The option spacing is {spacing} mm: give (row, column) above 0.")
        return Spacing((float(spacing[0]), float(spacing[1])), AS_GIVEN)
    problems = []
    for keyword in ("ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing"):
        mm = tags.pair(dataset, keyword, frame)
        if mm is None:
            continue
        if min(mm) <= 0:
            problems.append(f"{named(keyword)} is {mm[0]:g} × {mm[1]:g} mm")
            continue
        if keyword == "PixelSpacing":
            return _pixel_spacing(dataset, frame, mm, sdd, sad)
        return Spacing(mm, origin(dataset, keyword, frame))
    element = tags.pair(dataset, "DetectorElementSpacing", frame)
    binning = tags.pair(dataset, "DetectorBinning", frame)
    if element is not None and binning is not None and min(*element, *binning) > 0:
        words = f"{origin(dataset, 'DetectorElementSpacing', frame)} × {named('DetectorBinning')}"
        return Spacing((element[0] * binning[0], element[1] * binning[1]), words)
    what = "; ".join(problems) or f"The X-ray has neither {named('ImagerPixelSpacing')} nor {named('PixelSpacing')}"
    raise GeometryError(f"{what}: give spacing (row, column), the distance of pixel centers on the detector in mm.")


def _pixel_spacing(
    dataset: pydicom.Dataset, frame: int, mm: tuple[float, float], sdd: float, sad: float | None
) -> Spacing:
    words = origin(dataset, "PixelSpacing", frame)
    calibration = tags.text(dataset, "PixelSpacingCalibrationType", frame)
    if not calibration:
        note = (
            f"{words} stands for the missing {named('ImagerPixelSpacing')}, and does not say whether it was calibrated "
            "to the patient's depth. If it was, the detector's pixels are larger: give spacing."
        )
        return Spacing(mm, words, (note,))
    magnification = tags.number(dataset, "EstimatedRadiographicMagnificationFactor", frame)
    if magnification is None and sad is not None:
        magnification = sdd / sad
    if magnification is None or magnification < 1:
        raise GeometryError(
            f"{named('PixelSpacing')} {mm[0]:g} × {mm[1]:g} mm is calibrated to the patient's depth, and "
            f"{named('EstimatedRadiographicMagnificationFactor')} is {magnification}: give spacing (row, column) "
            "in mm on the detector, or sad."
        )
    words += f", calibrated ({calibration}), × magnification {magnification:g}"
    return Spacing((mm[0] * magnification, mm[1] * magnification), words, magnified=True)


def refuse_tilted_detector(dataset: pydicom.Dataset, frame: int, principal_point: tuple[float, float] | None) -> None:
    """Raise GeometryError for a beam that isn't perpendicular to the detector, unless its foot is given."""
    for keyword in ("DetectorPrimaryAngle", "DetectorSecondaryAngle"):
        angle = tags.number(dataset, keyword, frame)
        if angle and principal_point is None:
            raise GeometryError(
                f"{named(keyword)} is {angle}°: the beam's axis is not perpendicular to the detector. Give "
                "principal_point (column, row), the pixel nearest to the source, from a calibration."
            )


def _label(words: str, option: str) -> str:
    return option if words == AS_GIVEN else words
