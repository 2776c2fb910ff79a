"""Moved soft tissue: bones to the bit, smooth and bounded elsewhere, reproducible."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from SphericalRegLib.errors import InputError
from SphericalRegLib.simulation.anatomy.soft_tissue import SoftTissue, bone_distance, displacement, moved


def patient(mm: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """An ellipse of textured soft tissue around a column of bone."""
    shape = (40, 60, 70)
    _, j, i = np.mgrid[: shape[0], : shape[1], : shape[2]] * mm
    body = ((j - 88) / 75) ** 2 + ((i - 105) / 95) ** 2 < 1
    texture = ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 1, shape), 2) * 300
    hu = np.where(body, 40 + texture, -1000)
    bone = (np.hypot(j - 60, i - 105) < 15) & body
    hu[bone] = np.random.default_rng(1).uniform(300, 1200, int(bone.sum()))
    return hu.astype(np.float32), np.diag([mm, mm, mm, 1.0])


def test_bones_and_their_margin_stay_to_the_bit_and_the_rest_moves() -> None:
    hu, grid = patient()
    out = moved(hu, grid, SoftTissue(shift_mm=8.0, gas=3, gas_removed=0.5, seed=1))
    near = ndimage.distance_transform_edt(hu <= 200, sampling=3.0) <= 4.0
    np.testing.assert_array_equal(out[near], hu[near])
    # nor does bone appear anywhere else
    assert not ((out > 200) & (hu <= 200)).any()
    skin = ndimage.binary_dilation(hu > -500, iterations=2) & ~ndimage.binary_erosion(hu > -500, iterations=2)
    assert np.abs(out - hu)[skin].mean() > 50


def test_the_field_is_bounded_smooth_and_does_not_fold() -> None:
    hu, _ = patient()
    spacing, factors = np.full(3, 3.0), np.full(3, 2)
    settings = SoftTissue(shift_mm=8.0, ramp_mm=25.0)
    distance = bone_distance(hu, spacing, factors)
    field = displacement(distance, spacing * factors, settings, np.random.default_rng(2))
    assert np.abs(field).max() == pytest.approx(8.0)
    assert (field[:, distance <= settings.margin_mm] == 0).all()
    # less than 1 mm a mm: neighbors keep their order
    for axis in range(3):
        assert np.abs(np.diff(field[axis], axis=axis)).max() / 6.0 < 1
    # never as far as bone
    assert (np.linalg.norm(field, axis=0) < np.maximum(distance, 1e-9)).all()


def test_cells_are_never_farther_from_bone_than_any_voxel_in_them() -> None:
    hu, _ = patient()
    distance = bone_distance(hu, np.full(3, 3.0), np.full(3, 2))
    fine = np.kron(distance, np.ones((2, 2, 2)))[: hu.shape[0], : hu.shape[1], : hu.shape[2]]
    exact = ndimage.distance_transform_edt(hu <= 200, sampling=3.0)
    assert (fine <= exact + 1e-9).all()


def test_the_same_seed_moves_the_same_way_and_zero_moves_nothing() -> None:
    hu, grid = patient()
    first, again, other = (moved(hu, grid, SoftTissue(gas=2, seed=seed)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(moved(hu, grid, SoftTissue(shift_mm=0.0)), hu)


def test_gas_is_put_deep_into_soft_tissue_and_taken_away() -> None:
    hu, grid = patient()
    bubbly = moved(hu, grid, SoftTissue(shift_mm=0.0, gas=4, seed=2))
    gas = (bubbly < -700) & (hu > -300)
    assert gas.sum() > 20
    depth = ndimage.distance_transform_edt(np.pad(hu > -300, ((1, 1), (0, 0), (0, 0)), mode="edge"), sampling=3.0)
    assert depth[1:-1][gas].min() > 5
    cleared = moved(bubbly, grid, SoftTissue(shift_mm=0.0, gas_removed=1.0))
    assert ((cleared < -700) & gas).sum() < 0.1 * gas.sum()
    outside = hu < -900
    np.testing.assert_array_equal(cleared[outside], hu[outside])


def test_a_ct_without_bone_moves_freely() -> None:
    hu, grid = patient()
    hu = np.minimum(hu, 100)
    assert (moved(hu, grid, SoftTissue()) != hu).any()


def test_what_would_tear_is_refused() -> None:
    with pytest.raises(InputError, match="tear"):
        SoftTissue(shift_mm=15.0, ramp_mm=20.0)
    with pytest.raises(InputError, match="Gas"):
        SoftTissue(gas_removed=2.0)
