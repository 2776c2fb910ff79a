"""Scatter by thickness: energy, limits, widths, and the ratio that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.simulation.system.scatter import Scatter, scattered, superposed

SPACING = (4.0, 4.0)


def body(attenuation: float, half: int = 12, size: int = 129) -> np.ndarray:
    """A square body in air: transmitted fraction."""
    primary = np.ones((size, size))
    middle = slice(size // 2 - half, size // 2 + half + 1)
    primary[middle, middle] = np.exp(-attenuation)
    return primary


@pytest.mark.parametrize("attenuation", [0.7, 2.0, 4.0, 8.0])
def test_what_is_scattered_arrives_somewhere(attenuation: float) -> None:
    primary = body(attenuation)
    spread = superposed(primary, np.ones_like(primary), SPACING, Scatter(1.0, tail=0.2))
    assert spread.sum() == pytest.approx((-primary * np.log(primary)).sum(), rel=0.01)
    assert (spread >= 0).all()


def test_air_and_opaque_bodies_scatter_nothing() -> None:
    for primary in (np.ones((40, 40)), body(60.0)):
        assert scattered(primary, np.ones_like(primary), SPACING, Scatter(0.0)).max() == 0
        assert superposed(primary, np.ones_like(primary), SPACING, Scatter(1.0)).max() < 1e-20


def test_the_ratio_behind_the_patient_is_the_one_asked_for() -> None:
    primary = body(3.0)
    scatter = scattered(primary, np.ones_like(primary), SPACING, Scatter(0.8))
    behind = primary < 0.5
    assert np.median(scatter[behind] / primary[behind]) == pytest.approx(0.8)
    np.testing.assert_allclose(
        scatter, 2 * scattered(primary, np.ones_like(primary), SPACING, Scatter(0.4)), rtol=1e-12
    )


def test_scatter_spreads_farther_from_a_thick_body() -> None:
    def width(attenuation: float) -> float:
        primary = body(attenuation, half=0)
        spread = superposed(primary, np.ones_like(primary), SPACING, Scatter(1.0, 15.0, 40.0, tail=0.0))
        x = (np.arange(129) - 64) * SPACING[1]
        return float(np.sqrt((spread * x**2).sum() / spread.sum()))

    assert width(0.5) == pytest.approx(15, rel=0.02)
    assert width(7.0) == pytest.approx(40, rel=0.02)
    assert 15 < width(2.5) < width(4.0) < 40


def test_what_the_collimator_hides_does_not_scatter() -> None:
    primary = body(3.0)
    opened = np.zeros_like(primary)
    opened[:, :64] = 1
    spread = superposed(primary, opened, SPACING, Scatter(1.0))
    assert spread.sum() == pytest.approx((opened * -primary * np.log(primary)).sum(), rel=0.01)


@pytest.mark.parametrize("changes", [{"ratio": -1.0}, {"thin_mm": 50.0}, {"tail": 1.5}, {"exponent": 0.0}])
def test_impossible_kernels_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(InputError, match="catter"):
        Scatter(**({"ratio": 0.5} | changes))
