"""From rays and tensors to launches: what kernels take, on which grid, on torch's stream, without copies."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.rendering.cuda import adjoint, sweep
from SphericalRegLib.rendering.cuda.grid import MOST_POSES, Grid
from SphericalRegLib.rendering.cuda.toolchain import current_stream, memory_of
from SphericalRegLib.rendering.prepared import prepared
from SphericalRegLib.rendering.rays import Rays


def render(density: Tensor, rays: Rays, samples: int, jacobian: bool) -> tuple[Tensor, Tensor | None]:
    """Images (B, C, H, W) and, if asked for, pose Jacobians (B, C, 6, H, W); see ``Kernel.render``.

    Args:
        density: (C, K, J, I) in 1/mm, on a CUDA device, or on the CPU for the simulator.
        rays: B cameras, on the CPU.
        samples: along the clipped part of each ray.
        jacobian: whether to return ∂image/∂twist.
    """
    order = rays.memory_order()
    padded = prepared(density, _laid_out, order)
    image = density.new_empty(rays.batch, density.shape[0], rays.height, rays.width)
    if not jacobian:
        _launch(sweep.make_image(_real(density)), padded, order, rays, samples, image)
        return image, None
    columns = density.new_empty(rays.batch, density.shape[0], 6, rays.height, rays.width)
    _launch(sweep.make_linearize(_real(density)), padded, order, rays, samples, image, columns)
    return image, columns


def backproject(like: Tensor, rays: Rays, samples: int, images: Tensor, jacobians: Tensor | None) -> Tensor:
    """(C, K, J, I): the transpose of :func:`render`; see ``Kernel.backproject``."""
    order = rays.memory_order()
    total = like.new_zeros(like.shape[0], *(like.shape[3 - axis] + 2 for axis in order))
    columns = like.new_zeros(1, 1, 6, 1, 1).expand(rays.batch, -1, -1, -1, -1) if jacobians is None else jacobians
    cotangents = (images.to(like).contiguous(), columns.to(like).contiguous())
    _launch(adjoint.make_spread(_real(like)), total, order, rays, samples, jacobians is not None, *cotangents)
    # a voxel on the border was repeated outside of it
    for axis in (1, 2, 3):
        total.select(axis, 1).add_(total.select(axis, 0))
        total.select(axis, -2).add_(total.select(axis, -1))
    # from (C, memory order) to (C, k, j, i)
    back = [1 + order.index(axis) for axis in (2, 1, 0)]
    return total[:, 1:-1, 1:-1, 1:-1].permute(0, *back).contiguous()


def _launch(
    kernel: Any, padded: Tensor, order: tuple[int, int, int], rays: Rays, samples: int, *arguments: bool | Tensor
) -> None:
    """Run a kernel on all poses at once, channel by channel.

    Args:
        kernel: of this package.
        padded: (C, n0, n1, n2), contiguous.
        order: the voxel axes of n0, n1, n2.
        rays: B cameras.
        samples: along each ray.
        arguments: the kernel's last ones; tensors (B, C, ..., H, W), contiguous.
    """
    device = padded.device
    with torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext():
        stream = current_stream(device)
        sizes = [np.int32(size) for size in padded.shape[1:]]
        volumes = [memory_of(volume) for volume in padded.flatten(1)]
        cameras = _cameras(rays, order, device, padded.dtype)
        for begin in range(0, rays.batch, MOST_POSES):
            poses = slice(begin, begin + MOST_POSES)
            grid = Grid.of(rays.height, rays.width, len(cameras[0][poses]), samples, _processors(device))
            configured = kernel[grid.blocks, grid.threads, stream]
            arrays = [memory_of(camera[poses]) for camera in cameras]
            last = [memory_of(item[poses]) if isinstance(item, Tensor) else item for item in arguments]
            for channel, volume in enumerate(volumes):
                counts = [np.int32(number) for number in (samples, grid.halvings, channel)]
                configured(volume, *sizes, *arrays, *counts, *last)


def _processors(device: torch.device) -> int:
    """Multiprocessors of a device; the simulator has one."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1


def _real(density: Tensor) -> type:
    return np.float64 if density.dtype == torch.float64 else np.float32


def _laid_out(density: Tensor, order: tuple[int, int, int]) -> Tensor:
    """(C, n0, n1, n2): the volume padded by one replicated voxel, with the axes in memory order."""
    padded = F.pad(density.detach()[None], (1,) * 6, mode="replicate")[0]
    return padded.permute(0, *(3 - axis for axis in order)).contiguous()


def _cameras(
    rays: Rays, order: tuple[int, int, int], device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Rays (B, 3, 4) in float64 and frames (B, 3, 10) in the volume's dtype, as ``sweep.make_linearize`` takes them."""
    voxels = torch.cat([rays.source[:, :, None] + 1, rays.direction, rays.voxel_from_rig], dim=2)
    voxels = voxels.index_select(1, torch.tensor(order))
    frames = torch.cat([voxels[:, :, 1:], rays.rig_direction, rays.lever[:, :, None]], dim=2)
    # small enough for the driver to take at once: nothing waits
    exact = voxels[:, :, :4].contiguous().to(device, non_blocking=True)
    return exact, frames.to(dtype).to(device, non_blocking=True)
