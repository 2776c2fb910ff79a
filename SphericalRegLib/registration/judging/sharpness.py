"""How much worse a pose's neighbors explain the X-rays: a scale for costs that each picture brings along.

What a right pose costs depends on scatter, on soft tissue that moved and on how coarse the CT is: from 0.03 to 0.6 in
simulated clinical X-rays, where wrong poses began at 0.23. But a right pose lies in a deep and narrow hole: some
millimeters aside the cost is high again. A wrong one lies in a shallow one, whatever its cost.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.optimization.problem import Problem
from SphericalRegLib.optimization.state import State

#: How far aside, mm at the isocenter: beyond the basin of a bone's edge, within what the picture shows.
ASIDE_MM = 8.0
_DIRECTIONS = 8


class PoseProblem(Problem, Protocol):
    """The cost of a pose alone."""

    @property
    def center(self) -> Tensor:
        """(3,) world mm, about which poses are turned."""
        ...

    def state(self, poses: Tensor) -> State:
        """Of poses (B, 4, 4)."""
        ...


def sharpness(objective: PoseProblem, pose: Tensor, view: View) -> float:
    """A pose's cost over the lowest cost some millimeters aside: near 0 in a deep hole, about 1 on a plain.

    Args:
        objective: the cost; each pose is compared under robust weights of its own.
        pose: (4, 4) rig_from_world.
        view: the neighbors lie across its central ray, in eight directions.

    Returns:
        infinity where the pose itself cannot be compared.
    """
    turns = [2 * math.pi * number / _DIRECTIONS for number in range(_DIRECTIONS)]
    across = torch.tensor([[math.cos(turn), math.sin(turn), 0.0] for turn in turns], dtype=torch.float64)
    twists = torch.zeros(_DIRECTIONS, 6, dtype=torch.float64)
    twists[:, 3:] = ASIDE_MM * across @ view.camera_from_rig[:3, :3]
    aside = se3.about(twists, pose.expand(_DIRECTIONS, 4, 4), objective.center)
    state = objective.state(torch.cat([pose[None], aside]))
    model, _ = objective.renew(objective.linearize(state, jacobian=False))
    own, lowest = float(model.cost[0]), float(model.cost[1:].min())
    return own / lowest if math.isfinite(own) and lowest > 0 else math.inf
