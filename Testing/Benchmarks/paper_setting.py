"""Options and output that the redone figures of the paper share."""

from __future__ import annotations

import argparse
import sys

import torch

from SphericalRegLib.sample import sample_path


def parser(text: str | None, cases: int) -> argparse.ArgumentParser:
    """Options that all of them have."""
    made = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--ct", default=str(sample_path("pelvis_lumbar_3mm.nii.gz")))
    made.add_argument("--cases", type=int, default=cases, help="simulated X-rays to measure on (default: %(default)s)")
    made.add_argument("--seed", type=int, default=0, help="of cases, weights and training images")
    made.add_argument("--json", action="store_true", help="the last line is JSON")
    made.add_argument("--picture", help="PNG to draw")
    return made


def add_training(made: argparse.ArgumentParser, batch: int, within_mm: float) -> None:
    """Options of those that train."""
    made.add_argument("--seconds", type=float, default=60.0, help="of training, each row (default: 60)")
    made.add_argument("--minutes", type=lambda x: 60 * float(x), dest="seconds", help="the same in minutes")
    made.add_argument("--steps", type=int, help="equal steps in place of equal times")
    made.add_argument("--batch", type=int, default=batch)
    made.add_argument("--within", type=float, default=within_mm, help="mm that count as found (default: %(default)s)")
    made.add_argument("--case-seed", type=int, default=550_000, help="of the X-rays, apart from --seed of training")


def say(text: str) -> None:
    """To people, as soon as it is known; the result's last line stays alone on stdout."""
    print(text, file=sys.stderr, flush=True)


def one_thread() -> None:
    """One thread, so that processor time is what one core needs."""
    torch.set_num_threads(1)
