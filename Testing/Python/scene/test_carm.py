"""The C-arm in the scene: X-rays and DRRs lie at the detector to the pixel, and everything follows the pose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.scene import carm, detector, poses
from Testing.Python.scene.builders import add_linear_transform, add_volume, voxel_in_world


def an_xray(view: View) -> XRay:
    image = np.random.default_rng(1).random((view.height, view.width), dtype=np.float32)
    mask = np.ones(image.shape, bool)
    mask[:3] = False
    return XRay(image, view, mask, path="AP.dcm")


def points_in_beam(view: View, pose: torch.Tensor) -> torch.Tensor:
    """(N, 3) world points before the detector, at and off the central ray."""
    camera = torch.tensor(
        [[0.0, 0.0, 600.0], [31.0, -22.0, 710.0], [-44.0, 51.0, 655.0], [5.0, 60.0, 900.0]], dtype=torch.float64
    )
    return se3.transform_points(se3.inverse(view.camera_from_world(pose)), camera)


@pytest.mark.parametrize("which", ["off_center_view", "mirrored_view"])
@pytest.mark.parametrize("under", ["nothing", "a moved parent"])
def test_a_projected_point_lies_on_the_ray_through_its_pixels_voxel(
    a_scene: Any, oblique_pose: torch.Tensor, which: str, under: str, request: pytest.FixtureRequest
) -> None:
    """The engine's pixel, put through Slicer's own transforms, and the source are on one line with the point."""
    view: View = request.getfixturevalue(which)
    hub = carm.add_carm(a_scene, [an_xray(view)], oblique_pose, "C-arm")
    pose = oblique_pose
    if under == "a moved parent":
        above = se3.exp(torch.tensor([0.4, 0.5, -0.6, 10.0, 20.0, -30.0], dtype=torch.float64))
        hub.SetAndObserveTransformNodeID(add_linear_transform(a_scene, above.numpy()).GetID())
        pose = poses.pose_from_transform(hub)
    carm.set_drr(hub, 0, np.ones((view.height, view.width), np.float32))
    found = carm.carm_nodes(hub)
    source = se3.inverse(view.camera_from_world(pose))[:3, 3].numpy()
    points = points_in_beam(view, pose)
    for point, (u, v) in zip(points.numpy(), view.project(points, pose).tolist(), strict=True):
        for node in (found.images[0], found.drrs[0]):
            pixel = voxel_in_world(node, (u, v, 0.0))
            along = (pixel - source) / np.linalg.norm(pixel - source)
            off = (point - source) - ((point - source) @ along) * along
            assert np.linalg.norm(off) < 1e-6
            depth = view.camera_from_world(pose).numpy() @ [*pixel, 1.0]
            assert abs(depth[2] - view.sdd) < 1e-6


def test_the_grid_is_right_handed_and_perpendicular_to_the_beam(mirrored_view: View, off_center_view: View) -> None:
    for view in (mirrored_view, off_center_view):
        matrix = detector.rig_from_ijk(view)
        assert np.linalg.det(matrix[:3, :3]) > 0
        axis = (view.camera_from_rig[:3, :3].numpy() @ matrix[:3, 2]) / detector.THICKNESS
        np.testing.assert_allclose(axis, [0, 0, -1.0 if view.mirrored else 1.0], atol=1e-12)


def test_a_drr_of_fewer_pixels_covers_the_same_detector(
    a_scene: Any, oblique_pose: torch.Tensor, off_center_view: View
) -> None:
    hub = carm.add_carm(a_scene, [an_xray(off_center_view)], oblique_pose, "C-arm")
    carm.set_drr(hub, 0, np.ones((24, 16), np.float32))
    found = carm.carm_nodes(hub)
    height, width = off_center_view.height, off_center_view.width
    for (row, column), (j, i) in {(-0.5, -0.5): (-0.5, -0.5), (height - 0.5, width - 0.5): (23.5, 15.5)}.items():
        np.testing.assert_allclose(
            voxel_in_world(found.drrs[0], (i, j, 0)), voxel_in_world(found.images[0], (column, row, 0)), atol=1e-6
        )


def test_everything_follows_the_pose_node(a_scene: Any, oblique_pose: torch.Tensor, mirrored_view: View) -> None:
    hub = carm.add_carm(a_scene, [an_xray(mirrored_view)], oblique_pose, "C-arm")
    moved = se3.exp(torch.tensor([0.1, -0.2, 0.3, 5.0, 6.0, 7.0], dtype=torch.float64)) @ oblique_pose
    poses.set_pose(hub, moved)
    found = carm.carm_nodes(hub)
    source = se3.inverse(mirrored_view.camera_from_world(moved))[:3, 3].numpy()
    bounds = [0.0] * 6
    found.sources[0].GetRASBounds(bounds)
    np.testing.assert_allclose((np.array(bounds[::2]) + bounds[1::2]) / 2, source, atol=0.1)
    world_from_rig = se3.inverse(moved).numpy()
    shape = slicer.util.arrayFromModelPoints(found.beams[0]) @ world_from_rig[:3, :3].T + world_from_rig[:3, 3]
    np.testing.assert_allclose(shape[0], source, atol=1e-3)
    right, bottom = mirrored_view.width - 0.5, mirrored_view.height - 0.5
    for corner, (u, v) in zip(shape[1:], [(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)], strict=True):
        np.testing.assert_allclose(corner, voxel_in_world(found.images[0], (u, v, 0)), atol=1e-3)


def test_pixels_are_shown_as_they_are_and_the_users_node_is_left_alone(
    a_scene: Any, oblique_pose: torch.Tensor, off_center_view: View
) -> None:
    xray = an_xray(off_center_view)
    theirs = add_volume(a_scene, xray.image[None], np.diag([-0.4, -0.3, 1.0, 1.0]), "AP")
    hub = carm.add_carm(a_scene, [xray], oblique_pose, "C-arm", xray_nodes=[theirs])
    found = carm.carm_nodes(hub)
    np.testing.assert_array_equal(detector.array_of(found.images[0]), xray.image)
    np.testing.assert_array_equal(detector.array_of(found.masks[0]), xray.mask)
    assert found.xrays == [theirs]
    assert theirs.GetParentTransformNode() is None
    np.testing.assert_allclose(voxel_in_world(theirs, (1, 1, 0)), [-0.4, -0.3, 0])


def test_a_live_drr_replaces_the_pixels_of_the_one_node(
    a_scene: Any, oblique_pose: torch.Tensor, off_center_view: View
) -> None:
    hub = carm.add_carm(a_scene, [an_xray(off_center_view)], oblique_pose, "C-arm")
    first = np.random.default_rng(0).random((48, 64), dtype=np.float32)
    carm.set_drr(hub, 0, first)
    node = carm.carm_nodes(hub).drrs[0]
    count = a_scene.GetNumberOfNodes()
    for image in (first[::-1].copy(), first[:24, :32].copy()):
        carm.set_drr(hub, 0, image)
        assert carm.carm_nodes(hub).drrs[0] is node
        np.testing.assert_array_equal(detector.array_of(node), image)
    assert a_scene.GetNumberOfNodes() == count
    low, high = np.percentile(image, [0.5, 99.5])
    display = node.GetDisplayNode()
    assert display.GetWindowLevelMin() == pytest.approx(low, abs=0.02)
    assert display.GetWindowLevelMax() == pytest.approx(high, abs=0.02)


def test_views_come_back_to_the_last_digit(
    a_scene: Any, oblique_pose: torch.Tensor, off_center_view: View, mirrored_view: View
) -> None:
    hub = carm.add_carm(a_scene, [an_xray(off_center_view), an_xray(mirrored_view)], oblique_pose, "C-arm")
    for found, view in zip(carm.views(hub), (off_center_view, mirrored_view), strict=True):
        torch.testing.assert_close(found.intrinsics, view.intrinsics, rtol=0, atol=0)
        torch.testing.assert_close(found.camera_from_rig, view.camera_from_rig, rtol=0, atol=0)
        assert (found.height, found.width, found.sdd, found.sad) == (view.height, view.width, view.sdd, view.sad)
        assert found.name == view.name


def test_what_was_deleted_is_told_in_words(
    a_scene: Any, oblique_pose: torch.Tensor, off_center_view: View, mirrored_view: View
) -> None:
    ct = add_volume(a_scene, np.zeros((2, 2, 2), np.float32), np.eye(4), "CT")
    xrays = [an_xray(off_center_view), an_xray(mirrored_view)]
    hub = carm.add_carm(a_scene, xrays, oblique_pose, "C-arm", ct_node=ct)
    assert carm.missing(hub) == []
    a_scene.RemoveNode(carm.carm_nodes(hub).images[1])
    a_scene.RemoveNode(ct)
    assert sorted(carm.missing(hub)) == ["CT", "X-ray at the detector of view 2"]
    assert carm.carm_nodes(hub).ct is None


def test_removing_a_c_arm_leaves_only_what_was_there_before(
    a_scene: Any, oblique_pose: torch.Tensor, off_center_view: View
) -> None:
    ct = add_volume(a_scene, np.zeros((2, 2, 2), np.float32), np.eye(4), "CT")
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(a_scene)
    other = carm.add_carm(a_scene, [an_xray(off_center_view)], oblique_pose, "other", ct_node=ct)
    before = {a_scene.GetNthNode(n).GetID() for n in range(a_scene.GetNumberOfNodes())}
    hub = carm.add_carm(a_scene, [an_xray(off_center_view)], oblique_pose, "C-arm", ct_node=ct)
    carm.set_drr(hub, 0, np.ones((48, 64), np.float32), np.ones((48, 64), np.float32))
    a_scene.RemoveNode(carm.carm_nodes(hub).beams[0])
    carm.remove_carm(hub)
    assert {a_scene.GetNthNode(n).GetID() for n in range(a_scene.GetNumberOfNodes())} == before
    assert carm.missing(other) == []
    with pytest.raises(InputError, match="'C-arm' was deleted from the scene"):
        carm.carm_nodes(hub)


def test_inputs_that_do_not_fit_leave_the_scene_as_it_was(
    a_scene: Any, oblique_pose: torch.Tensor, off_center_view: View, mirrored_view: View
) -> None:
    xray = an_xray(off_center_view)
    before = a_scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="no X-ray to show"):
        carm.add_carm(a_scene, [], oblique_pose, "C-arm")
    with pytest.raises(InputError, match="2 X-ray nodes for 1 X-rays"):
        carm.add_carm(a_scene, [xray], oblique_pose, "C-arm", xray_nodes=[None, None])
    with pytest.raises(GeometryError, match="not a rigid"):
        carm.add_carm(a_scene, [xray], 2 * oblique_pose, "C-arm")
    with pytest.raises(GeometryError, match=r"is \(48, 64\), its geometry for \(40, 56\)"):
        carm.add_carm(a_scene, [XRay(xray.image, mirrored_view, xray.mask)], oblique_pose, "C-arm")
    assert a_scene.GetNumberOfNodes() == before
    hub = carm.add_carm(a_scene, [xray], oblique_pose, "C-arm")
    with pytest.raises(InputError, match="has no view 1: it has 1"):
        carm.set_drr(hub, 1, xray.image)
    with pytest.raises(InputError, match=r"A DRR is \(H, W\), not \(1, 48, 64\)"):
        carm.set_drr(hub, 0, xray.image[None])
    with pytest.raises(InputError, match="was not made by a registration"):
        carm.carm_nodes(add_linear_transform(a_scene, np.eye(4)))
