"""Pose errors on cases whose answer is known by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.metrics import mpe, mrpe, mtre, mtre_diffpose, rotation_error_deg, translation_error
from SphericalRegLib.geometry import carm, se3
from SphericalRegLib.geometry.view import View

ISOCENTER = torch.tensor([10.0, -180.0, 860.0], dtype=torch.float64)
TRUTH = carm.pose_from_angles(25, -10, 700.0, ISOCENTER)
VIEW = View.from_spacing(300, 400, 1000.0, (0.5, 0.7), (170.3, 188.8), sad=700.0)
POINTS = ISOCENTER + 60 * torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def off(*twist: float) -> torch.Tensor:
    """The truth moved by a twist about the isocenter in camera axes."""
    return se3.about(torch.tensor(twist, dtype=torch.float64), TRUTH, ISOCENTER)


twists = st.lists(st.floats(-1, 1), min_size=6, max_size=6).map(
    lambda v: torch.tensor(v, dtype=torch.float64) * torch.tensor([0.5, 0.5, 0.5, 40, 40, 80], dtype=torch.float64)
)


@pytest.mark.parametrize("metric", [mtre, lambda *a: mpe(*a, VIEW), lambda *a: mrpe(*a, VIEW)])
def test_the_truth_has_no_error(metric):
    assert metric(TRUTH, TRUTH, POINTS).item() == pytest.approx(0, abs=1e-9)


def test_a_translation_moves_all_targets_by_its_length():
    assert mtre(off(0, 0, 0, 3, 4, 12), TRUTH, POINTS).item() == pytest.approx(13)


@settings(max_examples=50, deadline=None)
@given(twists, twists)
def test_the_target_error_does_not_depend_on_which_side_moves(a, b):
    first, second = se3.about(a, TRUTH, ISOCENTER), se3.about(b, TRUTH, ISOCENTER)
    moved = se3.transform_points(se3.inverse(second) @ first, POINTS)
    assert mtre(first, second, POINTS).item() == pytest.approx((moved - POINTS).norm(dim=1).mean().item(), abs=1e-9)


def test_a_shift_in_the_detectors_plane_is_magnified_on_the_detector_but_not_at_the_patient():
    target = ISOCENTER[None]
    pose = off(0, 0, 0, 2.1, 0, 0)
    assert mpe(pose, TRUTH, target, VIEW).item() == pytest.approx(2.1 * 1000 / 700)
    # the distance to the ray, a little less than the shift
    assert mrpe(pose, TRUTH, target, VIEW).item() == pytest.approx(700 * math.sin(math.atan(2.1 / 700)))


def test_projection_errors_are_blind_to_depth_on_the_axis_and_the_target_error_is_not():
    target = ISOCENTER[None]
    pose = off(0, 0, 0, 0, 0, 30)
    assert mpe(pose, TRUTH, target, VIEW).item() == pytest.approx(0, abs=1e-9)
    assert mrpe(pose, TRUTH, target, VIEW).item() == pytest.approx(0, abs=1e-9)
    assert mtre(pose, TRUTH, target).item() == pytest.approx(30)


def test_projection_error_is_the_pixel_distance_times_the_spacing_mirrored_or_not():
    pose = off(0.1, -0.2, 0.15, 5, -8, 20)
    for sign in (1, -1):
        k = VIEW.intrinsics.clone()
        k[0, 0] *= sign
        view = View(k, VIEW.height, VIEW.width, VIEW.sdd)
        apart = (view.project(POINTS, pose) - view.project(POINTS, TRUTH)) * torch.tensor([0.7, 0.5])
        assert mpe(pose, TRUTH, POINTS, view).item() == pytest.approx(apart.norm(dim=1).mean().item())


@settings(max_examples=40, deadline=None)
@given(twists)
def test_the_reprojection_distance_is_never_more_than_the_target_error(a):
    pose = se3.about(a, TRUTH, ISOCENTER)
    assert mrpe(pose, TRUTH, POINTS, VIEW) <= mtre(pose, TRUTH, POINTS) + 1e-9


def test_several_views_are_averaged_and_see_each_others_depth():
    rig = carm.pose_from_angles(115, -10, 700.0, ISOCENTER) @ se3.inverse(TRUTH)
    lateral = View(VIEW.intrinsics, 300, 400, 1000.0, rig)
    pose, target = off(0, 0, 0, 0, 0, 10), ISOCENTER[None]
    both = mpe(pose, TRUTH, target, [VIEW, lateral])
    assert both.item() == pytest.approx((mpe(pose, TRUTH, target, lateral).item() + 0) / 2)
    assert mpe(pose, TRUTH, target, lateral).item() > 10


def test_all_are_batched():
    poses = torch.stack([TRUTH, off(0.1, 0, 0, 0, 0, 0), off(0, 0, 0, 1, 2, 3)]).reshape(3, 1, 4, 4)
    for errors in (
        mtre(poses, TRUTH, POINTS),
        mpe(poses, TRUTH, POINTS, VIEW),
        mrpe(poses, TRUTH, POINTS, [VIEW, VIEW]),
        rotation_error_deg(poses, TRUTH),
        *translation_error(poses, TRUTH, ISOCENTER),
        mtre_diffpose(poses, TRUTH, POINTS, VIEW),
    ):
        assert errors.shape == (3, 1)
        assert errors.dtype == torch.float64


def test_a_pose_with_the_patient_behind_the_source_is_infinitely_wrong_on_the_detector():
    pose = off(0, 0, 0, 0, 0, -2000)
    for error in (mpe(pose, TRUTH, POINTS, VIEW), mrpe(pose, TRUTH, POINTS, VIEW)):
        assert error.item() == math.inf
    assert mtre_diffpose(pose, TRUTH, POINTS, VIEW).item() == math.inf
    assert mpe(pose, pose, POINTS, VIEW).item() == math.inf
    assert mtre(pose, TRUTH, POINTS).item() == pytest.approx(2000)


@pytest.mark.parametrize("degrees", [1e-7, 1e-3, 1.0, 90.0, 179.9999, 180.0])
def test_the_rotation_error_is_the_angle_at_every_size(degrees):
    axis = torch.tensor([0.36, 0.48, -0.8], dtype=torch.float64)
    pose = off(*(axis * math.radians(degrees)).tolist(), 5, 6, 7)
    assert rotation_error_deg(pose, TRUTH).item() == pytest.approx(degrees, rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(twists, twists)
def test_the_rotation_error_agrees_with_scipy(a, b):
    first, second = se3.exp(a), se3.exp(b)
    expected = (
        Rotation.from_matrix(first[:3, :3].numpy()) * Rotation.from_matrix(second[:3, :3].numpy()).inv()
    ).magnitude()
    assert rotation_error_deg(first, second).item() == pytest.approx(math.degrees(expected), abs=1e-6)


def test_translation_errors_are_in_camera_axes_and_free_of_rotation():
    shift = se3.translation(torch.tensor([3.0, 4, -7], dtype=torch.float64))
    error = translation_error(shift @ off(0.3, -0.2, 0.4, 0, 0, 0), TRUTH, ISOCENTER)
    assert error.in_plane_mm.item() == pytest.approx(5)
    assert error.depth_mm.item() == pytest.approx(7)


def test_translation_errors_can_be_taken_in_another_views_axes():
    # a camera turned by 90° about the rig's y axis: its depth is the rig's x
    turned = se3.exp(torch.tensor([0, -math.pi / 2, 0, 0, 0, 0], dtype=torch.float64))
    view = View(VIEW.intrinsics, 300, 400, 1000.0, turned)
    error = translation_error(off(0, 0, 0, 3, 4, -7), TRUTH, ISOCENTER, view)
    assert error.depth_mm.item() == pytest.approx(3)
    assert error.in_plane_mm.item() == pytest.approx(math.hypot(4, 7))


def test_diffposes_number_is_a_fifth_of_a_projection_error_for_shifts():
    pose = off(0, 0, 0, 2, 0, 0)
    far = (se3.inverse(pose) @ torch.tensor([0, 0, 1000, 1.0], dtype=torch.float64))[:3]
    near = (se3.inverse(TRUTH) @ torch.tensor([0, 0, 1000, 1.0], dtype=torch.float64))[:3]
    # on each pose's own detector: the projection moves one way, the detector the other
    shift = 2 * 1000 / 700 - (far - near).norm().item()
    assert mtre_diffpose(pose, TRUTH, ISOCENTER[None], VIEW).item() == pytest.approx(0.194 * shift)
    assert mtre_diffpose(pose, TRUTH, POINTS, VIEW) < 0.2 * mtre(pose, TRUTH, POINTS)


def test_diffposes_number_is_zero_for_a_rotation_about_the_beam_although_targets_move():
    axis = se3.exp(torch.tensor([0, 0, 0.5, 0, 0, 0], dtype=torch.float64))
    pose = axis @ TRUTH
    assert mtre_diffpose(pose, TRUTH, POINTS, VIEW).item() == pytest.approx(0, abs=1e-9)
    assert mtre(pose, TRUTH, POINTS) > 20


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (torch.zeros(0, 3), "N of 1 or more"),
        (torch.zeros(3), r"\(N, 3\)"),
        (torch.full((2, 3), torch.nan), "not finite"),
    ],
)
def test_targets_that_are_none_are_refused(points, words):
    with pytest.raises(InputError, match=words):
        mtre(TRUTH, TRUTH, points)


def test_other_shapes_of_poses_and_no_views_are_refused():
    with pytest.raises(InputError, match=r"\(3, 3\)"):
        mtre(TRUTH[:3, :3], TRUTH, POINTS)
    with pytest.raises(InputError, match="one view"):
        mpe(TRUTH, TRUTH, POINTS, [])
