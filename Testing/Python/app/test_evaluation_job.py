"""An evaluation told row by row, cancelled between two of them, with the reports at the end."""

from __future__ import annotations

from typing import Any

import pytest

from SphericalRegLib.app import Cancelled, Controller, Finished, Progressed
from SphericalRegLib.app.jobs.evaluation_job import EvaluationJob, RowDone
from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.capture import CaptureStudy, compare_systems
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.registration import SYSTEMS
from SphericalRegLib.sample import sample_path
from Testing.Python.app.doubles import Diary, HandTurned

CHOSEN = [SYSTEMS["start-only"], SYSTEMS["landmarks-only"]]


@pytest.fixture(scope="module")
def scan() -> CT:
    return read_ct(sample_path("pelvis_lumbar_3mm.nii.gz"))


def controlled(job: EvaluationJob) -> tuple[Controller, HandTurned, Diary]:
    scheduler, diary = HandTurned(), Diary()
    controller = Controller(scheduler)
    controller.events.connect(diary)
    controller.start(lambda: job)
    return controller, scheduler, diary


def without_times(report: Any) -> list[dict[str, Any]]:
    return [{**vars(row), "seconds": 0} for row in report.rows]


def test_its_rows_and_reports_are_those_of_the_study(scan: CT) -> None:
    _controller, scheduler, diary = controlled(EvaluationJob(CaptureStudy(scan, CHOSEN, 2)))
    scheduler.run_out()
    steps: list[RowDone] = [event.step for event in diary.of(Progressed)]
    assert [(step.row.index, step.row.system) for step in steps] == [
        (index, system.name) for index in range(2) for system in CHOSEN
    ]
    assert [step.done for step in steps] == [0.25, 0.5, 0.75, 1.0]
    found, direct = diary.of(Finished)[0].result, compare_systems(scan, CHOSEN, 2)
    assert list(found) == ["start-only", "landmarks-only"]
    assert [without_times(one) for one in found.values()] == [without_times(one) for one in direct.values()]


class FakeStudy:
    """Four cases by two systems, each of which takes ten seconds."""

    systems_count = 2
    closed = False

    def __init__(self) -> None:
        self.now = 500.0

    def __len__(self) -> int:
        return 8

    def __iter__(self) -> Any:
        try:
            for n in range(8):
                self.now += 10.0 if n % 2 == 0 else 0.0
                yield f"row {n}"
        finally:
            self.closed = True


def test_the_time_left_is_told_by_whole_cases_from_the_second_one_on() -> None:
    study = FakeStudy()
    steps = list(EvaluationJob(study, clock=lambda: study.now))  # type: ignore[arg-type]
    assert [step.seconds_left for step in steps] == [None, None, 20.0, 20.0, 10.0, 10.0, 0.0, 0.0]


def test_it_is_cancelled_between_two_rows_and_the_study_ends_with_it(scan: CT) -> None:
    study = FakeStudy()
    controller, scheduler, diary = controlled(EvaluationJob(study))  # type: ignore[arg-type]
    scheduler.turn(4)
    assert controller.cancel()
    scheduler.run_out()
    assert diary.of(Cancelled)[0].count == 3
    assert study.closed
    half = CaptureStudy(scan, CHOSEN[:1], 2)
    next(iter(half))
    with pytest.raises(InputError, match="not finished"):
        half.reports()
