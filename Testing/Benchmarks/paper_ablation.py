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
from collections.abc import Sequence
from pathlib import Path

from paper_setting import add_training, one_thread, parser, say

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.far_starts import found_apart
from SphericalRegLib.evaluation.kept_rows import KeptRows
from SphericalRegLib.evaluation.simulated import simulated_cases
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.evaluation.within import in_words
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.reporting.study_pictures import shares_picture
from SphericalRegLib.training.ablation import BASE, ROWS, Ablation
from SphericalRegLib.training.equal_times import schedule_for
from SphericalRegLib.training.plan import Plan
from SphericalRegLib.whole_file import write_whole

SUITE = SUITES["wide"]
STARTS = {"wide": "±45°, ±80 mm, ±150 mm", "half": "half as far"}
WARNING = (
    "Trainings this short mainly compare how fast each begins to learn, not where it ends. Intervals are over cases: "
    "another seed of training would move the rows as well."
)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    one_thread()
    wanted = [name for name in ROWS if not options.rows or any(part in name for part in options.rows)]
    if not wanted:
        raise InputError(f"--rows {' '.join(options.rows)} names none of: {'; '.join(ROWS)}.")
    keys = ("ct", "cases", "seed", "seconds", "steps", "batch", "within", "case_seed")
    settings = {key: getattr(options, key) for key in keys}
    results = KeptRows(options.results, settings)
    made = simulated_cases(read_ct(options.ct), SUITE, options.cases, options.case_seed)
    ablation = Ablation(made, Plan(), options.within, options.seed)
    for name in wanted:
        if name in results.rows:
            continue
        results.add(
            name,
            ablation.row(
                name, lambda: schedule_for(options.seconds, options.steps, batch=options.batch, seed=options.seed)
            ),
        )
        found = results.rows[name]
        say(f"{name}: {found.get('steps', 0)} steps in {found.get('train_s', 0)} s")
        say(f"  wide  {in_words(found['wide'])}   first step off by {found['first_step_off_deg']:g}°")
        say(f"  half  {in_words(found['half'])}")
    rows = {name: results.rows[name] for name in ROWS if name in results.rows}
    for name, row in rows.items() if BASE in rows else ():
        row["only_this_only_base"] = found_apart(row, rows[BASE], options.within)
        say(f"{name}: found by it alone, by the base alone: {row['only_this_only_base']}")
    say(WARNING)
    length = f"{options.seconds:g} s" if options.steps is None else f"{options.steps} steps"
    if options.picture:
        title = f"{length} of training a row, {options.cases} simulated X-rays"
        write_whole(Path(options.picture), shares_picture(rows, STARTS, title))
    if options.json:
        print(json.dumps({"settings": settings, "suite": SUITE.name, "warning": WARNING, "rows": rows}))


def _options() -> argparse.ArgumentParser:
    made = parser(__doc__, cases=24)
    add_training(made, batch=64, within_mm=20.0)
    made.add_argument("--rows", nargs="*", help="only rows whose names hold one of these words")
    made.add_argument("--results", help="JSON file that keeps rows as they are done")
    return made


if __name__ == "__main__":
    main()
