"""The CPU's kernel: compiled once and kept, image rows dealt out to threads."""

from __future__ import annotations

import torch
from torch import Tensor

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering.kernel import Kernel
from SphericalRegLib.rendering.ray.indices import beyond_indices
from SphericalRegLib.rendering.rays import Rays


class NumbaKernel(Kernel):
    """Image and exact Jacobian in one sweep over the samples; see :mod:`SphericalRegLib.rendering.numba_sweep`.

    numba is imported with the first image.
    """

    name = "numba"
    title = "CPU, parallel"

    def supports(self, volume: Volume) -> str | None:
        """See :class:`Kernel`: float32 and float64 on the CPU, of fewer than 2³¹ voxels with one more to each side."""
        density = volume.density
        if density.device.type != "cpu":
            return f"runs on the CPU, but the volume is on {density.device}"
        if density.dtype not in (torch.float32, torch.float64):
            return f"renders float32 and float64, not {density.dtype}"
        return beyond_indices(volume)

    def render(self, density: Tensor, rays: Rays, samples: int, jacobian: bool) -> tuple[Tensor, Tensor | None]:
        """See :class:`Kernel`."""
        from SphericalRegLib.rendering import numba_sweep

        return numba_sweep.render(density, rays, samples, jacobian)

    def backproject(self, like: Tensor, rays: Rays, samples: int, images: Tensor, jacobians: Tensor | None) -> Tensor:
        """See :class:`Kernel`; the sum over rays is taken in an order that depends only on the number of threads."""
        from SphericalRegLib.rendering import numba_adjoint

        return numba_adjoint.backproject(like, rays, samples, images, jacobians)
