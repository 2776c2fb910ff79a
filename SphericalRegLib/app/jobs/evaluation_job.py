"""An evaluation as a job: a row for each case and system, and the reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

from SphericalRegLib.evaluation.capture import CaptureStudy
from SphericalRegLib.evaluation.capture_report import CaptureReport, CaptureRow


@dataclass(frozen=True)
class RowDone:
    """One case was registered by one system.

    Attributes:
        row: what came of it.
        count: of rows so far, this one included.
        total: of all rows.
        seconds_left: at the pace so far; None before a whole case has been timed.
    """

    row: CaptureRow
    count: int
    total: int
    seconds_left: float | None

    @property
    def done(self) -> float:
        """Share of the whole, 0 to 1."""
        return self.count / self.total


class EvaluationJob:
    """See :class:`~SphericalRegLib.app.jobs.job.Job`. To cancel it, close the iterator: that ends its workers as well.

    Args:
        study: the systems and the cases.
        clock: tells seconds.
    """

    def __init__(self, study: CaptureStudy, clock: Callable[[], float] = time.monotonic) -> None:
        self._study, self._clock = study, clock

    def __iter__(self) -> Generator[RowDone, None, None]:
        total, each = len(self._study), self._study.systems_count
        first, left = 0.0, None
        with closing(iter(self._study)) as rows:
            for count, row in enumerate(rows, 1):
                # rows of one case come at once; before the first case kernels were compiled, which is no pace
                whole, part = divmod(count - 1, each)
                if part == 0 and whole == 0:
                    first = self._clock()
                elif part == 0:
                    left = (self._clock() - first) / whole * (total // each - whole - 1)
                yield RowDone(row, count, total, left)

    def result(self) -> dict[str, CaptureReport]:
        """{name of the system: its report}."""
        return self._study.reports()
