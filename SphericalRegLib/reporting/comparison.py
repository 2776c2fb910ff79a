"""A comparison of systems as one HTML page: table, paired tests, and what the errors look like."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from SphericalRegLib.evaluation.capture_report import GROSS_MM, SUCCESS_MM, CaptureReport
from SphericalRegLib.evaluation.comparison import COLUMNS, Pair, pairs, summaries
from SphericalRegLib.reporting.outcome import DISCLAIMER
from SphericalRegLib.reporting.report_style import STYLE

_TITLES = {
    "smsr": f"below {SUCCESS_MM:g} mm",
    "smsr_wilson95": "95 % interval",
    "median_mm": "median, mm",
    "median_bootstrap95_mm": "95 % interval",
    "p95_mm": "95th percentile, mm",
    "gross_failures": f"above {GROSS_MM:g} mm",
    "false_accepts": "of these accepted",
    "false_rejects": f"below {SUCCESS_MM:g} mm, rejected",
    "median_s": "seconds, median",
}
_LEAST_MM = 0.03


def comparison_html(reports: Mapping[str, CaptureReport], heading: str) -> str:
    """The whole page.

    Args:
        reports: {system: its report}, of the same cases.
        heading: of the page: which study of which CT.
    """
    table = summaries(reports)
    head = "".join(f"<th>{_TITLES[name]}</th>" for name in COLUMNS)
    body = "".join(
        f"<tr><th>{html.escape(name)}</th>{''.join(f'<td>{_shown(figures[column])}</td>' for column in COLUMNS)}</tr>"
        for name, figures in table.items()
    )
    parts = [
        f"<h1>{html.escape(heading)}</h1>",
        f"<p>{len(next(iter(reports.values())).rows)} cases, mean target registration error (mTRE). "
        f"{html.escape(DISCLAIMER)}</p>",
        f"<table><tr><th>system</th>{head}</tr>{body}</table>",
        _tests(pairs(reports)),
        *(_picture(title, figure) for title, figure in _figures(reports)),
    ]
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(heading)}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def comparison_text(reports: Mapping[str, CaptureReport]) -> str:
    """The table and the tests for a terminal."""
    table = summaries(reports)
    rows = [["system", *(_TITLES[name] for name in COLUMNS)]]
    rows += [[name, *(_shown(figures[column]) for column in COLUMNS)] for name, figures in table.items()]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *(_sentence(pair) for pair in pairs(reports))])


def _tests(tested: Sequence[Pair]) -> str:
    if not tested:
        return ""
    return (
        "<h2>Paired tests</h2><ul>" + "".join(f"<li>{html.escape(_sentence(pair))}</li>" for pair in tested) + "</ul>"
    )


def _sentence(pair: Pair) -> str:
    said = (
        f"{pair.second} against {pair.first}: below {SUCCESS_MM:g} mm by it alone {pair.only_second}, by the other "
        f"alone {pair.only_first} (McNemar p = {pair.success_p:.2g})"
    )
    if math.isnan(pair.median_difference_mm):
        return said + "."
    return said + (
        f"; where both succeed its error is {pair.median_difference_mm:+.3f} mm (median of the differences; Wilcoxon "
        f"p = {pair.error_p:.2g})."
    )


def _figures(reports: Mapping[str, CaptureReport]) -> list[tuple[str, Figure]]:
    errors = {name: np.array([max(row.mtre_mm, _LEAST_MM) for row in each.rows]) for name, each in reports.items()}
    seconds = {name: np.array([row.seconds for row in each.rows]) for name, each in reports.items()}
    curves = Figure(figsize=(8, 4.2), layout="constrained")
    axes = curves.subplots()
    for name, values in errors.items():
        ordered = np.sort(values)
        share = 100 * np.arange(1, len(ordered) + 1) / len(ordered)
        axes.step([_LEAST_MM, *ordered], [0, *share], where="post", label=name)
    axes.axvline(SUCCESS_MM, color="gray", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", xlabel="mTRE, mm", ylabel="cases below, %", ylim=(0, 101))
    axes.legend(fontsize="small")

    boxes = Figure(figsize=(8, 4.2), layout="constrained")
    axes = boxes.subplots()
    axes.boxplot(list(errors.values()), whis=(5, 95))
    axes.set_xticks(range(1, len(errors) + 1), list(errors), rotation=20, ha="right")
    axes.axhline(SUCCESS_MM, color="gray", linewidth=0.8, linestyle=":")
    axes.set(yscale="log", ylabel="mTRE, mm (box: quartiles, whiskers: 5 and 95 %)")

    against = Figure(figsize=(8, 4.2), layout="constrained")
    axes = against.subplots()
    for name, values in errors.items():
        axes.plot(float(np.median(seconds[name])), 100 * float((values < SUCCESS_MM).mean()), "o", label=name)
    axes.set(xscale="log", xlabel="seconds a case, median", ylabel=f"below {SUCCESS_MM:g} mm, %", ylim=(-2, 102))
    axes.legend(fontsize="small")
    return [("Cumulative error", curves), ("Distribution of errors", boxes), ("Time against accuracy", against)]


def _picture(title: str, figure: Figure) -> str:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<h2>{title}</h2><img alt="{title}" src="data:image/png;base64,{data}">'


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(_shown(item) for item in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)
