"""What Figures 3 and 4 show: costs are lowest at the truth, and the way begins at the start and ends nearer."""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.evaluation.capture import CaptureStudy
from SphericalRegLib.evaluation.study.curves import case_curves
from SphericalRegLib.evaluation.study.placed import study_bench
from SphericalRegLib.evaluation.study.work import RowBench, from_truth, gradient_angle, register_case
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.registration import SYSTEMS
from SphericalRegLib.sample import sample_path


def bench(name: str, suite: str = "capture") -> RowBench:
    ct = read_ct(sample_path("pelvis_lumbar_3mm.nii.gz"), downsample=3)
    study = CaptureStudy(ct, [SYSTEMS[name]], 2, 7, suite=SUITES[suite])
    return RowBench(study_bench(study.bench), name, measures_time=False)


def test_a_landscape_is_lowest_at_the_truth_and_the_way_leads_nearer() -> None:
    found = case_curves(bench("figure-4-levenberg-marquardt", "bones"), (0, 5))
    grid = np.array(found.landscape)
    assert grid.shape == (5, 5)
    assert np.unravel_index(grid.argmin(), grid.shape) == (2, 2)
    assert len(found.errors_mm) == len(found.seconds) > 5
    assert min(found.errors_mm) < found.errors_mm[0]
    assert found.seconds == sorted(found.seconds)


def test_what_does_not_iterate_has_no_way_and_what_does_not_align_nothing_at_all() -> None:
    assert case_curves(bench("bobyqa-gradients"), (0, 3)).errors_mm == []
    alone = case_curves(bench("start-only"), (0, 3))
    assert (alone.errors_mm, alone.landscape) == ([], [])


def test_a_bench_from_the_truth_starts_there() -> None:
    shared = bench("start-only")
    row = register_case(RowBench(from_truth(shared.bench, 5), "drift", measures_time=False), 0)
    assert row.start_mtre_mm == pytest.approx(0, abs=1e-6)


def test_a_gradients_angle_is_of_learned_similarities_alone() -> None:
    assert gradient_angle(bench("one-start"), 0) is None
