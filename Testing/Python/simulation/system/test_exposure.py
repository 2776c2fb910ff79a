"""Automatic exposure: the quanta and the gray behind a patient, whatever the patient's thickness."""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.simulation.degrade import noise_free
from SphericalRegLib.simulation.simulate import develop, expose
from SphericalRegLib.simulation.system.exposure import Exposure

VIEW = View.from_spacing(60, 80, 1000.0, (0.5, 0.5))


@pytest.mark.parametrize("attenuation", [1.0, 4.0, 7.0])
def test_noise_behind_the_patient_is_that_of_the_exposure(attenuation: float) -> None:
    primary = np.full((60, 80), np.exp(-attenuation))
    settings = noise_free(exposure=Exposure(4000.0))
    ones = np.ones_like(primary)
    signal = expose(primary, primary, ones, ones, VIEW, settings, np.random.default_rng(0))
    # 4000 per mm² on pixels of 0.25 mm²
    assert signal.mean() == pytest.approx(np.exp(-attenuation), rel=0.01)
    assert signal.std() / signal.mean() == pytest.approx(1000**-0.5, rel=0.05)


def test_the_gray_behind_the_patient_is_that_of_the_exposure() -> None:
    signal = np.full((60, 80), 0.003)
    signal[:, :20] = 1.0
    shadow = signal < 0.5
    stored = develop(signal, np.ones_like(shadow), noise_free(exposure=Exposure(1e4, 0.25)), shadow)
    assert (stored[:, :20] == 65535).all()
    assert stored[30, 50] == pytest.approx(0.25 * 65535, abs=1)


def test_impossible_exposures_are_refused() -> None:
    for numbers in ((0.0, 0.2), (100.0, 0.0), (100.0, 2.0)):
        with pytest.raises(InputError, match="exposure"):
            Exposure(*numbers)
