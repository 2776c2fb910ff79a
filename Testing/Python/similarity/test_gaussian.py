"""Filters as matrices: exact where they can be, and SciPy's elsewhere."""

import numpy as np
import pytest
import scipy.ndimage
import torch

from SphericalRegLib.similarity.gaussian import derivative, eroded, filtered, image_gradient, smoothing


@pytest.mark.parametrize("size", [1, 2, 3, 40])
@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.0, 5.0])
def test_rows_sum_to_one_and_derivatives_to_zero(size, sigma):
    ones = torch.ones(size).double()
    torch.testing.assert_close(smoothing(size, sigma, torch.float64) @ ones, ones)
    torch.testing.assert_close(derivative(size, sigma, torch.float64) @ ones, 0 * ones)
    if sigma == 0:
        assert torch.equal(smoothing(size, sigma), torch.eye(size))


def test_smoothing_is_scipys_away_from_the_border():
    image = np.random.default_rng(0).normal(size=(40, 50))
    rows, columns = (smoothing(n, 1.5, torch.float64) for n in image.shape)
    ours = filtered(torch.from_numpy(image), rows, columns).numpy()
    theirs = scipy.ndimage.gaussian_filter(image, 1.5, truncate=4.0)
    np.testing.assert_allclose(ours[7:-7, 7:-7], theirs[7:-7, 7:-7], atol=1e-12)


@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.5])
def test_gradient_of_a_linear_image_is_exact_up_to_the_border(sigma):
    v, u = torch.meshgrid(torch.arange(12).double(), torch.arange(15).double(), indexing="ij")
    gradient = image_gradient((2 * u - 3 * v + 7)[None], sigma)
    assert gradient.shape == (1, 2, 12, 15)
    torch.testing.assert_close(gradient[0, 0], torch.full((12, 15), 2.0).double())
    torch.testing.assert_close(gradient[0, 1], torch.full((12, 15), -3.0).double())


def test_gradient_of_a_quadratic_image_is_exact_inside():
    u = torch.arange(30).double().expand(20, 30)
    gradient = image_gradient(u**2, 1.0)
    torch.testing.assert_close(gradient[0, :, 6:-6], 2 * u[:, 6:-6])


@pytest.mark.parametrize("radius", [0.0, 1.0, 2.4])
def test_erosion_is_scipys_and_spares_the_border(radius):
    mask = np.random.default_rng(1).random((30, 31)) > 0.02
    size = 2 * int(radius + 0.5) + 1
    expected = scipy.ndimage.binary_erosion(mask, np.ones((size, size)), border_value=1)
    np.testing.assert_array_equal(eroded(torch.from_numpy(mask).float(), radius).numpy() > 0, expected)
