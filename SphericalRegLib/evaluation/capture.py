"""The studies: how often and how exactly registration finds the pose, and whether it knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation import metrics
from SphericalRegLib.evaluation.capture_report import CaptureReport, CaptureRow
from SphericalRegLib.evaluation.cases import CaptureCase, bone_points, capture_view, draw_case, simulated_xray
from SphericalRegLib.evaluation.suites import SUITES, Suite
from SphericalRegLib.evaluation.workers import spread
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.networks.model import Model
from SphericalRegLib.registration import Settings, register
from SphericalRegLib.registration.learned import prepare
from SphericalRegLib.threads import get_threads, set_threads


def evaluate_capture(
    ct: CT,
    cases: int = 100,
    seed: int = 0,
    *,
    suite: Suite = SUITES["capture"],
    model: Model | None = None,
    settings: Settings | None = None,
    labels: Sequence[int | str] | None = None,
    progress: Callable[[CaptureRow], None] | None = None,
    workers: int = 1,
    device: torch.device | str = "cpu",
) -> CaptureReport:
    """Register simulated X-rays of a CT, and compare with the truth.

    Truths lie around the AP view, and starts around the truth, as the suite says; by default truths ±20° about each
    axis, ±50 mm in plane and ±60 mm in depth, starts ±20° about each axis, ±40 mm in plane and ±80 mm in depth off the
    truth. The X-rays (256², 1.4 mm, 1000 mm from the source) come from the simulator with all degradations drawn at
    random, every second one with an occluder, and are read from DICOM files. Time is that of the registration from a
    read X-ray and a prepared volume to the result, with kernels compiled; simulation and reading are left out.

    Args:
        ct: the CT, with labels where ``labels`` are chosen.
        cases: how many. Case i of a seed is always the same, whatever their number.
        seed: of the study.
        suite: the study; see :data:`~SphericalRegLib.evaluation.suites.SUITES`.
        model: a trained one to register with, see :func:`~SphericalRegLib.registration.learned.prepare`.
        settings: of the registration; by default those for the suite's range.
        labels: register only these bones, in X-rays of the whole CT; errors are then measured on them.
        progress: called with each row, in order.
        device: where to render and compare.
        workers: processes. More than one share the cores, and each case then takes longer: not for reported times.

    Raises:
        InputError: for fewer than one case or worker, unknown labels, or a CT without bone.
        CheckpointError: for a model of another CT.
    """
    if cases < 1 or workers < 1:
        raise InputError(f"cases={cases} and workers={workers} must both be 1 or more.")
    bench = _Bench(
        ct=ct,
        volume=to_volume(ct, labels=labels).to(device),
        points=bone_points(ct, labels),
        view=capture_view(),
        seed=seed,
        suite=suite,
        settings=settings or Settings(range=suite.search),
        model=model,
    )
    rows = []
    for row in _alone(bench, cases) if workers == 1 else _together(bench, cases, min(workers, cases)):
        rows.append(row)
        if progress is not None:
            progress(row)
    return CaptureReport(tuple(rows))


@dataclass(frozen=True)
class _Bench:
    """What all cases share."""

    ct: CT
    volume: Volume
    points: Tensor
    view: View
    seed: int
    suite: Suite
    settings: Settings
    model: Model | None

    def row(self, index: int) -> CaptureRow:
        """Simulate, register and judge one case."""
        case = draw_case(index, self.seed, self.view, self.volume.center, self.suite)
        xray = simulated_xray(case, self.ct, self.view)
        started = time.perf_counter()
        try:
            starts, settings = case.start[None], self.settings
            if self.model is not None:
                given = None if self.suite.start is None else starts
                prepared = prepare(self.model, self.volume, [xray], given, settings)
                starts, settings = prepared.starts, prepared.settings
            result = register(self.volume, [xray], starts, settings)
        except InputError as error:
            # No pose was found: a failure with the start's error, that the user was told of.
            return self._judged(
                case,
                case.start,
                cost=float("inf"),
                depth_sd_mm=float("inf"),
                accepted=False,
                reasons=str(error),
                seconds=time.perf_counter() - started,
            )
        seconds = time.perf_counter() - started
        return self._judged(
            case,
            result.pose,
            cost=result.verdict_cost,
            depth_sd_mm=float(result.depth_sd_mm),
            accepted=result.verdict.accepted,
            reasons="; ".join(result.verdict.reasons),
            seconds=seconds,
        )

    def _judged(self, case: CaptureCase, pose: Tensor, **outcome: Any) -> CaptureRow:
        offset = metrics.translation_error(pose, case.truth, self.volume.center, self.view)
        return CaptureRow(
            index=case.index,
            occluded=case.occluded,
            start_mtre_mm=float(metrics.mtre(case.start, case.truth, self.points)),
            mtre_mm=float(metrics.mtre(pose, case.truth, self.points)),
            mpe_mm=self._measured(metrics.mpe, pose, case.truth),
            mrpe_mm=self._measured(metrics.mrpe, pose, case.truth),
            rotation_deg=float(metrics.rotation_error_deg(pose, case.truth)),
            in_plane_mm=float(offset.in_plane_mm),
            depth_mm=float(offset.depth_mm),
            mtre_diffpose=self._measured(metrics.mtre_diffpose, pose, case.truth),
            **outcome,
        )

    def warm_up(self) -> None:
        """Compile the kernels and load what is loaded once, on the first case."""
        self.row(0)

    def _measured(self, metric: Callable[..., Tensor], pose: Tensor, truth: Tensor) -> float:
        return float(metric(pose, truth, self.points, self.view))


def _alone(bench: _Bench, cases: int) -> Iterator[CaptureRow]:
    bench.warm_up()
    for index in range(cases):
        yield bench.row(index)


def _together(bench: _Bench, cases: int, workers: int) -> Iterator[CaptureRow]:
    threads = max(1, get_threads() // workers)
    return spread(_worker_row, cases, workers, _start_worker, (bench, threads))


_shared: list[_Bench] = []


def _start_worker(bench: _Bench, threads: int) -> None:
    set_threads(threads)
    bench.warm_up()
    _shared.append(bench)


def _worker_row(index: int) -> CaptureRow:
    return _shared[0].row(index)
