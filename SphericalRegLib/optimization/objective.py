"""Renderer and similarity put together: the least-squares cost of a pose at one level of resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.optimization.problem import Linearization
from SphericalRegLib.rendering import linearize, render
from SphericalRegLib.similarity.residual import FixedImage, Residual
from SphericalRegLib.similarity.weights import footprint, robust_weights


@dataclass(frozen=True)
class FixedView:
    """One X-ray at one level: its geometry, and the similarity made ready for it."""

    view: View
    fixed: FixedImage


@dataclass(frozen=True)
class Compared:
    """One view's DRRs (B, H, W), their Jacobians (B, 6, H, W), weights (B, H, W), and the residual that came of them.

    ``robust`` says whether the weights already come from residuals.
    """

    images: Tensor
    jacobians: Tensor
    weights: Tensor
    residual: Residual
    robust: bool


@dataclass(frozen=True)
class Objective:
    """The mean cost of several views that share one pose; a :class:`~SphericalRegLib.optimization.problem.Problem`.

    Attributes:
        volume: the CT at this level's resolution; channels are added up.
        views: the X-rays at this level.
        samples: along each ray.
        footprint_radius: where positive, only pixels within so many pixels of the DRR count (for cut-out bones).
        kernel: of the renderer.
        robust_passes: times that weights are recomputed from their own residuals when equal weights are first
            renewed: one pass still sees the picture that the outliers painted. Robust weights take
            ``further_passes``.
        robust_scale: residuals beyond so many typical ones count as outliers; the typical one is taken behind the body.
        length: mm, see ``Problem``.
    """

    volume: Volume
    views: Sequence[FixedView]
    samples: int
    footprint_radius: int = 0
    kernel: str = "auto"
    robust_passes: int = 6
    further_passes: int = 2
    robust_scale: float = 2.5
    length: float = 100.0

    @property
    def center(self) -> Tensor:
        """(3,) the CT's isocenter."""
        return self.volume.center

    def linearize(self, poses: Tensor, weights: Any | None = None, jacobian: bool = True) -> Linearization:
        """See ``Problem.linearize``."""
        terms: list[Compared] = []
        for n, item in enumerate(self.views):
            image, columns = self._draw(item.view, poses, jacobian)
            weight = self._support(item, image) if weights is None else weights[n]
            residual = item.fixed.residual(image, columns, weight)
            terms.append(Compared(image, columns, weight, residual, robust=weights is not None))
        return self._collect(terms)

    def renew(self, at: Linearization) -> tuple[Linearization, Any]:
        """See ``Problem.renew``."""
        terms = []
        for item, old in zip(self.views, at.memory, strict=True):
            image, columns, residual = old.images, old.jacobians, old.residual
            support = self._support(item, image)
            behind_body = support * footprint(image, 0)
            for left in reversed(range(self.further_passes if old.robust else self.robust_passes)):
                weight = support * robust_weights(residual.magnitude, behind_body, self.robust_scale)
                # the Jacobian is only wanted of the last
                residual = item.fixed.residual(image, columns[:, :0] if left else columns, weight)
            terms.append(Compared(image, columns, weight, residual, robust=True))
        return self._collect(terms), [term.weights for term in terms]

    def pick(self, weights: Any, indices: Tensor) -> Any:
        """See ``Problem.pick``."""
        return [weight[indices] for weight in weights]

    def _draw(self, view: View, poses: Tensor, jacobian: bool) -> tuple[Tensor, Tensor]:
        if jacobian:
            image, columns = linearize(self.volume, view, poses, samples=self.samples, kernel=self.kernel)
            return image.sum(1), columns.sum(1)
        image = render(self.volume, view, poses, samples=self.samples, kernel=self.kernel).sum(1)
        return image, image.new_zeros(image.shape[0], 0, *image.shape[1:])

    def _support(self, item: FixedView, image: Tensor) -> Tensor:
        support = item.fixed.support.to(image).expand_as(image)
        return support * footprint(image, self.footprint_radius) if self.footprint_radius else support

    def _collect(self, terms: list[Compared]) -> Linearization:
        share = 1 / len(terms)
        residuals = [term.residual for term in terms]
        # with nothing to compare residuals are 0: that is no match, but a CT out of sight
        seen = torch.stack([term.weights.flatten(1).sum(1) > 0 for term in terms]).all(0).cpu()
        return Linearization(
            cost=torch.where(seen, share * _on_cpu([r.cost for r in residuals]), torch.inf),
            gradient=share * _on_cpu([r.gradient for r in residuals]),
            hessian=share * _on_cpu([r.hessian for r in residuals]),
            memory=terms,
        )


def _on_cpu(terms: list[Tensor]) -> Tensor:
    """Their sum, float64: optimizers work on the CPU, wherever images are compared."""
    return torch.stack(terms).sum(0).cpu().double()
