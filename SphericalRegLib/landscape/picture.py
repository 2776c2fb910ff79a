"""Landscapes side by side: a surface and filled contours for each cost, as in Figure 3 of Chen and Kong (WACV 2026)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from SphericalRegLib.landscape.report import statistics
from SphericalRegLib.landscape.statistics import Statistics
from SphericalRegLib.landscape.survey import Landscape

#: How costs are called in pictures; others by their own name.
TITLES = {
    "ncc": "NCC",
    "gradient-ncc": "Gradient NCC",
    "local-ncc": "Local NCC",
    "tone-free": "Tone-free gradient",
    "learned": "Learned similarity",
    "se3": "se(3) geodesic",
    "so4": "SO(4) distance",
    "so4-projected": "SO(4) distance, projected",
}

_COLORS = "viridis"
_LEVELS = 24
# White with a dark rim: to be seen on every color.
_CENTER: dict[str, Any] = {
    "marker": "+",
    "s": 130,
    "linewidths": 2.2,
    "color": "white",
    "path_effects": [withStroke(linewidth=4, foreground="black")],
}
_MINIMUM: dict[str, Any] = {"marker": "o", "s": 60, "linewidths": 1.8, "facecolors": "none", "edgecolors": "#ff3b30"}
# Where there is no value.
_EMPTY = "0.85"


def draw(landscape: Landscape) -> bytes:
    """PNG with one row for each cost: its surface at the left, its contours at the right, all over the same axes.

    Each row has its own color scale, for costs differ in theirs. Poses without value are left empty.
    """
    rows = len(landscape.names)
    # inches; all places below are shares of it
    height = 0.7 + 4.3 * rows
    figure = Figure(figsize=(11, height), dpi=110)
    FigureCanvasAgg(figure)
    for row, (name, found) in enumerate(statistics(landscape).items()):
        bottom = (4.3 * (rows - 1 - row) + 0.65) / height
        title = TITLES.get(name, name)
        surface = figure.add_axes((0.0, bottom - 0.35 / height, 0.5, 4.0 / height), projection="3d")
        _surface(surface, landscape, row, found)
        contours = figure.add_axes((0.58, bottom, 0.31, 3.25 / height))
        bar = figure.add_axes((0.905, bottom, 0.015, 3.25 / height))
        _contours(figure, contours, bar, landscape, row, found)
        figure.text(0.03, bottom + 3.42 / height, title, fontsize=14, fontweight="bold", va="bottom")
    _legend(figure, 1 - 0.3 / height, empty=bool(np.isnan(landscape.values).any()))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _range(found: Statistics) -> tuple[float, float]:
    """Of colors and heights; a flat surface has one, too."""
    flat = found.highest - found.lowest <= 1e-12 * max(abs(found.highest), 1e-300)
    return (found.lowest - 0.5, found.highest + 0.5) if flat else (found.lowest, found.highest)


def _surface(axes: Any, landscape: Landscape, row: int, found: Statistics) -> None:
    low, high = _range(found)
    first, second = np.meshgrid(landscape.first.values, landscape.second.values, indexing="ij")
    values = landscape.values[row]
    axes.plot_surface(
        first, second, values, cmap=_COLORS, vmin=low, vmax=high, rcount=61, ccount=61, linewidth=0.15, edgecolor="0.25"
    )
    axes.set(zlim=(low, high))
    axes.set_xlabel(landscape.first.label, labelpad=6)
    axes.set_ylabel(landscape.second.label, labelpad=9)
    axes.set_zlabel("cost", labelpad=5)
    axes.tick_params(labelsize=8)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_major_locator(MaxNLocator(4))
    axes.view_init(elev=32, azim=-58)
    axes.set_box_aspect((1, 1, 0.72), zoom=0.92)


def _contours(figure: Figure, axes: Axes, bar: Axes, landscape: Landscape, row: int, found: Statistics) -> None:
    low, high = _range(found)
    axes.set_facecolor(_EMPTY)
    levels = np.linspace(low, high, _LEVELS + 1)
    filled = axes.contourf(
        landscape.first.values,
        landscape.second.values,
        np.ma.masked_invalid(landscape.values[row].T),
        levels=levels,
        cmap=_COLORS,
    )
    axes.contour(filled, levels=levels[::2], colors="black", linewidths=0.4, alpha=0.55)
    axes.scatter(0, 0, zorder=5, **_CENTER)
    axes.scatter(*found.minimum, zorder=6, clip_on=False, **_MINIMUM)
    axes.set(xlabel=landscape.first.label, ylabel=landscape.second.label)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    figure.colorbar(filled, cax=bar, label="cost (small is good)", ticks=MaxNLocator(6))


def _legend(figure: Figure, height: float, empty: bool) -> None:
    marks = figure.add_axes((0, 0, 0, 0), frameon=False, xticks=[], yticks=[])
    center = marks.scatter([], [], label="pose in the middle", **_CENTER)
    minimum = marks.scatter([], [], label="minimum of the grid", **_MINIMUM)
    handles: list[Any] = [center, minimum]
    if empty:
        handles.append(Patch(facecolor=_EMPTY, label="no value: CT out of the beam"))
    figure.legend(handles=handles, loc="center right", bbox_to_anchor=(0.95, height), ncols=3, frameon=False)
