"""Where a similarity alone leads from far: the ends of one stage, and whether its first step points to the truth."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.evaluation.simulated import SimulatedCases
from SphericalRegLib.evaluation.statistics import bootstrap_interval, percentile
from SphericalRegLib.evaluation.within import near_and_middle
from SphericalRegLib.geometry import se3
from SphericalRegLib.optimization.damping import damped_step
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.problem import Linearization
from SphericalRegLib.optimization.state import pose_scale
from SphericalRegLib.registration import Look, Stage
from SphericalRegLib.registration.levels import Levels

#: Starts: those of the suite, and half as far from the truth.
STARTS = ("wide", "half")


def lm_stage(look: Look, damping: float) -> Stage:
    """Levenberg-Marquardt as a system's learned stage runs it, under any look."""
    return Stage("judged", look, LevenbergMarquardt(30, damping=damping, tolerance=1.0))


def from_far(made: SimulatedCases, look: Look, damping: float, within_mm: float) -> dict[str, Any]:
    """Where Levenberg-Marquardt ends from the cases' starts and from half as far, and where its first step leads.

    Args:
        made: the cases, with starts.
        look: what is minimized.
        damping: of the first step.
        within_mm: what counts as found.

    Returns:
        of each of :data:`STARTS` the share found and the median, the median angle in degrees of the first step with the
        way to the truth, and {start: errors by case}.
    """
    stage = lm_stage(look, damping)
    ends: dict[str, list[float]] = {name: [] for name in STARTS}
    angles: list[float] = []
    volume, center = made.volume, made.volume.center
    for case in made.cases:
        offset = se3.difference_about(case.start[None], case.truth[None], center)
        starts = torch.cat([case.start[None], se3.about(0.5 * offset, case.truth[None], center)])
        objective = Levels(volume, [case.xray], case.start, 0.0, "auto").objective(look)
        *_, last = stage.optimizer.steps(objective, objective.state(starts))
        for name, pose in zip(STARTS, last.poses, strict=True):
            ends[name].append(made.error_mm(pose, case))
        at_start = objective.linearize(objective.state(starts[:1]))
        wanted = se3.difference_about(case.truth[None], starts[:1], center)
        angles.append(off_deg(at_start, wanted, damping, objective.length))
    low, high = bootstrap_interval(angles)
    return {
        **{name: near_and_middle(errors, within_mm) for name, errors in ends.items()},
        "first_step_off_deg": round(percentile(angles, 50), 1),
        "first_step_off_bootstrap95": [round(low, 1), round(high, 1)],
        "errors_mm": {name: [round(error, 2) for error in errors] for name, errors in ends.items()},
    }


def off_deg(at: Linearization, wanted: Tensor, damping: float, length: float) -> float:
    """Angle of the damped step with the twist (1, 6) to the truth; ``length`` mm count as one radian. By chance: 90."""
    scale = pose_scale(length)
    assert at.curvature is not None
    curvature = at.curvature / scale / scale[:, None]
    step = damped_step(curvature, at.gradient / scale, torch.tensor([damping], dtype=torch.float64))
    cosine = torch.nn.functional.cosine_similarity(step[0], wanted[0] * scale, dim=0)
    return float(torch.rad2deg(torch.acos(cosine.clamp(-1, 1))))


def found_apart(row: dict[str, Any], base: dict[str, Any], within_mm: float) -> dict[str, list[int]]:
    """Of two results of :func:`from_far` on the same cases: those that only the first found, and only the second, by
    start."""
    told_apart = {}
    for start, errors in row["errors_mm"].items():
        pairs = [(a < within_mm, b < within_mm) for a, b in zip(errors, base["errors_mm"][start], strict=True)]
        told_apart[start] = [sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)]
    return told_apart
