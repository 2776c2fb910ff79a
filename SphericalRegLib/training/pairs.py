"""Training pairs: a randomized X-ray at a true pose, and the DRR with its Jacobian at a pose some way off."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from SphericalRegLib.geometry import se3
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.rendering import linearize, render
from SphericalRegLib.training.xrays import XRays, XRaySampler, uniform_twists


@dataclass(frozen=True)
class Pairs:
    """B pairs.

    Attributes:
        xrays: at the true poses.
        drrs: (B, H, W) at the other poses.
        jacobians: (B, 6, H, W) of the DRRs; (B, 0, H, W) where none were asked for.
        poses: (B, 4, 4) float64 rig_from_world of the DRRs.
        twists: (B, 6) float64 from the poses to the true ones about the isocenter, radians and mm.
    """

    xrays: XRays
    drrs: Tensor
    jacobians: Tensor
    poses: Tensor
    twists: Tensor


@dataclass(frozen=True)
class PairSampler:
    """Draws pairs for one CT and one X-ray system.

    Attributes:
        xrays: draws the X-rays.
        reach: how far starts lie from the truth, at most. Each start's distance is shrunk by a uniform factor, so that
            nearer and farther ones are as many: uniform draws in six dimensions are nearly all far.
        nearest: the least such factor. Very near, what differs is not the pose but the images, and nothing is learned.
        network: Ψ, if one is trained: DRRs and Jacobians come from V + Ψ(V), and gradients reach it through both.
    """

    xrays: XRaySampler
    reach: SearchRange
    nearest: float = 0.3
    network: nn.Module | None = None

    def draw(self, count: int, generator: torch.Generator, jacobian: bool = True) -> Pairs:
        """``count`` pairs; the CPU generator's state determines them.

        Raises:
            GeometryError: if a true pose leaves the CT outside of the beam: the ranges are too wide.
        """
        source = self.xrays
        center = source.volume.center
        taken = source.draw(count, generator)
        nearness = self.nearest + (1 - self.nearest) * torch.rand(count, 1, generator=generator, dtype=torch.float64)
        poses = se3.about(nearness * uniform_twists(count, generator) * self.reach.twist, taken.poses, center)
        drrs, jacobians = self.redraw(poses, jacobian)
        return Pairs(taken, drrs, jacobians, poses, se3.difference_about(taken.poses, poses, center))

    def redraw(self, poses: Tensor, jacobian: bool = True) -> tuple[Tensor, Tensor]:
        """DRRs (B, H, W) at poses (B, 4, 4), and their Jacobians."""
        source = self.xrays
        with torch.set_grad_enabled(self.network is not None and torch.is_grad_enabled()):
            volume = source.volume if self.network is None else self.network(source.volume)
            if not jacobian:
                drrs = render(volume, source.view, poses, samples=source.samples).sum(1)
                return drrs, drrs.new_zeros(len(drrs), 0, *drrs.shape[1:])
            drrs, jacobians = linearize(volume, source.view, poses, samples=source.samples)
            return drrs.sum(1), jacobians.sum(1)
