"""Backbones of the pose regressor: held-out error over training time (the paper's Figure 4, left).

    python Testing/Benchmarks/paper_backbones.py --seconds 600 --picture backbones.png

Each backbone is trained on the CT for as many processor seconds with the same images, batch and learning rate; along
the way its poses of X-rays from the simulator, unseen in training (poses ±20°, ±50 mm, ±100 mm in depth), are compared
with the truth. Judging does not count as time. The paper trained for 12 to 19 hours at 256 pixels on a GPU.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from paper_setting import (
    COLORS,
    Study,
    TimedSchedule,
    medians,
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
)
from torch import Tensor

from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.onto_view import onto_view
from SphericalRegLib.networks.backbones import BACKBONES
from SphericalRegLib.networks.regressor import count_weights
from SphericalRegLib.similarity.learned import standardized
from SphericalRegLib.training.plan import Plan, prepared_volume
from SphericalRegLib.training.regressor import RegressorTrainer
from SphericalRegLib.training.trainer import Schedule
from SphericalRegLib.training.xrays import XRaySampler

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One training.

    Attributes:
        seconds: (T,) processor time in training, at which it was judged.
        errors_mm: (T, cases) mTRE.
        steps: all of them.
        weights: that were trained.
    """

    seconds: Array
    errors_mm: Array
    steps: int
    weights: int


class Judge:
    """X-rays as a regressor takes them, and how far its poses are from the truth."""

    def __init__(self, made: Study, xrays: XRaySampler) -> None:
        self._made, self._xrays = made, xrays
        images = []
        for case in made.cases:
            image, mask = onto_view(case.xray.image, case.xray.mask, case.xray.view, xrays.view)
            images.append(standardized(image[None], mask[None]))
        self._images = torch.stack(images).float()

    def errors_mm(self, regressor: torch.nn.Module) -> list[float]:
        """mTRE by case."""
        regressor.eval()
        with torch.no_grad():
            twists = regressor(self._images).twists.double() * self._xrays.truth.twist
        regressor.train()
        nominal = self._xrays.nominal.double().expand(len(twists), 4, 4)
        poses: Tensor = se3.about(twists, nominal, self._xrays.volume.center)
        return [self._made.error_mm(pose, case) for pose, case in zip(poses, self._made.cases, strict=True)]


def train(backbone: str, judge: Judge, xrays: XRaySampler, options: argparse.Namespace) -> Curve:
    """Train one, and judge it before, at equal distances on the way, and at the end."""
    shape = {"learning_rate": options.learning_rate, "weight_decay": 1e-2, "seed": options.seed}
    for _ in RegressorTrainer(xrays, Schedule(1, 2, seed=0), backbone, options.width).steps():
        pass  # what is compiled or loaded once is done before time counts
    timing = schedule(options.seconds, options.steps, batch=options.batch, **shape)
    trainer = RegressorTrainer(xrays, timing, backbone, options.width)
    watch = timing.watch if isinstance(timing, TimedSchedule) else TimedSchedule().watch
    seconds, errors, checks = [0.0], [], 1
    with watch.pause():
        errors.append(judge.errors_mm(trainer.regressor))
    for at in trained_steps(trainer):
        share = watch.seconds / options.seconds if options.steps is None else at.step / options.steps
        if share >= checks / options.checks:
            checks = int(share * options.checks) + 1
            seconds.append(watch.seconds)
            with watch.pause():
                errors.append(judge.errors_mm(trainer.regressor))
    return Curve(np.array(seconds), np.array(errors), len(trainer.losses), count_weights(trainer.regressor))


def draw(curves: dict[str, Curve], title: str, path: str) -> None:
    """Median error over training time."""
    figure = new_figure(6.4, 4.0)
    axes = figure.subplots()
    for color, (name, curve) in zip(COLORS, curves.items(), strict=False):
        middle, low, high = medians(curve.errors_mm.T)
        axes.plot(curve.seconds, middle, "o-", markersize=3, color=color, label=f"{name}, {curve.weights / 1e6:.1f} M")
        axes.fill_between(curve.seconds, low, high, color=color, alpha=0.13, linewidth=0)
    axes.set(xlabel="training, processor seconds", ylabel="median mTRE, mm", ylim=(0, None), xlim=(0, None))
    axes.legend(fontsize="small", title="backbone, weights", loc="lower left")
    axes.set_title(title, fontsize="medium")
    save(figure, path)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    one_thread()
    made = study(options.ct, SUITES["blind"], options.cases, options.case_seed)
    plan = Plan(pixels=options.pixels)
    volume = prepared_volume(made.volume, plan, plan.pixels)
    xrays = XRaySampler(volume, plan.view(), plan.nominal(volume.center), plan.truth, samples=max(48, plan.pixels))
    judge = Judge(made, xrays)
    curves: dict[str, Curve] = {}
    rows: list[dict[str, Any]] = []
    for name in options.backbones:
        curves[name] = curve = train(name, judge, xrays, options)
        end = summary(curve.errors_mm[-1].tolist(), options.within)
        rows.append(
            {
                "backbone": name,
                "weights": curve.weights,
                "steps": curve.steps,
                "ms_a_step": round(1e3 * float(curve.seconds[-1]) / curve.steps, 1),
                "end": end,
                "seconds": curve.seconds.round(2).tolist(),
                "median_mm": np.median(curve.errors_mm, axis=1).round(2).tolist(),
            }
        )
        weights = f"{curve.weights / 1e6:.2f} M weights"
        say(f"{name}: {curve.steps} steps in {curve.seconds[-1]:.1f} s, {weights}; {told(end)}")
        way = zip(curve.seconds, np.median(curve.errors_mm, axis=1), strict=True)
        say("  " + ", ".join(f"{seconds:.0f} s {error:.1f} mm" for seconds, error in way))
    if options.picture:
        draw(curves, f"{plan.pixels} pixels, {options.cases} simulated X-rays; bands: 95 % bootstrap", options.picture)
    if options.json:
        keys = ("cases", "seed", "case_seed", "seconds", "steps", "batch", "width", "pixels", "learning_rate")
        print(json.dumps({"settings": {key: getattr(options, key) for key in keys}, "backbones": rows}))


def _options() -> argparse.ArgumentParser:
    made = parser(__doc__, cases=40)
    made.add_argument("--seconds", type=float, default=60.0, help="of training, each backbone (default: 60)")
    made.add_argument("--minutes", type=lambda x: 60 * float(x), dest="seconds", help="the same in minutes")
    made.add_argument("--steps", type=int, help="equal steps in place of equal times")
    made.add_argument("--backbones", nargs="+", default=list(BACKBONES), choices=list(BACKBONES))
    made.add_argument("--batch", type=int, default=32)
    made.add_argument("--width", type=int, default=32, help="channels of the first stage (default: 32)")
    made.add_argument("--pixels", type=int, default=64)
    made.add_argument("--learning-rate", type=float, default=1e-3)
    made.add_argument("--checks", type=int, default=10, help="how often each is judged on the way")
    made.add_argument("--case-seed", type=int, default=550_000, help="of the X-rays, apart from --seed of training")
    made.add_argument("--within", type=float, default=30.0, help="mm that count as near enough (default: 30)")
    return made


if __name__ == "__main__":
    main()
