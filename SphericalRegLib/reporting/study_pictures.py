"""Pictures of studies as PNG: errors along optimizers' ways, errors over training, and shares found row by row."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from SphericalRegLib.evaluation.convergence import Paths
from SphericalRegLib.evaluation.within import median_band

Array = NDArray[np.float64]

_COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
_DPI = 130


def convergence_picture(found: Mapping[str, Paths], within_mm: float, title: str) -> bytes:
    """Medians over the cases, and the share found, by iteration and by second.

    Args:
        found: {optimizer: its paths}.
        within_mm: what counts as found.
        title: what was minimized.
    """
    figure = _figure(9.6, 6.6)
    (upper, upper_right), (lower, lower_right) = figure.subplots(2, 2, sharex="col", sharey="row")
    times = np.linspace(0, max(float(np.median(paths.seconds[:, -1])) for paths in found.values()), 300)
    for color, (name, paths) in zip(_COLORS, found.items(), strict=False):
        for top, bottom, places, errors in (
            (upper, lower, np.arange(paths.errors_mm.shape[1], dtype=np.float64), paths.errors_mm),
            (upper_right, lower_right, times, paths.at(times)),
        ):
            _band(top, places, errors, color, name)
            bottom.plot(places, 100 * (errors < within_mm).mean(axis=0), color=color)
    cases = len(next(iter(found.values())).errors_mm)
    upper.set(ylabel="median mTRE, mm", ylim=(0, None))
    upper.legend(fontsize="small")
    lower.set(xlabel="iterations", ylabel=f"cases within {within_mm:g} mm, %", ylim=(0, 100), xlim=(0, None))
    lower_right.set(xlabel="processor seconds a case, one core", xlim=(0, times[-1]))
    figure.suptitle(f"{title}; {cases} simulated X-rays; bands: 95 % bootstrap of the median", fontsize="medium")
    return _png(figure)


def learning_picture(curves: Mapping[str, tuple[Array, Array]], title: str) -> bytes:
    """Median error over training time.

    Args:
        curves: {backbone and weights: (seconds (T,), mTRE in mm (T, cases))}.
        title: how it was trained and judged.
    """
    figure = _figure(6.4, 4.0)
    axes = figure.subplots()
    for color, (label, (seconds, errors_mm)) in zip(_COLORS, curves.items(), strict=False):
        _band(axes, seconds, errors_mm.T, color, label, "o-", markersize=3)
    axes.set(xlabel="training, processor seconds", ylabel="median mTRE, mm", ylim=(0, None), xlim=(0, None))
    axes.legend(fontsize="small", title="backbone, weights", loc="lower left")
    axes.set_title(title, fontsize="medium")
    return _png(figure)


def shares_picture(rows: Mapping[str, Mapping[str, Any]], starts: Mapping[str, str], title: str) -> bytes:
    """Share found with its interval, row by row.

    Args:
        rows: {name: row}, each with a :func:`~SphericalRegLib.evaluation.within.near_and_middle` for each start.
        starts: {start: in words}, two of them.
        title: of the picture.
    """
    figure = _figure(8.2, 1.3 + 0.36 * len(rows))
    axes = figure.subplots()
    for shift, color, (start, words) in zip((-0.14, 0.14), _COLORS, starts.items(), strict=False):
        for place, row in enumerate(rows.values()):
            low, high = (100 * x for x in row[start]["share_wilson95"])
            axes.plot([low, high], [place + shift] * 2, color=color, linewidth=2, alpha=0.5)
            label = words if place == 0 else None
            axes.plot(100 * row[start]["share"], place + shift, "o", color=color, markersize=5, label=label)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    within = next(iter(rows.values()))[next(iter(starts))]["within_mm"]
    axes.set(xlabel=f"cases brought within {within:g} mm, % (95 % Wilson interval)", xlim=(-2, 102))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False, title="starts")
    figure.suptitle(title, fontsize="medium", x=0.02, ha="left")
    return _png(figure)


def _band(axes: Axes, places: Array, errors_mm: Array, color: str, label: str, form: str = "-", **line: Any) -> None:
    """Median of errors (cases, T) over places (T,), with the interval of the median."""
    middle, low, high = median_band(errors_mm)
    axes.plot(places, middle, form, color=color, label=label, **line)
    axes.fill_between(places, low, high, color=color, alpha=0.13, linewidth=0)


def _figure(width: float, height: float) -> Figure:
    """Without a window."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DPI, format="png")
    return buffer.getvalue()
