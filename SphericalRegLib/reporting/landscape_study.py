"""Landscapes of many X-rays in numbers: how often a cost has one minimum, where it is, and how wide its basin.

Chen and Kong, WACV 2026, Figure 3, shows one; these are over cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from SphericalRegLib.evaluation.statistics import bootstrap_interval, percentile, wilson_interval
from SphericalRegLib.landscape import Axis


def over_cases(numbers: Sequence[Mapping[str, Any]], axes: Sequence[Axis]) -> dict[str, dict[str, Any]]:
    """{cost: its numbers over all X-rays}: medians with bootstrap intervals, and how often there is one minimum.

    Args:
        numbers: of each X-ray the costs of :func:`~SphericalRegLib.landscape.report.as_json`.
        axes: of the landscapes.
    """
    return {name: _over_cases([one[name] for one in numbers], axes) for name in numbers[0]}


def in_words(costs: Mapping[str, Mapping[str, Any]], axes: Sequence[Axis]) -> str:
    """What :func:`over_cases` found, a line for each cost."""
    lines = []
    for name, row in costs.items():
        basins = "; ".join(
            f"basin {axis.parameter} {row[f'basin_{axis.parameter}']:g} {axis.unit} "
            f"({row[f'basin_{axis.parameter}_bootstrap95'][0]:g} to {row[f'basin_{axis.parameter}_bootstrap95'][1]:g})"
            for axis in axes
        )
        low, high = row["one_minimum_wilson95"]
        lines.append(
            f"{name}: one minimum in {100 * row['one_minimum']:.0f} % ({100 * low:.0f} to {100 * high:.0f}), "
            f"{row['minimum_off_mm']:g} mm off the truth; {basins}"
        )
    return "\n".join(lines)


def _over_cases(found: Sequence[Mapping[str, Any]], axes: Sequence[Axis]) -> dict[str, Any]:
    single = sum(one["local_minima"] == 1 for one in found)
    away = [one["minimum"]["from_center_mm"] for one in found]
    told: dict[str, Any] = {
        "cases": len(found),
        "one_minimum": single / len(found),
        "one_minimum_wilson95": [round(x, 3) for x in wilson_interval(single, len(found))],
        "minimum_off_mm": round(percentile(away, 50), 2),
        "minimum_off_bootstrap95": [round(x, 2) for x in bootstrap_interval(away)],
    }
    for axis in axes:
        radii = [one["monotone_basin"][axis.parameter]["radius"] for one in found]
        told[f"basin_{axis.parameter}"] = round(percentile(radii, 50), 3)
        told[f"basin_{axis.parameter}_bootstrap95"] = [round(x, 3) for x in bootstrap_interval(radii)]
    return told
