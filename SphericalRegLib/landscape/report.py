"""A landscape's numbers with their units, for people and for programs."""

from __future__ import annotations

import math
from typing import Any

from SphericalRegLib.landscape.costs import DISTANCES
from SphericalRegLib.landscape.grid import Axis
from SphericalRegLib.landscape.statistics import TOLERANCE, Basin, Statistics, measure
from SphericalRegLib.landscape.survey import Landscape


def statistics(landscape: Landscape, tolerance: float = TOLERANCE) -> dict[str, Statistics]:
    """Statistics of each cost by name, rotations scaled by the landscape's length.

    A distance between poses has a cone's tip at its minimum; its condition number is that of its square.
    """
    scale = (_scale(landscape.first, landscape), _scale(landscape.second, landscape))
    found = {}
    for name, values in zip(landscape.names, landscape.values, strict=True):
        axes = landscape.first.values, landscape.second.values
        measured = measure(values, *axes, scale=scale, tolerance=tolerance)
        if name in DISTANCES:
            squared = measure(values**2, *axes, scale=scale, tolerance=tolerance)
            measured = Statistics(**{**vars(measured), "condition": squared.condition})
        found[name] = measured
    return found


def as_json(landscape: Landscape, tolerance: float = TOLERANCE) -> dict[str, Any]:
    """Everything but the values themselves; what cannot be told (and a condition that is infinite) is None."""
    axes = (landscape.first, landscape.second)
    costs = {}
    conditions = dict(zip(landscape.names, landscape.conditions.tolist(), strict=True))
    for name, found in statistics(landscape, tolerance).items():
        costs[name] = {
            "minimum": {
                "value": found.lowest,
                "at": {axis.parameter: place for axis, place in zip(axes, found.minimum, strict=True)},
                "from_center_mm": from_center_mm(landscape, found),
            },
            "highest": found.highest,
            "monotone_basin": {
                axis.parameter: {
                    "radius": basin.radius,
                    "radius_is_at_least": basin.at_least,
                    "below": basin.below,
                    "above": basin.above,
                }
                for axis, basin in zip(axes, (found.first, found.second), strict=True)
            },
            "local_minima": found.minima,
            "local_minima_at_edge": found.minima_at_edge,
            "grid_hessian_condition_2x2_at_minimum": found.condition,
            "gauss_newton_condition_6x6_at_center": conditions[name] if math.isfinite(conditions[name]) else None,
            "poses_without_value": found.empty,
        }
    return {
        "axes": [
            {"parameter": axis.parameter, "unit": axis.unit, "extent": axis.extent, "steps": axis.steps}
            for axis in axes
        ],
        "pose_rig_from_world_ras_mm": landscape.pose.tolist(),
        "isocenter_ras_mm": landscape.isocenter.tolist(),
        "mm_per_radian": landscape.length,
        "noise_tolerance": tolerance,
        "costs": costs,
    }


def as_text(landscape: Landscape, tolerance: float = TOLERANCE) -> str:
    """The same in words, a paragraph for each cost."""
    first, second = landscape.first, landscape.second
    conditions = dict(zip(landscape.names, landscape.conditions.tolist(), strict=True))
    paragraphs = []
    for name, found in statistics(landscape, tolerance).items():
        at = ", ".join(
            f"{axis.parameter} {place:+.3g} {axis.unit}"
            for axis, place in zip((first, second), found.minimum, strict=True)
        )
        lines = {
            "minimum": f"{found.lowest:.4g} at {at}; {from_center_mm(landscape, found):.1f} mm from the center",
            "monotone basin": f"{_told(first, found.first)}; {_told(second, found.second)}",
            "local minima": f"{found.minima}, of which {found.minima_at_edge} at the edge",
            "condition, 2×2": f"{_number(found.condition)} (of these two parameters, at the minimum of the grid)",
        }
        if name not in DISTANCES:
            lines["condition, 6×6"] = f"{_number(conditions[name])} (Gauss-Newton, all parameters, at the center)"
        if found.empty:
            lines["without value"] = f"{found.empty} of {first.steps * second.steps} poses: CT out of the beam"
        paragraphs.append("\n".join([name, *(f"  {key:15} {text}" for key, text in lines.items())]))
    return "\n".join(paragraphs)


def from_center_mm(landscape: Landscape, found: Statistics) -> float:
    """mm from the center pose to the minimum in the plane of the grid, rotations counted at ``length``."""
    axes = (landscape.first, landscape.second)
    return math.hypot(*(place * _scale(axis, landscape) for axis, place in zip(axes, found.minimum, strict=True)))


def _scale(axis: Axis, landscape: Landscape) -> float:
    """mm that one unit of an axis counts."""
    return landscape.length if axis.unit == "rad" else 1.0


def _told(axis: Axis, basin: Basin) -> str:
    radius = f"{'at least ' if basin.at_least else ''}{basin.radius:.3g} {axis.unit}"
    return f"{axis.parameter} {radius} (-{basin.below:.3g} to +{basin.above:.3g})"


def _number(condition: float | None) -> str:
    return "none" if condition is None or math.isnan(condition) else f"{condition:.3g}"
