"""The studies: how often and how exactly registration finds the pose, and whether it knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.errors import CheckpointError, GeometryError, InputError
from SphericalRegLib.evaluation import metrics
from SphericalRegLib.evaluation.capture_report import REJECTED, CaptureReport, CaptureRow
from SphericalRegLib.evaluation.cases import (
    CaptureCase,
    bone_points,
    capture_view,
    draw_case,
    marked_landmarks,
    simulated_xray,
)
from SphericalRegLib.evaluation.suites import SUITES, Suite
from SphericalRegLib.evaluation.workers import spread
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import FromLandmarks
from SphericalRegLib.networks.model import Model
from SphericalRegLib.registration import Case, Conditions, Registration, System, default_system
from SphericalRegLib.simulation.levels import LEVELS, Level
from SphericalRegLib.threads import get_threads, set_threads


def evaluate_capture(
    ct: CT,
    cases: int = 100,
    seed: int = 0,
    *,
    suite: Suite = SUITES["capture"],
    level: Level = LEVELS["mild"],
    views: Sequence[str] = ("AP",),
    system: System | None = None,
    model: Model | None = None,
    conditions: Conditions | None = None,
    labels: Sequence[int | str] | None = None,
    progress: Callable[[CaptureRow], None] | None = None,
    workers: int = 1,
    device: torch.device | str = "cpu",
) -> CaptureReport:
    """Register simulated X-rays of a CT by one system, and compare with the truth; see :func:`compare_systems`.

    Args:
        system: by default the one that runs where nobody chooses, searching as far as the suite's starts are off.

    Raises:
        InputError: for fewer than one case or worker, unknown labels, or a CT without bone.
        CheckpointError: for a model of another CT, or a system that needs a model.
    """
    chosen = system or default_system(labels is not None, model is not None).searching(suite.search)
    return compare_systems(
        ct,
        [chosen],
        cases,
        seed,
        suite=suite,
        level=level,
        views=views,
        model=model,
        conditions=conditions,
        labels=labels,
        progress=progress,
        workers=workers,
        device=device,
    )[chosen.name]


def compare_systems(
    ct: CT,
    systems: Sequence[System],
    cases: int = 100,
    seed: int = 0,
    *,
    suite: Suite = SUITES["capture"],
    level: Level = LEVELS["mild"],
    views: Sequence[str] = ("AP",),
    model: Model | None = None,
    conditions: Conditions | None = None,
    labels: Sequence[int | str] | None = None,
    progress: Callable[[CaptureRow], None] | None = None,
    workers: int = 1,
    device: torch.device | str = "cpu",
) -> dict[str, CaptureReport]:
    """Register simulated X-rays of a CT by one or several systems in turn, and compare with the truth.

    Truths lie around the views, and starts around the truth, as the suite says; by default truths ±20° about each
    axis, ±50 mm in plane and ±60 mm in depth, starts ±20° about each axis, ±40 mm in plane and ±80 mm in depth off the
    truth. The X-rays (256², 1.4 mm, 1000 mm from the source) come from the simulator with all degradations drawn at
    random, every second one with an occluder, and are read from DICOM files. Systems that start from landmarks get
    marks with errors (:func:`~SphericalRegLib.evaluation.cases.marked_landmarks`). Time is that of the registration
    from a read X-ray and a prepared volume to the result, with kernels compiled; simulation and reading are left out.
    Each case is run by all systems before the next one, so that their times are of the same minutes.

    Args:
        ct: the CT, with labels where ``labels`` are chosen.
        systems: by which to register, with names that differ.
        cases: how many. Case i of a seed is always the same, whatever their number.
        seed: of the study.
        suite: the study; see :data:`~SphericalRegLib.evaluation.suites.SUITES`.
        level: how hard the X-rays are; see :data:`~SphericalRegLib.simulation.levels.LEVELS`.
        views: names of :data:`~SphericalRegLib.evaluation.suites.VIEWS` that truths lie around, in turn.
        model: a trained one to register with.
        conditions: kernel and seed of the registrations.
        labels: register only these bones, in X-rays of the whole CT; errors are then measured on them.
        progress: called with each row, in order.
        device: where to render and compare.
        workers: processes. More than one share the cores, and each case then takes longer: not for reported times.

    Returns:
        {name of the system: its report}.

    Raises:
        InputError: for fewer than one case, worker or system, systems of one name, unknown labels, or a CT without
            bone.
        CheckpointError: for a model of another CT, or a system that needs a model.
    """
    if cases < 1 or workers < 1:
        raise InputError(f"cases={cases} and workers={workers} must both be 1 or more.")
    names = [system.name for system in systems]
    if not names or len(set(names)) < len(names):
        raise InputError(f"Systems to compare need names that differ, and are {', '.join(names) or 'none'}.")
    for system in systems:
        if system.needs_model and model is None:
            raise CheckpointError(f"The system {system.name!r} needs a trained model: name one with --model.")
    volume = to_volume(ct, labels=labels).to(device)
    # moves where the model lies: workers load it on the same device
    model = None if model is None else model.to(device)
    bench = _Bench(
        ct=ct,
        volume=volume,
        whole=to_volume(ct).to(device) if labels is not None and model is not None else None,
        points=bone_points(ct, labels),
        view=capture_view(),
        seed=seed,
        suite=suite,
        level=level,
        views=tuple(views),
        systems=tuple(systems),
        conditions=conditions or Conditions(),
        model=model,
    )
    rows: dict[str, list[CaptureRow]] = {name: [] for name in names}
    for row_of_each in _alone(bench, cases) if workers == 1 else _together(bench, cases, min(workers, cases)):
        for row in row_of_each:
            rows[row.system].append(row)
            if progress is not None:
                progress(row)
    return {name: CaptureReport(tuple(each)) for name, each in rows.items()}


@dataclass(frozen=True)
class _Bench:
    """What all cases share."""

    ct: CT
    volume: Volume
    whole: Volume | None
    points: Tensor
    view: View
    seed: int
    suite: Suite
    level: Level
    views: tuple[str, ...]
    systems: tuple[System, ...]
    conditions: Conditions
    model: Model | None

    def rows(self, index: int) -> tuple[CaptureRow, ...]:
        """Simulate one case, and register and judge it by each system."""
        isocenter = self.volume.center
        case = draw_case(
            index, self.seed, self.view, isocenter, self.suite, views=self.views, level=self.level, ct=self.ct
        )
        xray = simulated_xray(case, self.ct, self.view)
        return tuple(self._row(system, case, xray) for system in self.systems)

    def _row(self, system: System, case: CaptureCase, xray: XRay) -> CaptureRow:
        start = case.start
        started = time.perf_counter()
        registration = Registration(self._case(system, case, xray), system, self.conditions)
        try:
            for _ in registration:
                pass
            result = registration.result()
        except (InputError, GeometryError) as error:
            # No pose was found: a failure with the start's error, that the user was told of.
            return self._judged(
                system,
                case,
                start,
                start,
                cost=float("inf"),
                depth_sd_mm=float("inf"),
                rotation_95_deg=float("inf"),
                plane_95_mm=float("inf"),
                depth_95_mm=float("inf"),
                accepted=False,
                verdict=REJECTED,
                reasons=str(error),
                seconds=time.perf_counter() - started,
            )
        seconds = time.perf_counter() - started
        return self._judged(
            system,
            case,
            registration.starts.poses[0],
            result.pose,
            cost=result.verdict_cost,
            depth_sd_mm=float(result.depth_sd_mm),
            rotation_95_deg=result.half_widths.rotation_deg,
            plane_95_mm=result.half_widths.plane_mm,
            depth_95_mm=result.half_widths.depth_mm,
            accepted=result.verdict.accepted,
            verdict=result.verdict.words,
            reasons="; ".join(result.verdict.reasons),
            seconds=seconds,
        )

    def _case(self, system: System, case: CaptureCase, xray: XRay) -> Case:
        """What the system is told: the suite's start, marks where it starts from landmarks, or nothing."""
        known: dict[str, Any] = {}
        if isinstance(system.initializer, FromLandmarks):
            known["landmarks"] = marked_landmarks(case, self.points, self.view, self.seed)
        elif self.suite.start is not None:
            known["poses"] = case.start
        return Case(self.volume, [xray], self.whole, model=self.model, **known)

    def _judged(self, system: System, case: CaptureCase, start: Tensor, pose: Tensor, **outcome: Any) -> CaptureRow:
        offset = metrics.translation_error(pose, case.truth, self.volume.center, self.view)
        return CaptureRow(
            index=case.index,
            system=system.name,
            nominal=case.nominal,
            occluded=case.occluded,
            start_mtre_mm=float(metrics.mtre(start, case.truth, self.points)),
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
        self.rows(0)

    def _measured(self, metric: Callable[..., Tensor], pose: Tensor, truth: Tensor) -> float:
        return float(metric(pose, truth, self.points, self.view))


def _alone(bench: _Bench, cases: int) -> Iterator[tuple[CaptureRow, ...]]:
    bench.warm_up()
    for index in range(cases):
        yield bench.rows(index)


def _together(bench: _Bench, cases: int, workers: int) -> Iterator[tuple[CaptureRow, ...]]:
    threads = max(1, get_threads() // workers)
    return spread(_worker_rows, cases, workers, _start_worker, (bench, threads))


_shared: list[_Bench] = []


def _start_worker(bench: _Bench, threads: int) -> None:
    set_threads(threads)
    bench.warm_up()
    _shared.append(bench)


def _worker_rows(index: int) -> tuple[CaptureRow, ...]:
    return _shared[0].rows(index)
