"""The capture study registers what it draws, the same way every time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.capture import evaluate_capture
from SphericalRegLib.evaluation.capture_report import CaptureReport, CaptureRow
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.sample import sample_path


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
