"""Where the central ray meets a stored image, from DICOM's description of the detector and the part of it stored.

DICOM: PS3.3 C.8.11.4 (DX detector), C.8.19.5 (enhanced XA). Pairs are (row, column), as there.
"""

from __future__ import annotations

import pydicom

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.io.dicom import tags


def principal_point(
    dataset: pydicom.Dataset, height: int, width: int, spacing: tuple[float, float], frame: int = 0
) -> tuple[tuple[float, float], str]:
    """(column, row) in pixels, pixel centers at integers, where the ray perpendicular to the detector hits, and in
    words what said so.

    PositionOfIsocenterProjection says it directly. Without it the ray is taken to hit the middle of the active area
    (DetectorActiveOrigin, DetectorActiveDimensions), which FieldOfViewOrigin relates to the image. Without these it is
    the image's middle, as the XA object assumes (PS3.17 FFF.2.1.5.2).

    Args:
        dataset: header.
        height, width: rows and columns of the stored image.
        spacing: (row, column) on the detector, mm, of the stored image.
        frame: from 0.

    Raises:
        GeometryError: for incomplete or impossible detector descriptions.
    """
    turn = tags.number(dataset, "FieldOfViewRotation", frame) or 0.0
    flip = tags.text(dataset, "FieldOfViewHorizontalFlip", frame) == "YES"
    if turn % 90 != 0:
        raise GeometryError(
            f"{tags.named('FieldOfViewRotation')} is {turn}°: only quarter turns keep rows and columns; "
            "give the geometry by a calibration (K, R, t)."
        )
    quarter_turns = round(turn / 90) % 4
    place = _hit_on_detector(dataset, frame)
    if place is None:
        return ((width - 1) / 2, (height - 1) / 2), "the image's middle, as nothing else is said"
    hit, words = place
    origin = tags.pair(dataset, "FieldOfViewOrigin", frame) or (0.0, 0.0)
    element = _element_spacing(dataset, frame)
    # In the field of view as it lay on the detector, before it was turned and flipped.
    before = spacing if quarter_turns % 2 == 0 else spacing[::-1]
    row = (hit[0] - origin[0]) * element[0] / before[0] - 0.5
    column = (hit[1] - origin[1]) * element[1] / before[1] - 0.5
    rows, columns = (height, width) if quarter_turns % 2 == 0 else (width, height)
    for _ in range(quarter_turns):  # clockwise: the left column becomes the top row
        row, column = column, rows - 1 - row
        rows, columns = columns, rows
    if flip:
        column = columns - 1 - column
    return (column, row), words


def _hit_on_detector(dataset: pydicom.Dataset, frame: int) -> tuple[tuple[float, float], str] | None:
    """(row, column) in detector elements from the detector's outer corner and what said so; None where nothing does."""
    projected = tags.pair(dataset, "PositionOfIsocenterProjection", frame)
    if projected is not None:  # counted from the first element's center
        words = tags.origin(dataset, "PositionOfIsocenterProjection", frame)
        return (projected[0] + 0.5, projected[1] + 0.5), words
    dimensions = tags.values(dataset, "DetectorActiveDimensions", None, frame)
    if dimensions is None or tags.pair(dataset, "FieldOfViewOrigin", frame) is None:
        return None
    if len(dimensions) > 2:
        raise GeometryError(f"{tags.named('DetectorActiveDimensions')} has more than two values: {dimensions}.")
    element = _element_spacing(dataset, frame)
    origin = tags.pair(dataset, "DetectorActiveOrigin", frame) or (0.0, 0.0)
    # One value is the diameter of a round detector.
    middle = origin[0] + dimensions[0] / element[0] / 2, origin[1] + dimensions[-1] / element[1] / 2
    return middle, f"the middle of {tags.origin(dataset, 'DetectorActiveDimensions', frame)}"


def _element_spacing(dataset: pydicom.Dataset, frame: int) -> tuple[float, float]:
    element = tags.pair(dataset, "DetectorElementSpacing", frame)
    if element is None:
        element = tags.pair(dataset, "DetectorElementPhysicalSize", frame)
    if element is None or min(element) <= 0:
        raise GeometryError(
            f"{tags.named('DetectorElementSpacing')} is {element}, but the place of the central ray is given in "
            "detector elements: give principal_point (column, row)."
        )
    return element
