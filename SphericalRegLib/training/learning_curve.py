"""A pose regressor's error on held-out X-rays over the time of its training.

Chen and Kong, WACV 2026, Figure 4, left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from SphericalRegLib.evaluation.simulated import SimulatedCases
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.onto_view import onto_view
from SphericalRegLib.networks.regressor import count_weights
from SphericalRegLib.similarity.learned import standardized
from SphericalRegLib.training.equal_times import Stopwatch, TimedSchedule
from SphericalRegLib.training.regressor import RegressorTrainer
from SphericalRegLib.training.trainer import Schedule
from SphericalRegLib.training.xrays import XRaySampler

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LearningCurve:
    """One training.

    Attributes:
        seconds: (T,) processor time in training, at which it was judged.
        errors_mm: (T, cases) mTRE.
        steps: all of them.
        weights: that were trained.
    """

    seconds: Array
    errors_mm: Array
    steps: int
    weights: int


class RegressorJudge:
    """X-rays as a regressor takes them, and how far its poses are from the truth.

    Args:
        made: the held-out cases.
        xrays: what the regressor is trained on: its view, nominal pose and range.
    """

    def __init__(self, made: SimulatedCases, xrays: XRaySampler) -> None:
        self._made, self._xrays = made, xrays
        images = []
        for case in made.cases:
            image, mask = onto_view(case.xray.image, case.xray.mask, case.xray.view, xrays.view)
            images.append(standardized(image[None], mask[None]))
        self._images = torch.stack(images).float()

    def errors_mm(self, regressor: nn.Module) -> list[float]:
        """mTRE by case of its poses alone."""
        regressor.eval()
        with torch.no_grad():
            twists = regressor(self._images).twists.double() * self._xrays.truth.twist
        regressor.train()
        nominal = self._xrays.nominal.double().expand(len(twists), 4, 4)
        poses: Tensor = se3.about(twists, nominal, self._xrays.volume.center)
        return [self._made.error_mm(pose, case) for pose, case in zip(poses, self._made.cases, strict=True)]


def learning_curve(
    judge: RegressorJudge, xrays: XRaySampler, schedule: Schedule, backbone: str, width: int = 32, checks: int = 10
) -> LearningCurve:
    """Train one, and judge it before, at equal distances on the way, and at the end; judging does not count as time.

    Args:
        judge: of the held-out X-rays.
        xrays: to train on.
        schedule: of training, by steps or by time.
        backbone, width: of the regressor, see :class:`~SphericalRegLib.networks.regressor.PoseRegressor`.
        checks: how often it is judged on the way.
    """
    trainer = RegressorTrainer(xrays, schedule, backbone, width)
    watch = schedule.watch if isinstance(schedule, TimedSchedule) else Stopwatch()
    seconds, errors, check = [0.0], [], 1
    with watch.pause():
        errors.append(judge.errors_mm(trainer.regressor))
    for at in trainer.steps():
        share = schedule.share(at.step)
        if share >= check / checks:
            check = int(share * checks) + 1
            seconds.append(watch.seconds)
            with watch.pause():
                errors.append(judge.errors_mm(trainer.regressor))
    return LearningCurve(np.array(seconds), np.array(errors), len(trainer.losses), count_weights(trainer.regressor))


def warm_up(xrays: XRaySampler, backbone: str, width: int = 32) -> None:
    """One step on two X-rays: what is compiled or loaded once is done before time counts."""
    for _ in RegressorTrainer(xrays, Schedule(1, 2, seed=0), backbone, width).steps():
        pass
