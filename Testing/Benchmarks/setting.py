"""What the rendering benchmark renders: one phantom from a tilted pose, or many close to it, in several sizes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume

CUBE_MM = 256.0
SAD_MM = 700.0
SDD_MM = 1000.0
DETECTOR_MM = 358.0
#: Rotation vector (radians) and shift (mm) of the cube away from the straight view down one of its axes.
TILT = (0.30, 0.22, 0.15, 6.0, -9.0, 12.0)


@dataclass(frozen=True)
class Setting:
    """One volume and view, and poses, everything float32 but the geometry.

    Attributes:
        volume: (1, N, N, N) voxels.
        view: square.
        poses: (B, 4, 4) float64 ``camera_from_world``.
        samples: along each ray.
        weights: (1, 1, H, W): the scalar that is differentiated is the sum of ``weights * image``.
    """

    volume: Volume
    view: View
    poses: Tensor
    samples: int
    weights: Tensor

    @property
    def device(self) -> torch.device:
        return self.volume.density.device


def make_setting(voxels: int, pixels: int, samples: int, device: str, poses: int = 1) -> Setting:
    """The benchmark's cube of ``voxels``³ seen on a detector of ``pixels``² from so many poses, a hair apart."""
    spacing = CUBE_MM / voxels
    world_from_voxel = torch.diag(torch.tensor([spacing, spacing, spacing, 1.0], dtype=torch.float64))
    world_from_voxel[:3, 3] = -spacing * (voxels - 1) / 2
    volume = Volume(phantom(voxels).to(device), world_from_voxel)
    view = View.from_spacing(pixels, pixels, SDD_MM, (DETECTOR_MM / pixels,) * 2, sad=SAD_MM)
    straight = se3.translation(torch.tensor([0.0, 0.0, SAD_MM], dtype=torch.float64))
    twists = torch.tensor(TILT, dtype=torch.float64) * (1 + 1e-3 * torch.arange(poses, dtype=torch.float64)[:, None])
    batch = se3.about(twists, straight.expand(poses, 4, 4), volume.center)
    ramp = torch.linspace(0, 1, pixels, device=device)
    weights = (1 + torch.cos(7 * ramp[:, None]) * torch.sin(5 * ramp))[None, None]
    return Setting(volume, view, batch, samples, weights)


def phantom(voxels: int) -> Tensor:
    """A smooth random density (1, N, N, N), 0 to 0.04 per mm.

    It is zero at the border, because libraries differ in what they assume beyond the outermost voxel centers.
    """
    coarse = torch.rand(1, 1, 10, 10, 10, generator=torch.Generator().manual_seed(0))
    density = F.interpolate(coarse, size=(voxels,) * 3, mode="trilinear", align_corners=True)[0]
    position = torch.linspace(0, 1, voxels)
    edge = torch.sin(torch.pi * position).clamp(min=0) ** 2
    return 0.04 * density * edge * edge[:, None] * edge[:, None, None]
