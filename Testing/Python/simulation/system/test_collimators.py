"""Fields that are round, turned or polygonal."""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.simulation.instruments import Circle, Margins, Polygon, aperture
from SphericalRegLib.simulation.system.collimators import random_collimator, regular_polygon, turned_rectangle


def test_a_turned_rectangle_keeps_its_area_and_an_unturned_one_is_margins() -> None:
    straight = aperture(turned_rectangle((0.5, 0.5), (0.8, 0.6), 0.0), 200, 200)
    np.testing.assert_allclose(straight, aperture(Margins(0.1, 0.2, 0.1, 0.2), 200, 200), atol=0.51)
    assert straight.mean() == pytest.approx(0.48, abs=1e-3)
    turned = aperture(turned_rectangle((0.5, 0.5), (0.6, 0.5), 0.6), 200, 200)
    assert turned.mean() == pytest.approx(0.3, abs=1e-3)


def test_a_polygon_of_many_sides_is_a_circle() -> None:
    polygon = aperture(regular_polygon(60, (0.45, 0.55), 0.7, 0.1), 200, 200)
    circle = aperture(Circle(0.7, (0.45, 0.55)), 200, 200)
    assert np.abs(polygon - circle).mean() < 2e-3


def test_corners_may_run_either_way_but_must_be_convex() -> None:
    corners = turned_rectangle((0.5, 0.5), (0.6, 0.5), 0.3).corners
    np.testing.assert_allclose(aperture(Polygon(corners), 60, 60), aperture(Polygon(corners[::-1]), 60, 60), atol=1e-12)
    for bad in (corners[:2], ((0.1, 0.1), (0.9, 0.1), (0.5, 0.2), (0.1, 0.9))):
        with pytest.raises(InputError, match="convex"):
            aperture(Polygon(bad), 60, 60)


def test_random_ones_are_of_all_kinds_reproducible_and_leave_most_open() -> None:
    kinds = set()
    for seed in range(60):
        drawn, again = (random_collimator(np.random.default_rng(seed), 0.3, 0.2, 45) for _ in range(2))
        assert drawn == again
        kinds.add(type(drawn))
        assert aperture(drawn, 64, 64).mean() > 0.3
    assert kinds == {Margins, Circle, Polygon, type(None)}
