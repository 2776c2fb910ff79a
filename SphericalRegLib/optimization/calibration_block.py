"""Focal length and principal point of views as parameters beside poses: a doubtful calibration, refined.

A ray's direction is all that they change. Turning a camera about its source changes directions too, and how images then
change is known exactly from the bodies' pose Jacobians: so these columns need no renderer of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.optimization.state import State, VectorBlock

#: Of each view: the focal length's logarithm, and where the principal point lies farther along columns and rows, mm.
PARAMETERS = 3
# mm that a relative change of the focal length counts as: a body at some 700 mm seems to come so much nearer.
_FOCAL_MM = 700.0
# Deviations of what is held: far below what images tell, not so small that nothing else counts in a damped step.
_HELD_FOCAL, _HELD_MM = 1e-5, 1e-2


def calibration_blocks(views: int) -> tuple[VectorBlock, ...]:
    """One block for each view, values (B, 3)."""
    return tuple(VectorBlock(torch.tensor([_FOCAL_MM, 1.0, 1.0], dtype=torch.float64)) for _ in range(views))


def calibrated(view: View, values: Tensor) -> View:
    """A view with another focal length and principal point, values (3,)."""
    intrinsics = view.intrinsics.clone()
    intrinsics[:2, :2] *= math.exp(float(values[0]))
    row_mm, column_mm = view.spacing
    intrinsics[0, 2] += float(values[1]) / column_mm
    intrinsics[1, 2] += float(values[2]) / row_mm
    # its pixels stay as large as they are: what changes is the detector's distance
    return replace(view, intrinsics=intrinsics, sdd=view.sdd * math.exp(float(values[0])))


def calibration_columns(
    view: View, original: View, poses: Sequence[Tensor], centers: Sequence[Tensor], jacobians: Sequence[Tensor]
) -> Tensor:
    """(B, 3, H, W) the derivative of one hypothesis' image in :data:`PARAMETERS`.

    With ω a turn of the camera about its source, in its own axes, a pixel's direction d moves by ω × d, and the image
    by D_ω. As the image depends on d's direction alone, ∇I · d = 0, and with d = (x, y, 1) this gives
    q = x I_x + y I_y = (x D_y - y D_x) / (1 + x² + y²), I_x = D_y - x q, I_y = -D_x - y q.

    Args:
        view: as it is now.
        original: whose pixel spacing millimeters are counted in.
        poses: (B, 4, 4) rig_from_world of each body.
        centers: (3,) world mm, their isocenters.
        jacobians: (B, 6, H, W) of their images in their twists.
    """
    rig_from_camera = se3.inverse(view.camera_from_rig)
    axes, source = rig_from_camera[:3, :3], rig_from_camera[:3, 3]
    turned: Tensor | None = None
    for pose, center, jacobian in zip(poses, centers, jacobians, strict=True):
        place = se3.transform_points(pose, center[None])[:, 0]
        # the camera turns by ω where all bodies turn by -ω about its source
        rotation = -axes.T[None].expand(len(pose), 3, 3)
        shift = torch.linalg.cross(rotation, (place - source)[:, None].expand(len(pose), 3, 3), dim=-1)
        twists = torch.cat([rotation, shift], -1).to(jacobian)
        own = torch.einsum("bkp,bphw->bkhw", twists, jacobian)
        turned = own if turned is None else turned + own
    assert turned is not None, "there is a body"
    rows, columns = torch.meshgrid(
        torch.arange(view.height, dtype=torch.float64), torch.arange(view.width, dtype=torch.float64), indexing="ij"
    )
    pixels = torch.stack([columns, rows, torch.ones_like(rows)], -1)
    direction = (pixels @ torch.linalg.inv(view.intrinsics).T).to(turned)
    x, y = direction[..., 0], direction[..., 1]
    by_x, by_y = turned[:, 0], turned[:, 1]
    q = (x * by_y - y * by_x) / (1 + x.square() + y.square())
    along = torch.stack([by_y - x * q, -by_x - y * q], 1)
    # a pixel's direction moves by minus the inverse intrinsics of what the principal point moves by
    row_mm, column_mm = original.spacing
    per_pixel = torch.linalg.inv(view.intrinsics[:2, :2]).to(turned)
    by_column = -(per_pixel[0, 0] * along[:, 0] + per_pixel[1, 0] * along[:, 1]) / column_mm
    by_row = -(per_pixel[0, 1] * along[:, 0] + per_pixel[1, 1] * along[:, 1]) / row_mm
    return torch.stack([-q, by_column, by_row], 1)


@dataclass(frozen=True)
class CalibrationPrior:
    """How well a view's numbers are known, as standard deviations; 0 holds one where it is.

    Attributes:
        block: of the state.
        focal: relative.
        center_mm: of the principal point, along columns and along rows.

    Raises:
        InputError: for a deviation below 0.
    """

    block: int
    focal: float
    center_mm: float

    def __post_init__(self) -> None:
        for name in ("focal", "center_mm"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"The calibration's {name} is {getattr(self, name)}: give a deviation, 0 or more.")

    @property
    def information(self) -> Tensor:
        """(3, 3) the inverse covariance."""
        focal, center = max(self.focal, _HELD_FOCAL), max(self.center_mm, _HELD_MM)
        return torch.diag(torch.tensor([focal, center, center], dtype=torch.float64) ** -2)

    def twist(self, state: State) -> Tensor:
        """(B, 3) how far the numbers are from what they were."""
        return state.values[self.block]

    def linearize(self, state: State) -> tuple[Tensor, Tensor]:
        """:meth:`twist`, and its derivative (B, 3, P)."""
        values = self.twist(state)
        starts = [0, *torch.tensor(state.sizes).cumsum(0).tolist()]
        derivative = values.new_zeros(len(state), PARAMETERS, starts[-1])
        derivative[:, :, starts[self.block] : starts[self.block + 1]] = torch.eye(PARAMETERS, dtype=values.dtype)
        return values, derivative
