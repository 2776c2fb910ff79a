"""A study on the frames of a data set: where rows ended, the usual view of one patient's networks, and a whole run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from SphericalRegLib.app.jobs.study_job import StudyJob
from SphericalRegLib.app.study.plan import read_plan
from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.capture import CaptureStudy
from SphericalRegLib.evaluation.datasets import Subject
from SphericalRegLib.evaluation.datasets.folder import Folder
from SphericalRegLib.evaluation.study.placed import FrameBench, PlacedRow, frame_bench, offset_of, usual_view
from SphericalRegLib.evaluation.study.work import from_truth
from SphericalRegLib.evaluation.suites import SUITES, Suite
from SphericalRegLib.initialization import SearchRange
from SphericalRegLib.registration import SYSTEMS
from SphericalRegLib.sample import sample_path
from SphericalRegLib.training.plan import Plan
from Testing.Python.evaluation.datasets import twins

NEAR = Suite("near", SearchRange(1, 1, 1), SearchRange(2, 1, 2))


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    twins.write_folder(tmp_path)
    return Folder(str(tmp_path)).subject("anna")


def bench(subject: Subject, suite: Suite = NEAR) -> FrameBench:
    made = CaptureStudy(subject.ct(), [SYSTEMS["start-only"]], 2, 7, suite=suite).bench
    return frame_bench(made, subject)


def test_starts_are_drawn_around_the_truth_of_the_frame_and_errors_are_at_its_points(subject: Subject) -> None:
    made = bench(subject)
    assert torch.equal(made.target.points, subject.targets)
    for index, frame in enumerate(subject.frames):
        (row,) = made.rows(index)
        assert isinstance(row, PlacedRow)
        assert row.nominal == frame.name
        assert row.mtre_mm == row.start_mtre_mm
        assert 0.1 < row.mtre_mm < 6
        case, xray, _ = made.case_of(index)
        assert torch.equal(case.truth, frame.pose)
        assert xray.view is frame.view
    assert not torch.equal(made.case_of(0)[0].start, made.case_of(1)[0].start)


def test_from_the_truth_nothing_is_off(subject: Subject) -> None:
    (row,) = from_truth(bench(subject), 3).rows(0)
    assert row.mtre_mm < 1e-6
    assert isinstance(row, PlacedRow)
    assert abs(row.right_mm) + abs(row.anterior_mm) + abs(row.superior_mm) < 1e-6


def test_an_offset_that_all_share_is_told_and_what_ended_far_does_not_count(subject: Subject) -> None:
    (row,) = from_truth(bench(subject), 3).rows(0)
    assert isinstance(row, PlacedRow)
    near = [replace(row, right_mm=0.5 + 0.01 * n, mtre_mm=1.0) for n in range(5)]
    found = offset_of([*near, replace(row, right_mm=50.0, mtre_mm=50.0)])
    assert found is not None
    assert found.registrations == 5
    assert found.mean[0] == pytest.approx(0.52)
    assert offset_of(near[:1]) is None


def test_what_is_not_found_and_has_no_start_is_no_success(subject: Subject) -> None:
    made = bench(subject, SUITES["blind"])
    truth = subject.frames[1].pose
    start = made.case_of(1)[0].start
    assert float((start[:3, :3] - truth[:3, :3]).norm()) > 1e-3


def test_one_patients_networks_learn_from_the_frames_side(subject: Subject) -> None:
    center = subject.volume().center
    alone = replace(subject, frames=subject.frames[:1])
    usual = usual_view(alone, center)
    assert torch.allclose(usual.orientation, subject.frames[0].pose[:3, :3], atol=1e-9)
    assert usual.sdd == pytest.approx(twins.SDD)
    assert usual.detector_mm == pytest.approx(twins.COLUMNS * twins.PIXEL)
    turn = tuple(usual.orientation.flatten().tolist())
    plan = Plan(sdd=usual.sdd, sad=usual.sad, detector_mm=usual.detector_mm, orientation=turn)
    assert torch.allclose(plan.nominal(center), usual.pose(center))
    assert plan.told()["orientation"] == turn
    assert "orientation" not in Plan().told()


class TestStudy:
    def content(self, **changes: object) -> dict:
        table = {"title": "T", "kind": "agnostic", "train": ["pelvis"], "test": "mine", "suite": "bones", "cases": 2}
        return {
            "data": {
                "pelvis": {"ct": f"{sample_path('pelvis_lumbar_3mm.nii.gz')}", "downsample": 4},
                "mine": {"dataset": "set", "subject": "anna"},
            },
            "sanity_cases": 1,
            "tables": [table | {"rows": ["intensity"]} | changes],
        }

    def test_runs_on_the_frames_of_a_data_set(self, tmp_path: Path) -> None:
        twins.write_folder(tmp_path / "set")
        (tmp_path / "plan.yaml").write_text(yaml.safe_dump(self.content()))
        job = StudyJob(read_plan(str(tmp_path / "plan.yaml")), tmp_path / "out")
        for _ in job:
            pass
        (table,) = job.result().tables
        assert "2 X-rays of anna, errors at 5 points" in table.data
        assert "mTRE at the data set's points" in table.notes[0]
        assert [row.nominal for row in table.rows[0].reports[0].rows] == ["x0", "x1"]

    def test_more_cases_than_frames_are_refused(self, tmp_path: Path) -> None:
        twins.write_folder(tmp_path / "set")
        (tmp_path / "plan.yaml").write_text(yaml.safe_dump(self.content(cases=3)))
        with pytest.raises(InputError, match="3 cases are wanted, and anna has 2 frames"):
            StudyJob(read_plan(str(tmp_path / "plan.yaml")), tmp_path / "out")

    def test_a_data_set_that_there_is_not_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "plan.yaml").write_text(yaml.safe_dump(self.content()))
        with pytest.raises(InputError, match=r"there is no data set .*set"):
            read_plan(str(tmp_path / "plan.yaml"))
