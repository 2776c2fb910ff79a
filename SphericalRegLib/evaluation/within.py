"""How many cases end near the truth, and how far off the middle one is, each with its interval over the cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SphericalRegLib.evaluation.statistics import bootstrap_interval, percentile, wilson_interval


def near_and_middle(errors_mm: Sequence[float], within_mm: float) -> dict[str, Any]:
    """Share within a limit and median of errors (N,), with 95 % intervals (Wilson; bootstrap of the median)."""
    good = sum(error < within_mm for error in errors_mm)
    return {
        "cases": len(errors_mm),
        "within_mm": within_mm,
        "share": good / len(errors_mm),
        "share_wilson95": [round(x, 3) for x in wilson_interval(good, len(errors_mm))],
        "median_mm": round(percentile(errors_mm, 50), 2),
        "median_bootstrap95": [round(x, 2) for x in bootstrap_interval(errors_mm)],
    }


def in_words(found: dict[str, Any]) -> str:
    """What :func:`near_and_middle` found, in one line."""
    low, high = found["share_wilson95"]
    bottom, top = found["median_bootstrap95"]
    return (
        f"within {found['within_mm']:g} mm {100 * found['share']:3.0f} % ({100 * low:.0f} to {100 * high:.0f})   "
        f"median {found['median_mm']:6.2f} mm ({bottom:.2f} to {top:.2f})"
    )


def median_band(errors_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, T) median of errors (cases, T), and the ends of its 95 % bootstrap interval; the same cases at all T."""
    draws = np.random.default_rng(0).integers(len(errors_mm), size=(1000, len(errors_mm)))
    resampled = np.median(errors_mm[draws], axis=1)
    return np.stack([np.median(errors_mm, axis=0), *np.percentile(resampled, [2.5, 97.5], axis=0)])
