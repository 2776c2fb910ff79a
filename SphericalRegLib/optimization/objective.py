"""Renderer and similarity put together: the cost of a pose at one level of resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.optimization.problem import Linearization, Weights
from SphericalRegLib.optimization.state import State, pose_state
from SphericalRegLib.rendering import linearize, render
from SphericalRegLib.similarity.contract import FixedImage, PartedImage, Term
from SphericalRegLib.similarity.weights import bone_share, footprint, robust_weights

# Six parameters, a gain and an offset fit fewer pixels whatever they show: a cost of them is no match. Of a view of
# which much is usable, so small a share is a body's rim that only just reaches into it.
_FEWEST_PIXELS = 16
_SMALLEST_SHARE = 0.01


@dataclass(frozen=True)
class FixedView:
    """One X-ray at one level: its geometry, and the similarity made ready for it."""

    view: View
    fixed: FixedImage


@dataclass(frozen=True)
class Compared:
    """One view's DRRs (B, H, W), their Jacobians (B, 6, H, W), weights (B, H, W), and the cost that came of them.

    ``robust`` says whether the weights already come from how well pixels fitted; ``poses`` (B, 4, 4) are those of the
    DRRs; ``rest`` (B, H, W) is what they showed besides bone when weights were renewed.
    """

    poses: Tensor
    images: Tensor
    jacobians: Tensor
    weights: Tensor
    term: Term
    robust: bool
    rest: Tensor | None = None


@dataclass(frozen=True)
class Objective:
    """The mean cost of several views that share one pose; a :class:`~SphericalRegLib.optimization.problem.Problem`.

    A pose at which fewer than 16 usable pixels of some view, or less than 1 % of them, show the CT costs infinity.

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
        length: mm that one radian of a pose counts as.
        bone: what of the volume attenuates beyond soft tissue; pixels then count by how much of their gradient is
            bone's (``weights.bone_share``), as far as robust weights are renewed. None: all that is usable counts.
        parted: whether what DRRs show besides bone may be of another strength than the CT says, where bone is known
            and the similarity can do without (:class:`~SphericalRegLib.similarity.contract.PartedImage`).
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
    bone: Volume | None = None
    parted: bool = False

    @property
    def center(self) -> Tensor:
        """(3,) the CT's isocenter."""
        return self.volume.center

    def state(self, poses: Tensor) -> State:
        """Poses (B, 4, 4) as optimizers change them."""
        return pose_state(poses, self.center, self.length)

    def linearize(self, state: State, weights: Weights | None = None, jacobian: bool = True) -> Linearization:
        """See ``Problem.linearize``; the state holds poses alone."""
        (poses,) = state.values
        terms: list[Compared] = []
        for n, item in enumerate(self.views):
            image, columns = self._draw(item.view, poses, jacobian)
            # weights of a view come with the rest that was seen when they were renewed
            weight, rest = (self.support(item, image), None) if weights is None else _unstacked(weights[n])
            term = _compare(item.fixed, image, columns, weight, rest)
            terms.append(Compared(poses, image, columns, weight, term, weights is not None, rest))
        return self._collect(terms)

    def renew(self, at: Linearization) -> tuple[Linearization, Weights]:
        """See ``Problem.renew``."""
        terms = []
        for item, old in zip(self.views, at.memory, strict=True):
            image, columns, term = old.images, old.jacobians, old.term
            trusted, rest = self._parts(item.view, old)
            support = self.support(item, image) * trusted
            behind_body = support * footprint(image, 0)
            for left in reversed(range(self.further_passes if old.robust else self.robust_passes)):
                weight = support * robust_weights(term.magnitude, behind_body, self.robust_scale)
                # the Jacobian is only wanted of the last
                term = _compare(item.fixed, image, columns[:, :0] if left else columns, weight, rest)
            terms.append(Compared(old.poses, image, columns, weight, term, robust=True, rest=rest))
        return self._collect(terms), tuple(_stacked(one.weights, one.rest) for one in terms)

    def _draw(self, view: View, poses: Tensor, jacobian: bool) -> tuple[Tensor, Tensor]:
        if jacobian:
            image, columns = linearize(self.volume, view, poses, samples=self.samples, kernel=self.kernel)
            return image.sum(1), columns.sum(1)
        image = render(self.volume, view, poses, samples=self.samples, kernel=self.kernel).sum(1)
        return image, image.new_zeros(image.shape[0], 0, *image.shape[1:])

    def support(self, item: FixedView, image: Tensor) -> Tensor:
        """(B, H, W) weights of one view before any is robust: what is usable, and near the DRR where so asked."""
        support = item.fixed.support.to(image).expand_as(image)
        return support * footprint(image, self.footprint_radius) if self.footprint_radius else support

    def _parts(self, view: View, at: Compared) -> tuple[Tensor | float, Tensor | None]:
        """How far the edges that a DRR draws may be trusted, (B, H, W), and what it shows besides bone, where that may
        be of another strength; both held fixed until weights are renewed again."""
        if self.bone is None:
            return 1.0, None
        bone = render(self.bone, view, at.poses, samples=self.samples, kernel=self.kernel).sum(1)
        return bone_share(bone, at.images), at.images - bone if self.parted else None

    def _comparable(self, item: FixedView, at: Compared) -> Tensor:
        """(B,) whether enough usable pixels show the CT: with hardly anything to compare a cost says nothing, least of
        all that it is a match."""
        usable = (item.fixed.support > 0).to(at.images)
        shown = (usable * footprint(at.images, 0)).flatten(1).sum(1)
        least = (_SMALLEST_SHARE * usable.sum()).clamp(min=_FEWEST_PIXELS)
        return (shown >= least) & (at.weights.flatten(1).sum(1) > 0)

    def _collect(self, compared: list[Compared]) -> Linearization:
        share = 1 / len(compared)
        terms = [one.term for one in compared]
        pairs = zip(self.views, compared, strict=True)
        visible = torch.stack([self._comparable(item, one) for item, one in pairs]).all(0)
        curvatures = [term.curvature for term in terms]
        known = [one for one in curvatures if one is not None]
        sums = [[visible], [term.cost for term in terms], [term.gradient for term in terms]]
        comparable, cost, gradient, *curvature = _on_cpu([*sums, known] if len(known) == len(curvatures) else sums)
        return Linearization(
            cost=torch.where(comparable > 0, share * cost, torch.inf),
            gradient=share * gradient,
            curvature=share * curvature[0] if curvature else None,
            memory=compared,
        )


def _compare(fixed: FixedImage, images: Tensor, jacobians: Tensor, weights: Tensor, rest: Tensor | None) -> Term:
    if rest is None:
        return fixed.compare(images, jacobians, weights)
    assert isinstance(fixed, PartedImage), "parted is for similarities that can part"
    return fixed.compare_parted(images, jacobians, weights, rest)


def _stacked(weights: Tensor, rest: Tensor | None) -> Tensor:
    """Weights (B, H, W), or with the rest beside them (B, 2, H, W), so that optimizers pick both together."""
    return weights if rest is None else torch.stack([weights, rest], 1)


def _unstacked(weights: Tensor) -> tuple[Tensor, Tensor | None]:
    """The inverse of :func:`_stacked`."""
    return (weights, None) if weights.ndim == 3 else (weights[:, 0], weights[:, 1])


def _on_cpu(parts: list[list[Tensor]]) -> list[Tensor]:
    """The sum (B, ...) of each list, float64: optimizers work on the CPU, wherever images are compared.

    All come in one transfer, for each one waits for the device.
    """
    sums = [torch.stack(part).sum(0) for part in parts]
    together = torch.cat([one.reshape(len(one), math.prod(one.shape[1:])) for one in sums], dim=1).cpu().double()
    pieces = together.split([math.prod(one.shape[1:]) for one in sums], dim=1)
    return [piece.reshape(one.shape) for piece, one in zip(pieces, sums, strict=True)]
