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
from pathlib import Path
from typing import Any

import numpy as np
from paper_setting import add_training, one_thread, parser, say

from SphericalRegLib.evaluation.simulated import simulated_cases
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.evaluation.within import in_words, near_and_middle
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.networks.backbones import BACKBONES
from SphericalRegLib.reporting.study_pictures import learning_picture
from SphericalRegLib.training.equal_times import schedule_for
from SphericalRegLib.training.learning_curve import LearningCurve, RegressorJudge, learning_curve, warm_up
from SphericalRegLib.training.plan import Plan, prepared_volume
from SphericalRegLib.training.xrays import XRaySampler
from SphericalRegLib.whole_file import write_whole


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    one_thread()
    made = simulated_cases(read_ct(options.ct), SUITES["blind"], options.cases, options.case_seed)
    plan = Plan(pixels=options.pixels)
    volume = prepared_volume(made.volume, plan, plan.pixels)
    xrays = XRaySampler(volume, plan.view(), plan.nominal(volume.center), plan.truth, samples=max(48, plan.pixels))
    judge = RegressorJudge(made, xrays)
    shape = {"learning_rate": options.learning_rate, "weight_decay": 1e-2, "seed": options.seed}
    curves, rows = {}, []
    for name in options.backbones:
        warm_up(xrays, name, options.width)
        timing = schedule_for(options.seconds, options.steps, batch=options.batch, **shape)
        curve = learning_curve(judge, xrays, timing, name, options.width, options.checks)
        curves[f"{name}, {curve.weights / 1e6:.1f} M"] = (curve.seconds, curve.errors_mm)
        rows.append(_row(name, curve, options.within))
        weights = f"{curve.weights / 1e6:.2f} M weights"
        say(f"{name}: {curve.steps} steps in {curve.seconds[-1]:.1f} s, {weights}; {in_words(rows[-1]['end'])}")
        way = zip(curve.seconds, np.median(curve.errors_mm, axis=1), strict=True)
        say("  " + ", ".join(f"{seconds:.0f} s {error:.1f} mm" for seconds, error in way))
    if options.picture:
        title = f"{plan.pixels} pixels, {options.cases} simulated X-rays; bands: 95 % bootstrap"
        write_whole(Path(options.picture), learning_picture(curves, title))
    if options.json:
        keys = ("cases", "seed", "case_seed", "seconds", "steps", "batch", "width", "pixels", "learning_rate")
        print(json.dumps({"settings": {key: getattr(options, key) for key in keys}, "backbones": rows}))


def _row(name: str, curve: LearningCurve, within_mm: float) -> dict[str, Any]:
    return {
        "backbone": name,
        "weights": curve.weights,
        "steps": curve.steps,
        "ms_a_step": round(1e3 * float(curve.seconds[-1]) / curve.steps, 1),
        "end": near_and_middle(curve.errors_mm[-1].tolist(), within_mm),
        "seconds": curve.seconds.round(2).tolist(),
        "median_mm": np.median(curve.errors_mm, axis=1).round(2).tolist(),
    }


def _options() -> argparse.ArgumentParser:
    made = parser(__doc__, cases=40)
    add_training(made, batch=32, within_mm=30.0)
    made.add_argument("--backbones", nargs="+", default=list(BACKBONES), choices=list(BACKBONES))
    made.add_argument("--width", type=int, default=32, help="channels of the first stage (default: 32)")
    made.add_argument("--pixels", type=int, default=64)
    made.add_argument("--learning-rate", type=float, default=1e-3)
    made.add_argument("--checks", type=int, default=10, help="how often each is judged on the way")
    return made


if __name__ == "__main__":
    main()
