"""The unattenuated beam: heel effect along the anode's axis, falloff, and what flat-fielding leaves."""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.simulation.system.beam import Beam, flat_field, incident

VIEW = View.from_spacing(65, 81, 1000.0, (5.0, 4.0), sad=700.0)


def test_an_ideal_tube_leaves_inverse_square_and_oblique_incidence() -> None:
    light = incident(VIEW, Beam())
    assert light[32, 40] == pytest.approx(1)
    x, y = 40 * 4.0, 32 * 5.0
    assert light[64, 80] == pytest.approx((1000 / np.sqrt(1000**2 + x**2 + y**2)) ** 3)
    np.testing.assert_allclose(light, light[::-1, ::-1])


@pytest.mark.parametrize(("toward", "axis", "sign"), [(0, 1, 1), (90, 0, 1), (180, 1, -1), (270, 0, -1)])
def test_the_beam_is_weaker_toward_the_anode(toward: float, axis: int, sign: int) -> None:
    heel = incident(VIEW, Beam(anode_deg=12, anode_depth=0.02, toward_deg=toward)) / incident(VIEW, Beam())
    profile = heel.mean(axis=1 - axis)[::sign]
    assert (np.diff(profile) < 0).all()
    # textbooks: some percent more at the cathode, 10 to 40 % less at the anode
    assert 1 < profile[0] < 1.1
    assert 0.6 < profile[-1] < 0.95


def test_the_heel_effect_is_exponential_attenuation_in_the_anode() -> None:
    heel = incident(VIEW, Beam(anode_deg=12, anode_depth=0.02)) / incident(VIEW, Beam())
    angle = np.deg2rad(12) - np.arctan(160 / 1000)
    assert heel[32, 80] == pytest.approx(np.exp(-0.02 * (1 / np.sin(angle) - 1 / np.sin(np.deg2rad(12)))))


def test_a_vignette_takes_its_share_at_the_corner() -> None:
    vignette = incident(VIEW, Beam(vignette=0.2)) / incident(VIEW, Beam())
    assert vignette.min() == pytest.approx(0.8)
    assert vignette[0, 0] == pytest.approx(0.8)


def test_a_perfect_flat_field_undoes_it_all_and_a_stale_one_nearly() -> None:
    perfect = Beam(anode_depth=0.02, vignette=0.1)
    light = incident(VIEW, perfect)
    np.testing.assert_allclose(light / flat_field(light, VIEW, perfect), 1)
    raw = Beam(anode_depth=0.02, corrected=0.0)
    np.testing.assert_allclose(flat_field(light, VIEW, raw), 1)
    stale = Beam(residue=0.02, seed=3)
    error = np.log(flat_field(np.ones_like(light), VIEW, stale))
    assert error.std() == pytest.approx(0.02)
    np.testing.assert_array_equal(error, np.log(flat_field(np.ones_like(light), VIEW, stale)))
    # smooth: neighbors 4 mm apart hardly differ
    assert np.abs(np.diff(error, axis=1)).max() < 0.01


def test_impossible_beams_are_refused() -> None:
    for changes in ({"anode_deg": 0.0}, {"vignette": 1.0}, {"corrected": 2.0}, {"residue": 0.5}):
        with pytest.raises(InputError):
            Beam(**changes)
