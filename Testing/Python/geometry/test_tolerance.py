"""What a person typed is not as exact as what a file tells, and either can be said to be better or worse."""

import math

import pytest

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry.tolerance import EXACT, GeometryTolerance, Tolerance, in_words

SPACING = (0.4, 0.3)


def test_what_was_typed_is_known_to_a_percent_and_what_a_file_tells_exactly():
    nothing_said = GeometryTolerance()
    assert nothing_said.of(1000.0, SPACING, sdd_typed=False, spacing_typed=False) == EXACT
    assert nothing_said.of(1000.0, SPACING, sdd_typed=True, spacing_typed=False).focal == pytest.approx(0.01)
    both = nothing_said.of(1000.0, SPACING, sdd_typed=True, spacing_typed=True)
    assert both.focal == pytest.approx(math.sqrt(2) * 0.01)
    assert both.center_mm == 0


def test_what_is_stated_counts_whoever_told_the_number():
    stated = GeometryTolerance(sdd_mm=5.0, spacing_mm=0.003, center_mm=4.0)
    for typed in (False, True):
        known = stated.of(1000.0, SPACING, sdd_typed=typed, spacing_typed=typed)
        assert known.focal == pytest.approx(math.hypot(0.005, 0.01))
        assert known.center_mm == 4.0
    assert GeometryTolerance(0.0, 0.0).of(1000.0, SPACING, sdd_typed=True, spacing_typed=True) == EXACT


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_a_tolerance_that_is_none_is_refused_by_name(value):
    with pytest.raises(GeometryError, match=r"geometry_tolerance\.spacing_mm is"):
        GeometryTolerance(spacing_mm=value)


def test_words():
    assert in_words(EXACT) == "taken as exact"
    assert in_words(Tolerance(0.0141, 2.0)) == (
        "source distance over pixel size known to ±1.4 %, central ray known to ±2 mm"
    )
