"""A study's figures, as SVG and PNG: errors of the cases, time against accuracy, and losses of the trainings."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from SphericalRegLib.evaluation.capture_report import SUCCESS_MM
from SphericalRegLib.evaluation.statistics import bootstrap_interval, wilson_interval
from SphericalRegLib.evaluation.study.curves import SHIFT_MM, TURN_DEG
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
        seen = [row for row in table.rows if any(one.landscape for one in row.curves)]
        if seen:
            caption = f"{table.title}: costs around the truth, mean of {len(seen[0].curves)} cases (as Figure 3)"
            yield _drawn(f"table{number}-landscapes", caption, _landscapes(seen))
        moving = [row for row in table.rows if any(one.errors_mm for one in row.curves)]
        if moving:
            caption = (
                f"{table.title}: the first stage's way, median of {len(moving[0].curves)} cases (as Figure 4, right)"
            )
            yield _drawn(f"table{number}-convergence", caption, _convergence(moving))
        alone = [row for row in table.rows if row.alone]
        if len(alone) > 1:
            caption = f"{table.title}: networks alone, time and error (as Figure 4, left)"
            yield _drawn(f"table{number}-networks", caption, _networks(alone))


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


def _landscapes(rows: Sequence[RowResult]) -> Figure:
    """Each scaled to its own lowest and highest cost: similarities are of unlike units."""
    across = min(5, len(rows))
    down = -(-len(rows) // across)
    figure = Figure(figsize=(1.0 + 2.1 * across, 0.6 + 2.5 * down), layout="constrained")
    cells = np.atleast_1d(figure.subplots(down, across, sharex=True, sharey=True)).ravel()
    for axes, row in zip(cells, rows, strict=False):
        grids = [np.array(one.landscape) for one in row.curves if one.landscape]
        scaled = [_scaled(grid) for grid in grids]
        extent = (-SHIFT_MM, SHIFT_MM, -TURN_DEG, TURN_DEG)
        axes.imshow(
            np.mean(scaled, axis=0), origin="lower", extent=extent, aspect="auto", cmap="viridis", vmin=0, vmax=1
        )
        axes.plot(0, 0, "+", color="white")
        axes.set_title(textwrap.fill(_label(row), 26), fontsize="small")
    for axes in cells[len(rows) :]:
        axes.set_axis_off()
    figure.supxlabel("shift along the image, mm", fontsize="small")
    figure.supylabel("rotation about it, °", fontsize="small")
    return figure


def _scaled(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 0 to 1; where the CT leaves the beam the cost is infinite, and counts as the highest."""
    known = grid[np.isfinite(grid)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    filled = np.where(np.isfinite(grid), grid, high)
    return (filled - low) / max(high - low, 1e-12)


def _convergence(rows: Sequence[RowResult]) -> Figure:
    figure = Figure(figsize=(11.0, max(4.2, 1.0 + 0.24 * len(rows))), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for color, row in zip(_COLORS, rows, strict=False):
        paths = [one for one in row.curves if one.errors_mm]
        longest = max(len(one.errors_mm) for one in paths)
        # one that has ended stays where it is
        errors = np.array([one.errors_mm + one.errors_mm[-1:] * (longest - len(one.errors_mm)) for one in paths])
        middle = np.median(errors, axis=0)
        left.plot(np.arange(longest) + 1, middle, color=color, label=_label(row))
        seconds = np.array([one.seconds + one.seconds[-1:] * (longest - len(one.seconds)) for one in paths])
        right.plot(np.median(seconds, axis=0), middle, color=color, label=_label(row))
    left.set(xlabel="iterations + 1", ylabel="mTRE, mm", xscale="log", ylim=(0, None))
    right.set(xlabel="processor seconds")
    _legend(right)
    return figure


def _networks(rows: Sequence[RowResult]) -> Figure:
    figure, axes = _figure(len(rows))
    for color, row in zip(_COLORS, rows, strict=False):
        errors = [one.mtre_mm for one in row.reports[0].rows]
        low, high = bootstrap_interval(errors)
        seconds = float(np.median([one.seconds for one in row.reports[0].rows]))
        axes.plot([seconds, seconds], [low, high], color=color, alpha=0.5)
        axes.plot(seconds, float(np.median(errors)), "o", color=color, label=_label(row))
    axes.set(
        xlabel="seconds a case, median", ylabel="mTRE, mm: median and its 95 % interval", xscale="log", ylim=(0, None)
    )
    axes.grid(alpha=0.3)
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
