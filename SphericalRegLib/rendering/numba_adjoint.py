"""The CPU kernel's transpose: cotangents of images and Jacobians back to the density, for networks on the volume.

Image and Jacobian are linear in the density. Each ray gathers Σ V, Σ ∇V and Σ k ∇V along its samples and maps these
seven sums to one pixel of the image and of the six Jacobian images; here the transpose of that map gives cotangents of
the sums, which the samples of the same ray scatter to the corners of their cells.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.compilation import compiled, inlined
from SphericalRegLib.rendering.llvm import CPU
from SphericalRegLib.rendering.numba_sweep import in_memory_order
from SphericalRegLib.rendering.ray.clip import make_clip
from SphericalRegLib.rendering.ray.columns import make_cotangents
from SphericalRegLib.rendering.ray.pixel import make_at_pixel
from SphericalRegLib.rendering.ray.samples import make_scatter
from SphericalRegLib.rendering.rays import Rays
from SphericalRegLib.threads import get_threads, share_out

# Each thread scatters into a volume of its own, so that none waits for another; together not more than this.
_SCRATCH_BYTES = 2**30


def backproject(like: Tensor, rays: Rays, samples: int, images: Tensor, jacobians: Tensor | None) -> Tensor:
    """(C, K, J, I): the transpose of ``numba_sweep.render``; see ``Kernel.backproject``.

    The sum over rays is taken in an order that depends on nothing but the number of threads.
    """
    order = rays.memory_order()
    dtype = np.float64 if like.dtype == torch.float64 else np.float32
    sizes = tuple(like.shape[3 - axis] + 2 for axis in order)
    bytes_each = like.shape[0] * int(np.prod(sizes)) * np.dtype(dtype).itemsize
    threads = max(1, min(get_threads(), _SCRATCH_BYTES // bytes_each))
    padded = np.zeros((threads, like.shape[0], int(np.prod(sizes))), dtype)
    columns = np.zeros((1, 1, 6, 1, 1), dtype) if jacobians is None else _array(jacobians, dtype)
    geometry, pixels = in_memory_order(rays, order), _array(images, dtype)

    def spread(first: int, last: int) -> None:
        _spread(first, last, padded, *sizes, *geometry, samples, jacobians is not None, pixels, columns)

    share_out(spread, threads, threads)
    total = padded.sum(axis=0).reshape(-1, *sizes)
    # a voxel on the border was repeated outside of it
    for axis in (1, 2, 3):
        edge = np.moveaxis(total, axis, 0)
        edge[1] += edge[0]
        edge[-2] += edge[-1]
    # from (C, memory order) to (C, k, j, i)
    permuted = total[:, 1:-1, 1:-1, 1:-1].transpose(0, *(1 + order.index(axis) for axis in (2, 1, 0)))
    gradient = torch.empty(like.shape, dtype=like.dtype)
    gradient.copy_(torch.from_numpy(permuted))
    return gradient


def _array(cotangents: Tensor, dtype: type) -> np.ndarray:
    return np.ascontiguousarray(cotangents.detach().numpy().astype(dtype, copy=False))


@inlined(fastmath=True)
def _add(flat, index, value):  # type: ignore[no-untyped-def]
    flat[index] += value


_at_pixel = make_at_pixel(CPU)
_clip = make_clip(CPU)
_cotangents = make_cotangents(CPU)
_scatter = make_scatter(CPU, _add)


@compiled
def _spread(  # type: ignore[no-untyped-def]
    begin,
    end,
    padded,
    n0,
    n1,
    n2,
    source,
    direction,
    rig_direction,
    lever,
    voxel_from_rig,
    samples,
    jacobian,
    images,
    columns,
):
    """Volumes [begin, end) of ``padded``, each with every so manyeth row of all images on top of one another."""
    real = padded.dtype.type
    threads = padded.shape[0]
    batch, channels, height, width = images.shape
    for task in range(begin, end):
        for row in range(task, batch * height, threads):
            b, v = row // height, row % height
            s0, s1, s2 = source[b, 0], source[b, 1], source[b, 2]
            p, w, m = direction[b], rig_direction[b], voxel_from_rig[b]
            l0, l1, l2 = lever[b, 0], lever[b, 1], lever[b, 2]
            for u in range(width):
                d0, d1, d2 = _at_pixel(p, u, v)
                u0, u1, near, far = _clip(s0, s1, s2, d0, d1, d2, n0, n1, n2)
                if u1 <= u0:
                    continue
                r0, r1, r2 = _at_pixel(w, u, v)
                span = u1 - u0
                h = span / samples
                first = u0 + 0.5 * h
                scale = np.sqrt(r0 * r0 + r1 * r1 + r2 * r2) / samples
                x0, y0, z0 = real(s0 + first * d0), real(s1 + first * d1), real(s2 + first * d2)
                hx, hy, hz = real(h * d0), real(h * d1), real(h * d2)
                for c in range(channels):
                    value, a0, a1, a2 = scale * (span * images[b, c, v, u]), 0.0, 0.0, 0.0
                    k0, k1, k2 = 0.0, 0.0, 0.0
                    if jacobian:
                        value, a0, a1, a2, k0, k1, k2 = _cotangents(
                            images[b, c, v, u],
                            columns[b, c, 0, v, u],
                            columns[b, c, 1, v, u],
                            columns[b, c, 2, v, u],
                            columns[b, c, 3, v, u],
                            columns[b, c, 4, v, u],
                            columns[b, c, 5, v, u],
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
                    _scatter(
                        padded[task, c],
                        n0,
                        n1,
                        n2,
                        x0,
                        y0,
                        z0,
                        hx,
                        hy,
                        hz,
                        0,
                        samples,
                        real(value),
                        real(a0),
                        real(a1),
                        real(a2),
                        real(k0),
                        real(k1),
                        real(k2),
                    )
