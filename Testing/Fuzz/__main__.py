"""Mutated files against the public readers: ``python -m Testing.Fuzz --cases 10000 --seed 0``; see README.md."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from Testing.Fuzz.pool import OUTCOMES, Outcome, run
from Testing.Fuzz.seeds import make_seeds


def main() -> int:
    """0 where every case was read or refused, else 1."""
    options = _options()
    folder = Path(options.folder or tempfile.mkdtemp(prefix="fuzz-"))
    seeds = [seed for seed in make_seeds(folder / "seeds") if not options.kind or seed.kind in options.kind]
    if not seeds:
        raise SystemExit(f"There is no file of the kinds {options.kind}.")
    numbers = options.case or range(options.cases)
    counts: Counter[str] = Counter()
    wrong: list[Outcome] = []
    for outcome in run(numbers, options.seed, seeds, folder, options.seconds, options.processes):
        counts[outcome.outcome] += 1
        if not outcome.right:
            wrong.append(outcome)
        if not options.json and (not outcome.right or options.case):
            print(f"{outcome.number} {outcome.seed}: {outcome.outcome}\n{outcome.detail}{outcome.printed}", flush=True)
    if options.json:
        print(json.dumps({"counts": counts, "wrong": [vars(outcome) for outcome in wrong], "folder": str(folder)}))
    else:
        print(", ".join(f"{counts[name]} {name}" for name in OUTCOMES))
        if wrong:
            print(f"Their files: {folder / 'failed'}")
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m Testing.Fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="how many files (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (default %(default)s)")
    parser.add_argument("--case", type=int, action="append", help="only this number; may be given several times")
    parser.add_argument("--kind", action="append", help="only files of this kind; may be given several times")
    parser.add_argument("--seconds", type=float, default=20.0, help="that one file may take (default %(default)s)")
    parser.add_argument("--processes", type=int, default=1, help="that read at the same time (default %(default)s)")
    parser.add_argument("--folder", help="for the files (default: a new temporary one)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
