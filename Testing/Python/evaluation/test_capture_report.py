"""The figures of a capture study follow from its rows as they are defined."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.capture_report import CaptureReport, CaptureRow

ROW = CaptureRow(
    index=0,
    system="intensity",
    nominal="AP",
    occluded=False,
    part="",
    start_mtre_mm=60.0,
    mtre_mm=0.2,
    mpe_mm=0.1,
    mrpe_mm=0.05,
    rotation_deg=0.1,
    in_plane_mm=0.02,
    depth_mm=0.2,
    mtre_diffpose=0.01,
    cost=0.1,
    depth_sd_mm=0.1,
    rotation_95_deg=0.3,
    plane_95_mm=0.2,
    depth_95_mm=0.6,
    accepted=True,
    verdict="accepted",
    reasons="",
    seconds=0.5,
)


def report(*errors_and_verdicts: tuple[float, bool]) -> CaptureReport:
    rows = (
        replace(
            ROW,
            index=n,
            mtre_mm=error,
            accepted=accepted,
            verdict="accepted" if accepted else "rejected",
            seconds=0.1 * (n + 1),
        )
        for n, (error, accepted) in enumerate(errors_and_verdicts)
    )
    return CaptureReport(tuple(rows))


def test_counts_of_failures_and_verdicts_follow_their_limits() -> None:
    summary = report((0.2, True), (0.9, False), (3.0, True), (5.0, True), (8.0, True), (80.0, False)).summary()
    assert summary["cases"] == 6
    assert summary["smsr"] == pytest.approx(2 / 6)
    assert summary["gross_failures"] == 2  # 5.0 itself is not above 5
    assert summary["false_accepts"] == 1
    assert summary["false_rejects"] == 1
    assert summary["accepted"] == 4


def test_a_case_between_one_and_five_millimeters_is_neither_false_accept_nor_false_reject() -> None:
    summary = report((2.0, True), (2.0, False), (1.0, False)).summary()
    assert (summary["smsr"], summary["false_accepts"], summary["false_rejects"]) == (0.0, 0, 0)


def test_percentiles_and_times_are_those_of_the_rows() -> None:
    summary = report(*((float(n), True) for n in range(5))).summary()
    assert (summary["median_mm"], summary["p75_mm"], summary["max_mm"]) == (2.0, 3.0, 4.0)
    assert summary["p95_mm"] == pytest.approx(3.8)
    assert summary["median_s"] == pytest.approx(0.3)


def test_the_interval_of_the_success_rate_is_wilsons() -> None:
    # 97 of 100: published example values of Wilson's score interval
    summary = report(*[(0.3, True)] * 97, *[(9.0, False)] * 3).summary()
    assert summary["smsr_wilson95"] == pytest.approx([0.9155, 0.9897], abs=1e-4)


def test_the_summary_is_plain_json() -> None:
    summary = report((0.2, True), (7.0, False)).summary()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_rows_are_written_as_csv_with_headings(tmp_path: Path) -> None:
    written = CaptureReport((ROW, replace(ROW, index=1, reasons="weak, and wide", accepted=False)))
    written.write_csv(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["index"] for line in lines] == ["0", "1"]
    assert lines[1]["reasons"] == "weak, and wide"
    assert float(lines[0]["mtre_mm"]) == 0.2


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        CaptureReport((ROW,)).write_csv(tmp_path / "nowhere" / "rows.csv")


def test_a_report_without_cases_is_refused() -> None:
    with pytest.raises(InputError, match="at least one case"):
        CaptureReport(())


def test_success_is_told_by_view_and_by_what_of_the_ct_was_registered():
    rows = (
        replace(ROW, mtre_mm=0.4),
        replace(ROW, nominal="PA", mtre_mm=2.0),
        replace(ROW, nominal="PA", part="side", mtre_mm=0.5),
        replace(ROW, part="side", mtre_mm=9.0),
    )
    figures = CaptureReport(rows).summary()
    assert figures["smsr_by_view"] == {"AP": 0.5, "PA": 0.5}
    assert figures["smsr_by_part"] == {"whole CT": 0.5, "side": 0.5}
