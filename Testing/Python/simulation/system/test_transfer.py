"""Blurs in the frequency domain: total signal kept, known limits, the same in mm whatever the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from SphericalRegLib.errors import InputError
from SphericalRegLib.simulation.system.transfer import Glare, focal_spot, gaussian, lorentzian, transferred


def point(size: int = 65) -> np.ndarray:
    image = np.zeros((size, size))
    image[size // 2, size // 2] = 1
    return image


@pytest.mark.parametrize("blur", [gaussian(2.0), lorentzian(0.3), focal_spot(1.0, 1000.0, 700.0), Glare(0.1, 5.0)])
def test_blur_keeps_the_total_and_what_is_even(blur) -> None:
    # far from the edges nothing is lost but a glare's far tail
    assert transferred(point(), (1.0, 1.0), blur, 60.0).sum() == pytest.approx(1, abs=0.01)
    even = np.full((20, 30), 0.3)
    np.testing.assert_allclose(transferred(even, (1.0, 2.0), blur, 40.0, "edge"), even, rtol=1e-9)


def test_a_gaussian_is_the_one_in_pixels() -> None:
    image = np.random.default_rng(0).random((40, 50))
    blurred = transferred(image, (0.5, 1.0), gaussian(2.0), 20.0)
    expected = ndimage.gaussian_filter(image, (4.0, 2.0), mode="constant", truncate=8)
    np.testing.assert_allclose(blurred, expected, atol=2e-6)


def test_glare_falls_as_its_formula_says() -> None:
    share, reach, mm = 0.2, 10.0, 1.0
    spread = transferred(point(257), (mm, mm), Glare(share, reach), 200.0)[128, 128:]
    r = np.arange(10, 81)
    # exp(-r/k)/(2 pi k r) is the density whose integral over the plane is 1
    expected = share * np.exp(-r / reach) / (2 * np.pi * reach * r)
    # its sharp peak rings from pixel to pixel, so neighbors are averaged
    means = [(values[1:] + values[:-1]) / 2 for values in (spread[r], expected)]
    np.testing.assert_allclose(means[0], means[1], rtol=0.05, atol=2e-7)


def test_an_mtf_is_half_where_it_should_be() -> None:
    assert lorentzian(1.2)(np.array(1.2), np.array(0.0)) == pytest.approx(0.5)
    with pytest.raises(InputError, match="above 0"):
        lorentzian(0.0)


def test_a_focal_spot_blurs_more_what_is_farther_from_the_detector() -> None:
    f = np.array(0.3)
    near, far = (focal_spot(1.0, 1000.0, depth)(f, np.array(0.0)) for depth in (900.0, 500.0))
    assert 1 > near > far
    # penumbra of 1 mm · (1000 - 500)/500 = 1 mm: first zero at 1 cycle/mm
    assert focal_spot(1.0, 1000.0, 500.0)(np.array(1.0), np.array(0.0)) == pytest.approx(0, abs=1e-12)


def test_impossible_glare_is_refused() -> None:
    with pytest.raises(InputError, match="share"):
        Glare(1.0)
