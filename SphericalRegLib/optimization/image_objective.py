"""Images drawn of a state, compared with X-rays: the cost that every objective has, whatever it draws."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from SphericalRegLib.geometry.view import View
from SphericalRegLib.optimization.problem import Linearization, Weights
from SphericalRegLib.optimization.state import State
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
class Drawn:
    """What one view shows of B states.

    Attributes:
        images: (B, H, W) DRRs.
        jacobians: (B, P, H, W) in the state's P parameters, or (B, 0, H, W).
        outline: (B, H, W) the part of the DRRs near which pixels count, where only those count.
    """

    images: Tensor
    jacobians: Tensor
    outline: Tensor

    def saturated(self, at: float) -> Drawn:
        """With line integrals I that become s (1 - exp(-I / s)): where hardly anything arrives at a detector, or its
        scatter, more metal makes no difference. The outline stays."""
        passed = torch.exp(-self.images / at)
        return replace(self, images=at * (1 - passed), jacobians=self.jacobians * passed[:, None])


@dataclass(frozen=True)
class Compared:
    """One view's DRRs with their Jacobians, weights (B, H, W), and the cost that came of them.

    ``robust`` says whether the weights already come from how well pixels fitted; ``state`` is that of the DRRs;
    ``rest`` (B, H, W) is what they showed besides bone when weights were renewed.
    """

    state: State
    drawn: Drawn
    weights: Tensor
    term: Term
    robust: bool
    rest: Tensor | None = None

    @property
    def images(self) -> Tensor:
        """(B, H, W) DRRs."""
        return self.drawn.images


class ImageObjective(ABC):
    """The mean cost of several views; a :class:`~SphericalRegLib.optimization.problem.Problem`.

    A state at which fewer than 16 usable pixels of some view, or less than 1 % of them, show anything costs infinity.
    Its dataclasses have the fields below, and say what is drawn.
    """

    views: Sequence[FixedView]
    footprint_radius: int
    robust_passes: int
    further_passes: int
    robust_scale: float
    parted: bool
    saturation: float | None

    @abstractmethod
    def draw(self, view: View, state: State, jacobian: bool) -> Drawn:
        """What a view shows of a state."""

    @abstractmethod
    def draw_bone(self, view: View, state: State) -> Tensor | None:
        """(B, H, W): of that what is bone; None where all that is drawn counts alike."""

    def linearize(self, state: State, weights: Weights | None = None, jacobian: bool = True) -> Linearization:
        """See ``Problem.linearize``."""
        terms: list[Compared] = []
        for n, item in enumerate(self.views):
            drawn = self.draw(item.view, state, jacobian)
            if self.saturation is not None:
                drawn = drawn.saturated(self.saturation)
            # weights of a view come with the rest that was seen when they were renewed
            weight, rest = (self.support(item, drawn.outline), None) if weights is None else _unstacked(weights[n])
            term = _compare(item.fixed, drawn.images, drawn.jacobians, weight, rest)
            terms.append(Compared(state, drawn, weight, term, weights is not None, rest))
        return self._collect(terms)

    def renew(self, at: Linearization) -> tuple[Linearization, Weights]:
        """See ``Problem.renew``."""
        terms = []
        for item, old in zip(self.views, at.memory, strict=True):
            image, columns, term = old.images, old.drawn.jacobians, old.term
            trusted, rest = self._parts(item.view, old)
            support = self.support(item, old.drawn.outline) * trusted
            behind_body = support * footprint(image, 0)
            for left in reversed(range(self.further_passes if old.robust else self.robust_passes)):
                weight = support * robust_weights(term.magnitude, behind_body, self.robust_scale)
                # the Jacobian is only wanted of the last
                term = _compare(item.fixed, image, columns[:, :0] if left else columns, weight, rest)
            terms.append(Compared(old.state, old.drawn, weight, term, robust=True, rest=rest))
        return self._collect(terms), tuple(_stacked(one.weights, one.rest) for one in terms)

    def support(self, item: FixedView, outline: Tensor) -> Tensor:
        """(B, H, W) weights of one view before any is robust: what is usable, and near the outline where so asked."""
        support = item.fixed.support.to(outline).expand_as(outline)
        return support * footprint(outline, self.footprint_radius) if self.footprint_radius else support

    def _parts(self, view: View, at: Compared) -> tuple[Tensor | float, Tensor | None]:
        """How far the edges that a DRR draws may be trusted, (B, H, W), and what it shows besides bone, where that may
        be of another strength; both held fixed until weights are renewed again."""
        bone = self.draw_bone(view, at.state)
        if bone is None:
            return 1.0, None
        return bone_share(bone, at.images), at.images - bone if self.parted else None

    def _comparable(self, item: FixedView, at: Compared) -> Tensor:
        """(B,) whether enough usable pixels show anything: with hardly anything to compare a cost says nothing, least
        of all that it is a match."""
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
