"""One case of a study: simulated, registered by each system, and judged."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.evaluation import metrics
from SphericalRegLib.evaluation.capture_report import REJECTED, CaptureRow
from SphericalRegLib.evaluation.cases import CaptureCase, bone_points, draw_case, marked_landmarks, simulated_xray
from SphericalRegLib.evaluation.suites import Suite
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import FromLandmarks
from SphericalRegLib.networks.model import Model
from SphericalRegLib.registration import Case, Conditions, Registration, System
from SphericalRegLib.simulation.anatomy.cut import cut_ct, kinds_of
from SphericalRegLib.simulation.levels import Level

# Of every four cases so many are registered by a part of the CT; two, so that half of those have instruments.
_PARTS_OF_FOUR = 2
# Draws of a part until one holds bone enough.
_MOST_DRAWS = 10


@dataclass(frozen=True)
class Target:
    """What is registered to a case's X-ray.

    Attributes:
        scan: the CT, or a part of it.
        volume: of it, or of chosen bones.
        points: (N, 3) world mm in it, at which errors are measured.
        part: what the CT was cut to; empty for all of it.
    """

    scan: CT
    volume: Volume
    points: Tensor
    part: str = ""


@dataclass(frozen=True)
class Bench:
    """What all cases of a study share, and how one of them is run.

    Attributes:
        ct: as read.
        target: of it, or of chosen bones.
        whole: of the whole CT, where bones are chosen and there is a model.
        parts: whether half of the cases are registered by a part of the CT, to an X-ray of all of it.
        view: the X-ray system.
        seed, suite, level, views: which cases, see :func:`~SphericalRegLib.evaluation.cases.draw_case`.
        systems: that register each case, in turn.
        conditions: of the registrations.
        model: a trained one to register with, or None.
    """

    ct: CT
    target: Target
    whole: Volume | None
    parts: bool
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
        target = self.target_of(index)
        case = draw_case(
            index,
            self.seed,
            self.view,
            target.volume.center,
            self.suite,
            views=self.views,
            level=self.level,
            ct=self.ct,
        )
        xray = simulated_xray(case, self.ct, self.view)
        return tuple(self._row(system, case, target, xray) for system in self.systems)

    def target_of(self, index: int) -> Target:
        """What is registered in a case: all, or of every four cases in the last two a part of the CT."""
        if not self.parts or index % 4 < 4 - _PARTS_OF_FOUR:
            return self.target
        rng = np.random.default_rng([self.seed, index, 5])
        kinds = kinds_of(self.ct)
        for _ in range(_MOST_DRAWS):
            kind = kinds[int(rng.integers(len(kinds)))]
            with contextlib.suppress(InputError):
                cut = cut_ct(self.ct, rng, kind)
                return Target(cut, to_volume(cut).to(self.target.volume.density.device), bone_points(cut), kind)
        raise InputError(
            f"{self.ct.path or 'The CT'} holds too little bone for parts of it to be registered: leave parts out."
        )

    def _row(self, system: System, case: CaptureCase, target: Target, xray: XRay) -> CaptureRow:
        start = case.start
        started = time.perf_counter()
        registration = Registration(self._case(system, case, target, xray), system, self.conditions)
        try:
            for _ in registration:
                pass
            result = registration.result()
        except (InputError, GeometryError) as error:
            # No pose was found: a failure with the start's error, that the user was told of.
            return self._judged(
                system,
                case,
                target,
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
            target,
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

    def _case(self, system: System, case: CaptureCase, target: Target, xray: XRay) -> Case:
        """What the system is told: the suite's start, marks where it starts from landmarks, or nothing."""
        known: dict[str, Any] = {}
        if isinstance(system.initializer, FromLandmarks):
            known["landmarks"] = marked_landmarks(case, target.points, self.view, self.seed)
        elif self.suite.start is not None:
            known["poses"] = case.start
        return Case(target.volume, [xray], self.whole, model=self.model, scan=target.scan, **known)

    def _judged(
        self, system: System, case: CaptureCase, target: Target, start: Tensor, pose: Tensor, **outcome: Any
    ) -> CaptureRow:
        points = target.points

        def measured(metric: Callable[..., Tensor]) -> float:
            return float(metric(pose, case.truth, points, self.view))

        offset = metrics.translation_error(pose, case.truth, target.volume.center, self.view)
        return CaptureRow(
            index=case.index,
            system=system.name,
            nominal=case.nominal,
            occluded=case.occluded,
            part=target.part,
            start_mtre_mm=float(metrics.mtre(start, case.truth, points)),
            mtre_mm=float(metrics.mtre(pose, case.truth, points)),
            mpe_mm=measured(metrics.mpe),
            mrpe_mm=measured(metrics.mrpe),
            rotation_deg=float(metrics.rotation_error_deg(pose, case.truth)),
            in_plane_mm=float(offset.in_plane_mm),
            depth_mm=float(offset.depth_mm),
            mtre_diffpose=measured(metrics.mtre_diffpose),
            **outcome,
        )

    def warm_up(self) -> None:
        """Compile the kernels and load what is loaded once, on the first case."""
        self.rows(0)
