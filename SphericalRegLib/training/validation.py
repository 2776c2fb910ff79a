"""Held-out X-rays from the simulator, and how far networks end from their truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.evaluation.simulated import SimulatedCase, simulated_cases
from SphericalRegLib.evaluation.suites import Suite
from SphericalRegLib.former_names import served
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.initialization.regressed import regressed_poses
from SphericalRegLib.networks.model import Model
from SphericalRegLib.registration import SYSTEMS, Case, register
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.trained import Trained
from SphericalRegLib.training.plan import Plan

#: Of the studies' seeds, none: validation never sees a case that is evaluated.
SEED = 770_000
_PIXELS = 256


class Validation:
    """Simulated X-rays of one CT, made once.

    Args:
        ct: the CT.
        plan: of the training.
        count: X-rays.

    Raises:
        InputError: for a CT without bone.
    """

    def __init__(self, ct: CT, plan: Plan, count: int = 12) -> None:
        # starts as far off as the encoders are to reach
        suite = Suite("validation", plan.truth, plan.reach)
        self._made = simulated_cases(ct, suite, count, SEED, view=plan.view().resized(_PIXELS, _PIXELS))
        self.volume: Volume = self._made.volume
        self._cases = self._made.cases

    def regressed_mm(self, model: Model) -> list[float]:
        """mTRE of the regressor alone, by X-ray."""
        return [self._error(regressed_poses(model, self.volume, [c.xray])[0].pose, c) for c in self._cases]

    def aligned_mm(self, model: Model) -> list[float]:
        """mTRE where Levenberg-Marquardt ends under the learned similarity, from the wide starts."""
        found = []
        for case in self._cases:
            try:
                start = Case(self.volume, [case.xray], poses=case.start, model=model)
                pose = register(start, SYSTEMS["learned-similarity"]).pose
            except GeometryError:
                # it left the beam: no better than where it began
                pose = case.start
            found.append(self._error(pose, case))
        return found

    def costs(self, model: Model) -> tuple[list[float], list[float]]:
        """The learned cost of each X-ray at its truth, and at its wide start; a verdict's limit lies between."""
        look = Look(Trained(), 0).of(model)
        at_truth, at_start = [], []
        for case in self._cases:
            levels = Levels(self.volume, [case.xray], case.truth, 0.0, "auto")
            both = torch.stack([case.truth, case.start])
            objective = levels.objective(look)
            right, wrong = objective.linearize(objective.state(both), jacobian=False).cost.tolist()
            at_truth.append(right)
            at_start.append(wrong)
        return at_truth, at_start

    def start_mm(self) -> list[float]:
        """mTRE of the wide starts."""
        return [self._error(case.start, case) for case in self._cases]

    def _error(self, pose: Tensor, case: SimulatedCase) -> float:
        return self._made.error_mm(pose, case)


def median(values: Sequence[float]) -> float:
    """Of at least one number."""
    return float(torch.tensor(values, dtype=torch.float64).quantile(0.5))


if not TYPE_CHECKING:  # which would take any name for one of this module's
    __getattr__ = served(__name__)
