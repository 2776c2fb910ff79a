"""What a network of two images is: a cost of 0 or more, which can be differentiated twice."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from SphericalRegLib.errors import InputError


class PairNetwork(nn.Module):
    """A cost of standardized DRRs and X-rays.

    Training asks for the derivative of the cost's derivative in the DRR: nothing in it may work in place, and attention
    is written out, for torch's fused one has no second derivative.

    Args:
        size: pixels along each side of the images.
        settings: what else :func:`~SphericalRegLib.networks.pairs.table.pair_network` needs to build it again.

    Attributes:
        kind: its name in the table.
        multiple: what a size must be a multiple of.

    Raises:
        InputError: for a size that is none.
    """

    kind: str
    multiple = 16

    def __init__(self, size: int, **settings: Any) -> None:
        super().__init__()
        if size < 2 * self.multiple or size % self.multiple:
            raise InputError(f"The network {self.kind} compares images of a multiple of {self.multiple}², not {size}².")
        self.size = size
        self.settings: dict[str, Any] = {"kind": self.kind, "size": size, **settings}

    def forward(self, drrs: Tensor, xrays: Tensor) -> Tensor:
        """(B,) costs of DRRs (B, 1, H, W) against X-rays (B, 1, H, W) or (1, 1, H, W).

        Raises:
            InputError: for images of another size.
        """
        for images in (drrs, xrays):
            if images.ndim != 4 or tuple(images.shape[1:]) != (1, self.size, self.size):
                raise InputError(
                    f"The network {self.kind} compares images (B, 1, {self.size}, {self.size}), not "
                    f"{tuple(images.shape)}: give a square X-ray of that size or larger."
                )
        return self.cost(drrs, xrays.expand(len(drrs), *xrays.shape[1:]))

    @abstractmethod
    def cost(self, drrs: Tensor, xrays: Tensor) -> Tensor:
        """(B,), of images that fit."""

    @staticmethod
    def positive(numbers: Tensor) -> Tensor:
        """What any number becomes as a cost: x for large ones, 1/|x| for very negative ones.

        The gradient's direction stays, its length changes. softplus has no gradient left below −100, where a training
        that begins badly would stay.
        """
        # of a length at 0 torch takes no slope
        size = torch.where(numbers > 0, numbers, -numbers)
        longer = ((numbers.square() + 4).sqrt() + size) / 2
        return torch.where(numbers > 0, longer, 1 / longer)

    def regularizer(self, drrs: Tensor, xrays: Tensor) -> Tensor | None:
        """A further loss of training, (B,); None without one."""
        return None
