"""What Figures 3 and 4 show of a row, case by case: the way its first stage takes, and its cost around the truth.

Chen and Kong, WACV 2026. Both are of the row's own look, with its own trained model, on the cases of its table.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch

from SphericalRegLib.evaluation import metrics
from SphericalRegLib.evaluation.study.work import RowBench
from SphericalRegLib.geometry import se3
from SphericalRegLib.initialization import Known
from SphericalRegLib.optimization.problem import Optimizer
from SphericalRegLib.optimization.sampling import BOBYQA
from SphericalRegLib.registration.levels import Levels

#: Half extents of a landscape: rotation about the image's horizontal axis, and along it.
TURN_DEG, SHIFT_MM = 40.0, 40.0
# Poses that are rendered at once.
_BATCH = 16


@dataclass(frozen=True)
class CaseCurves:
    """Of one case.

    Attributes:
        errors_mm: mTRE of the best pose by cost after each iteration, the start first; empty without iterations.
        seconds: processor time by then.
        landscape: costs, rows by rotation and columns by shift, both from −extent to +extent; empty without a look.
    """

    errors_mm: list[float]
    seconds: list[float]
    landscape: list[list[float]]


def case_curves(shared: RowBench, item: tuple[int, int]) -> CaseCurves:
    """The curves of a case.

    Args:
        shared: the row.
        item: the case's index, and values along each axis of the landscape.
    """
    index, steps = item
    bench = shared.bench
    (system,) = bench.systems
    if not system.stages:
        return CaseCurves([], [], [])
    stage = system.stages[0].of(bench.model)
    case, xray, target = bench.case_of(index)
    center = target.volume.center
    objective = Levels(target.volume, [xray], case.truth, 0.0, bench.conditions.kernel).objective(stage.look)
    errors, seconds = [], []
    if isinstance(system.initializer, Known) and bench.suite.start is not None and _iterates(stage.optimizer):
        began = time.process_time()
        for step in stage.optimizer.steps(objective, objective.state(case.start[None])):
            seconds.append(time.process_time() - began)
            errors.append(float(metrics.mtre(step.poses[0], case.truth, target.points)))
    turns = torch.linspace(-math.radians(TURN_DEG), math.radians(TURN_DEG), steps, dtype=torch.float64)
    shifts = torch.linspace(-SHIFT_MM, SHIFT_MM, steps, dtype=torch.float64)
    twists = torch.zeros(steps, steps, 6, dtype=torch.float64)
    twists[:, :, 0], twists[:, :, 3] = turns[:, None], shifts
    poses = se3.about(twists.view(-1, 6), case.truth.expand(steps**2, 4, 4), center)
    costs = [objective.linearize(objective.state(part), jacobian=False).cost for part in poses.split(_BATCH)]
    return CaseCurves(errors, seconds, torch.cat(costs).view(steps, steps).tolist())


def _iterates(optimizer: Optimizer) -> bool:
    """BOBYQA shows its end alone."""
    return not isinstance(optimizer, BOBYQA)
