"""The numbers of surfaces that are known."""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.landscape import measure
from SphericalRegLib.landscape.statistics import local_minima

# other lengths and steps along both axes, so that swapped axes show
FIRST, SECOND = np.linspace(-1, 1, 21), np.linspace(-40, 40, 33)
X, Y = np.meshgrid(FIRST, SECOND, indexing="ij")


def bowl(x0=0.2, y0=-15.0, curvatures=(9.0, 2.0), angle=0.0):
    """A quadratic in (100 x, y), its axes turned by an angle."""
    a, b = 100 * (X - x0), Y - y0
    c, s = np.cos(angle), np.sin(angle)
    return curvatures[0] * (c * a + s * b) ** 2 + curvatures[1] * (c * b - s * a) ** 2


@pytest.mark.parametrize("angle", [0.0, 0.5, 1.2])
def test_a_bowl_has_one_minimum_at_its_bottom_and_its_own_condition_number(angle):
    found = measure(bowl(angle=angle), FIRST, SECOND, scale=(100.0, 1.0))
    assert found.minimum == pytest.approx((0.2, -15.0))
    assert found.index == (12, 10)
    assert (found.minima, found.minima_at_edge, found.empty) == (1, 0, 0)
    assert found.condition == pytest.approx(4.5)


def test_the_condition_number_depends_on_what_a_radian_counts():
    assert measure(bowl(), FIRST, SECOND).condition == pytest.approx(4.5 * 100**2)


def test_the_basin_of_a_bowl_reaches_the_grids_ends():
    found = measure(bowl(), FIRST, SECOND)
    assert (found.first.below, found.first.above) == pytest.approx((1.2, 0.8))
    assert (found.second.below, found.second.above) == pytest.approx((25.0, 55.0))
    assert (found.first.radius, found.second.radius) == pytest.approx((0.8, 25.0))
    assert found.first.at_least
    assert found.second.at_least


def test_a_basin_ends_at_the_top_of_its_rim():
    # rises to |y| = 20 and falls again, for y > 0 only; steps of 2.5
    ridge = np.where(Y > 20, 40 - Y, np.abs(Y)) + 30 * np.abs(X)
    basin = measure(ridge, FIRST, SECOND).second
    assert (basin.below, basin.above) == pytest.approx((40.0, 20.0))
    assert (basin.below_open, basin.above_open) == (True, False)
    assert basin.radius == pytest.approx(20.0)
    assert not basin.at_least


def test_a_flat_end_is_no_basin_and_a_terrace_does_not_end_one():
    flat_end = np.minimum(np.abs(Y), 20) + 30 * np.abs(X)
    basin = measure(flat_end, FIRST, SECOND).second
    assert (basin.below, basin.above, basin.at_least) == (20.0, 20.0, False)
    terrace = np.clip(np.abs(Y), 0, 10) + np.clip(np.abs(Y) - 20, 0, None) + 30 * np.abs(X)
    basin = measure(terrace, FIRST, SECOND).second
    assert (basin.below, basin.above, basin.at_least) == (40.0, 40.0, True)


def test_noise_below_the_tolerance_changes_neither_basin_nor_minima():
    noise = np.random.default_rng(0).uniform(-1, 1, X.shape)
    clean = bowl(0.0, 0.0, (1.0, 4.0))
    noisy = clean + 0.03 * np.ptp(clean) * noise
    rough, smooth = measure(noisy, FIRST, SECOND, tolerance=0), measure(noisy, FIRST, SECOND, tolerance=0.1)
    assert rough.minima > 1
    assert smooth.minima == 1
    assert rough.second.radius < 20
    assert smooth.second.radius > 30


def test_wells_are_counted_and_told_apart_from_those_at_the_edge():
    places = [(0.5, -20.0), (-0.5, 20.0), (-0.5, -20.0), (0.6, 25.0)]
    wells = -sum(np.exp(-(((X - x) / 0.15) ** 2) - ((Y - y) / 8) ** 2) for x, y in places)
    assert local_minima(wells, 1e-6 * np.ptp(wells))[0] >= 4
    found = measure(wells, FIRST, SECOND)
    assert (found.minima, found.minima_at_edge) == (4, 0)
    beside = wells - 0.5 * np.exp(-(((X - 1) / 0.1) ** 2) - (Y / 8) ** 2)
    found = measure(beside, FIRST, SECOND)
    assert (found.minima, found.minima_at_edge) == (5, 1)


def test_waves_have_as_many_minima_as_periods():
    waves = np.cos(4 * np.pi * X) + np.cos(2 * np.pi * Y / 20)
    inner = np.abs(FIRST) < 0.99
    # 4 minima along x (± 0.25, ± 0.75), 4 along y (± 10, ± 30)
    assert measure(waves[inner], FIRST[inner], SECOND).minima == 16


def test_a_plateau_is_one_minimum():
    plateau = np.maximum(np.hypot(X / 0.5, Y / 20), 1.0)
    found = measure(plateau, FIRST, SECOND, tolerance=0)
    assert (found.minima, found.minima_at_edge) == (1, 0)
    # of equal points the one in the middle
    assert found.minimum == pytest.approx((0.0, 0.0))
    assert found.condition is None
    ring = np.maximum(np.abs(np.hypot(X / 0.5, Y / 20) - 1.0), 0.3)
    assert measure(ring, FIRST, SECOND, tolerance=0).minima == 1


def test_a_slope_has_its_only_minimum_at_the_edge_and_no_condition_number():
    found = measure(X + Y / 100, FIRST, SECOND)
    assert found.index == (0, 0)
    assert (found.minima, found.minima_at_edge) == (1, 1)
    assert found.condition is None
    assert (found.first.below, found.first.above) == pytest.approx((0.0, 2.0))
    assert (found.first.radius, found.first.at_least) == (0.0, True)


def test_a_flat_surface_has_no_basin():
    found = measure(np.full(X.shape, 3.0), FIRST, SECOND)
    assert (found.first.radius, found.second.radius) == (0.0, 0.0)
    assert not found.first.at_least
    assert (found.minima, found.lowest, found.highest, found.condition) == (1, 3.0, 3.0, None)


def test_a_saddle_at_the_lowest_point_has_no_condition_number():
    values = np.array([[0.1, 2.0, 9.0], [2.0, 0.0, 2.0], [9.0, 2.0, 0.1]])
    # fxx = fyy = 4, fxy = -4.45
    assert measure(values, np.arange(3), np.arange(3)).condition is None


def test_what_is_missing_is_left_out_and_ends_the_basin():
    values = bowl(0.0, 0.0)
    values[:, SECOND > 21] = np.nan
    values[3, 4] = -np.inf
    found = measure(values, FIRST, SECOND)
    assert found.empty == 21 * int((SECOND > 21).sum()) + 1
    assert (found.second.below, found.second.above) == pytest.approx((40.0, 20.0))
    assert (found.second.above_open, found.second.at_least) == (True, True)
    assert found.minimum == pytest.approx((0.0, 0.0))
    assert found.condition == pytest.approx(4.5 * 100**2)


def test_a_minimum_beside_a_hole_counts_as_at_the_edge_and_has_no_condition_number():
    values = bowl(0.0, 0.0)
    values[11, 17] = np.nan
    found = measure(values, FIRST, SECOND)
    assert found.index == (10, 16)
    assert (found.minima, found.minima_at_edge, found.condition) == (1, 1, None)


def test_each_part_of_a_surface_that_is_torn_apart_has_a_minimum():
    values = bowl(0.0, 0.0)
    values[8:10] = np.nan
    assert measure(values, FIRST, SECOND).minima == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": bowl().T}, r"does not fit axes"),
        ({"values": np.full(X.shape, np.nan)}, r"only NaN"),
        ({"first": FIRST[::-1]}, r"ascend in even steps"),
        ({"first": FIRST**3}, r"ascend in even steps"),
        ({"scale": (0.0, 1.0)}, r"scales of the axes are \(0\.0, 1\.0\)"),
        ({"scale": (1.0, float("nan"))}, r"scales"),
        ({"tolerance": 1.0}, r"tolerance is 1\.0"),
        ({"tolerance": -0.1}, r"tolerance is -0\.1"),
    ],
    ids=["turned", "empty", "descending", "uneven", "scale of 0", "scale of NaN", "tolerance of 1", "below 0"],
)
def test_arrays_that_make_no_surface_are_refused(change, message):
    arguments = {"values": bowl(), "first": FIRST, "second": SECOND} | change
    with pytest.raises(InputError, match=message):
        measure(**arguments)
