"""The capture study registers what it draws, the same way every time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.capture import CaptureStudy, evaluate_capture
from SphericalRegLib.evaluation.capture_report import CaptureReport, CaptureRow
from SphericalRegLib.evaluation.suites import Suite
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.initialization import SearchRange
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.registration import SYSTEMS
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.anatomy.cut import KINDS


@pytest.fixture(scope="module")
def pelvis() -> CT:
    return read_ct(sample_path("pelvis_lumbar_3mm.nii.gz"))


@pytest.fixture(scope="module")
def study(pelvis: CT) -> tuple[CaptureReport, list[CaptureRow]]:
    heard: list[CaptureRow] = []
    return evaluate_capture(pelvis, cases=2, seed=0, progress=heard.append), heard


def timeless(report: CaptureReport) -> list[CaptureRow]:
    return [replace(row, seconds=0.0) for row in report.rows]


def test_the_sample_is_registered_from_far_off(study: tuple[CaptureReport, list[CaptureRow]]) -> None:
    report, _ = study
    assert [row.start_mtre_mm > 10 for row in report.rows] == [True, True]
    assert report.summary()["median_mm"] < 1.5
    assert all(row.seconds > 0 for row in report.rows)


def test_progress_is_told_every_row_in_order(study: tuple[CaptureReport, list[CaptureRow]]) -> None:
    report, heard = study
    assert tuple(heard) == report.rows


def test_a_case_does_not_depend_on_how_many_there_are(
    pelvis: CT, study: tuple[CaptureReport, list[CaptureRow]]
) -> None:
    assert timeless(evaluate_capture(pelvis, cases=1, seed=0)) == timeless(study[0])[:1]


def test_a_study_without_cases_is_refused(pelvis: CT) -> None:
    with pytest.raises(InputError, match="cases=0"):
        evaluate_capture(pelvis, cases=0)


class TestPartsOfACT:
    def test_half_of_the_cases_are_of_parts_half_of_them_with_instruments(self, pelvis: CT) -> None:
        study = CaptureStudy(pelvis, [SYSTEMS["near"]], 8, seed=3, parts=True)
        targets = [study.bench.target_of(index) for index in range(8)]
        parts = [target.part for target in targets]
        assert [bool(part) for part in parts] == [False, False, True, True] * 2
        assert set(parts) - {""} <= set(KINDS)
        whole = targets[0].volume
        for target in (target for target in targets if target.part):
            assert target.volume.density.numel() < 0.85 * whole.density.numel()
            # it stays where it was, and errors are measured within it
            inside = (
                torch.linalg.inv(target.volume.world_from_voxel)
                @ torch.cat([target.points, torch.ones(len(target.points), 1, dtype=torch.float64)], 1).T
            )
            size = torch.tensor(target.volume.density.shape[:0:-1], dtype=torch.float64)
            assert (inside[:3] > -0.5).all()
            assert (inside[:3] < size[:, None] - 0.5).all()
        again = CaptureStudy(pelvis, [SYSTEMS["near"]], 3, seed=3, parts=True).bench.target_of(2)
        assert torch.equal(again.volume.density, targets[2].volume.density)

    def test_a_part_is_registered_to_the_xray_of_all(self, pelvis: CT) -> None:
        near = SYSTEMS["near"]
        options = {"system": near, "suite": Suite("near", SearchRange(5, 10, 10), SearchRange(2, 4, 8))}
        rows = evaluate_capture(pelvis, cases=3, seed=0, parts=True, **options).rows
        assert rows[2].part in KINDS
        assert timeless(evaluate_capture(pelvis, cases=2, seed=0, **options)) == [
            replace(row, seconds=0.0) for row in rows[:2]
        ]
        assert rows[2].mtre_mm < 5 or not rows[2].accepted

    def test_they_are_refused_with_bones_or_a_model(self, pelvis: CT) -> None:
        with pytest.raises(InputError, match="leave parts out"):
            evaluate_capture(pelvis, cases=1, parts=True, labels=[1])
