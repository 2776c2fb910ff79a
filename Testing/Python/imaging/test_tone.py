"""Whatever was stored, dense becomes bright."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.tone import to_attenuation

LENGTHS = arrays(np.float64, (5, 7), elements=st.floats(0, 8)).filter(lambda x: np.ptp(x) > 1e-3)


@given(LENGTHS, st.floats(1, 1e6))
def test_the_logarithm_gives_line_integrals_back(x, i0):
    np.testing.assert_allclose(to_attenuation(i0 * np.exp(-x), "intensity", i0=i0), x, atol=1e-5)


@given(LENGTHS)
def test_without_the_open_beam_only_a_constant_is_missing(x):
    result = to_attenuation(40000 * np.exp(-x), "intensity")
    np.testing.assert_allclose(result, x - x.min(), atol=1e-5)


def test_pixels_without_a_count_are_densest_but_finite():
    stored = np.array([[0, 1, 10], [100, 1000, 0]], np.uint16)
    x = to_attenuation(stored, "intensity")
    assert np.isfinite(x).all()
    assert x[0, 0] == x[1, 2] == pytest.approx(np.log(1000) + np.log(2))
    assert x.dtype == np.float32


def test_the_other_tones_turn_or_keep_the_image():
    stored = np.array([[3, 5], [9, 250]], np.uint8)
    np.testing.assert_array_equal(to_attenuation(stored, "inverted"), [[247, 245], [241, 0]])
    np.testing.assert_array_equal(to_attenuation(stored, "attenuation"), stored)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_values_that_are_not_finite_are_an_error_that_says_where(value):
    image = np.ones((4, 6), np.float32)
    image[2, 5] = image[3, 1] = value
    with pytest.raises(InputError, match=rf"2 values .* first \({value}\) at row 2, column 5"):
        to_attenuation(image, "attenuation")


@pytest.mark.parametrize("tone", ["intensity", "inverted", "attenuation"])
def test_a_constant_image_is_an_error(tone):
    with pytest.raises(InputError, match="7 everywhere"):
        to_attenuation(np.full((3, 4), 7), tone)


@pytest.mark.parametrize("i0", [0, -1.0, np.nan, np.inf])
def test_an_impossible_open_beam_is_an_error(i0):
    with pytest.raises(InputError, match="i0="):
        to_attenuation(np.arange(12.0).reshape(3, 4), "intensity", i0=i0)


def test_negative_intensities_are_an_error_with_the_remedy():
    with pytest.raises(InputError, match="inverted"):
        to_attenuation(-np.arange(12.0).reshape(3, 4), "intensity")
