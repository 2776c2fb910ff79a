"""Several similarities at once: the weighted sum of their costs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.similarity.contract import FixedImage, Similarity, Term
from SphericalRegLib.similarity.ncc import NCC
from SphericalRegLib.similarity.patch_ncc import PatchNCC


@dataclass(frozen=True)
class Mixed:
    """Σ weight · cost. By default what DiffPose refines by: half the image's correlation, half that of patches.

    Attributes:
        parts: the similarities.
        weights: one for each, above 0.

    Raises:
        InputError: for no part, or other weights than parts.
    """

    parts: tuple[Similarity, ...] = (NCC(), PatchNCC())
    weights: tuple[float, ...] = (0.5, 0.5)

    def __post_init__(self) -> None:
        if not self.parts or len(self.parts) != len(self.weights) or not all(weight > 0 for weight in self.weights):
            raise InputError(
                f"A mixture of {len(self.parts)} similarities has the weights {self.weights}: give each one above 0."
            )

    def fix(self, xray: Tensor, mask: Tensor) -> FixedImage:
        """See :class:`~SphericalRegLib.similarity.contract.Similarity`."""
        return _FixedMixed(tuple(part.fix(xray, mask) for part in self.parts), self.weights)


@dataclass(frozen=True)
class _FixedMixed:
    parts: tuple[FixedImage, ...]
    weights: tuple[float, ...]

    @property
    def support(self) -> Tensor:
        """Where all of them can compare."""
        return torch.stack([part.support for part in self.parts]).amin(0)

    def compare(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Term:
        """See :class:`~SphericalRegLib.similarity.contract.FixedImage`; curvature where all parts have one."""
        terms = [part.compare(images, jacobians, weights) for part in self.parts]
        curvatures = [term.curvature for term in terms]
        known = [one for one in curvatures if one is not None]
        return Term(
            self._sum([term.cost for term in terms]),
            self._sum([term.gradient for term in terms]),
            self._sum(known) if len(known) == len(curvatures) else None,
            self._sum([term.magnitude for term in terms]),
        )

    def _sum(self, values: list[Tensor]) -> Tensor:
        return torch.stack([weight * value for weight, value in zip(self.weights, values, strict=True)]).sum(0)
