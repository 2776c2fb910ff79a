"""Bones that follow a hand on the X-ray, in views that are mirrored, off-center and within a rig."""

import pytest
import torch

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import carm, pushing, se3
from SphericalRegLib.geometry.view import View, is_rigid, mirrored_view

CENTER = torch.tensor([12.0, -190.0, 870.0], dtype=torch.float64)
RIG = se3.exp(torch.tensor([0.2, 1.4, -0.3, 120.0, -40.0, 310.0], dtype=torch.float64))


def a_view(kind):
    view = View.from_spacing(400, 500, 1013.0, (0.9, 0.7), (211.0, 260.0), 640.0)
    if kind == "mirrored":
        view = mirrored_view(view)
    if kind == "upside down":
        k = view.intrinsics.clone()
        k[1, 1] *= -1
        view = View(k, 400, 500, 1013.0, sad=640.0)
    if kind == "in a rig":
        view = View(view.intrinsics, 400, 500, 1013.0, RIG, 640.0)
    return view


@pytest.fixture(params=["plain", "mirrored", "upside down", "in a rig"])
def view(request):
    return a_view(request.param)


@pytest.fixture
def pose(view):
    camera = carm.pose_from_angles(150.0, 20.0, 640.0, CENTER, 13.0)
    return view.rig_from_camera @ camera


def seen(view, pose, offset=(0.0, 0.0, 0.0)):
    """Where a point beside the middle is seen, offset in the camera's frame."""
    camera = view.camera_from_world(pose)
    return view.project(CENTER[None], pose)[0] if offset == (0.0, 0.0, 0.0) else _project(view, camera, offset)


def _project(view, camera, offset):
    middle = se3.transform_points(camera, CENTER[None])[0]
    homogeneous = view.intrinsics @ (middle + torch.tensor(offset, dtype=torch.float64))
    return homogeneous[:2] / homogeneous[2]


def depth(view, pose):
    return float(se3.transform_points(view.camera_from_world(pose), CENTER[None])[0, 2])


def test_the_bones_stay_under_the_hand(view, pose):
    start = seen(view, pose)
    end = start + torch.tensor([37.5, -21.25])
    moved = pushing.shifted(pose, view, CENTER, tuple(start.tolist()), tuple(end.tolist()))
    assert is_rigid(moved, 1e-12)
    assert torch.allclose(seen(view, moved), end, atol=1e-9)
    assert depth(view, moved) == pytest.approx(depth(view, pose))


def test_an_arrow_moves_them_by_mm_at_their_own_depth(view, pose):
    moved = pushing.nudged(pose, view, 1.0, 0.0)
    apart = seen(view, moved) - seen(view, pose)
    assert apart.tolist() == pytest.approx([1013.0 / 0.7 / depth(view, pose), 0.0], abs=1e-9)
    moved = pushing.nudged(pose, view, 0.0, 2.0)
    apart = seen(view, moved) - seen(view, pose)
    assert apart.tolist() == pytest.approx([0.0, 2 * 1013.0 / 0.9 / depth(view, pose)], abs=1e-9)


def test_pulling_keeps_the_middle_in_its_place_in_the_image(view, pose):
    moved = pushing.pulled(pose, view, CENTER, 35.0)
    assert torch.allclose(seen(view, moved), seen(view, pose), atol=1e-9)
    middle = se3.transform_points(view.camera_from_world(pose), CENTER[None])[0]
    assert depth(view, moved) == pytest.approx(depth(view, pose) + 35.0 * float(middle[2] / middle.norm()))


def test_rolling_turns_what_is_seen_by_the_hands_angle(view, pose):
    middle = seen(view, pose)
    start, end = middle + torch.tensor([100.0, 0.0]), middle + torch.tensor([0.0, 80.0])
    moved = pushing.rolled(pose, view, CENTER, tuple(start.tolist()), tuple(end.tolist()))
    assert torch.allclose(seen(view, moved), middle, atol=1e-9)
    # a point of the bones to the right of the middle is below it now
    world = se3.transform_points(se3.inverse(view.camera_from_world(pose)), _beside(view, pose, right=30.0)[None])
    after = view.project(world, moved)[0] - middle
    assert abs(float(after[0])) < 1.5
    assert float(after[1]) > 20


def _beside(view, pose, right=0.0, down=0.0, nearer=0.0):
    """A point in the camera's frame beside the middle, as the image's viewer sees it."""
    sign_u, sign_v = (float(torch.sign(view.intrinsics[n, n])) for n in (0, 1))
    toward = -1.0 if sign_u * sign_v > 0 else 1.0
    middle = se3.transform_points(view.camera_from_world(pose), CENTER[None])[0]
    return middle + torch.tensor([sign_u * right, sign_v * down, toward * nearer], dtype=torch.float64)


def test_what_is_nearest_to_the_viewer_goes_with_the_hand(view, pose):
    world = se3.transform_points(se3.inverse(view.camera_from_world(pose)), _beside(view, pose, nearer=50.0)[None])
    before = view.project(world, pose)[0]
    across = view.project(world, pushing.turned(pose, view, CENTER, 5.0, 0.0, 0.0))[0] - before
    assert float(across[0]) > 5
    assert abs(float(across[1])) < 0.5
    downward = view.project(world, pushing.turned(pose, view, CENTER, 0.0, 5.0, 0.0))[0] - before
    assert float(downward[1]) > 5
    assert abs(float(downward[0])) < 0.5


def test_back_and_forth_is_where_it_was(view, pose):
    there = pushing.turned(
        pushing.pulled(pushing.nudged(pose, view, 3.0, 4.0), view, CENTER, 5.0), view, CENTER, 0, 0, 7
    )
    back = pushing.turned(there, view, CENTER, 0, 0, -7)
    back = pushing.nudged(pushing.pulled(back, view, CENTER, -5.0), view, -3.0, -4.0)
    assert torch.allclose(back, pose, atol=1e-6)


def test_bones_behind_the_source_are_not_pushed(view, pose):
    behind = view.rig_from_camera @ se3.from_parts(
        torch.eye(3, dtype=torch.float64), -CENTER - torch.tensor([0.0, 0.0, 10.0])
    )
    with pytest.raises(GeometryError, match="behind"):
        pushing.shifted(behind, view, CENTER, (0.0, 0.0), (1.0, 1.0))
    with pytest.raises(GeometryError, match="reach the X-ray source"):
        pushing.pulled(pose, view, CENTER, -700.0)
