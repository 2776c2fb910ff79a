"""From a pixel to the ray that ends there."""

from __future__ import annotations

from typing import Any

from SphericalRegLib.rendering.ray.target import Target


def make_at_pixel(target: Target) -> Any:
    """``at_pixel``, compiled for a target."""

    @target.exact
    def at_pixel(m, u, v):  # type: ignore[no-untyped-def]
        """The three numbers m @ (u, v, 1): with a direction matrix (3, 3) the way from the source to pixel (u, v)."""
        return (
            m[0, 0] * u + m[0, 1] * v + m[0, 2],
            m[1, 0] * u + m[1, 1] * v + m[1, 2],
            m[2, 0] * u + m[2, 1] * v + m[2, 2],
        )

    return at_pixel
