"""A similarity that is a network of both images: its cost, and the exact derivative of it by one backward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from SphericalRegLib.similarity.contract import FixedImage, Term, check_pair
from SphericalRegLib.similarity.learned import standardized

#: DRRs (B, 1, H, W) and X-rays (B or 1, 1, H, W), standardized, to costs (B,).
Compare = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class NetworkCost:
    """The number that a network gives; no sum of squares, so that it has no Gauss-Newton model.

    Pixels cannot be weighted: DRR and X-ray are blank where the X-ray is not usable.

    Attributes:
        network: of both images.
    """

    network: Compare = field(repr=False)

    def fix(self, xray: Tensor, mask: Tensor) -> FixedImage:
        """See :class:`~SphericalRegLib.similarity.contract.Similarity`."""
        check_pair(xray, mask)
        return self.fix_batch(xray[None], mask)

    def fix_batch(self, xrays: Tensor, mask: Tensor) -> FixedNetworkCost:
        """The same for X-rays (B, H, W) that are compared with a DRR each, as in training."""
        support = (mask > 0).to(xrays)
        return FixedNetworkCost(standardized(xrays, support)[:, None], support, self.network)


@dataclass(frozen=True)
class FixedNetworkCost:
    """See :class:`NetworkCost`."""

    xrays: Tensor
    support: Tensor
    network: Compare

    def compare(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Term:
        """See :class:`~SphericalRegLib.similarity.contract.FixedImage`."""
        cost, gradient = self.linearize(images, jacobians)
        return Term(cost.detach(), gradient.detach(), None, torch.zeros_like(images))

    def linearize(self, images: Tensor, jacobians: Tensor, again: bool = False) -> tuple[Tensor, Tensor]:
        """Costs (B,) of DRRs (B, H, W) and their gradients (B, P) along jacobians (B, P, H, W).

        Args:
            images: DRRs; what the renderer gives is constant for the network.
            jacobians: of the DRRs.
            again: whether the gradients can be differentiated in the network's weights, as training does.
        """
        if jacobians.shape[1] == 0:
            with torch.set_grad_enabled(again):
                cost = self._cost(images)
            return cost, cost.new_zeros(len(cost), 0)
        with torch.enable_grad():
            # of a volume network that is trained as well, images have a history
            seen = images if again and images.requires_grad else images.detach().requires_grad_()
            cost = self._cost(seen)
            (slope,) = torch.autograd.grad(cost.sum(), seen, create_graph=again)
        return cost, (jacobians * slope[:, None]).sum(dim=(-2, -1))

    def drrs(self, images: Tensor) -> Tensor:
        """DRRs (B, H, W) as the network sees them, (B, 1, H, W)."""
        return standardized(images, self.support)[:, None]

    def _cost(self, images: Tensor) -> Tensor:
        return self.network(self.drrs(images), self.xrays)
