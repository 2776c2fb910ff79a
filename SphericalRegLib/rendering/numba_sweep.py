"""The CPU kernel's sweep: image and exact pose Jacobian at once, image rows dealt out to threads.

The mathematics is that of :mod:`SphericalRegLib.rendering.torch_kernel`, to which it is tested.
Inside the sample loop only the sums Σ V, Σ ∇V and Σ k ∇V are accumulated (in a form that compilers vectorize);
everything else follows once per ray.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.compilation import compiled, inlined
from SphericalRegLib.rendering.llvm import load_edge, multiply_add, truncate
from SphericalRegLib.rendering.prepared import prepared
from SphericalRegLib.rendering.rays import Rays
from SphericalRegLib.threads import share_out

_TINY = 1e-9
# Less is not worth handing to another thread: about a millisecond.
_SAMPLES_A_PART = 2**17


def render(density: Tensor, rays: Rays, samples: int, jacobian: bool) -> tuple[Tensor, Tensor | None]:
    """Images (B, C, H, W) and, if asked for, pose Jacobians (B, C, 6, H, W); see ``Kernel.render``."""
    order = memory_order(rays)
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


def memory_order(rays: Rays) -> tuple[int, int, int]:
    """Voxel axes from slowest to fastest in memory: neighboring columns of the image should share cache lines."""
    columns = rays.direction[0, :, 0].abs()
    rows = rays.direction[0, :, 1].abs().clone()
    fastest = int(columns.argmax())
    rows[fastest] = -1
    middle = int(rows.argmax())
    return 3 - fastest - middle, middle, fastest


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


@inlined()
def clip(start, step, upper, lower_bound, upper_bound, near_axis, far_axis, axis):  # type: ignore[no-untyped-def]
    """Narrow the ray's interval by one pair of faces and remember which axis set each bound."""
    safe = step if abs(step) >= _TINY else _TINY
    first, second = (0.5 - start) / safe, (upper - start) / safe
    near, far = min(first, second), max(first, second)
    if near > lower_bound:
        lower_bound, near_axis = near, axis
    if far < upper_bound:
        upper_bound, far_axis = far, axis
    return lower_bound, upper_bound, near_axis, far_axis


@inlined(fastmath=True)
def _accumulate(flat, n0, n1, n2, x0, y0, z0, hx, hy, hz, samples):  # type: ignore[no-untyped-def]
    """Σ V, Σ ∇V and Σ k ∇V over the samples start + k·step; the steps have the volume's dtype.

    Clamped indices keep a ray that rounds onto the outer face inside the padded array.
    """
    real = flat.dtype.type
    one, zero = np.int32(1), np.int32(0)
    stride0, stride1 = np.int32(n1 * n2), np.int32(n2)
    last0, last1, last2 = np.int32(n0 - 2), np.int32(n1 - 2), np.int32(n2 - 2)
    value = real(0)
    a0, a1, a2 = real(0), real(0), real(0)
    b0, b1, b2 = real(0), real(0), real(0)
    for k in range(np.int32(samples)):
        t = real(k)
        x, y, z = x0 + t * hx, y0 + t * hy, z0 + t * hz
        i = min(max(truncate(x), zero), last0)
        j = min(max(truncate(y), zero), last1)
        m = min(max(truncate(z), zero), last2)
        x, y, z = x - real(i), y - real(j), z - real(m)
        corner00 = multiply_add(i, stride0, multiply_add(j, stride1, m))
        corner10 = multiply_add(one, stride0, corner00)
        v000, v001 = load_edge(flat, corner00)
        v010, v011 = load_edge(flat, multiply_add(one, stride1, corner00))
        v100, v101 = load_edge(flat, corner10)
        v110, v111 = load_edge(flat, multiply_add(one, stride1, corner10))
        g00, g01, g10, g11 = v001 - v000, v011 - v010, v101 - v100, v111 - v110
        c00, c01, c10, c11 = v000 + z * g00, v010 + z * g01, v100 + z * g10, v110 + z * g11
        e0, e1 = c01 - c00, c11 - c10
        d0, d1 = c00 + y * e0, c10 + y * e1
        q0, q1 = g00 + y * (g01 - g00), g10 + y * (g11 - g10)
        gx = d1 - d0
        gy = e0 + x * (e1 - e0)
        gz = q0 + x * (q1 - q0)
        value += d0 + x * gx
        a0 += gx
        a1 += gy
        a2 += gz
        b0 += t * gx
        b1 += t * gy
        b2 += t * gz
    return value, a0, a1, a2, b0, b1, b2


@inlined(fastmath=True)
def _total(flat, n0, n1, n2, x0, y0, z0, hx, hy, hz, samples):  # type: ignore[no-untyped-def]
    """Σ V alone, sample by sample as :func:`_accumulate` has it."""
    real = flat.dtype.type
    one, zero = np.int32(1), np.int32(0)
    stride0, stride1 = np.int32(n1 * n2), np.int32(n2)
    last0, last1, last2 = np.int32(n0 - 2), np.int32(n1 - 2), np.int32(n2 - 2)
    value = real(0)
    for k in range(np.int32(samples)):
        t = real(k)
        x, y, z = x0 + t * hx, y0 + t * hy, z0 + t * hz
        i = min(max(truncate(x), zero), last0)
        j = min(max(truncate(y), zero), last1)
        m = min(max(truncate(z), zero), last2)
        x, y, z = x - real(i), y - real(j), z - real(m)
        corner00 = multiply_add(i, stride0, multiply_add(j, stride1, m))
        corner10 = multiply_add(one, stride0, corner00)
        v000, v001 = load_edge(flat, corner00)
        v010, v011 = load_edge(flat, multiply_add(one, stride1, corner00))
        v100, v101 = load_edge(flat, corner10)
        v110, v111 = load_edge(flat, multiply_add(one, stride1, corner10))
        c00, c01 = v000 + z * (v001 - v000), v010 + z * (v011 - v010)
        c10, c11 = v100 + z * (v101 - v100), v110 + z * (v111 - v110)
        d0, d1 = c00 + y * (c01 - c00), c10 + y * (c11 - c10)
        value += d0 + x * (d1 - d0)
    return value


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
            d0 = p[0, 0] * u + p[0, 1] * v + p[0, 2]
            d1 = p[1, 0] * u + p[1, 1] * v + p[1, 2]
            d2 = p[2, 0] * u + p[2, 1] * v + p[2, 2]
            u0, u1, near, far = 0.0, 1.0, -1, -1
            u0, u1, near, far = clip(s0, d0, n0 - 1.5, u0, u1, near, far, 0)
            u0, u1, near, far = clip(s1, d1, n1 - 1.5, u0, u1, near, far, 1)
            u0, u1, near, far = clip(s2, d2, n2 - 1.5, u0, u1, near, far, 2)
            if u1 <= u0:
                for c in range(channels):
                    image[b, c, v, u] = 0
                    if jacobian:
                        for parameter in range(6):
                            out[b, c, parameter, v, u] = 0
                continue
            r0 = w[0, 0] * u + w[0, 1] * v + w[0, 2]
            r1 = w[1, 0] * u + w[1, 1] * v + w[1, 2]
            r2 = w[2, 0] * u + w[2, 1] * v + w[2, 2]
            span = u1 - u0
            h = span / samples
            first = u0 + 0.5 * h
            scale = np.sqrt(r0 * r0 + r1 * r1 + r2 * r2) / samples
            x0, y0, z0 = real(s0 + first * d0), real(s1 + first * d1), real(s2 + first * d2)
            hx, hy, hz = real(h * d0), real(h * d1), real(h * d2)
            for c in range(channels):
                if not jacobian:
                    value = _total(flat[c], n0, n1, n2, x0, y0, z0, hx, hy, hz, samples)
                    image[b, c, v, u] = scale * value * span
                    continue
                value, a0, a1, a2, k0, k1, k2 = _accumulate(flat[c], n0, n1, n2, x0, y0, z0, hx, hy, hz, samples)
                total = scale * value
                image[b, c, v, u] = total * span
                # Σ u_k ∇V from Σ k ∇V
                b0, b1, b2 = first * a0 + h * k0, first * a1 + h * k1, first * a2 + h * k2
                along_a = scale * (a0 * d0 + a1 * d1 + a2 * d2)
                along_b = scale * (b0 * d0 + b1 * d1 + b2 * d2)
                late = along_b - u0 * along_a + total
                early = along_a * span - late
                f = scale * span
                p0, p1, p2 = (a0 - b0) * f, (a1 - b1) * f, (a2 - b2) * f
                q0, q1, q2 = b0 * f, b1 * f, b2 * f
                if near == 0:
                    push = -early / d0
                    p0 += push * (1 - u0)
                    q0 += push * u0
                elif near == 1:
                    push = -early / d1
                    p1 += push * (1 - u0)
                    q1 += push * u0
                elif near == 2:
                    push = -early / d2
                    p2 += push * (1 - u0)
                    q2 += push * u0
                if far == 0:
                    push = -late / d0
                    p0 += push * (1 - u1)
                    q0 += push * u1
                elif far == 1:
                    push = -late / d1
                    p1 += push * (1 - u1)
                    q1 += push * u1
                elif far == 2:
                    push = -late / d2
                    p2 += push * (1 - u1)
                    q2 += push * u1
                e0, e1, e2 = p0 + q0, p1 + q1, p2 + q2
                # forces on the whole ray and on its far end, in the rig's axes
                f0 = m[0, 0] * e0 + m[1, 0] * e1 + m[2, 0] * e2
                f1 = m[0, 1] * e0 + m[1, 1] * e1 + m[2, 1] * e2
                f2 = m[0, 2] * e0 + m[1, 2] * e1 + m[2, 2] * e2
                t0 = m[0, 0] * q0 + m[1, 0] * q1 + m[2, 0] * q2
                t1 = m[0, 1] * q0 + m[1, 1] * q1 + m[2, 1] * q2
                t2 = m[0, 2] * q0 + m[1, 2] * q1 + m[2, 2] * q2
                out[b, c, 0, v, u] = -(l1 * f2 - l2 * f1 + r1 * t2 - r2 * t1)
                out[b, c, 1, v, u] = -(l2 * f0 - l0 * f2 + r2 * t0 - r0 * t2)
                out[b, c, 2, v, u] = -(l0 * f1 - l1 * f0 + r0 * t1 - r1 * t0)
                out[b, c, 3, v, u] = -f0
                out[b, c, 4, v, u] = -f1
                out[b, c, 5, v, u] = -f2
