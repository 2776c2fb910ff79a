"""Problems with a known answer: move known points onto known places."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.optimization.problem import Linearization, Weights
from SphericalRegLib.optimization.state import State, pose_state


@dataclass(frozen=True)
class Points:
    """Mean square distance, in units of 20 mm, of points moved by a pose from their targets."""

    points: Tensor
    targets: Tensor
    center: Tensor
    length: float = 100.0

    def residual(self, poses: Tensor) -> Tensor:
        return (se3.transform_points(poses, self.points) - self.targets) / 20 / len(self.points) ** 0.5

    def state(self, poses: Tensor) -> State:
        return pose_state(poses, self.center, self.length)

    def linearize(self, state: State, weights: Weights | None = None, jacobian: bool = True) -> Linearization:
        (poses,) = state.values
        w = torch.ones(poses.shape[0], len(self.points)).double() if weights is None else weights[0]
        values = (self.residual(poses) * w.sqrt()[..., None]).flatten(1)
        columns = torch.zeros(poses.shape[0], 0, values.shape[1], dtype=torch.float64)
        if jacobian:
            columns = (self.jacobian(poses) * w.sqrt()[:, None, :, None]).flatten(2)
        gradient = (columns @ values[..., None])[..., 0]
        return Linearization(values.square().sum(-1), 2 * gradient, 2 * columns @ columns.mT, state)

    def renew(self, at: Linearization) -> tuple[Linearization, Weights]:
        distance = self.residual(at.memory.values[0]).norm(dim=-1)
        cutoff = 3 * distance.median(dim=-1, keepdim=True).values + 1e-3
        weights = ((1 + (distance / cutoff) ** 2) ** -2,)
        return self.linearize(at.memory, weights), weights

    def jacobian(self, poses: Tensor) -> Tensor:
        """(B, 6, N, 3) of the residual with respect to twists about the center, by hand."""
        moved = se3.transform_points(poses, self.points)
        rotation = -se3.hat(moved - se3.transform_points(poses, self.center[None]))
        both = torch.cat([rotation, torch.eye(3, dtype=poses.dtype).expand_as(rotation)], dim=-1)
        return both.movedim(-1, 1) / 20 / len(self.points) ** 0.5


def points_problem(noise: float = 0.0, seed: int = 0) -> tuple[Points, Tensor]:
    """Twelve points around an off-center center, and the pose (4, 4) that moves them onto their targets."""
    generator = torch.Generator().manual_seed(seed)
    center = torch.tensor([40.0, -30.0, 120.0], dtype=torch.float64)
    spread = torch.tensor([90.0, 50.0, 70.0], dtype=torch.float64)
    points = center + spread * (2 * torch.rand(12, 3, generator=generator, dtype=torch.float64) - 1)
    truth = se3.exp(torch.tensor([0.4, -1.1, 0.7, 20.0, -15.0, 700.0], dtype=torch.float64))
    targets = se3.transform_points(truth, points)
    targets = targets + noise * torch.randn(12, 3, generator=generator, dtype=torch.float64)
    return Points(points, targets, center), truth


def starts(problem: Points, truth: Tensor, count: int, radians: float, mm: float, seed: int = 1) -> Tensor:
    """(count, 4, 4) poses away from the truth."""
    generator = torch.Generator().manual_seed(seed)
    twists = 2 * torch.rand(count, 6, generator=generator, dtype=torch.float64) - 1
    twists = twists * torch.tensor([radians] * 3 + [mm] * 3, dtype=torch.float64)
    return se3.about(twists, truth.expand(count, 4, 4), problem.center)
