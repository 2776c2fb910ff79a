"""The CPU kernel's sweep: image and exact pose Jacobian at once, image rows dealt out to threads.

What is done for a ray is written in :mod:`SphericalRegLib.rendering.ray`: inside the sample loop only the sums Σ V,
Σ ∇V and Σ k ∇V are accumulated (in a form that compilers vectorize); everything else follows once per ray.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.compilation import compiled
from SphericalRegLib.rendering.llvm import CPU
from SphericalRegLib.rendering.prepared import prepared
from SphericalRegLib.rendering.ray.clip import make_clip
from SphericalRegLib.rendering.ray.columns import make_columns
from SphericalRegLib.rendering.ray.pixel import make_at_pixel
from SphericalRegLib.rendering.ray.samples import make_accumulate, make_total
from SphericalRegLib.rendering.rays import Rays
from SphericalRegLib.threads import share_out

_at_pixel = make_at_pixel(CPU)
_clip = make_clip(CPU)
_accumulate, _total = make_accumulate(CPU), make_total(CPU)
_columns = make_columns(CPU)
# Less is not worth handing to another thread: about a millisecond.
_SAMPLES_A_PART = 2**17


def render(density: Tensor, rays: Rays, samples: int, jacobian: bool) -> tuple[Tensor, Tensor | None]:
    """Images (B, C, H, W) and, if asked for, pose Jacobians (B, C, 6, H, W); see ``Kernel.render``."""
    order = rays.memory_order()
    batch, channels = rays.source.shape[0], density.shape[0]
    dtype = np.float64 if density.dtype == torch.float64 else np.float32
    image = np.empty((batch, channels, rays.height, rays.width), dtype)
    derivative = np.empty((batch, channels, 6, rays.height, rays.width) if jacobian else (1, 1, 6, 1, 1), dtype)
    sizes = tuple(density.shape[3 - axis] + 2 for axis in order)
    flat = prepared(density, _laid_out, order)
    geometry = in_memory_order(rays, order)

    def sweep(first: int, last: int) -> None:
        _sweep(first, last, flat, *sizes, *geometry, samples, jacobian, image, derivative)

    share_out(sweep, batch * rays.height, image.size * samples // _SAMPLES_A_PART)
    return torch.from_numpy(image), torch.from_numpy(derivative) if jacobian else None


def in_memory_order(rays: Rays, order: tuple[int, int, int]) -> tuple[NDArray[np.float64], ...]:
    """What the sweep takes of the rays, voxel axes as in memory, shifted by the voxel that pads the volume."""
    permutation = list(order)
    return (
        rays.source[:, permutation].numpy() + 1.0,
        np.ascontiguousarray(rays.direction[:, permutation].numpy()),
        np.ascontiguousarray(rays.rig_direction.numpy()),
        rays.lever.numpy(),
        np.ascontiguousarray(rays.voxel_from_rig[:, permutation].numpy()),
    )


def _laid_out(density: Tensor, order: tuple[int, int, int]) -> NDArray[np.floating]:
    """The volume (C, n) padded by one replicated voxel, with the axes in memory order."""
    values = density.detach().numpy().transpose(0, *(3 - axis for axis in order))
    channels, *sizes = values.shape
    padded = np.empty((channels, *(size + 2 for size in sizes)), values.dtype)
    padded[:, 1:-1, 1:-1, 1:-1] = values
    for axis in (1, 2, 3):
        edge = np.moveaxis(padded, axis, 0)
        edge[0], edge[-1] = edge[1], edge[-2]
    return padded.reshape(channels, -1)


@compiled
def _sweep(  # type: ignore[no-untyped-def]
    begin, end, flat, n0, n1, n2, source, direction, rig_direction, lever, voxel_from_rig, samples, jacobian, image, out
):
    """Rows [begin, end) of all images on top of one another."""
    real = flat.dtype.type
    _, channels, height, width = image.shape
    for row in range(begin, end):
        b, v = row // height, row % height
        s0, s1, s2 = source[b, 0], source[b, 1], source[b, 2]
        p, w, m = direction[b], rig_direction[b], voxel_from_rig[b]
        l0, l1, l2 = lever[b, 0], lever[b, 1], lever[b, 2]
        for u in range(width):
            d0, d1, d2 = _at_pixel(p, u, v)
            u0, u1, near, far = _clip(s0, s1, s2, d0, d1, d2, n0, n1, n2)
            if u1 <= u0:
                for c in range(channels):
                    image[b, c, v, u] = 0
                    if jacobian:
                        for parameter in range(6):
                            out[b, c, parameter, v, u] = 0
                continue
            r0, r1, r2 = _at_pixel(w, u, v)
            span = u1 - u0
            h = span / samples
            first = u0 + 0.5 * h
            scale = np.sqrt(r0 * r0 + r1 * r1 + r2 * r2) / samples
            x0, y0, z0 = real(s0 + first * d0), real(s1 + first * d1), real(s2 + first * d2)
            hx, hy, hz = real(h * d0), real(h * d1), real(h * d2)
            for c in range(channels):
                if not jacobian:
                    value = _total(flat[c], n0, n1, n2, x0, y0, z0, hx, hy, hz, 0, samples)
                    image[b, c, v, u] = scale * value * span
                    continue
                value, a0, a1, a2, k0, k1, k2 = _accumulate(flat[c], n0, n1, n2, x0, y0, z0, hx, hy, hz, 0, samples)
                image[b, c, v, u] = scale * value * span
                c0, c1, c2, c3, c4, c5 = _columns(
                    value,
                    a0,
                    a1,
                    a2,
                    k0,
                    k1,
                    k2,
                    first,
                    h,
                    scale,
                    u0,
                    u1,
                    near,
                    far,
                    d0,
                    d1,
                    d2,
                    r0,
                    r1,
                    r2,
                    l0,
                    l1,
                    l2,
                    m,
                )
                out[b, c, 0, v, u], out[b, c, 1, v, u], out[b, c, 2, v, u] = c0, c1, c2
                out[b, c, 3, v, u], out[b, c, 4, v, u], out[b, c, 5, v, u] = c3, c4, c5
