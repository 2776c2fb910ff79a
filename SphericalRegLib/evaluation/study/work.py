"""The pieces of a study's work that engines run: a case registered, and a case's bars measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from SphericalRegLib.evaluation.study.placed import PlacedRow, StudyBench
from SphericalRegLib.evaluation.suites import Suite
from SphericalRegLib.geometry import se3
from SphericalRegLib.initialization import SearchRange
from SphericalRegLib.optimization.state import pose_scale
from SphericalRegLib.registration.levels import Levels

# Of processes that run several: kernels are compiled once for each row.
_warm: set[str] = set()


@dataclass(frozen=True)
class RowBench:
    """A bench of one system, and a name that no other one has.

    Attributes:
        bench: of one system.
        name: of the row, its seed and its cases.
        measures_time: whether kernels are compiled and networks loaded before the first case is timed.
    """

    bench: StudyBench
    name: str
    measures_time: bool = True


def register_case(shared: RowBench, index: int) -> PlacedRow:
    """One case of a row."""
    if shared.measures_time and shared.name not in _warm:
        shared.bench.warm_up()
        _warm.add(shared.name)
    (row,) = shared.bench.rows(index)
    assert isinstance(row, PlacedRow)
    return row


def from_truth(bench: StudyBench, seed: int) -> StudyBench:
    """The same bench on other cases, each started at its truth: where it ends tells how far a system drifts."""
    return replace(bench, suite=Suite("drift", bench.suite.truth, SearchRange(0.0, 0.0, 0.0)), seed=seed)


def gradient_angle(shared: RowBench, index: int) -> float | None:
    """Degrees between the first stage's steepest descent at a case's start and the way to the truth.

    In the parameters of the optimizers, radians as the millimeters that they move; by chance it is 90°. None for a
    system that compares by nothing learned.
    """
    bench = shared.bench
    (system,) = bench.systems
    if not system.needs_encoders or bench.suite.start is None:
        return None
    look = system.stages[0].look.of(bench.model)
    case, xray, target = bench.case_of(index)
    center = target.volume.center
    objective = Levels(target.volume, [xray], case.start, 0.0, bench.conditions.kernel).objective(look)
    gradient = objective.linearize(objective.state(case.start[None])).gradient[0]
    scale = pose_scale(objective.length)
    wanted = se3.difference_about(case.truth[None], case.start[None], center)[0]
    cosine = torch.nn.functional.cosine_similarity(-gradient / scale, wanted * scale, dim=0)
    return float(torch.rad2deg(torch.acos(cosine.clamp(-1, 1))))
