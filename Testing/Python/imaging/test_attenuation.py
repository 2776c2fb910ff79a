"""Hounsfield units to linear attenuation, held against published values."""

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.attenuation import bone_attenuation, linear_attenuation, water_attenuation


# NIST XCOM in 1/cm; 70 keV lies between two rows of the table.
@pytest.mark.parametrize(("energy", "water"), [(30, 0.3756), (60, 0.2059), (70, 0.1929), (100, 0.1707)])
def test_water_is_as_published(energy, water):
    assert 10 * water_attenuation(energy) == pytest.approx(water, rel=5e-3)


def test_cortical_bone_is_as_published():
    assert 10 * bone_attenuation(60) == pytest.approx(0.3148 * 1.92, rel=1e-6)
    assert bone_attenuation(40) / water_attenuation(40) > bone_attenuation(100) / water_attenuation(100) > 1.9


@pytest.mark.parametrize("energy", [40, 70, 120])
def test_air_water_and_bone_keep_their_places(energy):
    bone_hu = 1000 * (bone_attenuation(70) / water_attenuation(70) - 1)
    hu = np.array([-1024, -1000, -500, 0, bone_hu])
    water = water_attenuation(energy)
    np.testing.assert_allclose(
        linear_attenuation(hu, energy), [0, 0, water / 2, water, bone_attenuation(energy)], rtol=1e-5, atol=1e-9
    )


def test_at_the_cts_own_energy_it_is_the_definition_of_hounsfield_units():
    hu = np.linspace(-1000, 8000, 50).astype(np.float32).reshape(2, 5, 5)
    expected = water_attenuation(70) * (1 + hu / 1000)
    attenuation = linear_attenuation(hu, 70)
    np.testing.assert_allclose(attenuation, expected, rtol=1e-5, atol=1e-8)
    assert attenuation.dtype == np.float32


@pytest.mark.parametrize("energy", [0, 19.9, 3001, float("nan")])
def test_an_energy_outside_the_table_is_an_error(energy):
    with pytest.raises(InputError, match="energy_kev"):
        linear_attenuation(np.zeros(3), energy)
