"""The kernel of NVIDIA's GPUs in the table of kernels."""

from __future__ import annotations

from importlib.util import find_spec

import torch
from torch import Tensor

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering.kernel import Kernel
from SphericalRegLib.rendering.ray.indices import beyond_indices
from SphericalRegLib.rendering.rays import Rays

_INSTALL = 'pip install "sphericalreg[cuda]"'


class CudaKernel(Kernel):
    """Image and exact Jacobian of all poses in one launch; see :mod:`SphericalRegLib.rendering.cuda.sweep`.

    numba-cuda is imported with the first volume on a CUDA device.
    """

    name = "cuda"
    title = "CUDA, by numba-cuda"

    def supports(self, volume: Volume) -> str | None:
        """See :class:`Kernel`: float32 and float64 on CUDA devices, of fewer than 2³¹ voxels once padded by one."""
        density = volume.density
        if density.device.type != "cuda":
            return f"runs on CUDA, but the volume is on {density.device}"
        if density.dtype not in (torch.float32, torch.float64):
            return f"renders float32 and float64, not {density.dtype}"
        return beyond_indices(volume) or _missing()

    def rays_on(self, device: torch.device) -> torch.device:
        """See :class:`Kernel`: on the CPU, where poses are; how the volume is laid out is decided there, too."""
        return torch.device("cpu")

    def render(self, density: Tensor, rays: Rays, samples: int, jacobian: bool) -> tuple[Tensor, Tensor | None]:
        """See :class:`Kernel`; the same bits for the same batch, whoever renders it."""
        from SphericalRegLib.rendering.cuda import launch

        return launch.render(density, rays, samples, jacobian)

    def backproject(self, like: Tensor, rays: Rays, samples: int, images: Tensor, jacobians: Tensor | None) -> Tensor:
        """See :class:`Kernel`; the last bits of its sums over rays vary."""
        from SphericalRegLib.rendering.cuda import launch

        return launch.backproject(like, rays, samples, images, jacobians)


def _missing() -> str | None:
    """What numba-cuda lacks, in words that follow "the cuda kernel"; None where it is ready."""
    if torch.version.hip is not None:
        return "is for NVIDIA's GPUs, and this one is AMD's"
    if find_spec("numba_cuda") is None:
        return f"needs the package numba-cuda, which is not installed ({_INSTALL})"
    from SphericalRegLib.rendering.cuda.toolchain import is_usable

    return None if is_usable() else f"finds no NVVM library of the CUDA toolkit, or no driver ({_INSTALL})"
