"""Another detector behind the same source shows every point where geometry says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.onto_view import onto_view
from SphericalRegLib.imaging.pyramid import pyramid


def blob(view: View, u: float, v: float, sigma: float) -> np.ndarray:
    rows, columns = np.mgrid[: view.height, : view.width]
    return np.exp(-0.5 * (((columns - u) / sigma) ** 2 + ((rows - v) / sigma) ** 2)).astype(np.float32)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_point_is_seen_where_the_other_view_projects_it(mirrored):
    intrinsics = torch.tensor([[900.0, 0, 130.3], [0, 1100.0, 88.1], [0, 0, 1]], dtype=torch.float64)
    if mirrored:
        intrinsics[0, 0] *= -1
    view = View(intrinsics, 200, 260, 1150.0)
    target = View.from_spacing(64, 48, 980.0, (5.0, 6.5), principal_point=(20.2, 35.7))
    pose = se3.exp(torch.tensor([[0.2, -0.3, 0.1, 15.0, -20.0, 650.0]], dtype=torch.float64))[0]
    point = torch.tensor([[80.0, 75.0, -8.0]], dtype=torch.float64)
    here, there = view.project(point, pose)[0], target.project(point, pose)[0]
    assert 40 < float(here[0]) < 220
    assert 40 < float(here[1]) < 160
    image, mask = onto_view(blob(view, *here.tolist(), sigma=9.0), np.ones((200, 260), bool), view, target)
    image = image.double() * mask
    rows, columns = torch.meshgrid(torch.arange(64.0).double(), torch.arange(48.0).double(), indexing="ij")
    center = [float((grid * image).sum() / image.sum()) for grid in (columns, rows)]
    assert center == pytest.approx(there.tolist(), abs=0.04)


def test_the_same_area_gives_the_exact_means_of_the_pyramid():
    rng = np.random.default_rng(0)
    view = View.from_spacing(96, 96, 1000.0, (2.0, 2.0))
    image, mask = rng.random((96, 96)).astype(np.float32), rng.random((96, 96)) > 0.2
    expected, usable, _ = pyramid(image, mask, view, [32])[0]
    found, counts = onto_view(image, mask, view, view.resized(32, 32))
    np.testing.assert_array_equal(counts.numpy() > 0, usable)
    np.testing.assert_allclose(found.numpy()[usable], expected[usable], rtol=1e-5, atol=1e-6)


def test_what_lies_beyond_the_image_or_is_not_usable_does_not_count_and_does_not_leak():
    view = View.from_spacing(64, 64, 1000.0, (2.0, 2.0))
    image = np.full((64, 64), 0.5, np.float32)
    image[:, :20] = 1e6
    mask = np.ones((64, 64), bool)
    mask[:, :20] = False
    found, counts = onto_view(image, mask, view, View.from_spacing(64, 64, 1000.0, (3.0, 3.0)))
    assert float(counts[32, 63]) == 0
    assert float(counts[32, 32]) == 1
    np.testing.assert_allclose(found[counts > 0].numpy(), 0.5, rtol=1e-5)
    assert float(found[counts == 0].abs().max()) == 0


def test_a_field_of_view_without_the_image_is_refused():
    view = View.from_spacing(64, 64, 1000.0, (2.0, 2.0))
    elsewhere = View.from_spacing(64, 64, 1000.0, (2.0, 2.0), principal_point=(900.0, 30.0))
    with pytest.raises(GeometryError, match="Nothing of the X-ray"):
        onto_view(np.ones((64, 64), np.float32), np.ones((64, 64), bool), view, elsewhere)
