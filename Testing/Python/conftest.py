"""What a run of the tests says at its end."""

from __future__ import annotations

from typing import Any

from Testing.Python.skips import left_out


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """In place of pytest's own list of skips, which takes a line for each place in the code."""
    skipped = terminalreporter.stats.get("skipped", [])
    # file, line and reason; of an expected failure, its text
    reasons = [report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)]
    if reasons:
        terminalreporter.write_line(left_out(reasons))
