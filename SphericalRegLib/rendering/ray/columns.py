"""From the seven sums of a ray to one pixel of the six Jacobian images, and the transpose of that.

The ray runs from a source (u = 0) to a pixel (u = 1) and is sampled N times between u0 and u1, the first time at
``first``, then every h; span = u1 - u0, and scale is the ray's length in mm over N. The mathematics is that of
:mod:`SphericalRegLib.rendering.torch_kernel`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from SphericalRegLib.rendering.ray.target import Target

# Constants are float32, which takes on the precision of what it is combined with: float64 would widen float32.


def make_columns(target: Target) -> Any:
    """``columns``, compiled for a target."""

    @target.exact
    def columns(  # type: ignore[no-untyped-def]
        value, a0, a1, a2, k0, k1, k2, first, h, scale, u0, u1, near, far, d0, d1, d2, r0, r1, r2, l0, l1, l2, m
    ):
        """∂pixel/∂twist: rotation in radians, translation in mm, about the isocenter.

        Args:
            value, a0, ..., k2: Σ V, Σ ∇V and Σ k ∇V.
            u0, u1, near, far: as ``clip`` has them.
            d0, ..., d2: from source to pixel in voxels.
            r0, ..., r2: the same in the rig's axes, mm.
            l0, ..., l2: from the isocenter to the source in the rig's axes, mm.
            m: (3, 3) voxels per mm along the rig's axes.
        """
        one = np.float32(1)
        span = u1 - u0
        total = scale * value
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
            p0 += push * (one - u0)
            q0 += push * u0
        elif near == 1:
            push = -early / d1
            p1 += push * (one - u0)
            q1 += push * u0
        elif near == 2:
            push = -early / d2
            p2 += push * (one - u0)
            q2 += push * u0
        if far == 0:
            push = -late / d0
            p0 += push * (one - u1)
            q0 += push * u1
        elif far == 1:
            push = -late / d1
            p1 += push * (one - u1)
            q1 += push * u1
        elif far == 2:
            push = -late / d2
            p2 += push * (one - u1)
            q2 += push * u1
        e0, e1, e2 = p0 + q0, p1 + q1, p2 + q2
        # forces on the whole ray and on its far end, in the rig's axes
        f0 = m[0, 0] * e0 + m[1, 0] * e1 + m[2, 0] * e2
        f1 = m[0, 1] * e0 + m[1, 1] * e1 + m[2, 1] * e2
        f2 = m[0, 2] * e0 + m[1, 2] * e1 + m[2, 2] * e2
        t0 = m[0, 0] * q0 + m[1, 0] * q1 + m[2, 0] * q2
        t1 = m[0, 1] * q0 + m[1, 1] * q1 + m[2, 1] * q2
        t2 = m[0, 2] * q0 + m[1, 2] * q1 + m[2, 2] * q2
        return (
            -(l1 * f2 - l2 * f1 + r1 * t2 - r2 * t1),
            -(l2 * f0 - l0 * f2 + r2 * t0 - r0 * t2),
            -(l0 * f1 - l1 * f0 + r0 * t1 - r1 * t0),
            -f0,
            -f1,
            -f2,
        )

    return columns


def make_cotangents(target: Target) -> Any:
    """``cotangents``, compiled for a target."""

    @target.exact
    def cotangents(  # type: ignore[no-untyped-def]
        pixel, o0, o1, o2, o3, o4, o5, first, h, scale, u0, u1, near, far, d0, d1, d2, r0, r1, r2, l0, l1, l2, m
    ):
        """Cotangents of Σ V, Σ ∇V and Σ k ∇V, of those of a pixel of the image and of the six Jacobian images.

        Every line is the transpose of one of ``columns``, from its last to its first. Arguments are named as there.
        """
        one, zero = np.float32(1), np.float32(0)
        span = u1 - u0
        f = scale * span
        f0 = -(o1 * l2 - o2 * l1) - o3
        f1 = -(o2 * l0 - o0 * l2) - o4
        f2 = -(o0 * l1 - o1 * l0) - o5
        t0, t1, t2 = o2 * r1 - o1 * r2, o0 * r2 - o2 * r0, o1 * r0 - o0 * r1
        p0 = m[0, 0] * f0 + m[0, 1] * f1 + m[0, 2] * f2
        p1 = m[1, 0] * f0 + m[1, 1] * f1 + m[1, 2] * f2
        p2 = m[2, 0] * f0 + m[2, 1] * f1 + m[2, 2] * f2
        q0 = p0 + m[0, 0] * t0 + m[0, 1] * t1 + m[0, 2] * t2
        q1 = p1 + m[1, 0] * t0 + m[1, 1] * t1 + m[1, 2] * t2
        q2 = p2 + m[2, 0] * t0 + m[2, 1] * t1 + m[2, 2] * t2
        early, late = zero * p0, zero * p0
        if far == 0:
            late = -(p0 * (one - u1) + q0 * u1) / d0
        elif far == 1:
            late = -(p1 * (one - u1) + q1 * u1) / d1
        elif far == 2:
            late = -(p2 * (one - u1) + q2 * u1) / d2
        if near == 0:
            early = -(p0 * (one - u0) + q0 * u0) / d0
        elif near == 1:
            early = -(p1 * (one - u0) + q1 * u0) / d1
        elif near == 2:
            early = -(p2 * (one - u0) + q2 * u0) / d2
        late -= early
        total = span * pixel + late
        along_a, along_b = scale * (span * early - u0 * late), scale * late
        b0 = (q0 - p0) * f + along_b * d0
        b1 = (q1 - p1) * f + along_b * d1
        b2 = (q2 - p2) * f + along_b * d2
        a0 = p0 * f + along_a * d0 + first * b0
        a1 = p1 * f + along_a * d1 + first * b1
        a2 = p2 * f + along_a * d2 + first * b2
        return scale * total, a0, a1, a2, h * b0, h * b1, h * b2

    return cotangents
