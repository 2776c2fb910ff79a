"""One case of a study: simulated, registered by each system, and judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.evaluation import metrics
from SphericalRegLib.evaluation.capture_report import REJECTED, CaptureRow
from SphericalRegLib.evaluation.cases import CaptureCase, draw_case, marked_landmarks, simulated_xray
from SphericalRegLib.evaluation.suites import Suite
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import FromLandmarks
from SphericalRegLib.networks.model import Model
from SphericalRegLib.registration import Case, Conditions, Registration, System
from SphericalRegLib.simulation.levels import Level


@dataclass(frozen=True)
class Bench:
    """What all cases of a study share, and how one of them is run.

    Attributes:
        ct: as read.
        volume: of it, or of chosen bones.
        whole: of the whole CT, where bones are chosen and there is a model.
        points: (N, 3) world mm, at which errors are measured.
        view: the X-ray system.
        seed, suite, level, views: which cases, see :func:`~SphericalRegLib.evaluation.cases.draw_case`.
        systems: that register each case, in turn.
        conditions: of the registrations.
        model: a trained one to register with, or None.
    """

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
