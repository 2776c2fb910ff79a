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
from SphericalRegLib.rendering.llvm import multiply_add, truncate
from SphericalRegLib.rendering.numba_sweep import clip, in_memory_order, memory_order
from SphericalRegLib.rendering.rays import Rays
from SphericalRegLib.threads import get_threads, share_out

# Each thread scatters into a volume of its own, so that none waits for another; together not more than this.
_SCRATCH_BYTES = 2**30


def backproject(like: Tensor, rays: Rays, samples: int, images: Tensor, jacobians: Tensor | None) -> Tensor:
    """(C, K, J, I): the transpose of ``numba_sweep.render``; see ``Kernel.backproject``.

    The sum over rays is taken in an order that depends on nothing but the number of threads.
    """
    order = memory_order(rays)
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
def _scatter(  # type: ignore[no-untyped-def]
    flat, n0, n1, n2, x0, y0, z0, hx, hy, hz, samples, value, a0, a1, a2, b0, b1, b2
):
    """The transpose of ``numba_sweep._accumulate``: the same samples, the same cells."""
    real = flat.dtype.type
    one, zero = np.int32(1), np.int32(0)
    stride0, stride1 = np.int32(n1 * n2), np.int32(n2)
    last0, last1, last2 = np.int32(n0 - 2), np.int32(n1 - 2), np.int32(n2 - 2)
    for k in range(np.int32(samples)):
        t = real(k)
        x, y, z = x0 + t * hx, y0 + t * hy, z0 + t * hz
        i = min(max(truncate(x), zero), last0)
        j = min(max(truncate(y), zero), last1)
        m = min(max(truncate(z), zero), last2)
        x, y, z = x - real(i), y - real(j), z - real(m)
        gx, gy, gz = a0 + t * b0, a1 + t * b1, a2 + t * b2
        far, near = x * value + gx, (real(1) - x) * value - gx
        corner00 = multiply_add(i, stride0, multiply_add(j, stride1, m))
        corner01 = multiply_add(one, stride1, corner00)
        corner10 = multiply_add(one, stride0, corner00)
        corner11 = multiply_add(one, stride1, corner10)
        edge00, along00 = (real(1) - y) * near - (real(1) - x) * gy, (real(1) - x) * (real(1) - y) * gz
        edge01, along01 = y * near + (real(1) - x) * gy, (real(1) - x) * y * gz
        edge10, along10 = (real(1) - y) * far - x * gy, x * (real(1) - y) * gz
        edge11, along11 = y * far + x * gy, x * y * gz
        flat[corner00] += (real(1) - z) * edge00 - along00
        flat[corner00 + one] += z * edge00 + along00
        flat[corner01] += (real(1) - z) * edge01 - along01
        flat[corner01 + one] += z * edge01 + along01
        flat[corner10] += (real(1) - z) * edge10 - along10
        flat[corner10 + one] += z * edge10 + along10
        flat[corner11] += (real(1) - z) * edge11 - along11
        flat[corner11 + one] += z * edge11 + along11


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
                d0 = p[0, 0] * u + p[0, 1] * v + p[0, 2]
                d1 = p[1, 0] * u + p[1, 1] * v + p[1, 2]
                d2 = p[2, 0] * u + p[2, 1] * v + p[2, 2]
                u0, u1, near, far = 0.0, 1.0, -1, -1
                u0, u1, near, far = clip(s0, d0, n0 - 1.5, u0, u1, near, far, 0)
                u0, u1, near, far = clip(s1, d1, n1 - 1.5, u0, u1, near, far, 1)
                u0, u1, near, far = clip(s2, d2, n2 - 1.5, u0, u1, near, far, 2)
                if u1 <= u0:
                    continue
                r0 = w[0, 0] * u + w[0, 1] * v + w[0, 2]
                r1 = w[1, 0] * u + w[1, 1] * v + w[1, 2]
                r2 = w[2, 0] * u + w[2, 1] * v + w[2, 2]
                span = u1 - u0
                h = span / samples
                first = u0 + 0.5 * h
                scale = np.sqrt(r0 * r0 + r1 * r1 + r2 * r2) / samples
                f = scale * span
                for c in range(channels):
                    total = span * images[b, c, v, u]
                    a0, a1, a2, k0, k1, k2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                    if jacobian:
                        # every line is the transpose of one of numba_sweep._sweep, from its last to its first
                        o0, o1, o2 = columns[b, c, 0, v, u], columns[b, c, 1, v, u], columns[b, c, 2, v, u]
                        f0 = -(o1 * l2 - o2 * l1) - columns[b, c, 3, v, u]
                        f1 = -(o2 * l0 - o0 * l2) - columns[b, c, 4, v, u]
                        f2 = -(o0 * l1 - o1 * l0) - columns[b, c, 5, v, u]
                        t0, t1, t2 = o2 * r1 - o1 * r2, o0 * r2 - o2 * r0, o1 * r0 - o0 * r1
                        p0 = m[0, 0] * f0 + m[0, 1] * f1 + m[0, 2] * f2
                        p1 = m[1, 0] * f0 + m[1, 1] * f1 + m[1, 2] * f2
                        p2 = m[2, 0] * f0 + m[2, 1] * f1 + m[2, 2] * f2
                        q0 = p0 + m[0, 0] * t0 + m[0, 1] * t1 + m[0, 2] * t2
                        q1 = p1 + m[1, 0] * t0 + m[1, 1] * t1 + m[1, 2] * t2
                        q2 = p2 + m[2, 0] * t0 + m[2, 1] * t1 + m[2, 2] * t2
                        early, late = 0.0, 0.0
                        if far == 0:
                            late = -(p0 * (1 - u1) + q0 * u1) / d0
                        elif far == 1:
                            late = -(p1 * (1 - u1) + q1 * u1) / d1
                        elif far == 2:
                            late = -(p2 * (1 - u1) + q2 * u1) / d2
                        if near == 0:
                            early = -(p0 * (1 - u0) + q0 * u0) / d0
                        elif near == 1:
                            early = -(p1 * (1 - u0) + q1 * u0) / d1
                        elif near == 2:
                            early = -(p2 * (1 - u0) + q2 * u0) / d2
                        late -= early
                        total += late
                        along_a, along_b = scale * (span * early - u0 * late), scale * late
                        b0 = (q0 - p0) * f + along_b * d0
                        b1 = (q1 - p1) * f + along_b * d1
                        b2 = (q2 - p2) * f + along_b * d2
                        a0 = p0 * f + along_a * d0 + first * b0
                        a1 = p1 * f + along_a * d1 + first * b1
                        a2 = p2 * f + along_a * d2 + first * b2
                        k0, k1, k2 = h * b0, h * b1, h * b2
                    _scatter(
                        padded[task, c],
                        n0,
                        n1,
                        n2,
                        real(s0 + first * d0),
                        real(s1 + first * d1),
                        real(s2 + first * d2),
                        real(h * d0),
                        real(h * d1),
                        real(h * d2),
                        samples,
                        real(scale * total),
                        real(a0),
                        real(a1),
                        real(a2),
                        real(k0),
                        real(k1),
                        real(k2),
                    )
