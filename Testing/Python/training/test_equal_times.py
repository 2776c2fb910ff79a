"""Equal times: rates that follow them, pauses that do not count, and trainings that end with them."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch

from SphericalRegLib.evaluation.simulated import simulated_cases
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.sample import sample_path
from SphericalRegLib.training.ablation import BASE, BY_INTENSITY, ROWS, UNTRAINED, VARIANTS, Ablation
from SphericalRegLib.training.equal_times import Stopwatch, TimedSchedule, schedule_for
from SphericalRegLib.training.learning_curve import RegressorJudge, learning_curve, warm_up
from SphericalRegLib.training.plan import Plan, prepared_volume
from SphericalRegLib.training.trainer import Schedule, Trainer
from SphericalRegLib.training.xrays import XRaySampler


class FakeWatch:
    seconds = 0.0


class OneWeight(Trainer):
    """Each step takes ten seconds of a watch."""

    def __init__(self, schedule: Schedule, watch: Any) -> None:
        super().__init__("test", schedule, {})
        self.weight, self.watch = torch.nn.Parameter(torch.ones(1)), watch
        self.prepare(torch.device("cpu"))

    def batch_loss(self, count: int) -> torch.Tensor:
        self.watch.seconds += 10.0
        return (self.weight**2).sum()


def test_the_rate_rises_and_falls_to_zero_with_time_whatever_the_step() -> None:
    watch: Any = FakeWatch()
    timing = TimedSchedule(10**6, learning_rate=2.0, seconds=100.0, watch=watch)
    rates = []
    for watch.seconds in (0.0, 5.0, 52.5, 100.0, 1e4):
        rates.append(timing.rate(1))
    assert rates[0] < 0.1
    assert rates[1] == pytest.approx(2.0, rel=0.01)
    assert rates[2] == pytest.approx(1.0, rel=0.01)
    assert rates[3] == pytest.approx(0.0, abs=1e-6)
    assert rates[4] == rates[3]


def test_pauses_do_not_count() -> None:
    watch = Stopwatch()
    with watch.pause():
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
    assert watch.seconds < 0.04


def test_a_training_ends_with_its_time_after_one_step_at_least() -> None:
    watch: Any = FakeWatch()
    trainer = OneWeight(TimedSchedule(2**31, seconds=35.0, watch=watch), watch)
    assert [at.step for at in trainer.steps()] == [1, 2, 3, 4]
    late: Any = FakeWatch()
    late.seconds = 100.0
    assert len(list(OneWeight(TimedSchedule(2**31, seconds=35.0, watch=late), late).steps())) == 1


def test_equal_steps_are_a_plain_schedule() -> None:
    assert schedule_for(60.0, 7, batch=3) == Schedule(7, batch=3)
    assert isinstance(schedule_for(60.0), TimedSchedule)


@pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")
def test_a_regressor_is_judged_before_on_the_way_and_at_the_end() -> None:
    made = simulated_cases(read_ct(sample_path("pelvis_lumbar_3mm.nii.gz")), SUITES["blind"], 2, 550_000)
    plan = Plan(pixels=32)
    volume = prepared_volume(made.volume, plan, 32)
    xrays = XRaySampler(volume, plan.view(), plan.nominal(volume.center), plan.truth, samples=48)
    warm_up(xrays, "posenet", 8)
    curve = learning_curve(RegressorJudge(made, xrays), xrays, Schedule(5, batch=2), "posenet", 8, checks=2)
    assert curve.errors_mm.shape == (3, 2)
    assert curve.steps == 5
    assert curve.seconds[0] == 0.0
    assert (np.diff(curve.seconds) > 0).all()
    assert curve.weights > 0


def test_an_ablation_has_a_row_for_each_part_and_what_is_not_trained() -> None:
    assert (BY_INTENSITY, UNTRAINED, *VARIANTS) == ROWS
    assert len(set(map(str, VARIANTS.values()))) == len(VARIANTS)
    made = simulated_cases(read_ct(sample_path("pelvis_lumbar_3mm.nii.gz")), SUITES["wide"], 1, 550_000)
    ablation = Ablation(made, Plan())
    untrained = ablation.row(UNTRAINED, lambda: Schedule(1))
    trained = ablation.row("Ψ: plain", lambda: Schedule(1, batch=2))
    assert "steps" not in untrained
    assert (trained["steps"], trained["loss_first"]) == (1, trained["loss_last_tenth"])
    assert trained["psi_relative_norm"] >= 0
    assert set(untrained["errors_mm"]) == set(trained["errors_mm"]) == {"wide", "half"}
    assert VARIANTS[BASE].loss == "step"
