"""Which of many candidates are optima of their own."""

from __future__ import annotations

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.optimization.state import pose_distance

#: Candidates closer than this, mm, are one optimum.
SAME_MM = 3.0

#: (pose (4, 4), cost).
Optimum = tuple[Tensor, float]


def distinct(poses: Tensor, costs: Tensor, center: Tensor, length: float) -> list[Optimum]:
    """Optima that differ, best first.

    Args:
        poses: (B, 4, 4).
        costs: (B,); those that are not finite are left out.
        center: (3,) world mm, about which poses are turned.
        length: mm that count as one radian.

    Raises:
        GeometryError: if no cost is finite.
    """
    optima: list[Optimum] = []
    for index in torch.argsort(costs).tolist():
        pose = poses[index]
        if not torch.isfinite(costs[index]):
            continue
        if optima:
            others = torch.stack([other for other, _ in optima])
            apart = pose_distance(pose.expand_as(others), others, center, length)
            if float(apart.min()) < SAME_MM:
                continue
        optima.append((pose, float(costs[index])))
    if not optima:
        raise GeometryError(
            "At every candidate pose the CT left the beam, or hardly any usable pixel of an X-ray shows it: start "
            "closer, or tell which pixels are usable (mask='none': all of them; mask=FILE: a picture of them)."
        )
    return optima
