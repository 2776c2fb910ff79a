"""Training pairs: a randomized X-ray at a true pose, and the DRR with its Jacobian at a pose some way off."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.randomize import randomize
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.rendering import linearize, render


@dataclass(frozen=True)
class Pairs:
    """B pairs.

    Attributes:
        xrays: (B, H, W) randomized, bright = dense, in [0, 1].
        drrs: (B, H, W) at the poses.
        jacobians: (B, 6, H, W) of the DRRs.
        poses, truths: (B, 4, 4) float64 rig_from_world.
        twists: (B, 6) float64 from the poses to the truths about the isocenter, radians and mm.
    """

    xrays: Tensor
    drrs: Tensor
    jacobians: Tensor
    poses: Tensor
    truths: Tensor
    twists: Tensor


@dataclass(frozen=True)
class PairSampler:
    """Draws pairs for one CT and one X-ray system.

    Attributes:
        volume: the CT, on the device that trains.
        view: of the size that is trained.
        nominal: (4, 4) rig_from_world in the middle of the true poses.
        truth: how far true poses lie from it.
        reach: how far starts lie from the truth, at most. Each start's distance is shrunk by a uniform factor, so that
            near and far ones are as many: uniform draws in six dimensions are nearly all far.
        samples: along each ray.
    """

    volume: Volume
    view: View
    nominal: Tensor
    truth: SearchRange
    reach: SearchRange
    samples: int = 128

    def draw(self, count: int, generator: torch.Generator) -> Pairs:
        """``count`` pairs; the CPU generator's state determines them.

        Raises:
            GeometryError: if a true pose leaves the CT outside of the beam: the ranges are too wide.
        """
        center = self.volume.center
        truths = se3.about(_uniform(self.truth, count, generator), self.nominal.double().expand(count, 4, 4), center)
        nearness = torch.rand(count, 1, generator=generator, dtype=torch.float64)
        poses = se3.about(nearness * _uniform(self.reach, count, generator), truths, center)
        with torch.no_grad():
            xrays = render(self.volume, self.view, truths, samples=self.samples).sum(1)
            peak = xrays.amax(dim=(1, 2), keepdim=True)
            if bool((peak <= 0).any()):
                raise GeometryError(
                    f"At a pose within the declared range ({self.truth}) the CT lies outside of the beam: narrow it."
                )
            drrs, jacobians = linearize(self.volume, self.view, poses, samples=self.samples)
        return Pairs(
            xrays=randomize(xrays / peak, generator),
            drrs=drrs.sum(1),
            jacobians=jacobians.sum(1),
            poses=poses,
            truths=truths,
            twists=se3.difference_about(truths, poses, center),
        )


def _uniform(extent: SearchRange, count: int, generator: torch.Generator) -> Tensor:
    """(count, 6) twists within a range."""
    return (2 * torch.rand(count, 6, generator=generator, dtype=torch.float64) - 1) * extent.twist
