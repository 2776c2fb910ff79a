"""One calibrated X-ray view: a pinhole camera whose center is the X-ray source."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.tolerance import EXACT, Tolerance


@dataclass(frozen=True)
class View:
    """Projection geometry of one X-ray, as OpenCV: +z to the detector, +x along columns, +y along rows.

    Several calibrated views of one C-arm or biplane system share a *rig*: a pose is then ``rig_from_world`` and each
    view sees ``camera_from_rig @ rig_from_world``. With one view the rig is the camera.

    Attributes:
        intrinsics: (3, 3) float64, pixels; pixel (column u, row v) has its center at integer (u, v). A negative focal
            length means an image that is stored mirrored along that axis, as fluoroscopy often is.
        height: rows.
        width: columns.
        sdd: source-to-detector distance in mm.
        camera_from_rig: (4, 4) float64.
        sad: source-to-isocenter (axis) distance in mm, where known.
        name: what the user calls it.
        tolerance: how well intrinsics are known.

    Raises:
        GeometryError: for a size, distance or matrix that no X-ray system has; the message names the value.
    """

    intrinsics: Tensor
    height: int
    width: int
    sdd: float
    camera_from_rig: Tensor = field(default_factory=lambda: torch.eye(4, dtype=torch.float64))
    sad: float | None = None
    name: str = "view"
    tolerance: Tolerance = EXACT

    def __post_init__(self) -> None:
        object.__setattr__(self, "intrinsics", torch.as_tensor(self.intrinsics, dtype=torch.float64))
        object.__setattr__(self, "camera_from_rig", torch.as_tensor(self.camera_from_rig, dtype=torch.float64))
        if self.height < 1 or self.width < 1:
            raise GeometryError(f"An X-ray of {self.height} rows by {self.width} columns has no pixels.")
        if not self.sdd > 0 or self.sdd == float("inf"):
            raise GeometryError(
                f"The source-to-detector distance is {self.sdd} mm: give the C-arm's value, usually 900 to 1500 mm."
            )
        if self.sad is not None and not 0 < self.sad < self.sdd:
            raise GeometryError(
                f"The source-to-isocenter distance ({self.sad} mm) must lie between 0 and the source-to-detector "
                f"distance ({self.sdd} mm): check which is which."
            )
        k = self.intrinsics
        if k.shape != (3, 3) or not torch.isfinite(k).all():
            raise GeometryError(f"Intrinsics must be a finite 3×3 matrix, not {tuple(k.shape)}: {k.tolist()}.")
        if not torch.equal(k[2], torch.tensor([0.0, 0.0, 1.0], dtype=k.dtype)) or k[0, 0] == 0 or k[1, 1] == 0:
            raise GeometryError(
                f"Intrinsics need a last row 0 0 1 and focal lengths (pixels) other than 0: {k.tolist()}."
            )
        if float(torch.linalg.det(k)) == 0:
            raise GeometryError(f"Intrinsics put all of the detector onto one line of pixels: {k.tolist()}.")
        e = self.camera_from_rig
        if e.shape != (4, 4) or not is_rigid(e):
            raise GeometryError(f"camera_from_rig is not a rigid 4×4 matrix: {e.tolist()}.")

    @classmethod
    def from_spacing(
        cls,
        height: int,
        width: int,
        sdd: float,
        spacing: tuple[float, float],
        principal_point: tuple[float, float] | None = None,
        sad: float | None = None,
        name: str = "view",
    ) -> View:
        """A view from detector spacing instead of a focal length in pixels.

        Args:
            height, width: rows and columns.
            sdd: source-to-detector distance, mm.
            spacing: (row, column) distance of pixel centers on the detector, mm, in DICOM's order.
            principal_point: (column, row) in pixels where the central ray hits; the image's middle by default.
            sad: source-to-isocenter distance, mm.
            name: what the user calls it.
        """
        row_mm, column_mm = spacing
        if not (row_mm > 0 and column_mm > 0):
            raise GeometryError(
                f"The detector's pixel spacing is {row_mm} × {column_mm} mm: give the true spacing (row, column) in mm."
            )
        u0, v0 = principal_point if principal_point is not None else ((width - 1) / 2, (height - 1) / 2)
        k = torch.tensor([[sdd / column_mm, 0, u0], [0, sdd / row_mm, v0], [0, 0, 1]], dtype=torch.float64)
        return cls(k, height, width, float(sdd), sad=sad, name=name)

    @property
    def spacing(self) -> tuple[float, float]:
        """(row, column) distance of pixel centers on the detector, mm."""
        return self.sdd / abs(float(self.intrinsics[1, 1])), self.sdd / abs(float(self.intrinsics[0, 0]))

    @property
    def mirrored(self) -> bool:
        """Whether the stored image is a mirror image of what the source sees."""
        return bool(self.intrinsics[0, 0] * self.intrinsics[1, 1] < 0)

    def camera_from_world(self, poses: Tensor) -> Tensor:
        """This view's camera (..., 4, 4) for poses ``rig_from_world`` (..., 4, 4)."""
        return self.camera_from_rig.to(poses) @ poses

    @cached_property
    def rig_from_camera(self) -> Tensor:
        """(4, 4) float64: the inverse of ``camera_from_rig``."""
        return se3.inverse(self.camera_from_rig)

    def detector_from_pixel(self) -> Tensor:
        """(3, 3) float64: camera coordinates (mm) of a pixel (u, v, 1) on the detector plane z = sdd."""
        return self._detector_from_pixel

    @cached_property
    def _detector_from_pixel(self) -> Tensor:
        return self.sdd * torch.linalg.inv(self.intrinsics)

    def project(self, points: Tensor, poses: Tensor) -> Tensor:
        """Pixels (..., N, 2) = (u, v) of world points (N, 3) in mm at poses ``rig_from_world`` (..., 4, 4).

        Points at or behind the source give non-finite or mirrored pixels; check ``depth > 0`` where that may happen.
        """
        camera = se3.transform_points(self.camera_from_world(poses), points.to(poses))
        homogeneous = camera @ self.intrinsics.to(poses).T
        return homogeneous[..., :2] / homogeneous[..., 2:]

    def resized(self, height: int, width: int) -> View:
        """The same detector area cut into another number of pixels, with exact half-pixel handling."""
        sx, sy = width / self.width, height / self.height
        scale = torch.tensor(
            [[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]],
            dtype=torch.float64,
        )
        return replace(self, intrinsics=scale @ self.intrinsics, height=height, width=width)

    def cropped(self, top: int, left: int, height: int, width: int) -> View:
        """The part of the image that starts at row ``top`` and column ``left``; may reach beyond the image."""
        k = self.intrinsics.clone()
        k[0, 2] -= left
        k[1, 2] -= top
        return replace(self, intrinsics=k, height=height, width=width)


def is_rigid(matrix: Tensor, tolerance: float = 1e-4) -> bool:
    """Whether a (4, 4) matrix is a proper rigid motion within a tolerance on R Rᵀ = 1."""
    rotation = matrix[:3, :3]
    identity = torch.eye(3, dtype=matrix.dtype)
    last = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=matrix.dtype)
    return bool(
        torch.isfinite(matrix).all()
        and (rotation @ rotation.T - identity).abs().max() < tolerance
        and torch.linalg.det(rotation) > 0
        and (matrix[3] - last).abs().max() < tolerance
    )


def mirrored_view(view: View) -> View:
    """The same view with its image read as a mirror image (left and right) of what it was read as.

    Nothing moves in the file: the principal point stays, the focal length along the columns changes its sign.
    """
    k = view.intrinsics.clone()
    k[0, 0] = -k[0, 0]
    return replace(view, intrinsics=k)
