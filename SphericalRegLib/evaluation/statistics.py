"""What a study says about many registrations: success rate, capture range, percentiles, and how sure they are.

A registration that failed counts as the worst: errors that are NaN are taken as infinite, never left out.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from SphericalRegLib.errors import InputError


class Interval(NamedTuple):
    """Confidence interval."""

    low: float
    high: float


class Summary(NamedTuple):
    """Distribution of an error; ``inf`` where so many cases failed."""

    cases: int
    mean: float
    median: float
    p25: float
    p75: float
    p95: float
    maximum: float


def _errors(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).ravel()
    if array.size == 0:
        raise InputError("There are no cases to summarize.")
    if (array < 0).any():
        raise InputError(f"Errors are distances; {array.min()} is negative.")
    return np.where(np.isnan(array), np.inf, array)


def percentile(values: ArrayLike, percent: float) -> float:
    """Percentile by linear interpolation between the sorted errors (N,), as numpy's, but with infinite ones.

    Raises:
        InputError: for no or negative values, or a percentage outside 0 to 100.
    """
    if not 0 <= percent <= 100:
        raise InputError(f"A percentile lies between 0 and 100, not at {percent}.")
    ordered = np.sort(_errors(values))
    position = percent / 100 * (ordered.size - 1)
    below, part = int(position), position - int(position)
    # inf · 0 would be NaN
    return float(ordered[below] if part == 0 else (1 - part) * ordered[below] + part * ordered[below + 1])


def summarize(values: ArrayLike) -> Summary:
    """Distribution of errors (N,); raises InputError as :func:`percentile`."""
    errors = _errors(values)
    median, p25, p75, p95 = (percentile(errors, percent) for percent in (50, 25, 75, 95))
    return Summary(errors.size, float(errors.mean()), median, p25, p75, p95, float(errors.max()))


def smsr(mtre_mm: ArrayLike, threshold_mm: float = 1.0) -> float:
    """Sub-millimeter success rate, 0 to 1: the share of cases with mTRE (N,) below the threshold.

    Raises:
        InputError: for no or negative values.
    """
    return float((_errors(mtre_mm) < threshold_mm).mean())


def capture_range(
    start_errors: ArrayLike, successes: ArrayLike, bin_width: float = 1.0, required_rate: float = 0.95
) -> float:
    """Capture range: the start error up to which (nearly) all registrations succeed.

    Starts are put into bins of equal width from 0; the range ends at the upper edge of the last bin before the first
    in which fewer than ``required_rate`` succeed (van de Kraats et al. 2005, section II-E). Bins without starts say
    nothing and are passed over, but never end the range.

    Args:
        start_errors: (N,) e.g. mTRE in mm of the starts.
        successes: (N,) of bool.
        bin_width: in the unit of the start errors.
        required_rate: 0 to 1.

    Raises:
        InputError: for no cases, unequal lengths, starts that are not finite, or a width not above 0.
    """
    errors, good = _errors(start_errors), np.asarray(successes, dtype=bool).ravel()
    if errors.size != good.size:
        raise InputError(f"There are {errors.size} start errors but {good.size} results.")
    if not np.isfinite(errors).all():
        raise InputError("Start errors must be finite: leave out starts without a known error.")
    if not bin_width > 0:
        raise InputError(f"The bin width is {bin_width}: give one above 0, e.g. 1 mm.")
    bins = np.floor(errors / bin_width).astype(int)
    reached = 0.0
    for index in np.unique(bins):
        if good[bins == index].mean() < required_rate:
            break
        reached = (int(index) + 1) * bin_width
    return float(reached)


def wilson_interval(successes: int, count: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a success rate (E. B. Wilson, JASA 22, 1927); sensible at 0 % and 100 % too.

    Raises:
        InputError: for counts or a confidence that make no sense.
    """
    if count < 1 or not 0 <= successes <= count:
        raise InputError(f"{successes} successes of {count} cases make no rate.")
    z = float(norm.ppf(0.5 + _valid(confidence) / 2))
    rate, squared = successes / count, z * z / count
    center = (rate + squared / 2) / (1 + squared)
    half = z / (1 + squared) * math.sqrt(rate * (1 - rate) / count + squared / (4 * count))
    return Interval(max(0.0, center - half), min(1.0, center + half))


def bootstrap_interval(
    values: ArrayLike, percent: float = 50.0, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Percentile-bootstrap interval of a percentile of errors (N,), the median by default; the same for a given seed.

    Raises:
        InputError: for no or negative values, or settings that make no sense.
    """
    errors = _errors(values)
    if resamples < 1:
        raise InputError(f"{resamples} resamples are too few: take 1000 or more.")
    tail = (1 - _valid(confidence)) / 2 * 100
    draws = np.random.default_rng(seed).integers(errors.size, size=(resamples, errors.size))
    found: list[Any] = [percentile(errors[draw], percent) for draw in draws]
    return Interval(percentile(found, tail), percentile(found, 100 - tail))


def _valid(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise InputError(f"A confidence lies between 0 and 1, not at {confidence}: 0.95 is usual.")
    return confidence
