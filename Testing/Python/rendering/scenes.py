"""Volumes and views in which a wrong convention shows: oblique, anisotropic, off-center, mirrored."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering import KERNELS


def oblique_frame(spacing: tuple[float, float, float] = (2.0, 3.0, 5.0)) -> Tensor:
    """(4, 4) world from voxel, turned about all axes."""
    world = se3.exp(torch.tensor([0.3, -0.2, 0.5, 10.0, -30.0, 50.0]).double())
    return world @ torch.diag(torch.tensor([*spacing, 1.0]).double())


def smooth_volume(channels: int = 2, dtype: torch.dtype = torch.float64) -> Volume:
    """(channels, 12, 18, 22): a product of cosines, nowhere zero, other in each channel and along each axis."""
    k, j, i = torch.meshgrid(*[torch.linspace(-1, 1, n).double() for n in (12, 18, 22)], indexing="ij")
    layers = [
        0.01 * (1.5 + torch.cos(1.1 * i + 0.3 + c) * torch.cos(0.8 * j - 0.4) + 0.5 * torch.sin(1.3 * k + 0.2 * i))
        for c in range(channels)
    ]
    frame = oblique_frame()
    isocenter = (frame @ torch.tensor([8.0, 11.0, 4.0, 1.0]).double())[:3]
    return Volume(torch.stack(layers).to(dtype), frame, isocenter)


def noisy_volume(dtype: torch.dtype = torch.float64, shape: tuple[int, int, int] = (7, 9, 8)) -> Volume:
    """One channel of noise: every voxel counts."""
    generator = torch.Generator().manual_seed(1)
    return Volume(torch.rand(1, *shape, generator=generator, dtype=dtype), oblique_frame())


def mirrored_view(height: int = 11, width: int = 13) -> View:
    """Stored mirrored along u, off-center, not square, and not at the rig's origin."""
    intrinsics = torch.tensor([[-70.0, 0.0, 4.0], [0.0, 90.0, 7.0], [0.0, 0.0, 1.0]]).double()
    camera_from_rig = se3.exp(torch.tensor([0.2, 0.1, -0.3, 20.0, -10.0, 40.0]).double())
    return View(intrinsics, height, width, 1000.0, camera_from_rig)


def facing(volume: Volume, view: View, depth: float = 700.0) -> Tensor:
    """(2, 4, 4) poses that put the isocenter near the view's axis, from two sides."""
    turns = se3.so3_exp(torch.tensor([[1.2, 0.3, -0.2], [0.1, -2.0, 0.4]]).double())
    shifts = torch.tensor([[5.0, 0.0, depth], [10.0, -20.0, 0.93 * depth]]).double()
    camera_from_world = se3.from_parts(turns, shifts) @ se3.translation(-volume.center)
    return se3.inverse(view.camera_from_rig) @ camera_from_world


#: The kernel that others are held to.
REFERENCE = "torch"
#: Those that render volumes on the CPU, which every machine has.
ON_CPU = [name for name, kernel in KERNELS.items() if kernel.supports(noisy_volume()) is None]
every_kernel = pytest.mark.parametrize("kernel", ON_CPU)
every_other_kernel = pytest.mark.parametrize("kernel", [name for name in ON_CPU if name != REFERENCE])
