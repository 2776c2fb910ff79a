"""Projection against OpenCV; resizing and cropping keep every point's place in the picture."""

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View


@pytest.fixture
def an_off_center_view() -> View:
    rig = se3.exp(torch.tensor([0.1, -0.7, 0.2, 20, -30, 50], dtype=torch.float64))
    view = View.from_spacing(300, 400, 1020.0, (0.5, 0.7), principal_point=(170.3, 188.8), sad=650.0)
    return View(view.intrinsics, 300, 400, 1020.0, rig, 650.0)


def points_and_pose() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(9, 3, generator=generator, dtype=torch.float64) * 60
    pose = se3.exp(torch.tensor([0.5, 0.3, -0.8, 15, -25, 640], dtype=torch.float64))
    return points, pose


def test_projection_agrees_with_opencv(an_off_center_view):
    points, pose = points_and_pose()
    camera = an_off_center_view.camera_from_world(pose)
    rotation, _ = cv2.Rodrigues(camera[:3, :3].numpy())
    expected, _ = cv2.projectPoints(
        points.numpy(), rotation, camera[:3, 3].numpy(), an_off_center_view.intrinsics.numpy(), None
    )
    assert np.allclose(an_off_center_view.project(points, pose).numpy(), expected[:, 0], atol=1e-9)


def test_spacing_and_its_order_survive(an_off_center_view):
    assert an_off_center_view.spacing == pytest.approx((0.5, 0.7))


def test_detector_from_pixel_puts_the_projected_point_on_the_ray(an_off_center_view):
    points, pose = points_and_pose()
    pixels = an_off_center_view.project(points, pose)
    homogeneous = torch.cat([pixels, torch.ones(len(pixels), 1, dtype=torch.float64)], dim=1)
    on_detector = homogeneous @ an_off_center_view.detector_from_pixel().T
    camera = se3.transform_points(an_off_center_view.camera_from_world(pose), points)
    assert torch.allclose(on_detector[:, 2], torch.tensor(1020.0, dtype=torch.float64))
    assert torch.linalg.cross(on_detector, camera).norm(dim=1).max() < 1e-6


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.floats(-0.5, 1), st.floats(-0.5, 1))
def test_resizing_keeps_places_relative_to_the_pixels_edges(height, width, across, down):
    view = View.from_spacing(300, 400, 1000.0, (0.5, 0.7), principal_point=(170.3, 188.8))
    smaller = view.resized(height, width)
    # a detector place as a fraction of the image between its outer edges
    u, v = across * 400 - 0.5, down * 300 - 0.5
    place = view.detector_from_pixel() @ torch.tensor([u, v, 1.0], dtype=torch.float64)
    pixel = smaller.intrinsics @ place / place[2]
    assert pixel[0].item() == pytest.approx(across * width - 0.5, abs=1e-8)
    assert pixel[1].item() == pytest.approx(down * height - 0.5, abs=1e-8)


def test_halving_moves_the_first_center_by_half_a_pixel():
    view = View.from_spacing(100, 100, 1000.0, (1.0, 1.0), principal_point=(0.5, 0.5))
    assert view.resized(50, 50).intrinsics[:2, 2].tolist() == [0.0, 0.0]


def test_cropping_shifts_the_principal_point(an_off_center_view):
    points, pose = points_and_pose()
    cropped = an_off_center_view.cropped(20, 30, 100, 150)
    shift = an_off_center_view.project(points, pose) - cropped.project(points, pose)
    assert torch.allclose(shift, torch.tensor([30.0, 20.0], dtype=torch.float64).expand_as(shift))
    assert (cropped.height, cropped.width) == (100, 150)


def test_a_negative_focal_length_is_a_mirrored_image(an_off_center_view):
    k = an_off_center_view.intrinsics.clone()
    assert not an_off_center_view.mirrored
    k[0, 0] *= -1
    assert View(k, 300, 400, 1020.0).mirrored


def test_the_projection_is_differentiable_in_the_pose(an_off_center_view):
    points, pose = points_and_pose()
    x = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda y: an_off_center_view.project(points, se3.exp(y) @ pose), x, check_forward_ad=True, atol=1e-4
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"height": 0}, "no pixels"),
        ({"sdd": 0.0}, "source-to-detector"),
        ({"sdd": math.nan}, "source-to-detector"),
        ({"sad": 1200.0}, "between 0 and"),
        ({"intrinsics": torch.eye(2)}, "3×3"),
        ({"intrinsics": torch.diag(torch.tensor([0.0, 1.0, 1.0]))}, "focal"),
        ({"camera_from_rig": torch.diag(torch.tensor([1.0, 1.0, -1.0, 1.0]))}, "rigid"),
    ],
)
def test_an_impossible_view_is_refused_with_the_value(change, words):
    good = {"intrinsics": torch.diag(torch.tensor([2000.0, 2000.0, 1.0])), "height": 10, "width": 10, "sdd": 1000.0}
    with pytest.raises(GeometryError, match=words):
        View(**{**good, **change})


@pytest.mark.parametrize("spacing", [(0.0, 0.2), (0.2, -1.0), (math.nan, 0.2)])
def test_a_spacing_of_zero_is_refused(spacing):
    with pytest.raises(GeometryError, match="spacing"):
        View.from_spacing(10, 10, 1000.0, spacing)
