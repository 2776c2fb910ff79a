"""Systems on the same cases, compared: figures with intervals, and paired tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest, wilcoxon

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.capture_report import SUCCESS_MM, CaptureReport
from SphericalRegLib.evaluation.statistics import bootstrap_interval

#: Of a report's summary, what a table of several systems shows.
COLUMNS = (
    "smsr",
    "smsr_wilson95",
    "median_mm",
    "median_bootstrap95_mm",
    "p95_mm",
    "gross_failures",
    "false_accepts",
    "false_rejects",
    "median_s",
)


@dataclass(frozen=True)
class Pair:
    """Two systems on the same cases.

    Attributes:
        first, second: their names.
        only_first, only_second: cases below 1 mm by one of them alone.
        success_p: of McNemar's exact test, that both succeed equally often.
        median_difference_mm: of the errors, the second's less the first's, where both succeed; NaN where none does.
        error_p: of Wilcoxon's signed-rank test on these; 1 where they do not differ, NaN where there are none.
    """

    first: str
    second: str
    only_first: int
    only_second: int
    success_p: float
    median_difference_mm: float
    error_p: float


def summaries(reports: Mapping[str, CaptureReport]) -> dict[str, dict[str, Any]]:
    """{system: figures}, each with the bootstrap interval of its median."""
    table = {}
    for name, report in reports.items():
        low, high = bootstrap_interval([row.mtre_mm for row in report.rows])
        table[name] = report.summary() | {"median_bootstrap95_mm": [low, high]}
    return table


def paired(first: CaptureReport, second: CaptureReport) -> Pair:
    """Test two systems against each other.

    Raises:
        InputError: for reports of other cases.
    """
    if [row.index for row in first.rows] != [row.index for row in second.rows]:
        raise InputError("Two systems can only be compared on the same cases.")
    a, b = (np.array([row.mtre_mm for row in report.rows]) for report in (first, second))
    good_a, good_b = a < SUCCESS_MM, b < SUCCESS_MM
    only_a, only_b = int((good_a & ~good_b).sum()), int((good_b & ~good_a).sum())
    discordant = only_a + only_b
    both = good_a & good_b
    difference = (b - a)[both]
    error_p = float("nan")
    if difference.size:
        error_p = float(wilcoxon(difference).pvalue) if np.any(difference != 0) else 1.0
    return Pair(
        first.rows[0].system,
        second.rows[0].system,
        only_a,
        only_b,
        float(binomtest(only_a, discordant).pvalue) if discordant else 1.0,
        float(np.median(difference)) if difference.size else float("nan"),
        error_p,
    )


def pairs(reports: Mapping[str, CaptureReport]) -> list[Pair]:
    """The first system against each of the others."""
    first, *others = reports.values()
    return [paired(first, other) for other in others]
