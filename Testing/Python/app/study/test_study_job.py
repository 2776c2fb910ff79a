"""A study goes on after a kill to the same figures, adds a row without redoing the rest, and prints what it found."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import yaml

from SphericalRegLib.app.jobs.study_job import StudyJob
from SphericalRegLib.app.study.plan import StudyPlan, read_plan
from SphericalRegLib.app.study.rows import ROWS
from SphericalRegLib.cli.commands.study import write_report
from SphericalRegLib.cli.main import main
from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.capture_report import CaptureReport
from SphericalRegLib.evaluation.study.engines import LocalEngine
from SphericalRegLib.evaluation.study.result import StudyResult
from SphericalRegLib.registration import SYSTEMS
from SphericalRegLib.reporting.study_figures import study_figures
from SphericalRegLib.reporting.study_tables import as_csv, latex, markdown

# a regressor alone is the quickest row there is
CONTENT = {
    "data": {"pelvis": {"ct": "sample:pelvis_lumbar_3mm.nii.gz", "downsample": 4}},
    "budget": {"steps": 3, "pixels": 32, "batch": 2},
    "sanity_cases": 1,
    "tables": [
        {"title": "T", "kind": "specific", "test": "pelvis", "suite": "blind", "cases": 4, "rows": ["posenet"]},
    ],
}


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(CONTENT))
    return path


@pytest.fixture
def plan(plan_file: Path) -> StudyPlan:
    return read_plan(str(plan_file))


def run(plan: StudyPlan, folder: Path, workers: int = 1) -> StudyResult:
    job = StudyJob(plan, folder, LocalEngine(workers))
    for _ in job:
        pass
    return job.result()


def figures(result: StudyResult) -> list[tuple]:
    """All that does not depend on the clock."""
    return [
        tuple(replace(row, seconds=0.0) for row in report.rows)
        for table in result.tables
        for one in table.rows
        for report in one.reports
    ]


def test_a_study_ends_the_same_wherever_it_was_stopped(plan: StudyPlan, tmp_path: Path) -> None:
    expected = figures(run(plan, tmp_path / "whole"))
    for stop in (1, 3):
        folder = tmp_path / f"stopped-{stop}"
        steps = iter(StudyJob(plan, folder))
        list(islice(steps, stop))
        steps.close()  # type: ignore[attr-defined]
        assert figures(run(plan, folder)) == expected


def test_two_processes_give_the_same_figures_as_one(plan: StudyPlan, tmp_path: Path) -> None:
    assert figures(run(plan, tmp_path / "two", 2)) == figures(run(plan, tmp_path / "one"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
def test_a_killed_study_goes_on_and_loses_no_case_that_was_done(
    plan_file: Path, plan: StudyPlan, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "SphericalRegLib.cli.main", "study", str(plan_file), "-o", str(folder), "-q"]
    child = subprocess.Popen(command, cwd=Path(__file__).parents[4], env=os.environ | {"OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and child.poll() is None:
        kept = [line for file in folder.glob("cases/*.jsonl") for line in file.read_text().splitlines()[1:]]
        if len(kept) >= 2:
            break
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    file = next(folder.glob("cases/*.jsonl"))
    before = file.read_text()
    assert before.count("\n") >= 3
    models = {path: path.stat().st_mtime_ns for path in folder.glob("models/*")}
    found = run(plan, folder)
    assert file.read_text().startswith(before[: before.rindex("\n") + 1])
    assert {path: path.stat().st_mtime_ns for path in folder.glob("models/*")} == models
    assert figures(found) == figures(run(plan, tmp_path / "whole"))


def test_a_row_that_is_added_later_leaves_the_others_alone(plan: StudyPlan, tmp_path: Path) -> None:
    run(plan, tmp_path / "s")
    kept = {
        path: path.read_bytes()
        for folder in ("cases", "models", "bars")
        for path in (tmp_path / "s" / folder).iterdir()
    }
    (table,) = plan.tables
    wider = replace(
        plan, tables=(replace(table, rows=(*table.rows, replace(table.rows[0], name="again", title="Again"))),)
    )
    found = run(wider, tmp_path / "s")
    assert [row.name for row in found.tables[0].rows] == ["posenet", "again"]
    assert {path: path.read_bytes() for path in kept} == kept
    # the same system on the same cases
    first, second = (
        [replace(row, system="", seconds=0.0) for row in one.reports[0].rows] for one in found.tables[0].rows
    )
    assert first == second


def test_a_row_whose_method_has_changed_begins_anew(
    plan: StudyPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(plan, tables=(replace(plan.tables[0], cases=1),))
    run(few, tmp_path / "s")
    changed = replace(SYSTEMS["regressor-only"], retries=1)
    monkeypatch.setitem(SYSTEMS, "regressor-only", changed)
    run(few, tmp_path / "s")
    assert len(list((tmp_path / "s" / "cases").iterdir())) == 2
    assert len(list((tmp_path / "s" / "models").glob("*.safetensors"))) == 1


def test_more_cases_keep_those_that_were_done(plan: StudyPlan, tmp_path: Path) -> None:
    few = figures(run(plan, tmp_path / "s"))[0]
    more = figures(run(replace(plan, tables=(replace(plan.tables[0], cases=5),)), tmp_path / "s"))[0]
    assert more[:4] == few
    assert len(more) == 5


def test_a_budget_of_minutes_becomes_steps_once(plan: StudyPlan, tmp_path: Path) -> None:
    timed = replace(plan, budget=replace(plan.budget, minutes=0.02), tables=(replace(plan.tables[0], cases=1),))
    found = run(timed, tmp_path / "s")
    (trained,) = found.tables[0].rows[0].trained
    told = next((tmp_path / "s").glob("trainings/*/steps.json")).read_text()
    assert told == f'{{"regressor": {trained.steps["regressor"]}}}'
    assert "0.02 processor minutes" in found.made["each training"]


def test_a_second_process_in_the_folder_is_refused(plan: StudyPlan, tmp_path: Path) -> None:
    steps = iter(StudyJob(plan, tmp_path / "s"))
    next(steps)
    with pytest.raises(InputError, match="Another process runs a study"):
        next(iter(StudyJob(plan, tmp_path / "s")))
    steps.close()  # type: ignore[attr-defined]


def test_a_library_that_a_row_needs_is_asked_for_before_anything_is_done(
    plan: StudyPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nlopt", None)
    (table,) = plan.tables
    other = replace(plan, tables=(replace(table, rows=(ROWS["bobyqa"],)),))
    with pytest.raises(InputError, match="BOBYQA needs nlopt, which is not installed"):
        StudyJob(other, tmp_path / "s")
    assert not (tmp_path / "s" / "cases").exists()


def test_an_unfinished_study_has_no_tables(plan: StudyPlan, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="The study is not finished"):
        StudyJob(plan, tmp_path / "s").result()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    folder = tmp_path_factory.mktemp("study")
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(CONTENT))
    one = run(read_plan(str(path)), folder / "s")
    (table,) = one.tables
    # so few steps raise or lower the loss by chance
    row = replace(table.rows[0], bars=replace(table.rows[0].bars, losses={"regressor": (1.0, 0.9)}))
    good = CaptureReport(tuple(replace(case, mtre_mm=0.5, system="other") for case in row.reports[0].rows))
    clear = replace(row.bars, losses={}, improved=None)
    other = replace(row, name="other", title="Ψ & co_1", reports=(good, good), trained=(), bars=clear, published={})
    return replace(one, tables=(replace(table, rows=(row, other)),))


class TestReport:
    def test_a_row_that_fails_its_bars_says_so_in_every_format(self, found: StudyResult) -> None:
        table = found.tables[0]
        assert table.rows[0].bars.failures()
        text = markdown(found)
        assert "PoseNet FAILED, and its figures are no result: the loss of its regressor" in text
        assert "| FAILED |" in text
        rows = list(csv.DictReader(as_csv(found).splitlines()))
        assert [row["bars"] for row in rows] == ["FAILED", "cleared"]
        assert "PoseNet$^\\ast$" in latex(found)

    def test_small_print_and_published_figures_are_never_lost(self, found: StudyResult) -> None:
        row = found.tables[0].rows[0]
        for text in (markdown(found), as_csv(found)):
            for note in row.notes:
                assert note in text
            assert "4.3 % / 16.6" in text
        assert "PSSS-reg is not implemented here." in markdown(found)

    def test_figures_are_those_of_the_cases(self, found: StudyResult) -> None:
        rows = list(csv.DictReader(as_csv(found).splitlines()))
        assert rows[1]["< 1 mm, % (95 %)"] == "100.0 (51 to 100)"
        assert rows[1]["mTRE median, mm (95 %)"] == "0.5 (0.5 to 0.5)"
        assert rows[1]["other seeds, %"] == "100.0"
        assert "below 1 mm by it alone 0, by the other alone 4 (McNemar p = 0.12)" in markdown(found)

    def test_latex_has_no_letter_that_would_stop_it(self, found: StudyResult) -> None:
        text = latex(found)
        assert r"$\Psi$ \& co\_1" in text
        body = text[text.index(r"\midrule") :]
        assert not [line for line in body.splitlines() if "%" in line.replace(r"\%", "")]

    def test_the_page_and_its_figures_are_written_whole(self, found: StudyResult, tmp_path: Path) -> None:
        write_report(found, tmp_path)
        names = {path.name for path in (tmp_path / "figures").iterdir()}
        stems = ("table1-errors", "table1-time", "table1-losses", "table1-networks")
        assert names == {f"{stem}.{end}" for stem in stems for end in ("svg", "png")}
        page = (tmp_path / "report.html").read_text()
        assert page.count("<img") == 4
        assert "<tr class='failed'><th>PoseNet</th>" in page
        assert (tmp_path / "tables.tex").exists()

    def test_the_same_result_draws_the_same_files(self, found: StudyResult) -> None:
        first, second = (list(study_figures(found)) for _ in range(2))
        assert [one.svg for one in first] == [one.svg for one in second]


def test_the_smoke_plan_runs_to_its_end_by_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "smoke", "-o", str(tmp_path / "out"), "-q"]) == 0
    told = capsys.readouterr().out
    for title in ("PoseNet", "DiffPose's cost, LM", "ProST-m's features, LM", "CDreg (pooled head)"):
        assert f"| {title} |" in told
    assert (tmp_path / "out" / "report.html").stat().st_size > 50_000
