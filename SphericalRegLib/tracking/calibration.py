"""What became of a doubtful calibration: focal lengths and centers with intervals, and what they hide behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.optimization.calibration_block import PARAMETERS, CalibrationPrior
from SphericalRegLib.optimization.prior import Prior
from SphericalRegLib.registration.judging.uncertainty import NORMAL_HALF_WIDTH
from SphericalRegLib.tracking.appraisal import joint_covariance
from SphericalRegLib.tracking.body_levels import BodyLevels
from SphericalRegLib.tracking.joint import Aligned
from SphericalRegLib.tracking.track import RefinedView

_NAMES = ("focal length", "center along columns", "center along rows")
# Two numbers correlated so much are one to the images.
_TOLD_APART = 0.95


@dataclass(frozen=True)
class CalibrationDoubt:
    """How far the views' calibrations may be off, as standard deviations.

    Attributes:
        focal: of the focal length, relative; 0 holds it.
        center_mm: of where the central ray hits the detector, along columns and along rows; 0 holds it.

    Raises:
        InputError: for one below 0, or nothing that is in doubt.
    """

    focal: float = 0.01
    center_mm: float = 5.0

    def __post_init__(self) -> None:
        for name in ("focal", "center_mm"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"The doubt of {name} is {getattr(self, name)}: give a standard deviation, 0 or more.")
        if self.focal == 0 and self.center_mm == 0:
            raise InputError("Nothing of the calibration is in doubt: give focal or center_mm above 0.")

    def priors(self, bodies: int, views: int) -> list[Prior]:
        """One for each view, behind the bodies' blocks."""
        return [CalibrationPrior(bodies + view, self.focal, self.center_mm) for view in range(views)]


def refined_views(levels: BodyLevels, aligned: Aligned, priors: Sequence[Prior]) -> tuple[RefinedView, ...]:
    """What the alignment made of the views' calibrations.

    Args:
        levels: of the frame, with the views as they were.
        aligned: with calibrations.
        priors: that count as knowledge, those of the calibrations among them.
    """
    covariance = joint_covariance(aligned, priors, 1.0)
    deviations = covariance.diagonal().clamp(min=0).sqrt()
    correlation = covariance / (deviations * deviations[:, None]).clamp(min=1e-30)
    first = 6 * len(levels.bodies)
    views = []
    for number, (xray, values) in enumerate(zip(levels.xrays, aligned.calibrations, strict=True)):
        places = range(first + PARAMETERS * number, first + PARAMETERS * (number + 1))
        _, column, row = values.tolist()
        widths = [NORMAL_HALF_WIDTH * float(deviations[place]) for place in places]
        confused = tuple(
            f"{name} and the place of {body.name}"
            for name, place in zip(_NAMES, places, strict=True)
            for other, body in enumerate(levels.bodies)
            if _confused(correlation[place, 6 * other : 6 * other + 6])
        )
        views.append(
            RefinedView(
                xray.view.name, float(torch.exp(values[0])), (column, row), widths[0], (widths[1], widths[2]), confused
            )
        )
    return tuple(views)


def _confused(correlations: Tensor) -> bool:
    return bool(correlations.abs().max() > _TOLD_APART)
