"""Where to start when nobody knows exactly: a well-spread set of poses around each start."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3


@dataclass(frozen=True)
class SearchRange:
    """How far from a start the truth may lie, to either side.

    Attributes:
        rotation_deg: about each axis.
        in_plane_mm: along columns and along rows.
        depth_mm: along the central ray.
    """

    rotation_deg: float = 20.0
    in_plane_mm: float = 40.0
    depth_mm: float = 80.0

    def __post_init__(self) -> None:
        for name in ("rotation_deg", "in_plane_mm", "depth_mm"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"The search range {name} is {getattr(self, name)}: give 0 or more.")

    @property
    def twist(self) -> Tensor:
        """(6,) float64, its far corner as a twist: radians, then mm."""
        rotation = math.radians(self.rotation_deg)
        return torch.tensor([rotation] * 3 + [self.in_plane_mm] * 2 + [self.depth_mm], dtype=torch.float64)


def spread_poses(starts: Tensor, center: Tensor, extent: SearchRange, count: int, seed: int = 0) -> Tensor:
    """Each start itself and ``count - 1`` poses around it, (S · count, 4, 4).

    A scrambled Sobol sequence in the six parameters: as even as a grid, at any number of poses.

    Args:
        starts: (S, 4, 4) rig_from_world.
        center: (3,) world mm, about which poses are turned.
        extent: of the box to be filled.
        count: poses for each start.
        seed: of the scrambling.
    """
    if count < 2:
        return starts
    engine = torch.quasirandom.SobolEngine(6, scramble=True, seed=seed)
    unit = 2 * engine.draw(count - 1, dtype=torch.float64) - 1
    twists = torch.cat([torch.zeros(1, 6, dtype=torch.float64), unit * extent.twist])
    poses = [se3.about(twists, start.expand(count, 4, 4), center) for start in starts.to(torch.float64)]
    return torch.cat(poses)
