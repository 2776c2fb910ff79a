"""Which of many candidates are optima of their own, and which of them go on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.optimization.state import pose_distance

#: Candidates closer than this, mm, are one optimum.
SAME_MM = 3.0

# A start's descendant this near to another candidate, mm, has become that one.
_MERGED_MM = 0.5

#: (pose (4, 4), cost).
Optimum = tuple[Tensor, float]


def distinct(poses: Tensor, costs: Tensor, center: Tensor, length: float, apart_mm: float = SAME_MM) -> list[Optimum]:
    """Optima that differ, best first.

    Args:
        poses: (B, 4, 4).
        costs: (B,); those that are not finite are left out.
        center: (3,) world mm, about which poses are turned.
        length: mm that count as one radian.
        apart_mm: closer ones are one optimum.

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
            if float(apart.min()) < apart_mm:
                continue
        optima.append((pose, float(costs[index])))
    if not optima:
        raise GeometryError(
            "At every candidate pose the CT left the beam, or hardly any usable pixel of an X-ray shows it: start "
            "closer, or tell which pixels are usable (mask='none': all of them; mask=FILE: a picture of them)."
        )
    return optima


def going_on(
    ranked: Sequence[Optimum],
    from_starts: Sequence[Optimum],
    keep: int,
    prune: float,
    center: Tensor,
    length: float,
    hopeless: float = math.inf,
) -> tuple[Tensor, list[int]]:
    """Candidates of the next stage: the best few, and what has become of each start, whatever its rank.

    A coarse stage cannot tell a right pose from a wrong one that looks as well there; a start that someone gave has the
    right to be compared at the finest one.

    Args:
        ranked: optima that differ, best first, of which there is at least one.
        from_starts: what has become of each start; those that left the beam are dropped.
        keep: so many of the ranked ones go on,
        prune: if their cost is within this factor of the best.
        center: (3,) world mm, about which poses are turned.
        length: mm that count as one radian.
        hopeless: what has become of a start ends here all the same if its cost is beyond this factor of the best: for
            where the finest stage follows, which takes most of the time.

    Returns:
        Poses (B, 4, 4), and the places among them of what has become of the starts.
    """
    worst = prune * max(ranked[0][1], 0.0)
    poses = [pose for pose, cost in ranked[:keep] if cost <= worst]
    places = set[int]()
    for pose, cost in from_starts:
        if not math.isfinite(cost) or cost > hopeless * max(ranked[0][1], 0.0):
            continue
        others = torch.stack(poses)
        apart = pose_distance(pose.expand_as(others), others, center, length)
        if float(apart.min()) < _MERGED_MM:
            places.add(int(apart.argmin()))
        else:
            places.add(len(poses))
            poses.append(pose)
    return torch.stack(poses), sorted(places)
