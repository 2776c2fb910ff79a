"""Coarser images of the same detector: nothing moves, nothing unusable leaks in."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.pyramid import area_weights, pyramid, resize_area


@given(st.integers(1, 60), st.integers(1, 60))
def test_every_fine_pixel_is_shared_out_completely(fine, coarse):
    weights = area_weights(fine, min(fine, coarse))
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=0), min(fine, coarse) / fine, atol=1e-12)
    assert (weights >= 0).all()


@settings(deadline=None, max_examples=25)
@given(
    height=st.integers(60, 130),
    width=st.integers(60, 130),
    level=st.integers(17, 59),
    u=st.floats(-8, 8),
    v=st.floats(-8, 8),
)
def test_a_blob_is_seen_where_its_point_projects_at_every_level(height, width, level, u, v):
    view = View.from_spacing(height, width, 1000.0, (0.4, 0.6), principal_point=(width / 2 - 3.2, height / 2 + 1.7))
    pose = torch.eye(4, dtype=torch.float64)
    point = torch.tensor([[u * 0.6 * 0.5, v * 0.4 * 0.5, 800.0]], dtype=torch.float64)
    center = view.project(point, pose)[0].numpy()
    rows, columns = np.mgrid[:height, :width]
    image = np.exp(-((columns - center[0]) ** 2 + (rows - center[1]) ** 2) / (2 * 5.0**2))
    [(small, _, small_view)] = pyramid(image, np.ones(image.shape, bool), view, [level])
    rows, columns = np.mgrid[: small.shape[0], : small.shape[1]]
    seen = np.array([(small * columns).sum(), (small * rows).sum()]) / small.sum()
    np.testing.assert_allclose(seen, small_view.project(point, pose)[0].numpy(), atol=0.01)


def test_the_mean_counts_only_usable_pixels():
    image = np.array([[1.0, 100, 3, 4], [1, 100, 3, 4], [5, 6, 7, 8], [100, 100, 7, 8]])
    mask = image < 50
    small, usable = resize_area(image, mask, 2, 2)
    np.testing.assert_allclose(small, [[1, 3.5], [5.5, 7.5]])
    assert usable.all()
    _, usable = resize_area(image, mask & (image != 6), 2, 2)
    np.testing.assert_array_equal(usable, [[True, True], [False, True]])


def test_cells_without_any_usable_pixel_stay_plausible():
    image = np.arange(16.0).reshape(4, 4)
    small, usable = resize_area(image, np.zeros((4, 4), bool), 2, 2)
    np.testing.assert_allclose(small, [[2.5, 4.5], [10.5, 12.5]])
    assert not usable.any()


def test_sizes_that_do_not_divide_are_averaged_over_exact_areas():
    small, _ = resize_area(np.array([[0.0, 3.0, 9.0]]), np.ones((1, 3), bool), 1, 2)
    np.testing.assert_allclose(small, [[1.0, 7.0]])


def test_the_total_is_kept_and_levels_come_in_order():
    image = np.random.default_rng(0).random((97, 61)).astype(np.float32)
    view = View.from_spacing(97, 61, 1000.0, (1.0, 1.0))
    levels = pyramid(image, np.ones(image.shape, bool), view, [10, 97, 33])
    assert [level[0].shape for level in levels] == [(10, 6), (97, 61), (33, 21)]
    for small, mask, small_view in levels:
        assert small.mean() == pytest.approx(image.mean(), rel=1e-5)
        assert (small_view.height, small_view.width) == small.shape == mask.shape
    np.testing.assert_allclose(levels[1][0], image, rtol=1e-6)
    torch.testing.assert_close(levels[1][2].intrinsics, view.intrinsics)


def test_sizes_that_do_not_belong_together_are_an_error():
    view = View.from_spacing(8, 9, 1000.0, (1.0, 1.0))
    image, mask = np.zeros((8, 9)), np.ones((8, 9), bool)
    with pytest.raises(InputError, match=r"\(8, 8\).*View\.resized"):
        pyramid(image[:, :8], mask, view, [4])
    with pytest.raises(InputError, match="9 rows"):
        pyramid(image, mask, view, [9])
