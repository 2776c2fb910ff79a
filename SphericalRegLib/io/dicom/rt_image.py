"""Projection geometry of an RTIMAGE: a linear accelerator's portal or kV image, as IEC 61217 describes it.

RT images are as seen from the source (PS3.3 C.8.8.2.7) unless RTImageOrientation says otherwise.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import pydicom
import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import carm, frames, se3
from SphericalRegLib.io.dicom import tags
from SphericalRegLib.io.dicom.distances import AS_GIVEN
from SphericalRegLib.io.dicom.tags import named

# IEC fixed axes (x to the right facing the gantry, y towards it, z up) as patient directions, by PatientPosition.
_FIXED_AXES = {
    "HFS": "LSA",
    "HFP": "RSP",
    "FFS": "RIA",
    "FFP": "LIP",
    "HFDR": "PSL",
    "HFDL": "ASR",
    "FFDR": "AIL",
    "FFDL": "PIR",
}


class ImagePlane(NamedTuple):
    """Distances in mm, spacing (row, column) in mm, principal point (column, row) in pixels; each with its source."""

    sdd: float
    sad: float | None
    spacing: tuple[float, float]
    principal_point: tuple[float, float]
    angles: carm.CArmAngles
    display: carm.Display
    sdd_from: str
    sad_from: str
    spacing_from: str
    principal_point_from: str
    angles_from: str
    display_from: str
    notes: tuple[str, ...] = ()


def read(
    dataset: pydicom.Dataset,
    height: int,
    width: int,
    *,
    frame: int = 0,
    sdd: float | None = None,
    sad: float | None = None,
    spacing: tuple[float, float] | None = None,
) -> ImagePlane:
    """Geometry of one frame (from 0) of an RT image; the other keywords replace the header's values.

    No PatientPosition means HFS, the usual one, and a note says so.

    Raises:
        GeometryError: for missing or impossible values and for image planes oblique to the beam.
    """
    if tags.text(dataset, "RTImagePlane") == "NON_NORMAL":
        raise GeometryError(
            f"{named('RTImagePlane')} is NON_NORMAL: give the geometry of an oblique plane by a calibration (K, R, t)."
        )
    sdd_from = named("RTImageSID") if sdd is None else AS_GIVEN
    sdd = tags.number(dataset, "RTImageSID") if sdd is None else sdd
    if sdd is None or sdd <= 0:
        raise GeometryError(f"{named('RTImageSID')} is {sdd}: give sdd, the source-to-image distance in mm.")
    sad_from = named("RadiationMachineSAD") if sad is None else AS_GIVEN
    sad = tags.number(dataset, "RadiationMachineSAD") if sad is None else sad
    if sad is not None and not 0 < sad < sdd:
        raise GeometryError(
            f"{named('RadiationMachineSAD')} is {sad} mm, but must lie between 0 and {named('RTImageSID')}, {sdd} mm: "
            "give sad and sdd in mm."
        )
    spacing_from = named("ImagePlanePixelSpacing") if spacing is None else AS_GIVEN
    spacing = tags.pair(dataset, "ImagePlanePixelSpacing") if spacing is None else spacing
    if spacing is None or min(spacing) <= 0:
        raise GeometryError(f"{named('ImagePlanePixelSpacing')} is {spacing}: give spacing (row, column) in mm.")
    rows, columns = _image_axes(dataset)
    angle = math.radians(tags.number(dataset, "XRayImageReceptorAngle", frame) or 0.0)
    point = _principal_point(dataset, height, width, spacing, rows, columns, angle)
    camera, mirrored = _camera_axes(dataset, frame, rows, columns, angle)
    angles = carm.angles_from_pose(se3.from_parts(camera, torch.zeros(3, dtype=torch.float64)))
    placed = tags.pair(dataset, "RTImagePosition") is not None
    turned = tags.element(dataset, "RTImageOrientation") is not None
    return ImagePlane(
        sdd,
        sad,
        spacing,
        point,
        angles,
        carm.Display(mirrored, angles.rotation_deg),
        sdd_from,
        sad_from if sad is not None else "",
        spacing_from,
        named("RTImagePosition") if placed else "the image's middle, as nothing else is said",
        f"{tags.origin(dataset, 'GantryAngle', frame)} and {named('PatientPosition')}",
        named("RTImageOrientation") if turned else "as seen from the source, the rule for RT images",
        _notes(dataset, frame),
    )


def _notes(dataset: pydicom.Dataset, frame: int) -> tuple[str, ...]:
    """What was taken for granted where the header says nothing."""
    notes = []
    if not tags.text(dataset, "PatientPosition"):
        notes.append(f"The image has no {named('PatientPosition')}: the patient is taken to lie head first, supine.")
    if tags.number(dataset, "GantryAngle", frame) is None:
        notes.append(f"The image has no {named('GantryAngle')}: it is taken as 0°.")
    return tuple(notes)


def _image_axes(dataset: pydicom.Dataset) -> tuple[Tensor, Tensor]:
    """Unit vectors (2,) along rows and along columns in the receptor's x and y."""
    cosines = tags.values(dataset, "RTImageOrientation", 6)
    x, y = torch.tensor(cosines or [1.0, 0, 0, 0, -1.0, 0], dtype=torch.float64).reshape(2, 3)
    if abs(float(x[2])) + abs(float(y[2])) > 1e-4 or abs(float(x @ y)) > 1e-4 or abs(float(x.norm() - 1)) > 1e-3:
        raise GeometryError(
            f"{named('RTImageOrientation')} is {cosines}: rows and columns must be perpendicular unit vectors in the "
            "receptor's plane; give the geometry by a calibration (K, R, t)."
        )
    return x[:2] / x.norm(), y[:2] / y.norm()


def _principal_point(
    dataset: pydicom.Dataset,
    height: int,
    width: int,
    spacing: tuple[float, float],
    rows: Tensor,
    columns: Tensor,
    angle: float,
) -> tuple[float, float]:
    """(column, row) of the beam's axis; the receptor may be shifted and turned against it."""
    corner = tags.pair(dataset, "RTImagePosition")
    if corner is None:
        return (width - 1) / 2, (height - 1) / 2
    shift = tags.values(dataset, "XRayImageReceptorTranslation", 3) or [0.0, 0.0, 0.0]
    cos, sin = math.cos(angle), math.sin(angle)
    axis = torch.tensor([-shift[0] * cos - shift[1] * sin, shift[0] * sin - shift[1] * cos], dtype=torch.float64)
    from_corner = axis - torch.tensor(corner, dtype=torch.float64)
    return float(from_corner @ rows) / spacing[1], float(from_corner @ columns) / spacing[0]


def _camera_axes(
    dataset: pydicom.Dataset, frame: int, rows: Tensor, columns: Tensor, angle: float
) -> tuple[Tensor, bool]:
    """Rotation camera_from_world (3, 3) of the stored image, made proper, and whether it is mirrored."""
    position = tags.text(dataset, "PatientPosition") or "HFS"
    if position not in _FIXED_AXES:
        raise GeometryError(
            f"{named('PatientPosition')} is {position}: give primary_deg and secondary_deg; known are "
            f"{', '.join(_FIXED_AXES)}."
        )
    if pitch := tags.number(dataset, "GantryPitchAngle", frame):
        raise GeometryError(f"{named('GantryPitchAngle')} is {pitch}°: give the geometry by a calibration (K, R, t).")
    world_from_support = torch.stack([frames.direction(letter) for letter in _FIXED_AXES[position]], dim=1)
    gantry = math.radians(tags.number(dataset, "GantryAngle", frame) or 0.0)
    couch = math.radians(tags.number(dataset, "PatientSupportAngle", frame) or 0.0)
    # IEC 61217: the couch turns about z, the gantry about y, the receptor about the beam, each right-handed.
    turns = [[0.0, 0.0, -couch], [0.0, gantry, 0.0], [0.0, 0.0, angle]]
    support_from_fixed, fixed_from_gantry, gantry_from_receptor = se3.so3_exp(torch.tensor(turns, dtype=torch.float64))
    world_from_receptor = world_from_support @ support_from_fixed @ fixed_from_gantry @ gantry_from_receptor
    x = world_from_receptor[:, :2] @ rows
    y = world_from_receptor[:, :2] @ columns
    z = -world_from_receptor[:, 2]
    mirrored = float(torch.linalg.cross(x, y) @ z) < 0
    return torch.stack([-x if mirrored else x, y, z]), mirrored
