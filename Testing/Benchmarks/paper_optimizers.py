"""Levenberg-Marquardt against Adam and gradient descent, by iteration and by second (the paper's Figure 4, right).

    python Testing/Benchmarks/paper_optimizers.py --picture optimizers.png
    python Testing/Benchmarks/paper_optimizers.py --similarity learned --model MODEL.safetensors --tune

All minimize one and the same cost from the same starts, without robust weights, pruning or a stop. Each shows the best
pose by cost so far. Seconds are of the processor, on one core. They are the systems figure-4-*, whose ends, with tests,
``sphericalreg evaluate --system figure-4-levenberg-marquardt figure-4-adam figure-4-sgd`` tells of the same cases.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from paper_setting import one_thread, parser, say

from SphericalRegLib.evaluation.convergence import RATES, compared_stages, figures, follow, with_best_rate
from SphericalRegLib.evaluation.simulated import simulated_cases
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.evaluation.within import in_words
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.registration.looks import looks_by_name
from SphericalRegLib.registration.system import learned_stage
from SphericalRegLib.reporting.study_pictures import convergence_picture
from SphericalRegLib.whole_file import write_whole

#: Cases to choose learning rates on are of a seed that is none of a study's.
TUNING_SEED = 660_000
NAMES = {"gradient-ncc": "Gradient NCC", "tone-free": "Tone-free gradient", "learned": "Learned similarity"}


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    one_thread()
    scan, suite, name = read_ct(options.ct), SUITES[options.suite], options.similarity
    model = None if options.model is None else load_model(options.model)
    look = learned_stage().look if name == "learned" else looks_by_name([name], options.pixels)[name]
    stages = compared_stages(look, options.iterations, model)
    tuning = simulated_cases(scan, suite, options.tuning_cases if options.tune else 1, TUNING_SEED + options.seed)
    # kernels are compiled before anything is timed
    follow(replace(tuning, cases=tuning.cases[:1]), compared_stages(look, 2, model)["Adam"])
    for words, rates in RATES.items() if options.tune else ():
        stages[words], medians = with_best_rate(tuning, stages[words], rates)
        say(f"{words}: median mTRE by learning rate {', '.join(f'{r:g}: {m:.1f} mm' for r, m in medians.items())}")
    made = simulated_cases(scan, suite, options.cases, options.seed)
    found = {words: follow(made, stage) for words, stage in stages.items()}
    rows = [
        {"optimizer": words, "learning_rate": getattr(stages[words].optimizer, "learning_rate", None), **row}
        for words, row in figures(found, options.within).items()
    ]
    for row in rows:
        say(
            f"\n{row['optimizer']}: {in_words(row['end'])} after {options.iterations}; median flat from iteration "
            f"{row['iterations_to_plateau']}; {row['median_ms_an_iteration']} ms an iteration"
        )
        say(f"  until found, in cases that all found: {row['until_found']}")
        for n, part in row["by_iteration"].items():
            say(f"  after {n:3d}: {in_words(part)}")
    pixels = stages["Adam"].look.size
    if options.picture:
        picture = convergence_picture(found, options.within, f"{NAMES[name]}, {pixels} pixels")
        write_whole(Path(options.picture), picture)
    if options.json:
        shared = {"suite": options.suite, "similarity": name, "pixels": pixels}
        print(json.dumps({**shared, "iterations": options.iterations, "seed": options.seed, "optimizers": rows}))


def _options() -> argparse.ArgumentParser:
    made = parser(__doc__, cases=24)
    made.add_argument("--suite", default="capture", choices=[n for n, suite in SUITES.items() if suite.start])
    made.add_argument("--similarity", default="gradient-ncc", choices=list(NAMES))
    made.add_argument("--model", help="for the learned similarity")
    made.add_argument("--pixels", type=int, default=64, help="of the X-rays (default: 64); a model sets its own")
    made.add_argument("--iterations", "--steps", type=int, default=100)
    made.add_argument("--within", type=float, default=10.0, help="mm that count as found (default: 10)")
    made.add_argument("--tune", action="store_true", help="choose learning rates anew, on other cases")
    made.add_argument("--tuning-cases", type=int, default=6)
    return made


if __name__ == "__main__":
    main()
