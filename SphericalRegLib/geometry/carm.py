"""The C-arm: poses from DICOM positioner angles and back, preset views, and how their images are displayed.

Angles are DICOM's (PS3.3 C.8.7.5.1.2) and say where the *detector* is about the patient: the primary angle like a
longitude, 0° in front of the chest, +90° at the patient's left (LAO); the secondary like a latitude, + cranial.
So at 0/0 the source is behind the patient (PA) and an AP exposure has the primary angle 180°.

The camera is a proper right-handed frame that looks from the source to the detector with the head up. Images are not
always stored that way: fluoroscopy is seen *from the detector*, which is a mirror image of the source's view. Mirroring
is therefore never part of a pose but of a view's intrinsics (negative fx), while quarter turns of a stored image are
part of the pose (``rotation_deg``).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import frames, se3

# (primary, secondary) in degrees. AP names the beam's way: in at the front, out at the back.
PRESETS: dict[str, tuple[float, float]] = {
    "AP": (180.0, 0.0),
    "PA": (0.0, 0.0),
    "left lateral": (90.0, 0.0),
    "right lateral": (-90.0, 0.0),
}

# Beyond this primary angle the detector counts as posterior, and images are shown as the source sees them: then AP and
# PA both have the patient's left on the image's right, while laterals reached from PA keep the detector's view.
_POSTERIOR_DEG = 135.0
# How much better (of 2, the best score) another display must fit PatientOrientation than the expected one. Vendors
# write L\F at every angle; near a lateral view that says nothing about mirroring.
_CLEARLY_BETTER = 0.35


class CArmAngles(NamedTuple):
    """Degrees: primary in (-180, 180], secondary in [-90, 90], rotation about the beam in (-180, 180]."""

    primary_deg: float
    secondary_deg: float
    rotation_deg: float


class Display(NamedTuple):
    """How a stored image lies against the source's head-up view: mirrored (or not) after a rotation in degrees."""

    mirrored: bool
    rotation_deg: float


def _rotation_from_angles(primary_deg: float, secondary_deg: float, rotation_deg: float) -> Tensor:
    """camera_from_world rotation (3, 3)."""
    p, s, r = (math.radians(a) for a in (primary_deg, secondary_deg, rotation_deg))
    # RAS: patient left is -x, anterior +y, cranial +z.
    beam = (-math.cos(s) * math.sin(p), math.cos(s) * math.cos(p), math.sin(s))
    down = (-math.sin(s) * math.sin(p), math.sin(s) * math.cos(p), -math.cos(s))
    z = torch.tensor(beam, dtype=torch.float64)
    y = torch.tensor(down, dtype=torch.float64)
    head_up = torch.stack([torch.linalg.cross(y, z), y, z])
    return se3.so3_exp(torch.tensor([0.0, 0.0, r], dtype=torch.float64)) @ head_up


def pose_from_angles(
    primary_deg: float,
    secondary_deg: float,
    sad: float,
    isocenter: Tensor,
    rotation_deg: float = 0.0,
) -> Tensor:
    """Pose camera_from_world (4, 4) float64 of a C-arm whose central ray passes the isocenter.

    Args:
        primary_deg: DICOM PositionerPrimaryAngle: 0 = detector anterior, +90 = at the patient's left.
        secondary_deg: DICOM PositionerSecondaryAngle: + cranial.
        sad: source-to-isocenter distance, mm.
        isocenter: (3,) world RAS, mm.
        rotation_deg: turns the source's view clockwise about the beam.

    Raises:
        GeometryError: for angles or distances that are not finite, or a distance not above 0.
    """
    center = torch.as_tensor(isocenter, dtype=torch.float64)
    if center.shape != (3,) or not torch.isfinite(center).all():
        raise GeometryError(f"The isocenter must be three finite world coordinates in mm, not {center.tolist()}.")
    if not (sad > 0 and math.isfinite(sad)):
        raise GeometryError(
            f"The source-to-isocenter distance is {sad} mm: give the C-arm's value, e.g. 500 to 800 mm."
        )
    for label, angle in (("primary", primary_deg), ("secondary", secondary_deg), ("rotation", rotation_deg)):
        if not math.isfinite(angle):
            raise GeometryError(f"The C-arm's {label} angle is {angle}: give degrees.")
    rotation = _rotation_from_angles(primary_deg, secondary_deg, rotation_deg)
    offset = torch.tensor([0.0, 0.0, sad], dtype=torch.float64) - rotation @ center
    return se3.from_parts(rotation, offset)


def pose_from_preset(name: str, sad: float, isocenter: Tensor) -> Tensor:
    """Pose camera_from_world (4, 4) of one of :data:`PRESETS`, named in any case.

    Raises:
        GeometryError: for a name that is not among them.
    """
    by_name = {key.casefold(): angles for key, angles in PRESETS.items()}
    if name.casefold() not in by_name:
        raise GeometryError(f"There is no preset view '{name}': choose one of {', '.join(PRESETS)}.")
    primary, secondary = by_name[name.casefold()]
    return pose_from_angles(primary, secondary, sad, isocenter)


def angles_from_pose(pose: Tensor) -> CArmAngles:
    """Angles of a pose camera_from_world (4, 4): the inverse of :func:`pose_from_angles`.

    With the beam along the body's axis (secondary ±90°) primary and rotation are one angle; primary is then 0.
    """
    rotation = pose[:3, :3].to(torch.float64)
    beam_r, beam_a, beam_s = (float(c) for c in rotation[2])
    level = math.hypot(beam_r, beam_a)
    secondary = math.degrees(math.atan2(beam_s, level))
    primary = math.degrees(math.atan2(-beam_r, beam_a)) if level > 1e-9 else 0.0
    turned = rotation @ _rotation_from_angles(primary, secondary, 0.0).T
    roll = math.degrees(math.atan2(float(turned[1, 0]), float(turned[0, 0])))
    return CArmAngles(wrapped(primary), secondary, wrapped(roll))


def wrapped(degrees: float) -> float:
    """The same angle in (-180, 180]."""
    return 180.0 - (180.0 - degrees) % 360.0


def expected_display(primary_deg: float) -> Display:
    """How an image taken at this primary angle is shown where the file does not say.

    Head up; seen from the detector (mirrored), except with the detector behind the patient: so the patient's left is
    on the image's right in AP and PA, as radiographs and fluoroscopes show it.
    """
    return Display(abs(wrapped(primary_deg)) <= _POSTERIOR_DEG, 0.0)


def display_from_orientation(primary_deg: float, secondary_deg: float, row: str, column: str) -> Display:
    """How an image is stored: the mirroring and quarter turn that fit its PatientOrientation (0020,0020) best.

    Args:
        primary_deg, secondary_deg: where the detector is.
        row: letters of the patient direction along rows (to the image's right), e.g. ``"L"``.
        column: letters of the direction along columns (downwards), e.g. ``"F"``.

    What the letters leave open is as :func:`expected_display` says.

    Raises:
        GeometryError: for letters that are no patient directions.
    """
    right, down = frames.direction(row), frames.direction(column)
    expected = expected_display(primary_deg)
    best, best_score = expected, -math.inf
    for mirrored in (False, True):
        for rotation_deg in (0.0, 90.0, 180.0, -90.0):
            camera = _rotation_from_angles(primary_deg, secondary_deg, rotation_deg)
            along_rows = -camera[0] if mirrored else camera[0]
            candidate = Display(mirrored, rotation_deg)
            score = float(right @ along_rows + down @ camera[1])
            # A mirror alone is the doubtful part; the head's side is always told.
            score += _CLEARLY_BETTER * (mirrored == expected.mirrored)
            if score > best_score + 1e-9:
                best, best_score = candidate, score
    return best
