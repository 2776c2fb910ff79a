"""What is expected of bodies' motion, as a Gaussian, beside what their images tell: least squares with a prior.

Residuals of variance σ² and a prior of covariance Σ on a twist x make the cost Σ r² + σ² xᵀ Σ⁻¹ x. So the normal
equations JᵀJ gain P = Σ⁻¹ · cost / N, where N counts the independent residuals: σ² = cost / N is what the images
themselves say of their noise. It is held while weights are held, and renewed with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.optimization.image_objective import ImageObjective
from SphericalRegLib.optimization.problem import Linearization, Weights
from SphericalRegLib.optimization.state import PoseBlock, State


class Prior(Protocol):
    """A Gaussian on some of a state's parameters."""

    @property
    def information(self) -> Tensor:
        """(K, K) the inverse covariance."""
        ...

    def twist(self, state: State) -> Tensor:
        """(B, K) how far the state is from where it is expected."""
        ...

    def linearize(self, state: State) -> tuple[Tensor, Tensor]:
        """:meth:`twist`, and its derivative (B, K, P) in the state's parameters."""
        ...


@dataclass(frozen=True, eq=False)
class MotionPrior:
    """Where a body is expected, and how exactly.

    Attributes:
        body: which block of the state it is.
        expected: (4, 4) its pose rig_from_world; or, with a neighbor, its motion in the neighbor's frame,
            ``inverse(pose of the neighbor) @ pose of the body``: the identity for bones of one CT that have not moved
            against one another.
        rotation_deg, translation_mm: standard deviations about and along each axis, at the body's isocenter.
        neighbor: which block it is expected relative to; None for the rig.

    Raises:
        InputError: for deviations that are not above 0, or a body that is its own neighbor.
    """

    body: int
    expected: Tensor
    rotation_deg: float = 5.0
    translation_mm: float = 5.0
    neighbor: int | None = None

    def __post_init__(self) -> None:
        for name in ("rotation_deg", "translation_mm"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"The prior's {name} is {getattr(self, name)}: give a standard deviation above 0.")
        if self.neighbor == self.body:
            raise InputError(f"Body {self.body} is expected relative to itself: name another neighbor, or none.")

    @property
    def information(self) -> Tensor:
        """(6, 6) Σ⁻¹ of the twist, 1/rad² and 1/mm²."""
        deviations = [math.radians(self.rotation_deg)] * 3 + [self.translation_mm] * 3
        return torch.diag(torch.tensor(deviations, dtype=torch.float64) ** -2)

    def twist(self, state: State) -> Tensor:
        """(B, 6) from where the body is expected to where it is, about its isocenter; rad, mm, in the axes of the
        neighbor's frame (of the rig, without one)."""
        return se3.difference_about(self._motion(state), self.expected, self._center(state, self.body))

    def linearize(self, state: State) -> tuple[Tensor, Tensor]:
        """The twist (B, 6), and its derivative (B, 6, P) in the state's parameters.

        With W the body's motion, a step s of the body makes W' = Exp(Ad(N⁻¹ Trans(c)) s) W, where c is its isocenter in
        the rig and N the neighbor's pose; a step of the neighbor does the same with its own isocenter and the opposite
        sign. Left Jacobian: Barfoot, State Estimation for Robotics (2017), 7.1.5.
        """
        twist = self.twist(state)
        anchor = se3.transform_points(self.expected, self._center(state, self.body)[None])[0]
        from_rig = se3.translation(-anchor) @ se3.inverse(self._neighbor_pose(state))
        outer = torch.linalg.inv(se3.left_jacobian(twist))
        starts = [0, *torch.tensor(state.sizes).cumsum(0).tolist()]
        derivative = twist.new_zeros(len(state), 6, starts[-1])
        for block, sign in ((self.body, 1.0), (self.neighbor, -1.0)):
            if block is None:
                continue
            at = se3.transform_points(state.values[block], self._center(state, block)[None])[:, 0]
            columns = sign * outer @ se3.adjoint(from_rig @ se3.translation(at))
            derivative[:, :, starts[block] : starts[block + 1]] = columns
        return twist, derivative

    def _motion(self, state: State) -> Tensor:
        return se3.inverse(self._neighbor_pose(state)) @ state.values[self.body]

    def _neighbor_pose(self, state: State) -> Tensor:
        if self.neighbor is None:
            return torch.eye(4, dtype=torch.float64).expand(len(state), 4, 4)
        return state.values[self.neighbor]

    @staticmethod
    def _center(state: State, block: int) -> Tensor:
        body = state.blocks[block]
        assert isinstance(body, PoseBlock), "a motion is that of a pose"
        return body.center


@dataclass(frozen=True)
class WithPriors:
    """A problem of images and the priors of its bodies; a :class:`~SphericalRegLib.optimization.problem.Problem`.

    Attributes:
        images: the cost that the priors are weighed against.
        priors: of its blocks.
        inflation: what the residuals' standard deviation is multiplied by: what images are wrong by is more than noise.
    """

    images: ImageObjective
    priors: Sequence[Prior]
    inflation: float = 1.0

    def linearize(self, state: State, weights: Weights | None = None, jacobian: bool = True) -> Linearization:
        """See ``Problem.linearize``; the last of the weights is the residuals' variance (B,)."""
        if weights is None:
            model = self.images.linearize(state, None, jacobian)
            return self._added(model, state, self._variance(model), jacobian)
        return self._added(self.images.linearize(state, weights[:-1], jacobian), state, weights[-1], jacobian)

    def renew(self, at: Linearization) -> tuple[Linearization, Weights]:
        """See ``Problem.renew``."""
        state, of_images = at.memory
        model, weights = self.images.renew(of_images)
        variance = self._variance(model)
        return self._added(model, state, variance, bool(at.gradient.shape[1])), (*weights, variance)

    def _variance(self, model: Linearization) -> Tensor:
        return self.inflation**2 * variance_of(model)

    def _added(self, model: Linearization, state: State, variance: Tensor, jacobian: bool) -> Linearization:
        cost, gradient, curvature = model.cost, model.gradient, model.curvature
        for prior in self.priors:
            information = prior.information
            if not jacobian:
                twist = prior.twist(state)
                cost = cost + variance * ((twist @ information) * twist).sum(-1)
                continue
            twist, derivative = prior.linearize(state)
            weighted = derivative.mT @ information
            cost = cost + variance * ((twist @ information) * twist).sum(-1)
            gradient = gradient + 2 * variance[:, None] * (weighted @ twist[..., None])[..., 0]
            if curvature is not None:
                curvature = curvature + 2 * variance[:, None, None] * weighted @ derivative
        return replace(model, cost=cost, gradient=gradient, curvature=curvature, memory=(state, model))


def variance_of(model: Linearization) -> Tensor:
    """(B,) residual variance of an image cost: its mean over views by their independent residuals.

    Smoothing by a Gaussian of 1 pixel leaves one independent pixel in 4π; each has two gradient components.
    """
    counts = torch.stack([one.weights.flatten(1).sum(1).cpu().double() for one in model.memory])
    independent = (counts.sum(0) * 2 / (4 * math.pi)).clamp(min=1.0)
    return torch.where(torch.isfinite(model.cost), model.cost, 0) / independent
