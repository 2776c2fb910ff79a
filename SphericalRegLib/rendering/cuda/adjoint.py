"""The CUDA kernel's transpose: cotangents of images and Jacobians back to the density, for networks on the volume.

Rays scatter to voxels that others scatter to as well, by atomic additions: in float32 the last bits of a sum depend on
which comes first.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from SphericalRegLib.rendering.cuda.grid import THREADS, blocks_at_once
from SphericalRegLib.rendering.cuda.target import CUDA
from SphericalRegLib.rendering.cuda.toolchain import compiled, cuda
from SphericalRegLib.rendering.ray.clip import make_clip
from SphericalRegLib.rendering.ray.columns import make_cotangents
from SphericalRegLib.rendering.ray.pixel import make_at_pixel
from SphericalRegLib.rendering.ray.samples import make_scatter


@cuda.jit(device=True)
def _add(flat, index, value):  # type: ignore[no-untyped-def]
    cuda.atomic.add(flat, np.uint32(index), value)


_at_pixel = make_at_pixel(CUDA)
_clip = make_clip(CUDA)
_cotangents = make_cotangents(CUDA)
_scatter = make_scatter(CUDA, _add)


@functools.cache
def make_spread(real: type) -> Any:
    """The kernel that adds to a volume what images and Jacobians ask of it, for volumes of dtype ``real``.

    Arguments are those of ``sweep.make_linearize``, with cotangents in place of results. Where ``jacobian`` is false,
    those of the Jacobians are not read.
    """

    @compiled(THREADS, blocks_at_once(real))
    def spread(flat, n0, n1, n2, rays, frames, samples, halvings, c, jacobian, image, out):  # type: ignore[no-untyped-def]
        height, width = np.int32(image.shape[2]), np.int32(image.shape[3])
        u, v = cuda.grid(2)
        # 32 bits, to spare registers, and unsigned, for signed indices count from the end where they are negative
        u, v = np.uint32(u), np.uint32(v)
        b, part = np.uint32(cuda.blockIdx.z), np.int32(cuda.threadIdx.z)
        if u >= width or v >= height:
            return
        p = rays[b]
        s0, s1, s2 = p[0, 0], p[1, 0], p[2, 0]
        d0, d1, d2 = _at_pixel(p[:, 1:], u, v)
        u0, u1, near, far = _clip(s0, s1, s2, d0, d1, d2, n0, n1, n2)
        if u1 <= u0:
            return
        h = (u1 - u0) / samples
        first = u0 + 0.5 * h
        x0, y0, z0 = real(s0 + first * d0), real(s1 + first * d1), real(s2 + first * d2)
        hx, hy, hz = real(h * d0), real(h * d1), real(h * d2)
        begin, end = samples * part >> halvings, samples * (part + 1) >> halvings
        f, x, y = frames[b], real(u), real(v)
        e0, e1, e2 = _at_pixel(f, x, y)
        r0, r1, r2 = _at_pixel(f[:, 6:], x, y)
        enters, leaves = real(u0), real(u1)
        scale = math.sqrt(r0 * r0 + r1 * r1 + r2 * r2) / real(samples)
        step = (leaves - enters) / real(samples)
        zero = real(0)
        value, a0, a1, a2 = scale * (leaves - enters) * image[b, c, v, u], zero, zero, zero
        k0, k1, k2 = zero, zero, zero
        if jacobian:
            value, a0, a1, a2, k0, k1, k2 = _cotangents(
                image[b, c, v, u],
                out[b, c, 0, v, u],
                out[b, c, 1, v, u],
                out[b, c, 2, v, u],
                out[b, c, 3, v, u],
                out[b, c, 4, v, u],
                out[b, c, 5, v, u],
                enters + real(0.5) * step,
                step,
                scale,
                enters,
                leaves,
                near,
                far,
                e0,
                e1,
                e2,
                r0,
                r1,
                r2,
                f[0, 9],
                f[1, 9],
                f[2, 9],
                f[:, 3:6],
            )
        _scatter(flat, n0, n1, n2, x0, y0, z0, hx, hy, hz, begin, end, value, a0, a1, a2, k0, k1, k2)

    return spread
