"""How fast optimizers come to the truth: errors by iteration and by processor second, on the same cases and cost.

Chen and Kong, WACV 2026, Figure 4, right. What is followed is the last stage of a system, from the cases' starts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SphericalRegLib.evaluation.simulated import SimulatedCase, SimulatedCases
from SphericalRegLib.evaluation.statistics import bootstrap_interval, percentile
from SphericalRegLib.evaluation.within import near_and_middle
from SphericalRegLib.networks.model import Model
from SphericalRegLib.registration import SYSTEMS, Look, Stage
from SphericalRegLib.registration.levels import Levels

Array = NDArray[np.float64]

#: Iterations that :func:`figures` has a row for.
SHOWN = (0, 5, 10, 20, 50, 100)
#: {optimizer: the system of which it is the one stage}; ``sphericalreg evaluate`` tells of the same ends.
COMPARED = {
    "Levenberg-Marquardt": "figure-4-levenberg-marquardt",
    "Adam": "figure-4-adam",
    "gradient descent": "figure-4-sgd",
}
#: Learning rates to choose from: of Adam, mm a step; of gradient descent, mm² per unit of cost.
RATES = {
    "Adam": (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
    "gradient descent": (20.0, 80.0, 320.0, 1280.0, 5120.0),
}


@dataclass(frozen=True)
class Paths:
    """Errors of all cases along the way.

    Attributes:
        errors_mm: (cases, iterations + 1) mTRE of the best pose by cost so far; the last one is kept where an optimizer
            ended early.
        seconds: (cases, iterations + 1) processor time.
    """

    errors_mm: Array
    seconds: Array

    def at(self, times: Array) -> Array:
        """(cases, T) errors at processor times: of the last iteration that was finished by then."""
        return np.stack(
            [
                errors[np.searchsorted(ends, times, side="right") - 1]
                for errors, ends in zip(self.errors_mm, self.seconds, strict=True)
            ]
        )


def compared_stages(look: Look | None = None, iterations: int = 100, model: Model | None = None) -> dict[str, Stage]:
    """{optimizer: its stage}, none of which stops before its time.

    Args:
        look: what is minimized; None: as in the table of systems, gradient correlation at 64 pixels.
        iterations: of each.
        model: whose similarity, size and damping a look that stands for them takes.

    Raises:
        CheckpointError: for a model's similarity without a model that has one.
    """
    stages = {}
    for words, name in COMPARED.items():
        (stage,) = SYSTEMS[name].stages
        optimizer: Any = replace(stage.optimizer, iterations=iterations)  # type: ignore[type-var]
        if hasattr(optimizer, "patience"):
            optimizer = replace(optimizer, patience=iterations + 1)
        stages[words] = replace(stage, look=look or stage.look, optimizer=optimizer).of(model)
    return stages


def follow(made: SimulatedCases, stage: Stage) -> Paths:
    """Every case with a stage's optimizer and cost; of a model's similarity, the stage must be bound to the model."""
    errors, seconds = zip(*(_one(made, case, stage) for case in made.cases), strict=True)
    return Paths(np.array(errors), np.array(seconds))


def _one(made: SimulatedCases, case: SimulatedCase, stage: Stage) -> tuple[list[float], list[float]]:
    objective = Levels(made.volume, [case.xray], case.start, 0.0, "auto").objective(stage.look)
    errors, seconds = [], []
    spent, began = 0.0, time.process_time()
    for step in stage.optimizer.steps(objective, objective.state(case.start[None])):
        spent += time.process_time() - began
        errors.append(made.error_mm(step.poses[0], case))
        seconds.append(spent)
        began = time.process_time()
    short = stage.optimizer.iterations + 1 - len(errors)
    # before the first linearization there is the start
    return errors + errors[-1:] * short, [0.0, *seconds[1:]] + [seconds[-1]] * short


def with_best_rate(made: SimulatedCases, stage: Stage, rates: Sequence[float]) -> tuple[Stage, dict[float, float]]:
    """A first-order stage with the learning rate that ends nearest to the truth, and the median mTRE, mm, of each."""
    medians_mm, tried = {}, {}
    for rate in rates:
        tried[rate] = replace(stage, optimizer=replace(stage.optimizer, learning_rate=rate))  # type: ignore[type-var]
        medians_mm[rate] = float(np.median(follow(made, tried[rate]).errors_mm[:, -1]))
    return tried[min(rates, key=lambda rate: medians_mm[rate])], medians_mm


def until_found(found: Mapping[str, Paths], within_mm: float) -> dict[str, dict[str, Any]]:
    """By optimizer: median iterations and seconds until a case stays found, over the cases that all of them found."""
    common = np.all([paths.errors_mm[:, -1] < within_mm for paths in found.values()], axis=0)
    told_by: dict[str, dict[str, Any]] = {}
    for name, paths in found.items():
        errors, seconds = paths.errors_mm[common], paths.seconds[common]
        # the first iteration from which on the error stays below
        since = [int(np.flatnonzero(row >= within_mm)[-1]) + 1 if (row >= within_mm).any() else 0 for row in errors]
        spent = [row[n] for row, n in zip(seconds, since, strict=True)]
        told_by[name] = {"cases": len(since)}
        if since:
            told_by[name] |= {
                "iterations": percentile(since, 50),
                "iterations_bootstrap95": list(bootstrap_interval(since)),
                "seconds": round(percentile(spent, 50), 3),
                "seconds_bootstrap95": [round(x, 3) for x in bootstrap_interval(spent)],
            }
    return told_by


def plateau(medians_mm: Array, share: float = 0.05) -> int:
    """From which iteration on the median (T,) stays within a share of the whole descent of its last value."""
    rest = np.abs(medians_mm - medians_mm[-1]) > share * max(abs(medians_mm[0] - medians_mm[-1]), 1e-9)
    return int(np.flatnonzero(rest)[-1]) + 1 if rest.any() else 0


def figures(found: Mapping[str, Paths], within_mm: float) -> dict[str, dict[str, Any]]:
    """{optimizer: its numbers}: the end, some iterations on the way, the plateau, the pace, and the ends' errors."""
    quick = until_found(found, within_mm)
    return {
        name: {
            "end": near_and_middle(paths.errors_mm[:, -1].tolist(), within_mm),
            "by_iteration": {
                n: near_and_middle(paths.errors_mm[:, n].tolist(), within_mm)
                for n in SHOWN
                if n < paths.errors_mm.shape[1]
            },
            "iterations_to_plateau": plateau(np.median(paths.errors_mm, axis=0)),
            "median_ms_an_iteration": round(1e3 * _pace(paths), 1),
            "until_found": quick[name],
            "errors_mm": paths.errors_mm[:, -1].round(2).tolist(),
        }
        for name, paths in found.items()
    }


def _pace(paths: Paths) -> float:
    """Median seconds between iterations that took place."""
    between = np.diff(paths.seconds, axis=1)
    return float(np.median(between[between > 0]))
