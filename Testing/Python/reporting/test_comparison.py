"""Systems compared on the same cases: numbers against those worked out by hand, and what is printed and drawn."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.capture_report import CaptureReport, as_csv
from SphericalRegLib.evaluation.comparison import COLUMNS, paired, pairs, summaries
from SphericalRegLib.reporting.comparison import comparison_html, comparison_text
from Testing.Python.evaluation.test_capture_report import ROW


def report(system: str, errors: list[float]) -> CaptureReport:
    return CaptureReport(
        tuple(
            replace(ROW, index=n, system=system, mtre_mm=error, seconds=0.2 * (n + 1)) for n, error in enumerate(errors)
        )
    )


# below 1 mm: both 6, the first alone 1, the second alone 3, none 1; where both: differences +.1 −.2 −.3 −.4 −.5 −.6
A = report("a", [0.10, 0.50, 0.60, 0.70, 0.80, 0.90, 0.3, 9.0, 9.0, 9.0, 50.0])
B = report("b", [0.20, 0.30, 0.30, 0.30, 0.30, 0.30, 7.0, 0.4, 0.4, 0.4, 60.0])


def test_mcnemar_counts_cases_by_one_alone() -> None:
    pair = paired(A, B)
    assert (pair.first, pair.second, pair.only_first, pair.only_second) == ("a", "b", 1, 3)
    # two-sided binomial: 2 · (C(4,0) + C(4,1)) / 2⁴
    assert pair.success_p == pytest.approx(2 * (1 + 4) / 16)
    alone = paired(report("a", [9.0] * 6), report("b", [0.1] * 6))
    assert alone.success_p == pytest.approx(2 / 64)


def test_wilcoxon_ranks_the_differences_where_both_succeed() -> None:
    pair = paired(A, B)
    assert pair.median_difference_mm == pytest.approx(-0.35)
    # the positive difference has rank 1 of 6: of 2⁶ signs those with a rank sum up to 1, or from 20 on: 2 and 2
    assert pair.error_p == pytest.approx(4 / 64)
    # all negative: 2 of 2⁶
    assert paired(report("a", [0.9] * 6), report("b", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])).error_p == pytest.approx(2 / 64)


def test_equal_systems_do_not_differ_and_without_common_successes_nothing_is_tested() -> None:
    same = paired(A, replace(A, rows=tuple(replace(row, system="c") for row in A.rows)))
    assert (same.only_first, same.only_second, same.success_p, same.error_p) == (0, 0, 1.0, 1.0)
    assert same.median_difference_mm == 0
    apart = paired(report("a", [0.1, 9.0]), report("b", [9.0, 0.1]))
    assert math.isnan(apart.error_p)
    assert math.isnan(apart.median_difference_mm)
    assert apart.success_p == 1.0


def test_other_cases_are_not_compared() -> None:
    with pytest.raises(InputError, match="only be compared on the same cases"):
        paired(A, CaptureReport(A.rows[:-1]))


def test_the_first_is_set_against_each_of_the_others() -> None:
    found = pairs({"a": A, "b": B, "c": report("c", [0.2] * 11)})
    assert [(pair.first, pair.second) for pair in found] == [("a", "b"), ("a", "c")]


def test_summaries_have_the_interval_of_their_median() -> None:
    table = summaries({"a": A, "b": B})
    assert set(COLUMNS) <= set(table["a"])
    assert table["a"]["smsr"] == pytest.approx(7 / 11)
    assert table["b"]["smsr"] == pytest.approx(9 / 11)
    low, high = table["a"]["median_bootstrap95_mm"]
    assert low <= table["a"]["median_mm"] == 0.8 <= high
    assert table["a"]["median_s"] == pytest.approx(1.2)


def test_the_text_has_a_line_for_each_system_and_test() -> None:
    lines = comparison_text({"a": A, "b": B}).splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("system  below 1 mm  95 % interval")
    assert lines[1].split()[:2] == ["a", "0.636"]
    assert lines[3] == (
        "b against a: below 1 mm by it alone 3, by the other alone 1 (McNemar p = 0.62); where both succeed its error "
        "is -0.350 mm (median of the differences; Wilcoxon p = 0.062)."
    )
    apart = comparison_text({"a": report("a", [0.1, 9.0]), "b": report("b", [9.0, 0.1])})
    assert apart.endswith("(McNemar p = 1).")


@pytest.mark.filterwarnings("error")
def test_the_page_holds_table_tests_and_plots_in_one_file() -> None:
    page = comparison_html({"a<1>": A, "b": B}, "wide study of <CT>")
    assert page.count("data:image/png;base64,") == 3
    for words in ("a&lt;1&gt;", "wide study of &lt;CT&gt;", "11 cases", "not a medical device", "McNemar p = 0.62"):
        assert words in page
    assert "<CT>" not in page
    for title in ("Cumulative error", "Distribution of errors", "Time against accuracy"):
        assert f'alt="{title}"' in page
    alone = comparison_html({"a": A}, "one")
    assert "Paired tests" not in alone


def test_the_table_of_rows_names_the_system() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv([*A.rows, *B.rows]))))
    assert [row["system"] for row in rows] == ["a"] * 11 + ["b"] * 11
    assert float(rows[11]["mtre_mm"]) == 0.2
