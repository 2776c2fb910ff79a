"""Whether a CT lies in the beam at all: before anything is spent on a pose from which nothing can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay

# More would not tell more: each block is tested with all that it reaches.
_MOST_BLOCKS = 30_000


@dataclass(frozen=True)
class Occupied:
    """Where a volume attenuates at all, as balls around blocks of its voxels: a thin bone falls between few rays, but
    not between these.

    Attributes:
        centers: (N, 3) world mm.
        radius: mm; each ball holds its block.
    """

    centers: Tensor
    radius: float

    @classmethod
    def of(cls, volume: Volume) -> Occupied:
        """The balls of a volume; none for an empty one."""
        attenuates = (volume.density.sum(0) > 0).to(torch.float32)[None, None]
        size = 1
        while attenuates.numel() / size**3 > _MOST_BLOCKS:
            size += 1
        # whole blocks: what is beyond the last voxel is empty
        padding = [n for length in reversed(attenuates.shape[2:]) for n in (0, -length % size)]
        blocks = F.max_pool3d(F.pad(attenuates, padding), size)[0, 0]
        first = torch.nonzero(blocks).flip(1).to(torch.float64) * size
        centers = se3.transform_points(volume.world_from_voxel.cpu(), first.cpu() + (size - 1) / 2)
        corner = volume.world_from_voxel[:3, :3].cpu().abs() @ torch.full((3,), size / 2, dtype=torch.float64)
        return cls(centers, float(corner.norm()))

    def in_beam(self, view: View, poses: Tensor) -> Tensor:
        """(S,) whether some ball's projection touches the detector at poses (S, 4, 4) rig_from_world."""
        camera = se3.transform_points(view.camera_from_world(poses), self.centers)
        depth = camera[..., 2]
        # a ball around the source is seen everywhere
        ahead = depth > self.radius
        pixels = camera[..., :2] @ view.intrinsics[:2, :2].T / depth.clamp(min=1e-9)[..., None] + view.intrinsics[:2, 2]
        reach = self.radius * view.sdd / (depth - self.radius).clamp(min=1e-9)
        margin = torch.stack([reach / view.spacing[1], reach / view.spacing[0]], dim=-1)
        last = torch.tensor([view.width, view.height], dtype=torch.float64) - 0.5
        touches = ((pixels > -0.5 - margin) & (pixels < last + margin)).all(-1)
        around = depth.abs() <= self.radius
        return ((ahead & touches) | around).any(-1)


def check_beam(volume: Volume, xrays: Sequence[XRay], starts: Tensor) -> None:
    """See that at one start at least the CT lies in the beam of every view.

    Args:
        volume: the CT.
        xrays: the views.
        starts: (S, 4, 4) rig_from_world.

    Raises:
        GeometryError: with where the CT lies instead.
    """
    corners = volume.corners()
    occupied = Occupied.of(volume)
    for xray in xrays:
        camera = se3.transform_points(xray.view.camera_from_world(starts), corners)
        if bool((camera[..., 2].amax(-1) <= 0).all()):
            raise GeometryError(
                f"At the start the CT lies behind the X-ray source of {xray.view.name}: check the start pose and "
                "whether it maps world (CT) to camera, in mm."
            )
        if not bool(occupied.in_beam(xray.view, starts).any()):
            middle = se3.transform_points(xray.view.camera_from_world(starts), volume.center[None])
            raise GeometryError(
                f"At the start the CT does not overlap the beam of {xray.view.name}: its isocenter is at "
                f"{[round(x) for x in middle[0, 0].tolist()]} mm in camera coordinates, the detector at z = "
                f"{xray.view.sdd:.0f} mm. Give another start pose, preset or angles."
            )
