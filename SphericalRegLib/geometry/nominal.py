"""What an X-ray's file says of its projection: the view, and where the C-arm nominally stood."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import carm
from SphericalRegLib.geometry.view import View


@dataclass(frozen=True)
class Sources:
    """Where each part of a geometry came from: attributes by name and tag, or "as given"; "" where it is not known."""

    sdd: str
    sad: str
    spacing: str
    principal_point: str
    angles: str
    display: str


@dataclass(frozen=True)
class NominalGeometry:
    """What a header says about the projection.

    Attributes:
        view: calibrated view; mirrored images have a negative focal length along the columns.
        primary_deg, secondary_deg: the C-arm's angles as DICOM defines them, or None where the header has none.
        rotation_deg: quarter turn (or receptor angle) of the stored image about the beam.
        sources: where each number came from, None where no header was read.
        guesses: what the header leaves open or contradicts itself about, and how it was read; for the user.
        doubts: what is implausible, with values and remedies; for the user.
        spacing_from_depth: whether the spacing was calculated back from the patient's depth by the distances.
    """

    view: View
    primary_deg: float | None
    secondary_deg: float | None
    rotation_deg: float = 0.0
    sources: Sources | None = None
    guesses: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    spacing_from_depth: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """All that the user should know."""
        return self.guesses + self.doubts

    def pose(self, isocenter: Tensor) -> Tensor:
        """Pose camera_from_world (4, 4) with the C-arm's isocenter at a world point (3,) in RAS mm.

        Raises:
            GeometryError: where the header has no angles or no source-to-isocenter distance.
        """
        if self.primary_deg is None or self.secondary_deg is None:
            raise GeometryError(
                f"The X-ray has no PositionerPrimaryAngle (0018,1510): give primary_deg and secondary_deg, or a preset "
                f"view ({', '.join(carm.PRESETS)})."
            )
        if self.view.sad is None:
            raise GeometryError(
                "The X-ray has no DistanceSourceToPatient (0018,1111): give sad, the source-to-isocenter distance, mm."
            )
        return carm.pose_from_angles(self.primary_deg, self.secondary_deg, self.view.sad, isocenter, self.rotation_deg)
