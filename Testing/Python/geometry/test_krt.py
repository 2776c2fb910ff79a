"""Calibrations in OpenCV's form: the projection they give, and what they refuse."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import carm, se3
from SphericalRegLib.geometry.krt import axes_crossing, krt_from_view, view_from_krt
from SphericalRegLib.geometry.view import View

K = torch.tensor([[6100.0, 12.0, 803.7], [0.0, 6130.0, 865.7], [0.0, 0.0, 1.0]], dtype=torch.float64)
POSE = se3.exp(torch.tensor([0.4, -0.7, 0.2, -16, -77, 900], dtype=torch.float64))
R, T = POSE[:3, :3], POSE[:3, 3]
SIZE = {"height": 1760, "width": 1700}


def points() -> torch.Tensor:
    return torch.randn(12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 50


def test_a_point_is_projected_as_the_matrices_say_skew_included():
    view = view_from_krt(K, R, T, **SIZE, sdd=1200.0)
    homogeneous = (points() @ R.T + T) @ K.T
    expected = homogeneous[:, :2] / homogeneous[:, 2:]
    assert torch.allclose(view.project(points(), torch.eye(4, dtype=torch.float64)), expected)


def test_projection_agrees_with_opencv():
    k = K.clone()
    k[0, 1] = 0
    view = view_from_krt(k.numpy(), R.numpy(), T.numpy()[:, None], **SIZE, sdd=1200.0)
    expected, _ = cv2.projectPoints(points().numpy(), cv2.Rodrigues(R.numpy())[0], T.numpy(), k.numpy(), None)
    found = view.project(points(), torch.eye(4, dtype=torch.float64))
    assert np.allclose(found.numpy(), expected[:, 0], atol=1e-8)


def test_a_mirrored_image_has_the_columns_counted_from_the_other_side():
    pose = torch.eye(4, dtype=torch.float64)
    plain = view_from_krt(K, R, T, **SIZE, sdd=1200.0).project(points(), pose)
    mirrored = view_from_krt(K, R, T, **SIZE, sdd=1200.0, mirrored=True)
    assert mirrored.mirrored
    found = mirrored.project(points(), pose)
    assert torch.allclose(found[:, 0], SIZE["width"] - 1 - plain[:, 0])
    assert torch.allclose(found[:, 1], plain[:, 1])


def test_spacing_sets_the_detectors_distance_and_nothing_else():
    by_spacing = view_from_krt(K, R, T, **SIZE, spacing=(0.2, 0.2))
    assert by_spacing.sdd == pytest.approx((6100 + 6130) / 2 * 0.2)
    assert view_from_krt(K, R, T, **SIZE, spacing=0.2).sdd == by_spacing.sdd
    by_distance = view_from_krt(K, R, T, **SIZE, sdd=500.0)
    pose = torch.eye(4, dtype=torch.float64)
    assert torch.allclose(by_spacing.project(points(), pose), by_distance.project(points(), pose))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    st.floats(-10, -0.1) | st.floats(0.1, 10),
    st.booleans(),
)
def test_calibrations_survive_a_round_trip_at_any_scale_of_k(rotation, scale, mirrored):
    r = se3.so3_exp(torch.tensor(rotation, dtype=torch.float64))
    view = view_from_krt(K * scale, r, T, **SIZE, sdd=1200.0, mirrored=mirrored, sad=800.0, name="left")
    again = view_from_krt(*krt_from_view(view), view.height, view.width, sdd=view.sdd, sad=view.sad, name=view.name)
    assert torch.allclose(again.intrinsics, view.intrinsics, rtol=1e-12)
    assert torch.allclose(again.camera_from_rig, view.camera_from_rig, atol=1e-9)


def test_a_rotation_with_few_digits_is_made_exact():
    view = view_from_krt(K, (R * 1e4).round() / 1e4, T, **SIZE, sdd=1200.0)
    rotation = view.camera_from_rig[:3, :3]
    assert torch.allclose(rotation @ rotation.T, torch.eye(3, dtype=torch.float64), atol=1e-12)
    assert (rotation - R).abs().max() < 2e-4


def test_the_axes_of_a_biplane_rig_cross_at_its_isocenter():
    isocenter = torch.tensor([10.0, -150.0, 800.0], dtype=torch.float64)
    views = [
        View(K, 10, 10, 1200.0, carm.pose_from_angles(primary, secondary, 700, isocenter))
        for primary, secondary in ((0, 10), (95, -5), (40, 0))
    ]
    point, distance = axes_crossing(views)
    assert torch.allclose(point, isocenter, atol=1e-9)
    assert distance < 1e-9
    moved = View(K, 10, 10, 1200.0, se3.translation(torch.tensor([0.0, 6, 0])).double() @ views[1].camera_from_rig)
    assert axes_crossing([views[0], moved])[1] == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"r": R * 1.01}, "not a rotation"),
        ({"r": torch.diag(torch.tensor([-1.0, 1, 1], dtype=torch.float64)) @ R}, "reflection.*mirrored"),
        ({"t": [1.0, 2.0]}, "t must have shape"),
        ({"k": torch.eye(4)}, "K must have shape"),
        ({"k": torch.full((3, 3), torch.nan)}, "not finite"),
        ({"k": torch.zeros(3, 3)}, r"K\[2, 2\] is 0"),
        ({"sdd": None}, "one of them"),
        ({"spacing": 0.2}, "one of them"),
        ({"sdd": None, "spacing": (0.2, 0.0)}, "spacing is"),
        ({"sdd": -5.0}, "source-to-detector"),
    ],
)
def test_what_is_no_calibration_is_refused_with_the_value(change, words):
    with pytest.raises(GeometryError, match=words):
        view_from_krt(**{"k": K, "r": R, "t": T, **SIZE, "sdd": 1200.0, **change})


def test_parallel_axes_and_single_views_cross_nowhere():
    view = View(K, 10, 10, 1200.0)
    with pytest.raises(GeometryError, match="parallel"):
        axes_crossing([view, view])
    with pytest.raises(GeometryError, match="two views"):
        axes_crossing([view])
