"""Where feature vectors are compared: on a sphere, in flat space, or in hyperbolic space.

A manifold maps the C features of each pixel to a point, and two points to a residual whose square is its dissimilarity;
both are smooth everywhere, so that Levenberg-Marquardt and training can differentiate them. All take the features along
dimension 1: (B, C, ...).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from SphericalRegLib.similarity.forward_mode import linearized

# Below this squared length power series replace quotients 0/0; they err by less than float64's resolution.
_SMALL = 1e-3


class Manifold(Protocol):
    """A space of features."""

    def embed(self, features: Tensor) -> Tensor:
        """Points (B, D, ...) of features (B, C, ...)."""
        ...

    def residual(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Residuals (B, E, ...) of points (B, D, ...); half their square, summed over E, is the dissimilarity."""
        ...

    def linearize(self, features: Tensor, tangents: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
        """Residuals (B, E, ...) of features (B, C, ...) to points (B, D, ...), and their derivatives.

        These are along tangents (B, P, C, ...) of the features, and have shape (B, P, E, ...).
        """
        ...


@dataclass(frozen=True)
class Euclidean:
    """Features as they are; dissimilarity ½‖φm − φf‖²."""

    def embed(self, features: Tensor) -> Tensor:
        """See :class:`Manifold`."""
        return features

    def residual(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """See :class:`Manifold`."""
        return moving - fixed

    def linearize(self, features: Tensor, tangents: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Manifold`."""
        return features - fixed, tangents


@dataclass(frozen=True)
class Spherical:
    """The unit sphere of C + 1 dimensions, reached by the exponential map at its pole (Chen and Kong, WACV 2026).

    EXP(φ) = N cos‖φ‖ + φ̄ sin‖φ‖/‖φ‖ with N = e₀ and φ̄ = [0, φ]. Lengths are first brought below π, as
    π tanh(‖φ‖/π), so that none wraps around.

    Attributes:
        distance: ``chord``: residual Φm − Φf, whose half square is exactly 1 − ⟨Φm, Φf⟩. ``geodesic``: the logarithm of
            Φm at Φf, whose length is arccos⟨Φm, Φf⟩; without direction at the antipode.
    """

    distance: Literal["chord", "geodesic"] = "chord"

    def embed(self, features: Tensor) -> Tensor:
        """See :class:`Manifold`."""
        return _radial(self._radii, features)

    @staticmethod
    def _radii(squared: Tensor) -> tuple[Tensor, Tensor]:
        shortening = _shortening(squared, math.pi)
        bounded = squared * shortening.square()
        return _cos(bounded), shortening * _sinc(bounded)

    def residual(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """See :class:`Manifold`."""
        if self.distance == "chord":
            return moving - fixed
        # the chord's length s gives the angle θ = 2 asin(s/2) without the loss of digits of arccos near 0
        squared = (moving - fixed).square().sum(1, keepdim=True).clamp(max=4.0)
        cosine = 1 - squared / 2
        return (moving - cosine * fixed) * _angle_over_sine(squared)

    def linearize(self, features: Tensor, tangents: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Manifold`."""
        points, moved = _radial_along(self._radii, features, tangents)
        if self.distance == "chord":
            return points - fixed, moved
        return linearized(lambda moving: self.residual(moving, fixed), points, moved)


@dataclass(frozen=True)
class Hyperbolic:
    """Lorentz's model of hyperbolic space: x₀² − ‖x‖² = 1 (Nickel and Kiela 2018).

    EXP(φ) = [cosh‖φ‖, φ sinh‖φ‖/‖φ‖] at the origin e₀. The residual is the logarithm of Φm at Φf: both are boosted so
    that Φf comes to lie at the origin, and its length is arcosh(−⟨Φm, Φf⟩).

    Attributes:
        longest: lengths are brought below it, as R tanh(‖φ‖/R), for hyperbolic functions lose their digits beyond.
    """

    longest: float = 3.0

    def embed(self, features: Tensor) -> Tensor:
        """See :class:`Manifold`."""
        return _radial(self._radii, features)

    def _radii(self, squared: Tensor) -> tuple[Tensor, Tensor]:
        shortening = _shortening(squared, self.longest)
        factor = shortening * _sinhc(squared * shortening.square())
        return (1 + squared * factor.square()).sqrt(), factor

    def residual(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """See :class:`Manifold`."""
        time, space = moving[:, :1], moving[:, 1:]
        origin_time, origin = fixed[:, :1], fixed[:, 1:]
        along = (origin * space).sum(1, keepdim=True)
        boosted = space + origin * (along / (1 + origin_time) - time)
        return boosted * _asinh_ratio(boosted.square().sum(1, keepdim=True))

    def linearize(self, features: Tensor, tangents: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Manifold`."""
        points, moved = _radial_along(self._radii, features, tangents)
        return linearized(lambda moving: self.residual(moving, fixed), points, moved)


#: By name, as commands and checkpoints spell them.
MANIFOLDS: dict[str, Manifold] = {
    "spherical": Spherical(),
    "spherical-geodesic": Spherical("geodesic"),
    "euclidean": Euclidean(),
    "hyperbolic": Hyperbolic(),
}


# Both exponential maps are [a(‖φ‖²), b(‖φ‖²) φ]. Their derivatives need those of a and b alone, at one value a pixel.
_Radii = Callable[[Tensor], tuple[Tensor, Tensor]]


def _radial(radii: _Radii, features: Tensor) -> Tensor:
    first, factor = radii(features.square().sum(1, keepdim=True))
    return torch.cat([first, features * factor], dim=1)


def _radial_along(radii: _Radii, features: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    """The map's points and their derivatives along tangents (B, P, C, ...)."""
    squared = features.square().sum(1, keepdim=True)
    (first, factor), (first_slope, factor_slope) = _with_slopes(radii, squared)
    change = 2 * (tangents * features[:, None]).sum(2, keepdim=True)
    turned = tangents * factor[:, None] + (features * factor_slope)[:, None] * change
    points = torch.cat([first, features * factor], dim=1)
    return points, torch.cat([first_slope[:, None] * change, turned], dim=2)


def _with_slopes(radii: _Radii, at: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Two functions of each value, and their derivatives, which can be differentiated again if ``at`` can.

    By reverse mode, for forward mode takes five times as long on so small a tensor (torch 2.13).
    """
    again = at.requires_grad
    # a user's inference_mode forbids derivatives of its own tensors
    with torch.inference_mode(False), torch.enable_grad():
        where = at if again else at.detach().clone().requires_grad_()
        values = radii(where)
        slopes = [torch.autograd.grad(value.sum(), where, retain_graph=True, create_graph=again)[0] for value in values]
    return [value if again else value.detach() for value in values], slopes


def _shortening(squared: Tensor, longest: float) -> Tensor:
    """tanh(n/R) R/n of squared lengths n², smooth at 0."""
    scaled = squared / longest**2
    small, safe = _root(scaled)
    series = 1 - scaled / 3 + 2 * scaled**2 / 15 - 17 * scaled**3 / 315 + 62 * scaled**4 / 2835
    return torch.where(small, series, safe.tanh() / safe)


def _root(squared: Tensor) -> tuple[Tensor, Tensor]:
    """Where a series must serve, and √s elsewhere; 1 there, whose derivative is finite."""
    small = squared < _SMALL
    return small, torch.where(small, torch.ones_like(squared), squared).sqrt()


def _cos(squared: Tensor) -> Tensor:
    """cos √s, smooth at 0."""
    small, safe = _root(squared)
    return torch.where(
        small, 1 - squared / 2 * (1 - squared / 12 * (1 - squared / 30 * (1 - squared / 56))), safe.cos()
    )


def _sinc(squared: Tensor) -> Tensor:
    """sin √s / √s, smooth at 0."""
    small, safe = _root(squared)
    series = 1 - squared / 6 * (1 - squared / 20 * (1 - squared / 42 * (1 - squared / 72)))
    return torch.where(small, series, safe.sin() / safe)


def _sinhc(squared: Tensor) -> Tensor:
    """sinh √s / √s, smooth at 0."""
    small, safe = _root(squared)
    series = 1 + squared / 6 * (1 + squared / 20 * (1 + squared / 42 * (1 + squared / 72)))
    return torch.where(small, series, safe.sinh() / safe)


def _asinh_ratio(squared: Tensor) -> Tensor:
    """asinh √s / √s, smooth at 0."""
    small, safe = _root(squared)
    series = 1 - squared / 6 + 3 * squared**2 / 40 - 15 * squared**3 / 336 + 105 * squared**4 / 3456
    return torch.where(small, series, safe.asinh() / safe)


def _angle_over_sine(squared_chord: Tensor) -> Tensor:
    """θ / sin θ of a chord s with s² = 2 − 2 cos θ; smooth at 0, bounded near the antipode."""
    small = squared_chord < _SMALL
    largest = 4 - 1e3 * torch.finfo(squared_chord.dtype).eps
    safe = torch.where(small, torch.ones_like(squared_chord), squared_chord.clamp(max=largest))
    half = safe.sqrt() / 2
    # with x = s²/4 = sin²(θ/2): θ/sin θ = asin(√x) / (√x √(1-x)) = Σ (2^n n!)² / (2n+1)! xⁿ
    x = squared_chord / 4
    series = 1 + 2 * x / 3 * (1 + 4 * x / 5 * (1 + 6 * x / 7 * (1 + 8 * x / 9)))
    return torch.where(small, series, half.asin() / (half * (1 - half.square()).sqrt()))
