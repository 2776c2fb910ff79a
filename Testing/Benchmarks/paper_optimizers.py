"""Levenberg-Marquardt against Adam and gradient descent, by iteration and by second (the paper's Figure 4, right).

    python Testing/Benchmarks/paper_optimizers.py --picture optimizers.png
    python Testing/Benchmarks/paper_optimizers.py --similarity learned --model MODEL.safetensors --picture learned.png

All minimize one and the same cost from the same starts, without robust weights, pruning or a stop: Adam and gradient
descent for all iterations, Levenberg-Marquardt until no step helps any more. Each shows the best pose by cost so far.
The learning rates of Adam and gradient descent are the best of several on other cases of the same kind
(--tuning-cases). Seconds are of the processor, on one core.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from paper_setting import COLORS, Case, Study, medians, new_figure, one_thread, parser, save, say, study, summary, told

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.statistics import bootstrap_interval, percentile
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.optimization.first_order import SGD, Adam
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.problem import Optimizer
from SphericalRegLib.registration import Stage
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.registration.looks import looks_by_name
from SphericalRegLib.registration.system import learned_stage

Array = NDArray[np.float64]

#: Cases to choose learning rates on are of a seed that is none of a study's.
TUNING_SEED = 660_000
#: Of Adam, mm a step; of gradient descent, mm² per unit of cost.
RATES = {
    "Adam": (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
    "gradient descent": (20.0, 80.0, 320.0, 1280.0, 5120.0),
}
NAMES = {"gradient-ncc": "Gradient NCC", "tone-free": "Tone-free gradient", "learned": "Learned similarity"}
#: Iterations of the table.
SHOWN = (0, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class Paths:
    """Errors of all cases along the way.

    Attributes:
        errors_mm: (cases, iterations + 1) mTRE; the last one is kept where an optimizer ended early.
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


def follow(made: Study, stage: Stage, optimizer: Optimizer, iterations: int) -> Paths:
    """Every case with one optimizer."""
    errors, seconds = zip(*(_one(made, case, stage, optimizer, iterations) for case in made.cases), strict=True)
    return Paths(np.array(errors), np.array(seconds))


def _one(
    made: Study, case: Case, stage: Stage, optimizer: Optimizer, iterations: int
) -> tuple[list[float], list[float]]:
    objective = Levels(made.volume, [case.xray], case.start, 0.0, "auto").objective(stage.look)
    errors, seconds = [], []
    spent, began = 0.0, time.process_time()
    for step in optimizer.steps(objective, objective.state(case.start[None])):
        spent += time.process_time() - began
        errors.append(made.error_mm(step.poses[0], case))
        seconds.append(spent)
        began = time.process_time()
    short = iterations + 1 - len(errors)
    # before the first linearization there is the start
    return errors + errors[-1:] * short, [0.0, *seconds[1:]] + [seconds[-1]] * short


def optimizers(stage: Stage, iterations: int) -> dict[str, Any]:
    """By name, none of which stops by itself."""
    damping = stage.optimizer.damping if isinstance(stage.optimizer, LevenbergMarquardt) else 1e-3
    return {
        "Levenberg-Marquardt": LevenbergMarquardt(iterations, damping=damping, tolerance=0.0, relative_tolerance=0.0),
        "Adam": Adam(iterations, patience=iterations + 1),
        "gradient descent": SGD(iterations, patience=iterations + 1),
    }


def tuned(made: Study, stage: Stage, iterations: int) -> dict[str, Any]:
    """The optimizers with the learning rates that end nearest to the truth, by the median."""
    found = optimizers(stage, iterations)
    for name, rates in RATES.items():
        medians_mm = {}
        for rate in rates:
            paths = follow(made, stage, replace(found[name], learning_rate=rate), iterations)
            medians_mm[rate] = float(np.median(paths.errors_mm[:, -1]))
        best = min(rates, key=lambda rate: medians_mm[rate])
        found[name] = replace(found[name], learning_rate=best)
        say(f"{name}: median mTRE by learning rate {', '.join(f'{r:g}: {m:.1f} mm' for r, m in medians_mm.items())}")
    return found


def chosen_stage(name: str, pixels: int, model_path: str | None) -> Stage:
    """What is minimized, and at which size.

    Raises:
        InputError, CheckpointError: for the learned similarity without a model that has one.
    """
    if name != "learned":
        return Stage(name, looks_by_name([name], pixels)[name], LevenbergMarquardt())
    if model_path is None:
        raise InputError("The learned similarity needs a trained model: name it by --model.")
    return learned_stage().of(load_model(model_path))


def draw(found: dict[str, Paths], within: float, title: str, path: str) -> None:
    """Medians over the cases, and the share found, by iteration and by second."""
    figure = new_figure(9.6, 6.6)
    (upper, upper_right), (lower, lower_right) = figure.subplots(2, 2, sharex="col", sharey="row")
    times = np.linspace(0, max(float(np.median(paths.seconds[:, -1])) for paths in found.values()), 300)
    for color, (name, paths) in zip(COLORS, found.items(), strict=False):
        for top, bottom, places, errors in (
            (upper, lower, np.arange(paths.errors_mm.shape[1]), paths.errors_mm),
            (upper_right, lower_right, times, paths.at(times)),
        ):
            middle, low, high = medians(errors)
            top.plot(places, middle, color=color, label=name)
            top.fill_between(places, low, high, color=color, alpha=0.13, linewidth=0)
            bottom.plot(places, 100 * (errors < within).mean(axis=0), color=color)
    cases = len(next(iter(found.values())).errors_mm)
    upper.set(ylabel="median mTRE, mm", ylim=(0, None))
    upper.legend(fontsize="small")
    lower.set(xlabel="iterations", ylabel=f"cases within {within:g} mm, %", ylim=(0, 100), xlim=(0, None))
    lower_right.set(xlabel="processor seconds a case, one core", xlim=(0, times[-1]))
    figure.suptitle(f"{title}; {cases} simulated X-rays; bands: 95 % bootstrap of the median", fontsize="medium")
    save(figure, path)


def pace_where_all_found(found: dict[str, Paths], within: float) -> dict[str, dict[str, Any]]:
    """By optimizer: median iterations and seconds until a case stays found, over the cases that all of them found."""
    common = np.all([paths.errors_mm[:, -1] < within for paths in found.values()], axis=0)
    told_by: dict[str, dict[str, Any]] = {}
    for name, paths in found.items():
        errors, seconds = paths.errors_mm[common], paths.seconds[common]
        # the first iteration from which on the error stays below
        since = [int(np.flatnonzero(row >= within)[-1]) + 1 if (row >= within).any() else 0 for row in errors]
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


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    one_thread()
    suite = SUITES[options.suite]
    stage = chosen_stage(options.similarity, options.pixels, options.model)
    tuning = study(options.ct, suite, options.tuning_cases, TUNING_SEED + options.seed)
    # kernels are compiled before anything is timed
    follow(replace(tuning, cases=tuning.cases[:1]), stage, optimizers(stage, 2)["Adam"], 2)
    chosen = tuned(tuning, stage, options.iterations)
    made = study(options.ct, suite, options.cases, options.seed)
    found = {name: follow(made, stage, one, options.iterations) for name, one in chosen.items()}
    quick = pace_where_all_found(found, options.within)
    rows = []
    for name, paths in found.items():
        by_iteration = {
            n: summary(paths.errors_mm[:, n].tolist(), options.within) for n in SHOWN if n <= options.iterations
        }
        ends = summary(paths.errors_mm[:, -1].tolist(), options.within)
        rows.append(
            {
                "optimizer": name,
                "learning_rate": getattr(chosen[name], "learning_rate", None),
                "end": ends,
                "by_iteration": by_iteration,
                "iterations_to_plateau": plateau(np.median(paths.errors_mm, axis=0)),
                "median_ms_an_iteration": round(1e3 * _pace(paths), 1),
                "until_found": quick[name],
                "errors_mm": paths.errors_mm[:, -1].round(2).tolist(),
            }
        )
    for row in rows:
        say(
            f"\n{row['optimizer']}: {told(row['end'])} after {options.iterations}; median flat from iteration "
            f"{row['iterations_to_plateau']}; {row['median_ms_an_iteration']} ms an iteration"
        )
        say(f"  until found, in cases that all found: {row['until_found']}")
        for n, part in row["by_iteration"].items():
            say(f"  after {n:3d}: {told(part)}")
    title = f"{NAMES[options.similarity]}, {stage.look.size} pixels"
    if options.picture:
        draw(found, options.within, title, options.picture)
    if options.json:
        shared = {"suite": options.suite, "similarity": options.similarity, "pixels": stage.look.size}
        print(json.dumps({**shared, "iterations": options.iterations, "seed": options.seed, "optimizers": rows}))


def plateau(medians_mm: Array, share: float = 0.05) -> int:
    """From which iteration on the median stays within a share of the whole descent of its last value."""
    rest = np.abs(medians_mm - medians_mm[-1]) > share * max(abs(medians_mm[0] - medians_mm[-1]), 1e-9)
    return int(np.flatnonzero(rest)[-1]) + 1 if rest.any() else 0


def _pace(paths: Paths) -> float:
    """Median seconds between iterations that took place."""
    between = np.diff(paths.seconds, axis=1)
    return float(np.median(between[between > 0]))


def _options() -> argparse.ArgumentParser:
    made = parser(__doc__, cases=24)
    made.add_argument("--suite", default="capture", choices=[n for n, suite in SUITES.items() if suite.start])
    made.add_argument("--similarity", default="gradient-ncc", choices=list(NAMES))
    made.add_argument("--model", help="for the learned similarity")
    made.add_argument("--pixels", type=int, default=64, help="of the X-rays (default: 64); a model sets its own")
    made.add_argument("--iterations", "--steps", type=int, default=100)
    made.add_argument("--within", type=float, default=10.0, help="mm that count as found (default: 10)")
    made.add_argument("--tuning-cases", type=int, default=6)
    return made


if __name__ == "__main__":
    main()
