"""Success rates, capture range, percentiles and their intervals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.statistics import (
    bootstrap_interval,
    capture_range,
    percentile,
    smsr,
    summarize,
    wilson_interval,
)

errors = st.lists(st.floats(0, 1e6), min_size=1, max_size=40)


@given(errors, st.floats(0, 100))
def test_percentiles_agree_with_numpy(values, percent):
    assert percentile(values, percent) == pytest.approx(np.percentile(values, percent), rel=1e-9, abs=1e-9)


def test_a_failed_case_counts_as_infinite_and_is_not_left_out():
    values = [0.2, 0.4, math.nan, math.inf]
    assert smsr(values) == 0.5
    assert percentile(values, 25) == pytest.approx(0.35)
    found = summarize(values)
    assert (found.cases, found.mean, found.maximum, found.median) == (4, math.inf, math.inf, math.inf)


def test_the_success_rate_counts_what_is_below_the_threshold():
    assert smsr([0.5, 1.0, 1.5, 0.999]) == 0.5
    assert smsr([0.5, 1.0, 1.5, 0.999], threshold_mm=2.0) == 1.0


def test_a_summary_holds_the_distribution():
    found = summarize(np.arange(101.0))
    assert (found.cases, found.mean, found.median, found.p25, found.p75, found.p95, found.maximum) == (
        101, 50, 50, 25, 75, 95, 100,
    )  # fmt: skip


def test_the_capture_range_ends_before_the_first_bin_with_failures():
    starts = [0.5, 1.5, 2.5, 3.5, 3.6, 4.5]
    assert capture_range(starts, [True, True, True, True, False, True]) == 3.0
    assert capture_range(starts, [True] * 6) == 5.0
    assert capture_range(starts, [False] + [True] * 5) == 0.0
    assert capture_range(starts, [True, True, True, True, False, True], required_rate=0.5) == 5.0


def test_bins_without_starts_are_passed_over():
    assert capture_range([0.5, 7.5], [True, True], bin_width=1.0) == 8.0
    assert capture_range([0.5, 7.5], [True, False], bin_width=1.0) == 1.0


@settings(max_examples=60)
@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95]))
def test_wilsons_interval_agrees_with_scipy(case, confidence):
    successes, count = case
    expected = binomtest(successes, count).proportion_ci(confidence, method="wilson")
    found = wilson_interval(successes, count, confidence)
    assert found.low == pytest.approx(expected.low, abs=1e-12)
    assert found.high == pytest.approx(expected.high, abs=1e-12)


def test_the_bootstrap_interval_holds_the_median_and_shrinks_with_more_cases():
    values = np.random.default_rng(1).exponential(size=400)
    few, many = bootstrap_interval(values[:25], resamples=400), bootstrap_interval(values, resamples=400)
    assert many.low < np.median(values) < many.high
    assert many.high - many.low < few.high - few.low


def test_the_bootstrap_is_the_same_for_the_same_seed():
    values = np.random.default_rng(1).exponential(size=50)
    assert bootstrap_interval(values, resamples=200, seed=3) == bootstrap_interval(values, resamples=200, seed=3)
    assert bootstrap_interval(values, resamples=200, seed=3) != bootstrap_interval(values, resamples=200, seed=4)


def test_the_bootstrap_interval_covers_the_true_median_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(120):
        low, high = bootstrap_interval(generator.exponential(size=40), resamples=200, confidence=0.9, seed=trial)
        covered += low < math.log(2) < high
    assert 0.8 < covered / 120 < 0.98


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: smsr([]), "no cases"),
        (lambda: summarize([-1.0]), "negative"),
        (lambda: percentile([1.0], 101), "101"),
        (lambda: capture_range([1.0, 2.0], [True]), "2 start errors but 1"),
        (lambda: capture_range([math.inf], [True]), "finite"),
        (lambda: capture_range([1.0], [True], bin_width=0), "bin width is 0"),
        (lambda: wilson_interval(3, 2), "3 successes of 2"),
        (lambda: wilson_interval(0, 0), "0 of 0|0 successes of 0"),
        (lambda: wilson_interval(1, 2, 1.0), "confidence"),
        (lambda: bootstrap_interval([1.0], resamples=0), "resamples"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_value(call, words):
    with pytest.raises(InputError, match=words):
        call()
