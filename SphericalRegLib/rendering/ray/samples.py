"""What is done at every sample of a ray: trilinear values and gradients are summed, or sums are scattered back."""

from __future__ import annotations

from typing import Any

import numpy as np

from SphericalRegLib.rendering.ray.target import Target

# All functions take a volume ``flat`` of n0 × n1 × n2 voxels, padded by one, and samples x0 + k·hx, y0 + k·hy,
# z0 + k·hz of the volume's dtype, begin <= k < end. Clamped indices keep a ray that rounds onto the outer face inside
# the padded array.


def make_accumulate(target: Target) -> Any:
    """``accumulate``, compiled for a target."""
    truncate, multiply_add, load_edge = target.truncate, target.multiply_add, target.load_edge

    @target.fast
    def accumulate(flat, n0, n1, n2, x0, y0, z0, hx, hy, hz, begin, end):  # type: ignore[no-untyped-def]
        """Σ V, Σ ∇V and Σ k ∇V, seven numbers."""
        real = flat.dtype.type
        one, zero = np.int32(1), np.int32(0)
        stride0, stride1 = np.int32(n1 * n2), np.int32(n2)
        last0, last1, last2 = np.int32(n0 - 2), np.int32(n1 - 2), np.int32(n2 - 2)
        value = real(0)
        a0, a1, a2 = real(0), real(0), real(0)
        b0, b1, b2 = real(0), real(0), real(0)
        for k in range(np.int32(begin), np.int32(end)):
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

    return accumulate


def make_total(target: Target) -> Any:
    """``total``, compiled for a target."""
    truncate, multiply_add, load_edge = target.truncate, target.multiply_add, target.load_edge

    @target.fast
    def total(flat, n0, n1, n2, x0, y0, z0, hx, hy, hz, begin, end):  # type: ignore[no-untyped-def]
        """Σ V alone, sample by sample as ``accumulate`` has it."""
        real = flat.dtype.type
        one, zero = np.int32(1), np.int32(0)
        stride0, stride1 = np.int32(n1 * n2), np.int32(n2)
        last0, last1, last2 = np.int32(n0 - 2), np.int32(n1 - 2), np.int32(n2 - 2)
        value = real(0)
        for k in range(np.int32(begin), np.int32(end)):
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

    return total


def make_scatter(target: Target, add: Any) -> Any:
    """``scatter``, compiled for a target, where ``add(flat, index, value)`` adds to ``flat[index]``, unchecked."""
    truncate, multiply_add = target.truncate, target.multiply_add

    @target.fast
    def scatter(  # type: ignore[no-untyped-def]
        flat, n0, n1, n2, x0, y0, z0, hx, hy, hz, begin, end, value, a0, a1, a2, b0, b1, b2
    ):
        """The transpose of ``accumulate``: the same samples, the same cells."""
        real = flat.dtype.type
        one, zero = np.int32(1), np.int32(0)
        stride0, stride1 = np.int32(n1 * n2), np.int32(n2)
        last0, last1, last2 = np.int32(n0 - 2), np.int32(n1 - 2), np.int32(n2 - 2)
        for k in range(np.int32(begin), np.int32(end)):
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
            add(flat, corner00, (real(1) - z) * edge00 - along00)
            add(flat, multiply_add(one, one, corner00), z * edge00 + along00)
            add(flat, corner01, (real(1) - z) * edge01 - along01)
            add(flat, multiply_add(one, one, corner01), z * edge01 + along01)
            add(flat, corner10, (real(1) - z) * edge10 - along10)
            add(flat, multiply_add(one, one, corner10), z * edge10 + along10)
            add(flat, corner11, (real(1) - z) * edge11 - along11)
            add(flat, multiply_add(one, one, corner11), z * edge11 + along11)

    return scatter
