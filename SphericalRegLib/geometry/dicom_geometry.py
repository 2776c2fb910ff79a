"""Projection geometry out of the header of a DICOM X-ray, and back into one.

XA and RF (classic and enhanced), CR and DX here; RTIMAGE in :mod:`rt_image_geometry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pydicom
import torch
from pydicom.valuerep import format_number_as_ds
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import carm, detector_area, dicom_distances, dicom_tags, frames, rt_image_geometry
from SphericalRegLib.geometry.dicom_tags import named
from SphericalRegLib.geometry.view import View

# DICOM's ViewPosition (0018,5101): where the detector is. AP: the beam goes from front to back.
_VIEW_POSITIONS = {"AP": 180.0, "PA": 0.0, "LL": 90.0, "RL": -90.0}


@dataclass(frozen=True)
class DicomGeometry:
    """What a header says about the projection.

    Attributes:
        view: calibrated view; mirrored images have a negative focal length along the columns.
        primary_deg, secondary_deg: the C-arm's angles as DICOM defines them, or None where the header has none.
        rotation_deg: quarter turn (or receptor angle) of the stored image about the beam.
        spacing_from: the attribute or option that the pixel spacing came from.
    """

    view: View
    primary_deg: float | None
    secondary_deg: float | None
    rotation_deg: float = 0.0
    spacing_from: str = "ImagerPixelSpacing"

    def pose(self, isocenter: Tensor) -> Tensor:
        """Pose camera_from_world (4, 4) with the C-arm's isocenter at a world point (3,) in RAS mm.

        Raises:
            GeometryError: where the header has no angles or no source-to-isocenter distance.
        """
        if self.primary_deg is None or self.secondary_deg is None:
            raise GeometryError(
                f"The X-ray has no {named('PositionerPrimaryAngle')}: give primary_deg and secondary_deg, or a preset "
                f"view ({', '.join(carm.PRESETS)})."
            )
        if self.view.sad is None:
            raise GeometryError(
                f"The X-ray has no {named('DistanceSourceToPatient')}: give sad, the source-to-isocenter distance, mm."
            )
        return carm.pose_from_angles(self.primary_deg, self.secondary_deg, self.view.sad, isocenter, self.rotation_deg)


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
) -> DicomGeometry:
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
    height, width = dicom_tags.size(dataset)
    if dicom_tags.text(dataset, "Modality") == "RTIMAGE":
        plane = rt_image_geometry.read(dataset, height, width, sdd=sdd, sad=sad, spacing=spacing)
        source, angles, display = plane.spacing_from, plane.angles, plane.display
        sdd, sad, spacing = plane.sdd, plane.sad, plane.spacing
        principal_point = plane.principal_point if principal_point is None else principal_point
        if primary_deg is not None:
            angles = carm.CArmAngles(primary_deg, secondary_deg or 0.0, angles.rotation_deg)
        primary_deg, secondary_deg, rotation_deg = angles
    else:
        dicom_distances.refuse_tilted_detector(dataset, frame, principal_point)
        sdd, sad = dicom_distances.source_distances(dataset, frame, sdd, sad)
        spacing, source = dicom_distances.detector_spacing(dataset, frame, spacing, sdd, sad)
        if primary_deg is None:
            primary_deg, read_secondary = _angles(dataset, frame)
            secondary_deg = read_secondary if secondary_deg is None else secondary_deg
        display = _display(dataset, primary_deg, secondary_deg or 0.0)
        rotation_deg = display.rotation_deg
        if principal_point is None:
            principal_point = detector_area.principal_point(dataset, height, width, spacing, frame)
    view = View.from_spacing(height, width, sdd, spacing, principal_point, sad, name)
    if display.mirrored if mirrored is None else mirrored:
        view = mirrored_view(view)
    if primary_deg is not None and secondary_deg is None:
        secondary_deg = 0.0
    return DicomGeometry(view, primary_deg, secondary_deg, rotation_deg, source)


def mirrored_view(view: View) -> View:
    """The same view with its image read as a mirror image (left and right) of what it was read as.

    Nothing moves in the file: the principal point stays, the focal length along the columns changes its sign.
    """
    k = view.intrinsics.clone()
    k[0, 0] = -k[0, 0]
    return View(k, view.height, view.width, view.sdd, view.camera_from_rig, view.sad, view.name)


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


def _angles(dataset: pydicom.Dataset, frame: int) -> tuple[float | None, float | None]:
    """Positioner angles of a frame; without them, those that ViewPosition stands for."""
    primary = _angle_in_frame(dataset, "PositionerPrimaryAngle", frame)
    if primary is None:
        primary = _VIEW_POSITIONS.get(dicom_tags.text(dataset, "ViewPosition"))
        return primary, None if primary is None else 0.0
    return primary, _angle_in_frame(dataset, "PositionerSecondaryAngle", frame) or 0.0


def _angle_in_frame(dataset: pydicom.Dataset, keyword: str, frame: int) -> float | None:
    """Classic XA: the first frame's angle plus this frame's increment from it (PS3.3 C.8.7.5.1.3)."""
    angle = dicom_tags.number(dataset, keyword, frame)
    increments = dicom_tags.values(dataset, f"{keyword}Increment", None)
    if angle is None or increments is None or len(increments) == 1 or "PerFrameFunctionalGroupsSequence" in dataset:
        return angle
    if frame >= len(increments):
        raise GeometryError(
            f"{named(keyword + 'Increment')} has {len(increments)} values, but frame {frame} was asked for."
        )
    return angle + increments[frame]


def _display(dataset: pydicom.Dataset, primary_deg: float | None, secondary_deg: float) -> carm.Display:
    if primary_deg is None:
        # Which side the detector is on decides; not knowing it, read the image as the source sees it.
        return carm.Display(False, 0.0)
    letters = [str(part) for part in (dataset.get("PatientOrientation") or []) if str(part).strip()]
    if len(letters) != 2:
        return carm.expected_display(primary_deg)
    return carm.display_from_orientation(primary_deg, secondary_deg, letters[0], letters[1])
