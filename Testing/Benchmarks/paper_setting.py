"""What the redone figures of the paper share: simulated cases, intervals over them, options, and pictures."""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation import metrics
from SphericalRegLib.evaluation.cases import bone_points, capture_view, draw_case, simulated_xray
from SphericalRegLib.evaluation.statistics import bootstrap_interval, percentile, wilson_interval
from SphericalRegLib.evaluation.suites import Suite
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.sample import sample_path
from SphericalRegLib.training.trainer import Schedule, Trainer, TrainingStep

#: Whose curve a picture shows, in this order.
COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")


@dataclass(frozen=True)
class Case:
    """An X-ray from the simulator, its true pose and its start, rig_from_world (4, 4)."""

    xray: XRay
    truth: Tensor
    start: Tensor


@dataclass(frozen=True)
class Study:
    """A CT and cases of it.

    Attributes:
        ct: as read.
        volume: of it.
        cases: simulated.
        points: (N, 3) on bone, where errors are measured.
    """

    ct: CT
    volume: Volume
    cases: list[Case]
    points: Tensor

    def error_mm(self, pose: Tensor, case: Case) -> float:
        """mTRE."""
        return float(metrics.mtre(pose, case.truth, self.points))


class Stopwatch:
    """Processor seconds of this process: on a machine that others use, equal times by the clock are unequal work."""

    def __init__(self) -> None:
        self._began = time.process_time()
        self._paused = 0.0

    @property
    def seconds(self) -> float:
        """Since it was made, less pauses."""
        return time.process_time() - self._began - self._paused

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Do not count what is done within."""
        at = time.process_time()
        try:
            yield
        finally:
            self._paused += time.process_time() - at


@dataclass(frozen=True)
class TimedSchedule(Schedule):
    """A schedule by time, not steps: the learning rate rises, and falls to 0 as ``seconds`` of ``watch`` pass."""

    seconds: float = 60.0
    watch: Stopwatch = field(default_factory=Stopwatch)

    def rate(self, step: int) -> float:
        """See :class:`~SphericalRegLib.training.trainer.Schedule`."""
        share = min(1.0, self.watch.seconds / self.seconds)
        return Schedule(1000, learning_rate=self.learning_rate).rate(1 + round(999 * share))


def schedule(seconds: float, steps: int | None, **settings: Any) -> Schedule:
    """For equal times; for equal steps where ``steps`` is given, which alone is the same on every machine."""
    return TimedSchedule(2**31, seconds=seconds, **settings) if steps is None else Schedule(steps, **settings)


def trained_steps(trainer: Trainer) -> Iterator[TrainingStep]:
    """Train until the steps of its schedule, or the time of a :class:`TimedSchedule`, are over."""
    timing = trainer.schedule
    for at in trainer.steps():
        yield at
        if isinstance(timing, TimedSchedule) and timing.watch.seconds >= timing.seconds:
            return


def parser(text: str | None, cases: int) -> argparse.ArgumentParser:
    """Options that all of them have."""
    made = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--ct", default=str(sample_path("pelvis_lumbar_3mm.nii.gz")))
    made.add_argument("--cases", type=int, default=cases, help="simulated X-rays to measure on (default: %(default)s)")
    made.add_argument("--seed", type=int, default=0, help="of cases, weights and training images")
    made.add_argument("--json", action="store_true", help="the last line is JSON")
    made.add_argument("--picture", help="PNG to draw")
    return made


def study(ct_path: str, suite: Suite, cases: int, seed: int) -> Study:
    """Draw and simulate.

    Raises:
        InputError: for fewer than one case.
    """
    if cases < 1:
        raise InputError(f"cases is {cases}: measure on at least 1.")
    ct, view = read_ct(ct_path), capture_view()
    volume = to_volume(ct)
    drawn = []
    for index in range(cases):
        case = draw_case(index, seed, view, volume.center, suite)
        drawn.append(Case(simulated_xray(case, ct, view), case.truth, case.start))
    return Study(ct, volume, drawn, bone_points(ct))


def summary(errors_mm: Sequence[float], within_mm: float) -> dict[str, Any]:
    """Share within a limit and median, each with its 95 % interval over cases (Wilson; bootstrap)."""
    good = sum(error < within_mm for error in errors_mm)
    return {
        "cases": len(errors_mm),
        "within_mm": within_mm,
        "share": good / len(errors_mm),
        "share_wilson95": [round(x, 3) for x in wilson_interval(good, len(errors_mm))],
        "median_mm": round(percentile(errors_mm, 50), 2),
        "median_bootstrap95": [round(x, 2) for x in bootstrap_interval(errors_mm)],
    }


def told(found: dict[str, Any]) -> str:
    """A :func:`summary` in words."""
    low, high = found["share_wilson95"]
    bottom, top = found["median_bootstrap95"]
    return (
        f"within {found['within_mm']:g} mm {100 * found['share']:3.0f} % ({100 * low:.0f} to {100 * high:.0f})   "
        f"median {found['median_mm']:6.2f} mm ({bottom:.2f} to {top:.2f})"
    )


def medians(errors_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, T) median of errors (cases, T), and the ends of its 95 % bootstrap interval; the same cases at all T."""
    draws = np.random.default_rng(0).integers(len(errors_mm), size=(1000, len(errors_mm)))
    resampled = np.median(errors_mm[draws], axis=1)
    return np.stack([np.median(errors_mm, axis=0), *np.percentile(resampled, [2.5, 97.5], axis=0)])


def say(text: str) -> None:
    """To people, as soon as it is known; the result's last line stays alone on stdout."""
    print(text, file=sys.stderr, flush=True)


def new_figure(width: float, height: float) -> Figure:
    """Without a window."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """As PNG; see :func:`write`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=130, format="png")
    write(buffer.getvalue(), path)


def write(content: bytes, path: str | os.PathLike[str]) -> None:
    """Whole or not at all.

    Raises:
        InputError: where it cannot be written.
    """
    partial = Path(f"{os.fspath(path)}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written ({error}): choose another place.") from error


def one_thread() -> None:
    """One thread, so that processor time is what one core needs."""
    torch.set_num_threads(1)
