"""A study's figures, as SVG and PNG: errors of the cases, time against accuracy, and losses of the trainings."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from SphericalRegLib.evaluation.capture_report import SUCCESS_MM
from SphericalRegLib.evaluation.statistics import wilson_interval
from SphericalRegLib.evaluation.study.result import RowResult, StudyResult, TableResult

_LEAST_MM = 0.03
_DPI = 130
# 20 hues that differ, dark and light of each
_COLORS = [matplotlib.colormaps["tab20"](n) for n in (*range(0, 20, 2), *range(1, 20, 2))]


class Drawn(NamedTuple):
    """A figure: its name as a file, a caption, and both formats."""

    name: str
    caption: str
    png: bytes
    svg: str


def study_figures(study: StudyResult) -> Iterator[Drawn]:
    """All figures, table by table."""
    for number, table in enumerate(study.tables, 1):
        yield _drawn(f"table{number}-errors", f"{table.title}: share of cases below an error", _errors(table))
        yield _drawn(f"table{number}-time", f"{table.title}: time against accuracy, 95 % intervals", _time(table))
        trained = [row for row in table.rows if row.trained]
        if trained:
            yield _drawn(f"table{number}-losses", f"{table.title}: losses, relative to their first", _losses(trained))


def _errors(table: TableResult) -> Figure:
    figure, axes = _figure(len(table.rows))
    for color, row in zip(_COLORS, table.rows, strict=False):
        values = np.sort([max(one.mtre_mm, _LEAST_MM) for one in row.reports[0].rows])
        share = 100 * np.arange(1, len(values) + 1) / len(values)
        style = ":" if row.bars.failures() else "-"
        axes.step([_LEAST_MM, *values], [0, *share], style, where="post", color=color, label=_label(row))
    axes.axvline(SUCCESS_MM, color="gray", linewidth=0.8, linestyle="--")
    axes.set(xscale="log", xlabel="mTRE, mm", ylabel="cases below, %", ylim=(0, 101))
    _legend(axes)
    return figure


def _time(table: TableResult) -> Figure:
    figure, axes = _figure(len(table.rows))
    for color, row in zip(_COLORS, table.rows, strict=False):
        rows = row.reports[0].rows
        good = sum(one.mtre_mm < SUCCESS_MM for one in rows)
        low, high = (100 * end for end in wilson_interval(good, len(rows)))
        seconds, rate = float(np.median([one.seconds for one in rows])), 100 * good / len(rows)
        axes.plot([seconds, seconds], [low, high], color=color, linewidth=1.5, alpha=0.5)
        axes.plot(seconds, rate, "x" if row.bars.failures() else "o", color=color, label=_label(row))
    axes.set(xscale="log", xlabel="seconds a case, median", ylabel=f"below {SUCCESS_MM:g} mm, %", ylim=(-2, 102))
    axes.grid(alpha=0.3)
    _legend(axes)
    return figure


def _losses(rows: Sequence[RowResult]) -> Figure:
    figure, axes = _figure(sum(len(row.trained[0].curves) for row in rows))
    seen: list[object] = []
    for color, row in zip(_COLORS, rows, strict=False):
        for phase, (steps, losses) in row.trained[0].curves.items():
            # rows that share a training have one curve
            if (steps, losses) in seen:
                continue
            seen.append((steps, losses))
            done = np.array(steps) / steps[-1]
            first = abs(losses[0]) or 1.0
            axes.plot(100 * done, np.array(losses) / first, "--" if phase == "regressor" else "-", color=color,
                      label=f"{row.title}, {phase}", linewidth=1.2)  # fmt: skip
    axes.axhline(1 / 3, color="gray", linewidth=0.8, linestyle=":")
    axes.set(xlabel="of the training, %", ylabel="loss, of its first (dotted: the bar)")
    axes.set_ylim(min(0.0, axes.get_ylim()[0]), min(2.0, max(1.1, axes.get_ylim()[1])))
    _legend(axes)
    return figure


def _label(row: RowResult) -> str:
    return f"{row.title} (failed)" if row.bars.failures() else row.title


def _figure(entries: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(9.0, max(4.2, 1.0 + 0.24 * entries)), layout="constrained")
    return figure, figure.subplots()


def _legend(axes: Axes) -> None:
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _drawn(name: str, caption: str, figure: Figure) -> Drawn:
    FigureCanvasAgg(figure)
    pixels, text = io.BytesIO(), io.StringIO()
    figure.savefig(pixels, format="png", dpi=_DPI)
    # the same figures give the same file
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return Drawn(name, caption, pixels.getvalue(), text.getvalue())
