"""The part of a ray inside of the volume's box."""

from __future__ import annotations

from typing import Any

from SphericalRegLib.rendering.ray.target import Target

# A ray that runs exactly along a face has direction 0 across it; a tiny one instead keeps every quotient finite.
_TINY = 1e-9


def make_clip(target: Target) -> Any:
    """``clip``, compiled for a target."""

    @target.exact
    def narrow(start, step, upper, lower_bound, upper_bound, near_axis, far_axis, axis):  # type: ignore[no-untyped-def]
        """Narrow the ray's interval by one pair of faces and remember which axis set each bound."""
        safe = step if abs(step) >= _TINY else _TINY
        first, second = (0.5 - start) / safe, (upper - start) / safe
        near, far = min(first, second), max(first, second)
        if near > lower_bound:
            lower_bound, near_axis = near, axis
        if far < upper_bound:
            upper_bound, far_axis = far, axis
        return lower_bound, upper_bound, near_axis, far_axis

    @target.exact
    def clip(s0, s1, s2, d0, d1, d2, n0, n1, n2):  # type: ignore[no-untyped-def]
        """(u0, u1, near, far): where the ray s + u·d, 0 ≤ u ≤ 1, enters and leaves the volume, and through which faces.

        The volume is padded by one voxel, n0 × n1 × n2 with it; what was padded lies outside. The axes of the faces
        are -1 where the ray begins or ends inside. Where u1 <= u0 the ray misses the volume.
        """
        u0, u1, near, far = 0.0, 1.0, -1, -1
        u0, u1, near, far = narrow(s0, d0, n0 - 1.5, u0, u1, near, far, 0)
        u0, u1, near, far = narrow(s1, d1, n1 - 1.5, u0, u1, near, far, 1)
        u0, u1, near, far = narrow(s2, d2, n2 - 1.5, u0, u1, near, far, 2)
        return u0, u1, near, far

    return clip
