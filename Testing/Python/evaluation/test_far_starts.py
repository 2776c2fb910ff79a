"""Where a similarity alone leads from far, and rows that are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.far_starts import found_apart, from_far, off_deg
from SphericalRegLib.evaluation.kept_rows import KeptRows
from SphericalRegLib.evaluation.simulated import simulated_cases
from SphericalRegLib.evaluation.suites import Suite
from SphericalRegLib.initialization import SearchRange
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.optimization.problem import Linearization
from SphericalRegLib.registration import Look
from SphericalRegLib.sample import sample_path
from SphericalRegLib.similarity import GradientNCC


def test_from_near_all_are_found_and_the_first_step_points_to_the_truth() -> None:
    near = Suite("near", SearchRange(5, 5, 5), SearchRange(1, 2, 4))
    made = simulated_cases(read_ct(sample_path("pelvis_lumbar_3mm.nii.gz")), near, 2, 1)
    found = from_far(made, Look(GradientNCC(1.0), 64), 1e-3, 5.0)
    assert found["wide"]["share"] == found["half"]["share"] == 1.0
    assert found["first_step_off_deg"] < 60
    assert [len(errors) for errors in found["errors_mm"].values()] == [2, 2]
    # at the truth itself nothing is far
    there = replace(made, cases=[replace(case, start=case.truth) for case in made.cases])
    assert from_far(there, Look(GradientNCC(1.0), 64), 1e-3, 5.0)["wide"]["share"] == 1.0


def test_the_angle_is_that_of_the_damped_step_in_millimeters() -> None:
    gradient = torch.tensor([[0.0, 0.0, 0.0, -1.0, 0.0, 0.0]], dtype=torch.float64)
    at = Linearization(torch.zeros(1, dtype=torch.float64), gradient, torch.eye(6, dtype=torch.float64)[None])
    for wanted, angle in (((0, 0, 0, 2, 0, 0), 0.0), ((0, 0, 0, 0, 5, 0), 90.0), ((0, 0, 0, -1, 0, 0), 180.0)):
        twist = torch.tensor([wanted], dtype=torch.float64)
        assert off_deg(at, twist, 1e-3, 100.0) == pytest.approx(angle, abs=1e-4)


def test_a_row_is_set_against_the_base_case_by_case() -> None:
    row, base = ({"errors_mm": {"wide": errors}} for errors in ([1.0, 30.0, 30.0, 1.0], [30.0, 1.0, 30.0, 2.0]))
    assert found_apart(row, base, 20.0) == {"wide": [1, 1]}


def test_rows_are_found_again_and_those_of_other_settings_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    KeptRows(path, {"seconds": 1}).add("a", {"share": 0.5})
    assert KeptRows(path, {"seconds": 1}).rows == {"a": {"share": 0.5}}
    with pytest.raises(InputError, match="other settings"):
        KeptRows(path, {"seconds": 2})
    path.write_text("[1]")
    with pytest.raises(InputError, match="no rows of a study"):
        KeptRows(path, {"seconds": 1})
    KeptRows(None, {}).add("a", {})
