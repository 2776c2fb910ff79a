"""Errors along optimizers' ways: what is made of them, and that they end where evaluate says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.evaluation import convergence
from SphericalRegLib.evaluation.capture import compare_systems
from SphericalRegLib.evaluation.convergence import COMPARED, Paths, compared_stages, figures, follow, with_best_rate
from SphericalRegLib.evaluation.simulated import SimulatedCases, simulated_cases
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.registration import SYSTEMS, Look
from SphericalRegLib.registration.system import learned_stage
from SphericalRegLib.sample import sample_path
from SphericalRegLib.similarity import GradientNCC


@pytest.fixture(scope="module")
def scan() -> CT:
    return read_ct(sample_path("pelvis_lumbar_3mm.nii.gz"))


@pytest.fixture(scope="module")
def made(scan: CT) -> SimulatedCases:
    return simulated_cases(scan, SUITES["capture"], 2, 0)


class TestPaths:
    def test_errors_at_a_time_are_those_of_the_last_finished_iteration(self) -> None:
        paths = Paths(np.array([[9.0, 5.0, 1.0]]), np.array([[0.0, 1.0, 2.0]]))
        assert paths.at(np.array([0.0, 0.9, 1.0, 1.9, 2.0, 7.0])).tolist() == [[9, 9, 5, 5, 1, 1]]

    def test_the_plateau_begins_where_a_twentieth_of_the_descent_is_left(self) -> None:
        assert convergence.plateau(np.array([100.0, 50.0, 14.6, 14.4, 10.0, 10.0])) == 3
        assert convergence.plateau(np.array([3.0, 3.0])) == 0

    def test_paces_are_compared_on_cases_that_all_found(self) -> None:
        seconds = np.tile(np.arange(4.0), (2, 1))
        quick = Paths(np.array([[9.0, 1.0, 1.0, 1.0], [9.0, 1.0, 1.0, 1.0]]), seconds)
        slow = Paths(np.array([[9.0, 1.0, 9.0, 1.0], [9.0, 9.0, 9.0, 9.0]]), 2 * seconds)
        found = convergence.until_found({"quick": quick, "slow": slow}, 5.0)
        assert (found["quick"]["cases"], found["quick"]["iterations"], found["quick"]["seconds"]) == (1, 1, 1)
        assert (found["slow"]["cases"], found["slow"]["iterations"], found["slow"]["seconds"]) == (1, 3, 6)

    def test_figures_tell_the_way_as_far_as_it_goes(self) -> None:
        paths = Paths(np.array([[9.0, 8.0, 7.0, 6.0, 5.0, 4.0]]), np.arange(6.0)[None])
        row = figures({"one": paths}, 5.0)["one"]
        assert list(row["by_iteration"]) == [0, 5]
        assert (row["end"]["share"], row["end"]["median_mm"], row["errors_mm"]) == (1.0, 4.0, [4.0])
        assert row["median_ms_an_iteration"] == 1000.0


class TestFollowing:
    def test_every_optimizer_ends_where_evaluate_says_of_its_row(self, scan: CT, made: SimulatedCases) -> None:
        reports = compare_systems(scan, [SYSTEMS[name] for name in COMPARED.values()], 2)
        for words, stage in compared_stages().items():
            paths = follow(made, stage)
            rows = reports[COMPARED[words]].rows
            assert paths.errors_mm.shape == (2, 101)
            assert paths.errors_mm[:, 0].tolist() == [row.start_mtre_mm for row in rows]
            assert paths.errors_mm[:, -1].tolist() == [row.mtre_mm for row in rows]
            assert (np.diff(paths.seconds, axis=1) >= 0).all()

    def test_another_cost_and_length_are_those_of_all(self) -> None:
        look = Look(GradientNCC(1.0), 32)
        stages = compared_stages(look, 120)
        assert {stage.look for stage in stages.values()} == {look}
        assert {stage.optimizer.iterations for stage in stages.values()} == {120}
        # rests at no flat part of the way
        assert stages["Adam"].optimizer == replace(
            SYSTEMS["figure-4-adam"].stages[0].optimizer,  # type: ignore[type-var]
            iterations=120,
            patience=121,
        )
        with pytest.raises(CheckpointError, match="compares by a trained model's similarity"):
            compared_stages(learned_stage().look)

    def test_the_rate_that_ends_nearest_is_taken(self, made: SimulatedCases) -> None:
        stage = compared_stages(Look(GradientNCC(1.0), 32), 3)["Adam"]
        chosen, medians = with_best_rate(made, stage, (1e-6, 2.0))
        assert list(medians) == [1e-6, 2.0]
        assert chosen.optimizer.learning_rate == min(medians, key=lambda rate: medians[rate])  # type: ignore[attr-defined]


def test_at_least_one_case_is_measured_on(scan: CT) -> None:
    with pytest.raises(InputError, match="cases is 0"):
        simulated_cases(scan, SUITES["capture"], 0, 0)
