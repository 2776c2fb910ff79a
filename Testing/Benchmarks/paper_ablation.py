"""What the parts of the learned similarity are worth: encoders trained for equal times, then registration with them.

    python Testing/Benchmarks/paper_ablation.py --seconds 600 --results ablation.json --picture ablation.png

Every row is trained on the CT for as many processor seconds, from the same weights and images, and judged on the same
X-rays from the simulator at poses unseen in training: Levenberg-Marquardt under the learned similarity alone, from
starts ±45°, ±80 mm in plane and ±150 mm in depth off the truth, and from half as far. "Found" is an mTRE below 20 mm
(--within), near enough for what follows in the pipeline. The volume network Ψ is trained along with the encoders.

Rows are kept in --results as they are done; a second run with the same settings does only those that are not there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from paper_setting import (
    Stopwatch,
    Study,
    new_figure,
    one_thread,
    parser,
    save,
    say,
    schedule,
    study,
    summary,
    told,
    trained_steps,
    write,
)
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.statistics import bootstrap_interval, percentile
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.optimization.damping import damped_step
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.problem import Linearization
from SphericalRegLib.optimization.state import pose_scale
from SphericalRegLib.registration import Look, Stage
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.similarity import GradientNCC, Similarity
from SphericalRegLib.training.encoders import EncoderSettings, EncoderTrainer
from SphericalRegLib.training.pairs import PairSampler
from SphericalRegLib.training.plan import Plan, prepared_volume
from SphericalRegLib.training.trainer import Schedule
from SphericalRegLib.training.xrays import XRaySampler

SUITE = SUITES["wide"]
WARNING = (
    "Trainings this short mainly compare how fast each begins to learn, not where it ends. Intervals are over cases: "
    "another seed of training would move the rows as well."
)


@dataclass(frozen=True)
class Row:
    """One training: what differs from the base, and which question that answers."""

    name: str
    question: str
    encoder: EncoderSettings = field(default_factory=EncoderSettings)


BASE = Row("spherical, LM step, shared, no Ψ", "base", EncoderSettings(loss="step"))
ROWS = (
    BASE,
    *(
        Row(f"loss: {loss}", "loss", EncoderSettings(loss=loss))
        for loss in ("gradient directions", "gradient se3", "gradient so4", "gradient so4 projected")
    ),
    Row("loss: 2 LM steps", "loss", EncoderSettings(loss="step", unrolled=2)),
    *(
        Row(f"manifold: {manifold}", "manifold", EncoderSettings(loss="step", manifold=manifold))
        for manifold in ("spherical-geodesic", "euclidean", "hyperbolic")
    ),
    Row("encoders: unshared", "encoders", EncoderSettings(loss="step", shared=False)),
    *(
        Row(f"Ψ: {network}", "volume network", EncoderSettings(loss="step", volume_network=network))
        for network in ("equivariant", "plain")
    ),
)
#: Nothing is trained: what the others must beat.
UNTRAINED = ("gradient NCC (no training)", "untrained encoders")


def trainer_of(row: Row, volume: Volume, plan: Plan, timing: Schedule) -> EncoderTrainer:
    """Ready to train."""
    coarse = prepared_volume(volume, plan, plan.encoder_pixels)
    xrays = XRaySampler(
        coarse, plan.view(plan.encoder_pixels), plan.nominal(coarse.center), plan.truth, samples=plan.encoder_pixels
    )
    return EncoderTrainer([PairSampler(xrays, plan.reach)], timing, row.encoder)


def judged(
    made: Study,
    similarity: Similarity,
    damping: float,
    within: float,
    adapt: Callable[[Volume], Volume] | None = None,
) -> dict[str, Any]:
    """Where Levenberg-Marquardt ends from the wide starts and from half as far, and where its first step leads."""
    stage = Stage("judged", Look(similarity, 32, adapt=adapt), LevenbergMarquardt(30, damping=damping, tolerance=1.0))
    ends: dict[str, list[float]] = {"wide": [], "half": []}
    angles: list[float] = []
    volume, center = made.volume, made.volume.center
    for case in made.cases:
        offset = se3.difference_about(case.start[None], case.truth[None], center)
        starts = torch.cat([case.start[None], se3.about(0.5 * offset, case.truth[None], center)])
        objective = Levels(volume, [case.xray], case.start, 0.0, "auto").objective(stage.look)
        *_, last = stage.optimizer.steps(objective, objective.state(starts))
        for name, pose in zip(ends, last.poses, strict=True):
            ends[name].append(made.error_mm(pose, case))
        at_start = objective.linearize(objective.state(starts[:1]))
        wanted = se3.difference_about(case.truth[None], starts[:1], center)
        angles.append(_off_deg(at_start, wanted, damping, objective.length))
    low, high = bootstrap_interval(angles)
    return {
        **{name: summary(errors, within) for name, errors in ends.items()},
        "first_step_off_deg": round(percentile(angles, 50), 1),
        "first_step_off_bootstrap95": [round(low, 1), round(high, 1)],
        "errors_mm": {name: [round(error, 2) for error in errors] for name, errors in ends.items()},
    }


def _off_deg(at: Linearization, wanted: Tensor, damping: float, length: float) -> float:
    """Angle of the damped step with the twist (1, 6) to the truth; ``length`` mm count as one radian. By chance: 90."""
    scale = pose_scale(length)
    assert at.curvature is not None
    curvature = at.curvature / scale / scale[:, None]
    step = damped_step(curvature, at.gradient / scale, torch.tensor([damping], dtype=torch.float64))
    cosine = torch.nn.functional.cosine_similarity(step[0], wanted[0] * scale, dim=0)
    return float(torch.rad2deg(torch.acos(cosine.clamp(-1, 1))))


def trained(row: Row, made: Study, plan: Plan, options: argparse.Namespace) -> dict[str, Any]:
    """Train and judge one row."""
    _compile(row, made, plan, options)
    watch = Stopwatch()
    timing = schedule(options.seconds, options.steps, batch=options.batch, seed=options.seed)
    trainer = trainer_of(row, made.volume, plan, timing)
    for _ in trained_steps(trainer):
        pass
    seconds, losses = watch.seconds, trainer.losses
    for module in trainer.modules():
        module.requires_grad_(False)
    added = None
    if trainer.network is not None:
        adapted = trainer.network(made.volume)
        added = float((adapted.density - made.volume.density).norm() / made.volume.density.norm())
    return {
        "steps": len(losses),
        "train_s": round(seconds, 1),
        "loss_first": round(losses[0], 4),
        "loss_last_tenth": round(sum(losses[-(len(losses) // 10 or 1) :]) / (len(losses) // 10 or 1), 4),
        "psi_relative_norm": None if added is None else round(added, 4),
        **judged(made, trainer.similarity, trainer.damping, options.within, trainer.network),
    }


def _compile(row: Row, made: Study, plan: Plan, options: argparse.Namespace) -> None:
    """Two pairs of one step: kernels are compiled before time is counted."""
    once = trainer_of(row, made.volume, plan, Schedule(1, batch=2, seed=options.seed))
    for _ in once.steps():
        pass


def untrained(name: str, made: Study, plan: Plan, options: argparse.Namespace) -> dict[str, Any]:
    """What is there without training."""
    if name == UNTRAINED[0]:
        return judged(made, GradientNCC(1.0), 1e-3, options.within)
    trainer = trainer_of(BASE, made.volume, plan, Schedule(1, seed=options.seed))
    for module in trainer.modules():
        module.requires_grad_(False)
    return judged(made, trainer.similarity, trainer.damping, options.within)


def against_base(row: dict[str, Any], base: dict[str, Any], within: float) -> dict[str, list[int]]:
    """Cases that only this row found, and that only the base found, by start."""
    told_apart = {}
    for start, errors in row["errors_mm"].items():
        pairs = [(a < within, b < within) for a, b in zip(errors, base["errors_mm"][start], strict=True)]
        told_apart[start] = [sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)]
    return told_apart


class Results:
    """Rows by name in a JSON file, or in memory only."""

    def __init__(self, path: str | None, settings: dict[str, Any]) -> None:
        self._path = None if path is None else Path(path)
        self._settings = settings
        self.rows: dict[str, dict[str, Any]] = {}
        if self._path is not None and self._path.exists():
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            if kept["settings"] != settings:
                raise InputError(f"{path} holds rows of other settings ({kept['settings']}): name another file.")
            self.rows = kept["rows"]

    def add(self, name: str, row: dict[str, Any]) -> None:
        """Keep a row at once."""
        self.rows[name] = row
        if self._path is not None:
            text = json.dumps({"settings": self._settings, "rows": self.rows}, indent=1)
            write(text.encode(), self._path)


def draw(rows: dict[str, dict[str, Any]], title: str, path: str) -> None:
    """Share found with its interval, row by row, from both starts."""
    figure = new_figure(8.2, 1.3 + 0.36 * len(rows))
    axes = figure.subplots()
    for shift, color, start in ((-0.14, "tab:blue", "wide"), (0.14, "tab:orange", "half")):
        for place, row in enumerate(rows.values()):
            low, high = (100 * x for x in row[start]["share_wilson95"])
            axes.plot([low, high], [place + shift] * 2, color=color, linewidth=2, alpha=0.5)
            label = {"wide": "±45°, ±80 mm, ±150 mm", "half": "half as far"}[start] if place == 0 else None
            axes.plot(100 * row[start]["share"], place + shift, "o", color=color, markersize=5, label=label)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    within = next(iter(rows.values()))["wide"]["within_mm"]
    axes.set(xlabel=f"cases brought within {within:g} mm, % (95 % Wilson interval)", xlim=(-2, 102))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False, title="starts")
    figure.suptitle(title, fontsize="medium", x=0.02, ha="left")
    save(figure, path)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    one_thread()
    plan = Plan()
    names = [*UNTRAINED, *(row.name for row in ROWS)]
    wanted = [name for name in names if not options.rows or any(part in name for part in options.rows)]
    if not wanted:
        raise InputError(f"--rows {' '.join(options.rows)} names none of: {'; '.join(names)}.")
    settings = {
        key: getattr(options, key)
        for key in ("ct", "cases", "seed", "seconds", "steps", "batch", "within", "case_seed")
    }
    results = Results(options.results, settings)
    made = study(options.ct, SUITE, options.cases, options.case_seed)
    for name in wanted:
        if name in results.rows:
            continue
        chosen = next((row for row in ROWS if row.name == name), None)
        results.add(
            name, untrained(name, made, plan, options) if chosen is None else trained(chosen, made, plan, options)
        )
        found = results.rows[name]
        say(f"{name}: {found.get('steps', 0)} steps in {found.get('train_s', 0)} s")
        say(f"  wide  {told(found['wide'])}   first step off by {found['first_step_off_deg']:g}°")
        say(f"  half  {told(found['half'])}")
    rows = {name: results.rows[name] for name in names if name in results.rows}
    if BASE.name in rows:
        for name, row in rows.items():
            row["only_this_only_base"] = against_base(row, rows[BASE.name], options.within)
            say(f"{name}: found by it alone, by the base alone: {row['only_this_only_base']}")
    say(WARNING)
    length = f"{options.seconds:g} s" if options.steps is None else f"{options.steps} steps"
    if options.picture:
        draw(rows, f"{length} of training a row, {options.cases} simulated X-rays", options.picture)
    if options.json:
        print(json.dumps({"settings": settings, "suite": SUITE.name, "warning": WARNING, "rows": rows}))


def _options() -> argparse.ArgumentParser:
    made = parser(__doc__, cases=24)
    made.add_argument("--seconds", type=float, default=60.0, help="of training, each row (default: 60)")
    made.add_argument("--minutes", type=lambda x: 60 * float(x), dest="seconds", help="the same in minutes")
    made.add_argument("--steps", type=int, help="equal steps in place of equal times")
    made.add_argument("--batch", type=int, default=64)
    made.add_argument("--within", type=float, default=20.0, help="mm that count as found (default: 20)")
    made.add_argument("--case-seed", type=int, default=550_000, help="of the X-rays, apart from --seed of training")
    made.add_argument("--rows", nargs="*", help="only rows whose names hold one of these words")
    made.add_argument("--results", help="JSON file that keeps rows as they are done")
    return made


if __name__ == "__main__":
    main()
