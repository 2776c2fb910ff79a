"""All bodies of one frame through a system's stages, together."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.optimization.bodies_objective import BodiesObjective
from SphericalRegLib.optimization.prior import Prior, WithPriors
from SphericalRegLib.optimization.problem import Linearization, Step
from SphericalRegLib.optimization.state import PoseBlock, State, pose_distance
from SphericalRegLib.registration.system import Stage
from SphericalRegLib.tracking.body_levels import BodyLevels

# A pose has come to rest that moved no more than the judge's limit over so many iterations.
_LAST_STEPS = 3


@dataclass(frozen=True)
class Aligned:
    """Where the bodies came to lie.

    Attributes:
        poses: (4, 4) rig_from_world of each.
        cost: of the last stage, priors included.
        movement_mm: of the body that moved most, over the last iterations of the last stage; 0 where it came to rest.
        calibrations: (3,) of each view where they were refined, as of
            :mod:`~SphericalRegLib.optimization.calibration_block`; empty otherwise.
        objective: of the last stage's images.
        state: of the one hypothesis.
        model: of the images alone at these poses, under robust weights of their own.
    """

    poses: tuple[Tensor, ...]
    cost: float
    movement_mm: float
    calibrations: tuple[Tensor, ...]
    objective: BodiesObjective
    state: State
    model: Linearization


def align(
    levels: BodyLevels,
    stages: Sequence[Stage],
    candidates: Sequence[Tensor],
    priors: Sequence[Prior],
    inflation: float = 1.0,
    calibrating: bool = False,
) -> Generator[Step, None, Aligned]:
    """Minimize the cost of all bodies' poses at once, coarse to fine.

    Args:
        levels: of the frame.
        stages: at least one; the best candidates of each go on, as many as it keeps.
        candidates: (B, 4, 4) poses of each body; the n-th of all bodies belong together.
        priors: on their motion.
        calibrating: whether the views' focal lengths and centers are refined as well.
        inflation: of the images' noise, as of :class:`~SphericalRegLib.optimization.prior.WithPriors`.

    Raises:
        GeometryError: if at every candidate the bodies left the beam.
        InputError: for an X-ray that the similarity cannot use.
    """
    poses, count = list(candidates), len(levels.bodies)
    calibrations = list[Tensor]()
    for stage in stages:
        objective = levels.objective(stage.look, calibrating=calibrating)
        problem = WithPriors(objective, priors, inflation)
        step: Step | None = None
        recent = deque[State](maxlen=_LAST_STEPS + 1)
        for step in stage.optimizer.steps(problem, objective.state(poses, calibrations)):
            recent.append(step.state)
            yield step
        assert step is not None, "an optimizer shows at least its start"
        if not bool(torch.isfinite(step.cost).any()):
            raise GeometryError(
                "At every candidate pose the bodies left the beam, or hardly any usable pixel of an X-ray shows them."
            )
        best = torch.argsort(step.cost)[: stage.keep]
        values = [one[best] for one in step.state.values]
        poses, calibrations = values[:count], values[count:]
        cost = float(step.cost[best[0]])
        movement = 0.0 if bool(step.done[best[0]]) else _movement(recent[0], recent[-1], int(best[0]))
    state = objective.state([one[:1] for one in poses], [one[:1] for one in calibrations])
    model, _ = objective.renew(objective.linearize(state))
    values = [one[0] for one in state.values]
    return Aligned(tuple(values[:count]), cost, movement, tuple(values[count:]), objective, state, model)


def _movement(before: State, after: State, hypothesis: int) -> float:
    """mm, of the body of a hypothesis that moved most."""
    moved = [0.0]
    for block, old, new in zip(after.blocks, before.values, after.values, strict=True):
        if isinstance(block, PoseBlock):
            apart = pose_distance(new[hypothesis][None], old[hypothesis][None], block.center, block.length)
            moved.append(float(apart[0]))
    return max(moved)
