"""Supersampling: geometry kept, averaging gives the CT back, finer detail than interpolation has, no new metal."""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.simulation.anatomy.finer import finer, phases, sharpening

GRID = np.array([[2.0, 0.1, 0, 5], [-0.1, 3.0, 0, -7], [0, 0, 4.0, 11], [0, 0, 0, 1]])


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_filters_have_the_sum_one(factor: int) -> None:
    np.testing.assert_allclose(phases(factor).sum(axis=1), 1, atol=1e-12)
    assert sharpening(factor).sum() == pytest.approx(1)


def test_voxels_are_cut_by_whole_numbers_and_cells_stay_where_they_are() -> None:
    hu, grid = finer(np.zeros((4, 5, 6)), GRID, 1.05)
    assert hu.shape == (16, 15, 12)
    # outer corners of the box
    for corner, fine in (((-0.5, -0.5, -0.5), (-0.5, -0.5, -0.5)), ((5.5, 4.5, 3.5), (11.5, 14.5, 15.5))):
        np.testing.assert_allclose(grid @ (*fine, 1), GRID @ (*corner, 1), atol=1e-9)


def test_fine_voxels_stay_as_they_are() -> None:
    values = np.random.default_rng(0).normal(0, 50, (4, 5, 6)).astype(np.float32)
    hu, grid = finer(values, GRID, 4.0)
    np.testing.assert_array_equal(hu, values)
    np.testing.assert_array_equal(grid, GRID)


def test_a_plane_of_values_stays_a_plane() -> None:
    k, j, i = np.mgrid[:12, :12, :12].astype(float)
    hu, _ = finer(10 * i - 5 * j + 2 * k, np.eye(4), 0.5)
    z, y, x = (np.mgrid[:24, :24, :24] - 0.5) / 2
    inner = (slice(8, -8),) * 3
    np.testing.assert_allclose(hu[inner], (10 * x - 5 * y + 2 * z)[inner], atol=1e-3)


def test_averaged_down_it_is_the_ct_and_closer_to_the_truth_than_interpolation() -> None:
    n, factor = 24, 3
    at = (np.arange(n * factor) + 0.5) / factor
    truth = 300 * np.sin(2 * np.pi * at / 6.0)[None, None, :] * np.ones((6, 6, 1))
    coarse = truth.reshape(6, 6, n, factor).mean(axis=3)
    fine = finer(coarse, np.diag([1.0, 0.3, 0.3, 1.0]), 1 / 3)[0]
    inner = slice(4 * factor, -4 * factor)
    again = fine.reshape(6, 6, n, factor).mean(axis=3)
    np.testing.assert_allclose(again[..., 4:-4], coarse[..., 4:-4], atol=6)
    plain = np.interp(at, np.arange(n) + 0.5, coarse[0, 0])
    assert np.abs(fine - truth)[..., inner].max() < 0.25 * np.abs(plain - truth[0, 0])[inner].max()


def test_sharpened_bone_does_not_become_metal_and_metal_stays() -> None:
    hu = np.full((8, 8, 8), 0.0)
    hu[3:5] = 2400.0
    assert finer(hu, np.eye(4), 0.5)[0].max() < 2500
    hu[3:5, 4, 4] = 3000.0
    assert finer(hu, np.eye(4), 0.5)[0].max() > 2500


def test_an_impossible_size_is_refused() -> None:
    with pytest.raises(InputError, match="above 0"):
        finer(np.zeros((4, 4, 4)), GRID, 0.0)
