"""Projection geometry out of the header of a DICOM X-ray, and back into one.

XA and RF (classic and enhanced), CR and DX here; RTIMAGE in :mod:`rt_image`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pydicom
import torch
from pydicom.valuerep import format_number_as_ds
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.former_names import served
from SphericalRegLib.geometry import carm, frames, plausibility
from SphericalRegLib.geometry.nominal import NominalGeometry, Sources
from SphericalRegLib.geometry.view import View, mirrored_view
from SphericalRegLib.io.dicom import detector_area, rt_image
from SphericalRegLib.io.dicom import tags as dicom_tags
from SphericalRegLib.io.dicom.angles import PositionerAngles, positioner_angles
from SphericalRegLib.io.dicom.distances import AS_GIVEN, detector_spacing, refuse_tilted_detector, source_distances


def view_from_dicom(
    dataset: pydicom.Dataset,
    *,
    frame: int = 0,
    sdd: float | None = None,
    sad: float | None = None,
    spacing: tuple[float, float] | None = None,
    principal_point: tuple[float, float] | None = None,
    primary_deg: float | None = None,
    secondary_deg: float | None = None,
    mirrored: bool | None = None,
    name: str = "view",
) -> NominalGeometry:
    """The geometry of one frame of a DICOM X-ray. What is given by keyword is taken instead of the header's value.

    Args:
        dataset: header (pixels are not needed).
        frame: from 0; moving C-arms have their own angles in each frame.
        sdd: source-to-detector distance, mm.
        sad: source-to-isocenter distance, mm.
        spacing: (row, column) distance of pixel centers *on the detector*, mm.
        principal_point: (column, row) pixel where the ray perpendicular to the detector hits.
        primary_deg, secondary_deg: where the detector is, as DICOM's positioner angles.
        mirrored: whether the stored image is a mirror image of what the source sees. Without it the angles and
            PatientOrientation decide (:mod:`carm`); without angles the image is read as not mirrored.
        name: what the user calls the view.

    Raises:
        GeometryError: for missing or impossible values; the message names the tag, its value and the option to give.
    """
    if dicom_tags.text(dataset, "Modality") == "RTIMAGE":
        return _rt_image(dataset, frame, sdd, sad, spacing, principal_point, primary_deg, secondary_deg, mirrored, name)
    height, width = dicom_tags.size(dataset)
    refuse_tilted_detector(dataset, frame, principal_point)
    distances = source_distances(dataset, frame, sdd, sad)
    pixels = detector_spacing(dataset, frame, spacing, distances.sdd, distances.sad)
    angles = PositionerAngles(primary_deg, secondary_deg, AS_GIVEN)
    if primary_deg is None:
        angles = positioner_angles(dataset, frame)
        if secondary_deg is not None:
            angles = angles._replace(secondary_deg=secondary_deg)
    display, display_from = _display(dataset, frame, angles.primary_deg, angles.secondary_deg or 0.0)
    point_from = AS_GIVEN
    if principal_point is None:
        principal_point, point_from = detector_area.principal_point(dataset, height, width, pixels.mm, frame)
    view = View.from_spacing(height, width, distances.sdd, pixels.mm, principal_point, distances.sad, name)
    if display.mirrored if mirrored is None else mirrored:
        view = mirrored_view(view)
    sources = Sources(
        distances.sdd_from,
        distances.sad_from,
        pixels.origin,
        point_from,
        angles.origin,
        display_from if mirrored is None else AS_GIVEN,
    )
    doubts = plausibility.doubts(view, sources.sdd, sources.sad, sources.spacing)
    return NominalGeometry(
        view,
        angles.primary_deg,
        0.0 if angles.primary_deg is not None and angles.secondary_deg is None else angles.secondary_deg,
        display.rotation_deg,
        sources,
        (*distances.notes, *pixels.notes, *angles.notes),
        doubts,
        pixels.magnified,
    )


@dataclass(frozen=True)
class PartialGeometry:
    """What a header tells where it may not tell all.

    Attributes:
        geometry: with stand-ins for what is missing; None where nothing usable is told.
        missing: what is missing or impossible, each with the remedy.
        sdd_missing, spacing_missing: whether the geometry's number is a stand-in; without the source-to-detector
            distance, a spacing or a source-to-isocenter distance that were calculated from it are stand-ins too.
    """

    geometry: NominalGeometry | None
    missing: tuple[str, ...]
    sdd_missing: bool = False
    spacing_missing: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """The geometry's notes, without those on implausible numbers where some are stand-ins."""
        if self.geometry is None:
            return ()
        return self.geometry.guesses if self.sdd_missing or self.spacing_missing else self.geometry.notes


def as_far_as_told(dataset: pydicom.Dataset, frame: int = 0) -> PartialGeometry:
    """The geometry of one frame (from 0) as far as its header tells, and all that it does not tell.

    Each of source-to-detector distance and spacing that is missing is stood in for, to get at everything else.
    """
    missing: list[str] = []
    sdd: float | None
    spacing: tuple[float, float] | None
    for sdd, spacing in ((None, None), (1000.0, None), (None, (1.0, 1.0)), (1000.0, (1.0, 1.0))):
        try:
            geometry = view_from_dicom(dataset, frame=frame, sdd=sdd, spacing=spacing)
        except GeometryError as error:
            if str(error) not in missing:
                missing.append(str(error))
            continue
        spacing_missing = spacing is not None or (sdd is not None and geometry.spacing_from_depth)
        return PartialGeometry(geometry, tuple(missing), sdd is not None, spacing_missing)
    return PartialGeometry(None, tuple(missing))


def _rt_image(
    dataset: pydicom.Dataset,
    frame: int,
    sdd: float | None,
    sad: float | None,
    spacing: tuple[float, float] | None,
    principal_point: tuple[float, float] | None,
    primary_deg: float | None,
    secondary_deg: float | None,
    mirrored: bool | None,
    name: str,
) -> NominalGeometry:
    """The geometry of a linear accelerator's image, which has attributes of its own."""
    height, width = dicom_tags.size(dataset)
    plane = rt_image.read(dataset, height, width, frame=frame, sdd=sdd, sad=sad, spacing=spacing)
    angles = plane.angles
    if primary_deg is not None:
        angles = carm.CArmAngles(primary_deg, secondary_deg or 0.0, angles.rotation_deg)
    point = plane.principal_point if principal_point is None else principal_point
    view = View.from_spacing(height, width, plane.sdd, plane.spacing, point, plane.sad, name)
    if plane.display.mirrored if mirrored is None else mirrored:
        view = mirrored_view(view)
    sources = Sources(
        plane.sdd_from,
        plane.sad_from,
        plane.spacing_from,
        plane.principal_point_from if principal_point is None else AS_GIVEN,
        plane.angles_from if primary_deg is None else AS_GIVEN,
        plane.display_from if mirrored is None else AS_GIVEN,
    )
    doubts = plausibility.doubts(view, sources.sdd, sources.sad, sources.spacing)
    return NominalGeometry(view, *angles, sources, plane.notes, doubts)


def dicom_tags_from_view(view: View, pose: Tensor | None = None) -> dict[str, Any]:
    """Attributes (by keyword) from which :func:`view_from_dicom` reads the same view, and the pose's angles.

    An off-center principal point is written as enhanced XA does it, since classic XA has no place for it. Of a pose
    only what DICOM can say is written: the two angles, and PatientOrientation for mirroring and quarter turns; a
    rotation about the beam by another angle, and the isocenter, are not.

    Args:
        view: without skew and with its principal focal length along the rows positive.
        pose: (4, 4) camera_from_world, or None.

    Raises:
        GeometryError: for a view with skew or upside down, which these attributes cannot describe.
    """
    k = view.intrinsics
    if k[0, 1] != 0 or k[1, 0] != 0 or k[1, 1] < 0:
        raise GeometryError(
            f"DICOM cannot describe skewed or upside-down pixels: intrinsics {k.tolist()}. Write a JSON calibration."
        )
    row_mm, column_mm = view.spacing
    tags: dict[str, Any] = {
        "Rows": view.height,
        "Columns": view.width,
        "DistanceSourceToDetector": _ds(view.sdd),
        "ImagerPixelSpacing": [_ds(row_mm), _ds(column_mm)],
    }
    if view.sad is not None:
        tags["DistanceSourceToPatient"] = _ds(view.sad)
        tags["EstimatedRadiographicMagnificationFactor"] = _ds(view.sdd / view.sad)
    u0, v0 = float(k[0, 2]), float(k[1, 2])
    if (u0, v0) != ((view.width - 1) / 2, (view.height - 1) / 2):
        tags["DetectorElementSpacing"] = tags["ImagerPixelSpacing"]
        tags["PositionOfIsocenterProjection"] = [v0, u0]
        tags["FieldOfViewOrigin"] = ["0", "0"]
        tags["FieldOfViewRotation"] = "0"
        tags["FieldOfViewHorizontalFlip"] = "NO"
    if pose is not None:
        rotation = pose[:3, :3].to(torch.float64)
        primary, secondary, _ = carm.angles_from_pose(pose)
        tags["PositionerPrimaryAngle"] = _ds(primary)
        tags["PositionerSecondaryAngle"] = _ds(secondary)
        right = -rotation[0] if view.mirrored else rotation[0]
        tags["PatientOrientation"] = [frames.direction_letters(right), frames.direction_letters(rotation[1])]
    return tags


def _ds(value: float) -> str:
    """A decimal string of at most 16 characters; rounded first, since pydicom lets 9.999…9 grow to 17."""
    return format_number_as_ds(round(float(f"{value:.12g}"), 12))


def _display(
    dataset: pydicom.Dataset, frame: int, primary_deg: float | None, secondary_deg: float
) -> tuple[carm.Display, str]:
    """How the stored image lies, and what said so."""
    if primary_deg is None:
        # Which side the detector is on decides; not knowing it, read the image as the source sees it.
        return carm.Display(False, 0.0), "as the source sees it while the angles are not known"
    letters = [letter for letter in dicom_tags.texts(dataset, "PatientOrientation", frame) if letter]
    if len(letters) != 2:
        return carm.expected_display(primary_deg), "as images of this angle are shown"
    words = dicom_tags.origin(dataset, "PatientOrientation", frame)
    return carm.display_from_orientation(primary_deg, secondary_deg, letters[0], letters[1]), words


if not TYPE_CHECKING:  # which would take any name for one of this module's
    __getattr__ = served(__name__)
