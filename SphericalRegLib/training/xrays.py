"""Training X-rays: DRRs at poses of the declared range, randomized and collimated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.rendering import render
from SphericalRegLib.simulation.randomize import STEPS, STRONGER, randomize
from SphericalRegLib.simulation.randomize_strong import beam_masks

# Half widths of the declared range: where poses "outside" of it are drawn.
_OUTSIDE = (1.3, 2.0)


@dataclass(frozen=True)
class XRays:
    """B X-rays.

    Attributes:
        images: (B, H, W) randomized, bright = dense, in [0, 1].
        masks: (B, H, W) 1 where the beam passed the collimator.
        poses: (B, 4, 4) float64 rig_from_world.
        twists: (B, 6) float64 from the nominal pose about the isocenter, in half widths of the range.
        inside: (B,) bool, whether the pose lies within the range.
    """

    images: Tensor
    masks: Tensor
    poses: Tensor
    twists: Tensor
    inside: Tensor


@dataclass(frozen=True)
class XRaySampler:
    """Draws X-rays of one CT by one X-ray system.

    Attributes:
        volume: the CT, on the device that trains.
        view: of the size that is trained.
        nominal: (4, 4) rig_from_world in the middle of the range.
        truth: how far poses lie from it.
        samples: along each ray.
        randomization: steps by name; the paper's are ``STEPS``.
        probability: of each step.
        collimated: whether some images have edges that are not usable, as collimators leave; the paper's have none.
    """

    volume: Volume
    view: View
    nominal: Tensor
    truth: SearchRange
    samples: int = 128
    randomization: tuple[str, ...] = (*STEPS, *STRONGER)
    probability: float = 0.25
    collimated: bool = True

    def __post_init__(self) -> None:
        if bool((self.truth.twist <= 0).any()):
            raise InputError(f"The declared range {self.truth} must be above 0 along and about every axis.")

    def draw(self, count: int, generator: torch.Generator, outside: float = 0.0) -> XRays:
        """``count`` X-rays; the CPU generator's state determines them.

        Args:
            count: how many.
            generator: on the CPU.
            outside: share of poses beyond the range, to at most twice of it along or about some axis.

        Raises:
            GeometryError: if at a pose within the range the CT lies outside of the beam.
        """
        twists = uniform_twists(count, generator)
        far = torch.rand(count, generator=generator) < outside
        low, high = _OUTSIDE
        reach = low + (high - low) * torch.rand(count, 1, generator=generator, dtype=torch.float64)
        twists = torch.where(far[:, None], twists / twists.abs().amax(1, keepdim=True) * reach, twists)
        poses = se3.about(twists * self.truth.twist, self.nominal.double().expand(count, 4, 4), self.volume.center)
        return self._taken(poses, twists, ~far, generator)

    def _taken(self, poses: Tensor, twists: Tensor, inside: Tensor, generator: torch.Generator) -> XRays:
        with torch.no_grad():
            images = render(self.volume, self.view, poses, samples=self.samples).sum(1)
            peak = images.amax(dim=(1, 2), keepdim=True)
            if bool((peak[inside.to(peak.device)] <= 0).any()):
                raise GeometryError(
                    f"At a pose within the declared range ({self.truth}) the CT lies outside of the beam: narrow it."
                )
            images = randomize(images / peak.clamp(min=1e-6), generator, self.randomization, self.probability)
        masks = torch.ones_like(images)
        if self.collimated:
            masks = beam_masks(len(images), self.view.height, self.view.width, generator).to(images)
        return XRays(images, masks, poses, twists, inside)


def uniform_twists(count: int, generator: torch.Generator) -> Tensor:
    """(count, 6) float64 between −1 and 1."""
    return 2 * torch.rand(count, 6, generator=generator, dtype=torch.float64) - 1
