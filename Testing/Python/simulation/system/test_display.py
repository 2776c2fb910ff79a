"""Tone: curves that rise from 0 to 1, windows, polarity, shutters, bits."""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.simulation.system.display import Display, Gamma, Piecewise, Sigmoid, displayed

SIGNAL = np.exp(-np.linspace(0, 6, 200)).reshape(10, 20)
ALL = np.ones((10, 20), bool)


def stored(settings: Display, log_output: bool = True, bits: int = 12, valid: np.ndarray = ALL) -> np.ndarray:
    return displayed(SIGNAL, (valid, SIGNAL < 0.6), (1.0, 1.0), log_output, bits, settings).astype(float)


@pytest.mark.parametrize("curve", [Gamma(0.5), Gamma(2.0), Sigmoid(6.0, 0.4), Piecewise(((0.3, 0.1), (0.6, 0.8)))])
def test_curves_rise_from_zero_to_one(curve) -> None:
    y = curve(np.linspace(0, 1, 101))
    assert (y[0], y[-1]) == pytest.approx((0, 1))
    assert (np.diff(y) > 0).all()


def test_a_sigmoid_is_steepest_at_its_center_and_straight_in_the_limit() -> None:
    x = np.linspace(0, 1, 201)
    assert x[np.diff(Sigmoid(8.0, 0.4)(x)).argmax()] == pytest.approx(0.4, abs=0.01)
    np.testing.assert_allclose(Sigmoid(1e-3)(x), x, atol=1e-6)


def test_a_piecewise_curve_goes_through_its_knots() -> None:
    assert Piecewise(((0.3, 0.1), (0.6, 0.8)))(np.array([0.15, 0.3, 0.45, 0.8])) == pytest.approx(
        [0.05, 0.1, 0.45, 0.9]
    )


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_the_window_fills_the_bits_and_log_is_linear_in_attenuation(bits: int) -> None:
    values = stored(Display(), bits=bits)
    assert (values.min(), values.max()) == (0, 2**bits - 1)
    np.testing.assert_allclose(values.ravel(), np.linspace(1, 0, 200) * (2**bits - 1), atol=0.5)


def test_bone_bright_is_the_negative() -> None:
    np.testing.assert_array_equal(stored(Display(bone_bright=True)), 4095 - stored(Display()))


def test_clipping_burns_out_as_much_as_was_said() -> None:
    values = stored(Display(clip_air=0.1, clip_dense=0.05), bits=16)
    assert (values == 65535).mean() == pytest.approx(0.1, abs=0.01)
    assert (values == 0).mean() == pytest.approx(0.05, abs=0.01)


def test_a_window_of_the_patient_burns_out_air() -> None:
    values = stored(Display(of_patient=True))
    assert (values[SIGNAL > 0.6] == 4095).all()
    assert len(np.unique(values[SIGNAL < 0.6])) > 150


def test_the_detector_saturates_at_full_scale() -> None:
    values = displayed(4 * SIGNAL, (ALL, ALL), (1.0, 1.0), False, 12, Display()).astype(float)
    assert (values[SIGNAL > 0.25] == 4095).all()


@pytest.mark.parametrize(("shutter", "level"), [("black", 0), ("white", 4095)])
@pytest.mark.parametrize("bone_bright", [False, True])
def test_a_shutter_fills_in_whatever_the_polarity(shutter, level: int, bone_bright: bool) -> None:
    valid = ALL.copy()
    valid[:, :4] = False
    values = stored(Display(shutter=shutter, bone_bright=bone_bright), valid=valid)
    assert (values[:, :4] == level).all()
    assert (values[:, 4:] != level).any()


def test_sharpening_leaves_even_areas_and_lifts_edges() -> None:
    step = np.where(np.arange(60) < 30, 0.2, 0.4) * np.ones((20, 1))
    valid = np.ones(step.shape, bool)
    values = displayed(step, (valid, valid), (1.0, 1.0), False, 16, Display(sharpening=0.5, sharpening_mm=3.0))
    row = values[10].astype(float)
    assert row[29] == row.min()
    assert row[30] == row.max()
    assert np.ptp(row[:12]) < 0.001 * np.ptp(row)


def test_impossible_displays_are_refused() -> None:
    for make in (
        lambda: Gamma(0.0),
        lambda: Sigmoid(0.0),
        lambda: Piecewise(((0.5, 0.5), (0.4, 0.6))),
        lambda: Display(clip_air=0.6),
        lambda: Display(sharpening=-1.0),
    ):
        with pytest.raises(InputError):
            make()
