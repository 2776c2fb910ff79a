"""A C-arm as its operator sets it: angles, distances, detector and table; to a pose and a view, and back.

The numbers are those of a console. The patient lies on a table that may have been shifted: where nothing is shifted,
the middle of the CT is in the isocenter. Everything is float64, and each way undoes the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import carm, se3
from SphericalRegLib.geometry.carm_words import view_angles
from SphericalRegLib.geometry.view import View, mirrored_view

#: mm by which a source is moved back where beams are to be parallel: a body of 500 mm is then magnified by 0.05 % more
#: in front than behind.
PARALLEL_MM = 1e6

# What turns (left, front, head) into RAS.
_PATIENT_AXES = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
# Where parallel rays do not tell it.
_USUAL_SAD_SHARE = 2 / 3
# More skew than this share of a focal length is no detector's rounding.
_SKEW = 1e-9


@dataclass(frozen=True)
class CArmSetting:
    """One setting of a C-arm over a patient.

    Attributes:
        primary_deg: where the detector is, as DICOM's PositionerPrimaryAngle: 0 in front, + to the left (LAO).
        secondary_deg: as DICOM's PositionerSecondaryAngle: + to the head (CRA).
        rotation_deg: turns the source's view clockwise about the beam.
        sdd: source-to-detector (image) distance, SID, mm.
        sad: source-to-isocenter (object) distance, SOD, mm.
        rows, columns: of the detector, pixels.
        row_spacing, column_spacing: distance of pixel centers on the detector, mm.
        off_center_columns, off_center_rows: from the image's middle to where the central ray hits, pixels.
        table_left, table_front, table_head: where the table moved the patient to, mm toward these sides of the patient.
        mirrored: whether the image is the mirror image of what the source sees, as fluoroscopes show it.
        parallel: whether all rays run along the central one; approximated by a source that is 1 km farther away, so
            that an image keeps its scale at the isocenter.
    """

    primary_deg: float = 180.0
    secondary_deg: float = 0.0
    rotation_deg: float = 0.0
    sdd: float = 1200.0
    sad: float = 800.0
    rows: int = 512
    columns: int = 512
    row_spacing: float = 0.8
    column_spacing: float = 0.8
    off_center_columns: float = 0.0
    off_center_rows: float = 0.0
    table_left: float = 0.0
    table_front: float = 0.0
    table_head: float = 0.0
    mirrored: bool = False
    parallel: bool = False

    def view(self, name: str = "C-arm") -> View:
        """Its projection geometry, the rig being the camera.

        Raises:
            GeometryError: for distances or a detector that no C-arm has; the message names the value.
        """
        middle = ((self.columns - 1) / 2 + self.off_center_columns, (self.rows - 1) / 2 + self.off_center_rows)
        spacing = self.row_spacing, self.column_spacing
        view = View.from_spacing(self.rows, self.columns, self.sdd, spacing, middle, self.sad, name)
        if self.parallel:
            scale = self.sad / self.sdd
            far = PARALLEL_MM + self.sad
            # as large as it was at the isocenter, where the detector is taken to be
            spacing = self.row_spacing * scale, self.column_spacing * scale
            depth = self.sdd - self.sad
            stretched = (spacing[0] * (far + depth) / far, spacing[1] * (far + depth) / far)
            view = View.from_spacing(self.rows, self.columns, far + depth, stretched, middle, far, name)
        return mirrored_view(view) if self.mirrored else view

    def pose(self, center: Tensor) -> Tensor:
        """Pose camera_from_world (4, 4) float64.

        Args:
            center: (3,) world RAS mm of what is in the isocenter while the table is not shifted: the CT's middle.

        Raises:
            GeometryError: for angles or distances that are not finite, or a distance not above 0.
        """
        sad = self.sad + (PARALLEL_MM if self.parallel else 0.0)
        return carm.pose_from_angles(
            self.primary_deg, self.secondary_deg, sad, self.isocenter(center), self.rotation_deg
        )

    def isocenter(self, center: Tensor) -> Tensor:
        """(3,) world RAS mm of the C-arm's isocenter, in the frame of the CT, which stays where it is in the scene."""
        table = torch.tensor([self.table_left, self.table_front, self.table_head], dtype=torch.float64)
        return torch.as_tensor(center, dtype=torch.float64) - _PATIENT_AXES * table

    def seen_from(self, name: str) -> CArmSetting:
        """The same C-arm at a view by name (:mod:`carm_words`), shown as images of that view are.

        Raises:
            GeometryError: for a text that is neither a view nor angles.
        """
        primary, secondary = view_angles(name)
        mirrored = carm.expected_display(primary).mirrored
        return replace(self, primary_deg=primary, secondary_deg=secondary, rotation_deg=0.0, mirrored=mirrored)


def setting_of(view: View, pose: Tensor, center: Tensor) -> CArmSetting:
    """The setting of a calibrated view at a pose: the inverse of :meth:`CArmSetting.view` and :meth:`CArmSetting.pose`.

    Where the source-to-isocenter distance is not known, the isocenter is taken to be where the central ray passes the
    CT's middle most nearly. A parallel beam is told by its distance.

    Args:
        view: with square or oblong pixels, mirrored and turned as it may be.
        pose: (4, 4) rig_from_world.
        center: as for :meth:`CArmSetting.pose`.

    Raises:
        GeometryError: for a detector with skewed pixels, which no C-arm's numbers describe.
    """
    k = view.intrinsics
    if abs(float(k[0, 1])) > _SKEW * abs(float(k[0, 0])) or k[1, 0] != 0:
        raise GeometryError(
            f"Skewed pixels have no C-arm's numbers: intrinsics {k.tolist()}. Use the calibration file."
        )
    camera = view.camera_from_world(pose.detach().to("cpu", torch.float64))
    fx, fy = float(k[0, 0]), float(k[1, 1])
    if fy < 0:
        # stored upside down: half a turn about the beam, and mirrored the other way
        camera = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64)) @ camera
        fx, fy = -fx, -fy
    center = torch.as_tensor(center, dtype=torch.float64)
    sdd, sad = view.sdd, view.sad
    if sad is None:
        depth = float(se3.transform_points(camera, center[None])[0, 2])
        sad = min(max(depth, 0.05 * sdd), 0.95 * sdd)
    in_camera = torch.tensor([0.0, 0.0, sad], dtype=torch.float64)
    isocenter = se3.transform_points(se3.inverse(camera), in_camera[None])[0]
    left, front, head = ((center - isocenter) * _PATIENT_AXES).tolist()
    angles = carm.angles_from_pose(camera)
    parallel = sad > PARALLEL_MM
    row_spacing, column_spacing = sdd / fy, sdd / abs(fx)
    if parallel:
        far, depth = sad, sdd - sad
        # the detector's distance is kept; how far the source was before is not told by parallel rays
        sad = _USUAL_SAD_SHARE / (1 - _USUAL_SAD_SHARE) * depth
        sdd = sad + depth
        scale = far / (far + depth) * sdd / sad
        row_spacing, column_spacing = row_spacing * scale, column_spacing * scale
    return CArmSetting(
        angles.primary_deg,
        angles.secondary_deg,
        angles.rotation_deg,
        sdd,
        sad,
        view.height,
        view.width,
        row_spacing,
        column_spacing,
        float(k[0, 2]) - (view.width - 1) / 2,
        float(k[1, 2]) - (view.height - 1) / 2,
        left,
        front,
        head,
        mirrored=fx < 0,
        parallel=parallel,
    )


def looking(setting: CArmSetting, source: Tensor, target: Tensor, up: Tensor, center: Tensor) -> CArmSetting:
    """The C-arm with its beam along a line of sight, as that of a 3D view's camera; distances and detector stay.

    The isocenter is put where the line passes the CT's middle most nearly.

    Args:
        setting: of the C-arm before.
        source, target: (3,) world RAS mm: two points of the line, the detector being beyond the second.
        up: (3,) direction that is up in the image.
        center: (3,) as for :meth:`CArmSetting.pose`.

    Raises:
        GeometryError: for a line without direction, or an upward direction along it.
    """
    beam = target.to(torch.float64) - source.to(torch.float64)
    across = torch.linalg.cross(beam, up.to(torch.float64))
    if float(beam.norm()) < 1e-9 or float(across.norm()) < 1e-9 * float(beam.norm()) * max(1.0, float(up.norm())):
        raise GeometryError("The line of sight has no direction, or runs along what is to be up: turn the 3D view.")
    beam, right = beam / beam.norm(), across / across.norm()
    rotation = torch.stack([right, torch.linalg.cross(beam, right), beam])
    isocenter = source + ((center - source) @ beam) * beam
    angles = carm.angles_from_pose(se3.from_parts(rotation, torch.zeros(3, dtype=torch.float64)))
    left, front, head = ((center - isocenter) * _PATIENT_AXES).tolist()
    return replace(
        setting,
        primary_deg=angles.primary_deg,
        secondary_deg=angles.secondary_deg,
        rotation_deg=angles.rotation_deg,
        table_left=left,
        table_front=front,
        table_head=head,
    )
