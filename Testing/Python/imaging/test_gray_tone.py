"""Line integrals as gray values."""

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.gray_tone import GrayTone, window_of


def test_the_window_runs_from_black_to_white():
    assert GrayTone(1.0, 5.0).gray(np.array([[0.0, 1.0, 3.0, 5.0, 9.0]])).tolist() == [[0, 0, 128, 255, 255]]


def test_gamma_bends_between_the_ends_and_inversion_turns_it_over():
    values = np.array([[1.0, 3.0, 5.0]])
    assert GrayTone(1.0, 5.0, 2.0).gray(values).tolist() == [[0, 64, 255]]
    assert GrayTone(1.0, 5.0, 2.0, inverted=True).gray(values).tolist() == [[255, 191, 0]]


def test_the_air_beside_the_patient_is_no_part_of_the_window():
    image = np.zeros((100, 100))
    image[:50] = np.linspace(2, 6, 5000).reshape(50, 100)
    assert window_of(image) == pytest.approx((2.02, 5.98))


def test_an_empty_picture_has_a_window_all_the_same():
    assert window_of(np.zeros((4, 4))) == (0.0, 1.0)


@pytest.mark.parametrize(("low", "high", "gamma"), [(2.0, 2.0, 1.0), (3.0, 1.0, 1.0), (0.0, 1.0, 0.0)])
def test_what_shows_nothing_is_refused(low, high, gamma):
    with pytest.raises(InputError):
        GrayTone(low, high, gamma)
