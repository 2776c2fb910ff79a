"""Simulated X-rays with their truths and starts, for whatever is measured on more than registrations' ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation import metrics
from SphericalRegLib.evaluation.cases import bone_points, capture_view, draw_case, simulated_xray
from SphericalRegLib.evaluation.suites import Suite
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.simulation.levels import LEVELS, Level


@dataclass(frozen=True)
class SimulatedCase:
    """An X-ray from the simulator, its true pose and its start, rig_from_world (4, 4) float64."""

    xray: XRay
    truth: Tensor
    start: Tensor


@dataclass(frozen=True)
class SimulatedCases:
    """A CT and cases of it.

    Attributes:
        volume: of the CT, or of chosen bones.
        points: (N, 3) world mm on bone, where errors are measured.
        cases: simulated of the whole CT.
    """

    volume: Volume
    points: Tensor
    cases: Sequence[SimulatedCase]

    def error_mm(self, pose: Tensor, case: SimulatedCase) -> float:
        """mTRE of a pose (4, 4)."""
        return float(metrics.mtre(pose, case.truth, self.points))


def simulated_cases(
    ct: CT,
    suite: Suite,
    count: int,
    seed: int,
    *,
    view: View | None = None,
    views: Sequence[str] = ("AP",),
    level: Level = LEVELS["mild"],
    labels: Sequence[int | str] | None = None,
) -> SimulatedCases:
    """Cases 0 to ``count`` - 1 of a seed, the same that :class:`~SphericalRegLib.evaluation.capture.CaptureStudy` has.

    Args:
        ct: the CT, with labels where ``labels`` are chosen.
        suite: how far truths and starts lie.
        count: how many.
        seed: of the study.
        view: the X-ray system; by default that of the studies.
        views: names of :data:`~SphericalRegLib.evaluation.suites.VIEWS` that truths lie around, in turn.
        level: how hard the X-rays are.
        labels: the volume and the points are of these bones.

    Raises:
        InputError: for fewer than one case, unknown labels, or a CT without bone.
    """
    if count < 1:
        raise InputError(f"cases is {count}: measure on at least 1.")
    volume, points, view = to_volume(ct, labels=labels), bone_points(ct, labels), view or capture_view()
    drawn = []
    for index in range(count):
        case = draw_case(index, seed, view, volume.center, suite, views=views, level=level, ct=ct)
        drawn.append(SimulatedCase(simulated_xray(case, ct, view), case.truth, case.start))
    return SimulatedCases(volume, points, drawn)
