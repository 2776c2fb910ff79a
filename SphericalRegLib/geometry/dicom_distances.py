"""Distances out of a DICOM X-ray's header: source to detector, source to isocenter, and the pixels' on the detector."""

from __future__ import annotations

import pydicom

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import dicom_tags
from SphericalRegLib.geometry.dicom_tags import named


def source_distances(
    dataset: pydicom.Dataset, frame: int, sdd: float | None, sad: float | None
) -> tuple[float, float | None]:
    """(source-to-detector, source-to-isocenter or None) in mm; ``sdd`` and ``sad`` replace the header's values.

    Raises:
        GeometryError: for values that are absent where needed, not above 0, or in the wrong order.
    """
    sdd_from, sad_from = "sdd", "sad"
    if sdd is None:
        sdd_from = named("DistanceSourceToDetector")
        sdd = dicom_tags.number(dataset, "DistanceSourceToDetector", frame)
        if sdd is None:
            raise GeometryError(f"The X-ray has no {sdd_from}: give sdd, usually 900 to 1500 mm.")
    if sdd <= 0:
        raise GeometryError(f"{sdd_from} is {sdd} mm: give sdd, usually 900 to 1500 mm.")
    if sad is None:
        for keyword in ("DistanceSourceToIsocenter", "DistanceSourceToPatient"):
            sad = dicom_tags.number(dataset, keyword, frame) if sad is None else sad
            sad_from = named(keyword)
            if sad is not None:
                break
    if sad is None:
        magnification = dicom_tags.number(dataset, "EstimatedRadiographicMagnificationFactor", frame)
        sad_from = f"{named('EstimatedRadiographicMagnificationFactor')} {magnification}, which makes it"
        sad = sdd / magnification if magnification is not None and magnification > 1 else None
    if sad is not None and not 0 < sad < sdd:
        raise GeometryError(
            f"The source-to-isocenter distance ({sad_from}) is {sad} mm, but must lie between 0 and the "
            f"source-to-detector distance ({sdd_from}), {sdd} mm: give sad, or sdd, in mm."
        )
    return sdd, sad


def detector_spacing(
    dataset: pydicom.Dataset, frame: int, spacing: tuple[float, float] | None, sdd: float, sad: float | None
) -> tuple[tuple[float, float], str]:
    """(row, column) on the detector in mm, and where it came from.

    PixelSpacing stands in where ImagerPixelSpacing is absent (PS3.3 10.7.1.3): on the detector, unless it says that it
    was calibrated to the patient's depth; then it is magnified back.

    Raises:
        GeometryError: where no usable spacing is found.
    """
    if spacing is not None:
        if min(spacing) <= 0:
            raise GeometryError(f"The option spacing is {spacing} mm: give (row, column) above 0.")
        return (float(spacing[0]), float(spacing[1])), "spacing"
    problems = []
    for keyword in ("ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing"):
        found = dicom_tags.pair(dataset, keyword, frame)
        if found is None:
            continue
        if min(found) <= 0:
            problems.append(f"{named(keyword)} is {found[0]:g} × {found[1]:g} mm")
            continue
        if keyword != "PixelSpacing" or not dicom_tags.text(dataset, "PixelSpacingCalibrationType"):
            return found, keyword
        magnification = dicom_tags.number(dataset, "EstimatedRadiographicMagnificationFactor", frame)
        if magnification is None and sad is not None:
            magnification = sdd / sad
        if magnification is None or magnification < 1:
            raise GeometryError(
                f"{named('PixelSpacing')} {found[0]:g} × {found[1]:g} mm is calibrated to the patient's depth, and "
                f"{named('EstimatedRadiographicMagnificationFactor')} is {magnification}: give spacing (row, column) "
                "in mm on the detector, or sad."
            )
        return (found[0] * magnification, found[1] * magnification), "PixelSpacing × magnification"
    what = "; ".join(problems) or f"The X-ray has neither {named('ImagerPixelSpacing')} nor {named('PixelSpacing')}"
    raise GeometryError(f"{what}: give spacing (row, column), the distance of pixel centers on the detector in mm.")


def refuse_tilted_detector(dataset: pydicom.Dataset, frame: int, principal_point: tuple[float, float] | None) -> None:
    """Raise GeometryError for a beam that isn't perpendicular to the detector, unless its foot is given."""
    for keyword in ("DetectorPrimaryAngle", "DetectorSecondaryAngle"):
        angle = dicom_tags.number(dataset, keyword, frame)
        if angle and principal_point is None:
            raise GeometryError(
                f"{named(keyword)} is {angle}°: the beam's axis is not perpendicular to the detector. Give "
                "principal_point (column, row), the pixel nearest to the source, from a calibration."
            )
