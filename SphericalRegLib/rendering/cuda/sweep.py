"""The CUDA kernels that render: one thread a ray, or a part of its samples where there are few rays.

The sums of threads that share a ray meet in shared memory, always in the same order: results do not depend on which is
first. How rays are dealt out is said in :mod:`SphericalRegLib.rendering.cuda.grid`.

Where a ray runs through the volume is computed in float64. What is computed at its samples, and after them, has the
volume's dtype.
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
from SphericalRegLib.rendering.ray.columns import make_columns
from SphericalRegLib.rendering.ray.pixel import make_at_pixel
from SphericalRegLib.rendering.ray.samples import make_accumulate, make_total

_at_pixel = make_at_pixel(CUDA)
_clip = make_clip(CUDA)
_columns = make_columns(CUDA)
_accumulate = make_accumulate(CUDA)
_total = make_total(CUDA)


@functools.cache
def make_image(real: type) -> Any:
    """The kernel of images alone, for volumes of dtype ``real``; arguments as :func:`make_linearize` has them."""

    @compiled(THREADS, blocks_at_once(real))
    def image_only(flat, n0, n1, n2, rays, frames, samples, halvings, c, image):  # type: ignore[no-untyped-def]
        sums = cuda.shared.array(THREADS, real)
        height, width = np.int32(image.shape[2]), np.int32(image.shape[3])
        u, v = cuda.grid(2)
        # 32 bits, to spare registers, and unsigned, for signed indices count from the end where they are negative
        u, v = np.uint32(u), np.uint32(v)
        b, part = np.uint32(cuda.blockIdx.z), np.int32(cuda.threadIdx.z)
        pixels = np.int32(cuda.blockDim.x * cuda.blockDim.y)
        thread = np.int32(cuda.threadIdx.x + cuda.blockDim.x * cuda.threadIdx.y) + part * pixels
        inside = u < width and v < height
        p = rays[b]
        s0, s1, s2 = p[0, 0], p[1, 0], p[2, 0]
        d0, d1, d2 = _at_pixel(p[:, 1:], u, v)
        u0, u1, _, _ = _clip(s0, s1, s2, d0, d1, d2, n0, n1, n2)
        value = real(0)
        if inside and u1 > u0:
            h = (u1 - u0) / samples
            first = u0 + 0.5 * h
            x0, y0, z0 = real(s0 + first * d0), real(s1 + first * d1), real(s2 + first * d2)
            begin, end = samples * part >> halvings, samples * (part + 1) >> halvings
            value = _total(flat, n0, n1, n2, x0, y0, z0, real(h * d0), real(h * d1), real(h * d2), begin, end)
        sums[thread] = value
        cuda.syncthreads()
        if part > 0 or not inside:
            return
        if u1 <= u0:
            image[b, c, v, u] = 0
            return
        for other in range(1, 1 << halvings):
            value += sums[thread + other * pixels]
        r0, r1, r2 = _at_pixel(frames[b, :, 6:], real(u), real(v))
        scale = math.sqrt(r0 * r0 + r1 * r1 + r2 * r2) / real(samples)
        image[b, c, v, u] = scale * value * (real(u1) - real(u0))

    return image_only


@functools.cache
def make_linearize(real: type) -> Any:
    """The kernel of images and pose Jacobians, for volumes of dtype ``real``.

    Its arguments: the volume (n,) of n0 × n1 × n2 voxels, padded by one; rays (B, 3, 4) in float64, by axis of the
    volume the source and the row of the direction matrix, in voxels; frames (B, 3, 10) in ``real``, by axis of the
    volume the rows of the direction matrix and of voxel_from_rig, by axis of the rig the row of its direction matrix
    and the lever; samples a ray; how often rays are halved, as the grid has it; the channel, of images (B, C, H, W) and
    Jacobians (B, C, 6, H, W) to write to.
    """

    @compiled(THREADS, blocks_at_once(real))
    def linearize(flat, n0, n1, n2, rays, frames, samples, halvings, c, image, out):  # type: ignore[no-untyped-def]
        sums = cuda.shared.array((7, THREADS), real)
        height, width = np.int32(image.shape[2]), np.int32(image.shape[3])
        u, v = cuda.grid(2)
        u, v = np.uint32(u), np.uint32(v)
        b, part = np.uint32(cuda.blockIdx.z), np.int32(cuda.threadIdx.z)
        pixels = np.int32(cuda.blockDim.x * cuda.blockDim.y)
        thread = np.int32(cuda.threadIdx.x + cuda.blockDim.x * cuda.threadIdx.y) + part * pixels
        inside = u < width and v < height
        p = rays[b]
        s0, s1, s2 = p[0, 0], p[1, 0], p[2, 0]
        d0, d1, d2 = _at_pixel(p[:, 1:], u, v)
        u0, u1, near, far = _clip(s0, s1, s2, d0, d1, d2, n0, n1, n2)
        value, a0, a1, a2, k0, k1, k2 = real(0), real(0), real(0), real(0), real(0), real(0), real(0)
        if inside and u1 > u0:
            h = (u1 - u0) / samples
            first = u0 + 0.5 * h
            x0, y0, z0 = real(s0 + first * d0), real(s1 + first * d1), real(s2 + first * d2)
            hx, hy, hz = real(h * d0), real(h * d1), real(h * d2)
            begin, end = samples * part >> halvings, samples * (part + 1) >> halvings
            value, a0, a1, a2, k0, k1, k2 = _accumulate(flat, n0, n1, n2, x0, y0, z0, hx, hy, hz, begin, end)
        if part > 0:
            sums[0, thread], sums[1, thread], sums[2, thread], sums[3, thread] = value, a0, a1, a2
            sums[4, thread], sums[5, thread], sums[6, thread] = k0, k1, k2
        cuda.syncthreads()
        if part > 0 or not inside:
            return
        if u1 <= u0:
            image[b, c, v, u] = 0
            for parameter in range(6):
                out[b, c, parameter, v, u] = 0
            return
        for other in range(1, 1 << halvings):
            at = thread + other * pixels
            value += sums[0, at]
            a0, a1, a2 = a0 + sums[1, at], a1 + sums[2, at], a2 + sums[3, at]
            k0, k1, k2 = k0 + sums[4, at], k1 + sums[5, at], k2 + sums[6, at]
        # read and computed once more, for registers that hold them meanwhile would be missing in the loop
        f, x, y = frames[b], real(u), real(v)
        e0, e1, e2 = _at_pixel(f, x, y)
        r0, r1, r2 = _at_pixel(f[:, 6:], x, y)
        enters, leaves = real(u0), real(u1)
        scale = math.sqrt(r0 * r0 + r1 * r1 + r2 * r2) / real(samples)
        step = (leaves - enters) / real(samples)
        image[b, c, v, u] = scale * value * (leaves - enters)
        c0, c1, c2, c3, c4, c5 = _columns(
            value,
            a0,
            a1,
            a2,
            k0,
            k1,
            k2,
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
        out[b, c, 0, v, u], out[b, c, 1, v, u], out[b, c, 2, v, u] = c0, c1, c2
        out[b, c, 3, v, u], out[b, c, 4, v, u], out[b, c, 5, v, u] = c3, c4, c5

    return linearize
