"""What a kernel is: one way to render rays through a volume, and what it says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering.rays import Rays


class Kernel(ABC):
    """Images of rays through a volume and, if asked for, their exact derivatives in the six pose parameters.

    Both are linear in the density; ``backproject`` is the transpose. What needs compiling or a library of its own is
    imported within the methods, so that a kernel that nobody uses costs nothing.

    Attributes:
        name: as it is typed.
        title: where it runs, in words.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def supports(self, volume: Volume) -> str | None:
        """None where it renders this volume, else why not, in words that follow "the ... kernel"."""

    def rays_on(self, device: torch.device) -> torch.device:
        """Where it wants the rays through a volume that lies on ``device``: there."""
        return device

    @abstractmethod
    def render(self, density: Tensor, rays: Rays, samples: int, jacobian: bool) -> tuple[Tensor, Tensor | None]:
        """Images (B, C, H, W) and, if asked for, pose Jacobians (B, C, 6, H, W), of the density's dtype and device.

        Args:
            density: (C, K, J, I) in 1/mm, of a volume that is supported.
            rays: B cameras, where ``rays_on`` says.
            samples: midpoint samples along the clipped part of each ray.
            jacobian: whether to return ∂image/∂twist (rotation in radians, translation in mm, about the isocenter).
        """

    @abstractmethod
    def backproject(self, like: Tensor, rays: Rays, samples: int, images: Tensor, jacobians: Tensor | None) -> Tensor:
        """(C, K, J, I): the transpose of :meth:`render`, which is linear in the density.

        Args:
            like: (C, K, J, I) of the density's shape, dtype and device; its values do not matter.
            rays, samples: as they were rendered.
            images: cotangents (B, C, H, W) of the images.
            jacobians: cotangents (B, C, 6, H, W) of the Jacobians, or None where only images were rendered.
        """

    def warm_up(self, device: torch.device, dtype: torch.dtype) -> None:
        """Compile and load what the first image of such a volume would wait for: one ray past eight voxels."""
        identity = torch.eye(3, dtype=torch.float64)[None]
        source = torch.tensor([[0.5, 0.5, -5.0]], dtype=torch.float64)
        rays = Rays(source, identity, identity, source, identity, 1, 1).to(self.rays_on(device))
        with torch.no_grad():
            for jacobian in (True, False):
                self.render(torch.zeros(1, 2, 2, 2, dtype=dtype, device=device), rays, 1, jacobian)
