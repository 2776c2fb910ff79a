"""Bones that are pushed in a slice view, on Slicer's real slice node."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.scene import carm, matrices, overlay, poses, results
from SphericalRegLib.scene.session.hand import Hand, back_to_registered
from Testing.Python.scene import scans
from Testing.Python.scene.builders import add_volume


@pytest.fixture(params=["AP", "lateral"])
def node(request: Any, a_scene: Any) -> Any:
    """A result whose only view is plain, or mirrored and beside the rig's origin."""
    ct = add_volume(a_scene, scans.ct().hu, scans.ct().world_from_voxel, "CT")
    outcome = scans.registered("AP", "lateral") if request.param == "lateral" else scans.registered("AP")
    return results.add_result(a_scene, outcome, scans.drrs(outcome), ct_node=ct)


@pytest.fixture
def index(node: Any) -> int:
    return carm.view_count(node) - 1


@pytest.fixture
def slice_node(a_scene: Any, node: Any, index: int) -> Any:
    made = a_scene.AddNewNodeByClass("vtkMRMLSliceNode")
    made.SetDimensions(640, 400, 1)
    overlay.align_slice(made, carm.carm_nodes(node).images[index])
    return made


def seen(node: Any, index: int) -> Any:
    return carm.views(node)[index].project(scans.volume().center[None], poses.pose_from_transform(node))[0].numpy()


def xy_of(slice_node: Any, node: Any, index: int) -> tuple[float, float]:
    """Where the middle of the CT is seen in the view's window."""
    image = carm.carm_nodes(node).images[index]
    world = matrices.world_from_ijk(image) @ [*seen(node, index), 0.0, 1.0]
    x, y = (np.linalg.inv(matrices.from_vtk(slice_node.GetXYToRAS())) @ world)[:2]
    return float(x), float(y)


def test_the_bones_follow_the_mouse_also_while_the_view_follows_the_c_arm(
    node: Any, index: int, slice_node: Any
) -> None:
    hand, (x, y) = Hand(), xy_of(slice_node, node, index)
    hand.press(node, index, slice_node, (x, y), False, False)
    assert hand.holds
    for step in range(1, 6):
        hand.move((x + 10 * step, y - 6 * step))
        overlay.align_slice(slice_node, carm.carm_nodes(node).images[index], fit=False)
    assert xy_of(slice_node, node, index) == pytest.approx((x + 50, y - 30), abs=1e-6)
    hand.release()
    hand.move((0.0, 0.0))
    assert xy_of(slice_node, node, index) == pytest.approx((x + 50, y - 30), abs=1e-6)


@pytest.mark.parametrize(("shift", "control"), [(True, False), (False, True)])
def test_with_a_modifier_they_turn_about_their_middle(
    node: Any, index: int, slice_node: Any, shift: bool, control: bool
) -> None:
    before, place = poses.pose_from_transform(node), seen(node, index)
    hand, (x, y) = Hand(), xy_of(slice_node, node, index)
    hand.press(node, index, slice_node, (x + 60, y), shift, control)
    hand.move((x + 60, y + 60))
    after = poses.pose_from_transform(node)
    assert seen(node, index) == pytest.approx(place, abs=1e-9)
    angle = float(torch.rad2deg(se3.so3_log(after[:3, :3] @ before[:3, :3].T).norm()))
    if control:
        assert angle == pytest.approx(45.0, abs=2.0)
    else:
        assert 2.0 < angle < 40.0


def test_arrow_keys_move_by_a_mm_or_a_degree(node: Any, index: int) -> None:
    hand, before = Hand(), poses.pose_from_transform(node)
    middle = scans.volume().center[None]
    assert hand.press_key(node, index, "Right")
    apart = se3.transform_points(poses.pose_from_transform(node), middle) - se3.transform_points(before, middle)
    assert float(apart.norm()) == pytest.approx(1.0)
    assert hand.press_key(node, index, "Left")
    assert hand.press_key(node, index, "Up", shift=True, control=True)
    after = poses.pose_from_transform(node)
    angle = torch.rad2deg(se3.so3_log(after[:3, :3] @ before[:3, :3].T).norm())
    assert float(angle) == pytest.approx(0.1, abs=1e-6)
    assert not hand.press_key(node, index, "a")


def test_the_wheel_changes_depth_alone(node: Any, index: int) -> None:
    before = seen(node, index)
    pose = poses.pose_from_transform(node)
    Hand().turn_wheel(node, index, 2)
    assert seen(node, index) == pytest.approx(before, abs=1e-9)
    middle = scans.volume().center[None]
    apart = se3.transform_points(poses.pose_from_transform(node), middle) - se3.transform_points(pose, middle)
    assert float(apart.norm()) == pytest.approx(10.0)


def test_back_to_the_registered_pose(node: Any, index: int, a_scene: Any) -> None:
    hand = Hand()
    hand.press_key(node, index, "Down")
    assert results.has_moved(node)
    back_to_registered(node)
    assert not results.has_moved(node)
    placed = carm.add_carm(a_scene, [scans.xray()], scans.truth(), "C-arm")
    with pytest.raises(InputError, match="no result"):
        back_to_registered(placed)
