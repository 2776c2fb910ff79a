"""What Slicer's own slice and 3D views show, against what geometry predicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import vtk

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.scene import camera, carm, detector, overlay, poses, rendering, results
from SphericalRegLib.scene.landmarks import landmarks_from_markups
from Testing.Python.scene import scans
from Testing.Python.scene.builders import add_volume
from Testing.Python.scene.views import OffScreen


@pytest.fixture
def screen() -> Iterator[OffScreen]:
    opened = OffScreen((500, 400))
    yield opened
    opened.close()


def dotted(name: str, spots: list[tuple[int, int]], size: float = 5.0) -> Any:
    """An X-ray that is black but for white dots at (column, row)."""
    xray = scans.xray(name)
    rows, columns = np.indices(xray.image.shape)
    image = np.zeros(xray.image.shape, np.float32)
    for column, row in spots:
        image += np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 2)
    return replace(xray, image=(size * image).astype(np.float32), mask=np.ones(image.shape, bool))


def seen_at(slice_node: Any, world: np.ndarray) -> np.ndarray:
    """(x, y) in the view, from its upper left, where Slicer's own matrix puts a world point."""
    inverse = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(slice_node.GetXYToRAS(), inverse)
    x, y, _, _ = inverse.MultiplyPoint((*world, 1.0))
    return np.array([x, slice_node.GetDimensions()[1] - 1 - y])


@pytest.mark.parametrize("name", ["AP", "lateral"])
def test_a_pixel_is_shown_where_a_landmark_projected_onto_it_is_shown(screen: OffScreen, name: str) -> None:
    """The engine's projection, the picture's brightest spot, and Slicer's markups agree within one pixel."""
    view, pose = replace(scans.view(name), camera_from_rig=torch.eye(4, dtype=torch.float64)), scans.truth()
    if name == "lateral":
        pose = scans.view(name).camera_from_world(pose)
    depth = 700.0
    for column, row in [(20, 11), (80, 60), (51, 33)]:
        xray = replace(dotted(name, [(column, row)]), view=view)
        hub = carm.add_carm(screen.scene, [xray], pose, "C-arm")
        carm.set_drr(hub, 0, xray.image)
        overlay.show_overlay(hub, 0, screen.slice_node, screen.composite_node, opacity=0.3)
        picture = screen.picture(screen.slice_view)[..., 0].astype(float)
        weight = np.where(picture > 0.6 * picture.max(), picture, 0)
        rows, columns = np.indices(picture.shape)
        bright = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
        # a world point on the ray through that pixel, put through the engine and through Slicer
        ray = torch.linalg.inv(view.intrinsics) @ torch.tensor([column, row, 1.0], dtype=torch.float64)
        point = se3.transform_points(se3.inverse(pose), (depth * ray)[None])
        np.testing.assert_allclose(view.project(point, pose)[0].numpy(), [column, row], atol=1e-9)
        spot = detector.rig_from_pixels(view, view.project(point, pose).numpy())
        world = se3.transform_points(se3.inverse(pose), torch.from_numpy(spot))[0].numpy()
        assert np.abs(bright - seen_at(screen.slice_node, world)).max() < 1.0
        carm.remove_carm(hub)


def test_the_image_stands_upright_and_fills_the_view(screen: OffScreen) -> None:
    xray = dotted("AP", [(0, 0)])
    hub = carm.add_carm(screen.scene, [xray], scans.truth(), "C-arm")
    carm.set_drr(hub, 0, xray.image)
    overlay.show_overlay(hub, 0, screen.slice_node, screen.composite_node)
    picture = screen.picture(screen.slice_view)[..., 0]
    row, column = np.unravel_index(int(picture.argmax()), picture.shape)
    assert row < 40
    assert column < 40
    # 96 × 2.4 mm by 72 × 2.8 mm, with a margin of 2 percent, in 500 × 400 pixels
    assert screen.slice_node.GetFieldOfView()[0] == pytest.approx(1.02 * 72 * 2.8 / 400 * 500)


def test_the_foreground_is_the_drr_at_the_opacity_asked_for(screen: OffScreen) -> None:
    outcome = scans.registered("AP")
    hub = results.add_result(screen.scene, outcome, [scans.drrs(outcome)[0][:, ::-1]])
    found = carm.carm_nodes(hub)
    overlay.show_overlay(hub, 0, screen.slice_node, screen.composite_node, opacity=0.25)
    assert screen.composite_node.GetBackgroundVolumeID() == found.images[0].GetID()
    assert screen.composite_node.GetForegroundVolumeID() == found.drrs[0].GetID()
    assert screen.composite_node.GetForegroundOpacity() == 0.25
    pictures = []
    for opacity in (0.0, 1.0, 0.5):
        overlay.show_overlay(hub, 0, screen.slice_node, screen.composite_node, opacity=opacity)
        pictures.append(screen.picture(screen.slice_view).astype(float))
    assert np.abs(pictures[0] - pictures[1]).max() > 30
    np.testing.assert_allclose(pictures[2], (pictures[0] + pictures[1]) / 2, atol=2)


@pytest.mark.parametrize("mode", ["checkerboard", "edges", "difference"])
def test_computed_pictures_are_shown_pixel_by_pixel_and_renewed(screen: OffScreen, mode: overlay.Mode) -> None:
    outcome = scans.registered("AP")
    hub = results.add_result(screen.scene, outcome, scans.drrs(outcome))
    overlay.show_overlay(hub, 0, screen.slice_node, screen.composite_node, mode)
    node = carm.carm_nodes(hub).comparisons[0]
    assert screen.composite_node.GetBackgroundVolumeID() == node.GetID()
    pixels = detector.array_of(node).copy()
    picture = screen.picture(screen.slice_view)
    for column, row in [(30, 20), (60, 50), (45, 36)]:
        world = se3.transform_points(
            se3.inverse(outcome.result.pose),
            torch.from_numpy(detector.rig_from_pixels(scans.view(), np.array([[column, row]]))),
        )[0].numpy()
        x, y = np.round(seen_at(screen.slice_node, world)).astype(int)
        expected = np.broadcast_to(pixels[row, column], 3).astype(int)
        around = pixels[row - 1 : row + 2, column - 1 : column + 2].astype(int).reshape(9, -1)
        spread = around.max(axis=0) - around.min(axis=0)
        assert (np.abs(picture[y, x].astype(int) - expected) <= 3 + spread).all()
    carm.set_drr(hub, 0, scans.drrs(outcome)[0][:, ::-1].copy())
    overlay.refresh_overlay(hub, 0)
    assert carm.carm_nodes(hub).comparisons[0] is node
    assert (detector.array_of(node) != pixels).any()


def test_markups_are_drawn_in_the_slice_that_holds_them(screen: OffScreen) -> None:
    outcome = scans.registered("AP")
    hub = results.add_result(
        screen.scene, outcome, scans.drrs(outcome), points=scans.landmarks(), marked=scans.marks(["AP"])
    )
    overlay.show_overlay(hub, 0, screen.slice_node, screen.composite_node)
    found = carm.carm_nodes(hub)
    found.projections[0].GetDisplayNode().SetTextScale(0)
    found.projections[0].GetDisplayNode().SetGlyphTypeFromString("Circle2D")
    found.marked[0].SetDisplayVisibility(False)
    found.error_lines[0].SetDisplayVisibility(False)
    picture = screen.picture(screen.slice_view).astype(int)
    green = (picture[..., 1] > 150) & (picture[..., 0] < 100)
    for world in landmarks_from_markups(found.projections[0]).values():
        x, y = np.round(seen_at(screen.slice_node, world)).astype(int)
        near = green[max(0, y - 8) : y + 9, max(0, x - 8) : x + 9]
        assert near.any()
        rows, columns = np.nonzero(near)
        assert abs(rows.mean() - 8) < 1.5
        assert abs(columns.mean() - 8) < 1.5


def test_along_the_beam_a_landmark_covers_its_own_projection(screen: OffScreen) -> None:
    outcome = scans.registered("AP", "lateral")
    hub = results.add_result(screen.scene, outcome, scans.drrs(outcome), points=scans.landmarks())
    renderer = screen.threed_view.first_renderer()

    def shown(point: np.ndarray) -> np.ndarray:
        renderer.SetWorldPoint(*point, 1.0)
        renderer.WorldToDisplay()
        return np.array(renderer.GetDisplayPoint()[:2])

    for index in range(2):
        camera.look_along_beam(screen.camera_node, hub, index, 500 / 400)
        screen.picture(screen.threed_view)
        found = carm.carm_nodes(hub)
        projected = landmarks_from_markups(found.projections[index])
        for name, point in landmarks_from_markups(found.landmarks).items():
            assert np.abs(shown(point) - shown(projected[name])).max() < 1e-3
        world_from_rig = se3.inverse(outcome.result.pose).numpy()
        corners = detector.corners_in_rig(outcome.xrays[index].view) @ world_from_rig[:3, :3].T + world_from_rig[:3, 3]
        spots = np.array([shown(corner) for corner in corners])
        assert (spots >= -0.5).all()
        assert (spots <= [500.5, 400.5]).all()
        assert np.isclose(spots[:, 1].max(), 400, atol=0.5) or np.isclose(spots[:, 1].min(), 0, atol=0.5)
        if index == 0:  # not mirrored: upright
            assert spots[0][1] > spots[3][1]
            assert spots[0][0] < spots[1][0]


@pytest.mark.parametrize("names", [("AP",), ("AP", "lateral")], ids=["one view", "two views"])
def test_the_overview_shows_source_and_detector_of_every_view(screen: OffScreen, names: tuple[str, ...]) -> None:
    outcome = scans.registered(*names)
    hub = results.add_result(screen.scene, outcome, scans.drrs(outcome))
    camera.look_at_carm(screen.camera_node, hub, 500 / 400)
    screen.picture(screen.threed_view)
    renderer = screen.threed_view.first_renderer()
    world_from_rig = se3.inverse(outcome.result.pose).numpy()
    spots = []
    for view in (one.view for one in outcome.xrays):
        for point in [detector.source_in_rig(view), *detector.corners_in_rig(view)]:
            renderer.SetWorldPoint(*(world_from_rig[:3, :3] @ point + world_from_rig[:3, 3]), 1.0)
            renderer.WorldToDisplay()
            spots.append(renderer.GetDisplayPoint()[:2])
    found = np.array(spots)
    assert (found > 0).all()
    assert (found < [500, 400]).all()
    assert ((found.max(axis=0) - found.min(axis=0)) / [500, 400]).max() > 0.8


@pytest.fixture
def small_screen() -> Iterator[OffScreen]:
    """Volume rendering takes long on a CPU."""
    opened = OffScreen((200, 160))
    yield opened
    opened.close()


def test_the_3d_view_shows_x_ray_bones_beam_and_source(small_screen: OffScreen) -> None:
    screen = small_screen
    outcome = scans.registered("AP")
    ct = add_volume(screen.scene, scans.ct().hu, scans.ct().world_from_voxel, "CT")
    hub = results.add_result(screen.scene, outcome, scans.drrs(outcome), ct_node=ct)
    camera.look_at_carm(screen.camera_node, hub, 500 / 400)
    empty = screen.picture(screen.threed_view).astype(int)
    overlay.show_overlay(hub, 0, screen.slice_node, screen.composite_node)
    screen.picture(screen.slice_view)
    with_image = screen.picture(screen.threed_view).astype(int)
    assert (np.abs(with_image - empty).max(axis=-1) > 40).mean() > 0.005
    display = rendering.show_ct_in_3d(ct, screen.volume_rendering_logic)
    with_bones = screen.picture(screen.threed_view).astype(int)
    assert (np.abs(with_bones - with_image).max(axis=-1) > 40).mean() > 0.001
    assert rendering.show_ct_in_3d(ct, screen.volume_rendering_logic, visible=False) is display
    np.testing.assert_allclose(screen.picture(screen.threed_view).astype(int), with_image, atol=2)
    carm.set_visible(hub, False)
    without = screen.picture(screen.threed_view).astype(int)
    assert (np.abs(without - with_image).max(axis=-1) > 3).mean() > 0.05


def test_the_slice_follows_a_c_arm_that_moves(screen: OffScreen) -> None:
    xray = dotted("AP", [(50, 30)])
    hub = carm.add_carm(screen.scene, [xray], scans.truth(), "C-arm")
    carm.set_drr(hub, 0, xray.image)
    overlay.show_overlay(hub, 0, screen.slice_node, screen.composite_node)
    before = screen.picture(screen.slice_view)
    twist = torch.tensor([0.3, -0.2, 0.1, 30.0, 10.0, 40.0], dtype=torch.float64)
    poses.set_pose(hub, se3.exp(twist) @ scans.truth())
    overlay.align_slice(screen.slice_node, carm.carm_nodes(hub).images[0], fit=False)
    np.testing.assert_allclose(screen.picture(screen.slice_view).astype(int), before.astype(int), atol=3)


def test_overlays_that_cannot_be_are_refused(screen: OffScreen) -> None:
    hub = carm.add_carm(screen.scene, [scans.xray()], scans.truth(), "C-arm")
    with pytest.raises(InputError, match="DRR of 'C-arm' is not there"):
        overlay.show_overlay(hub, 0, screen.slice_node, screen.composite_node)
    carm.set_drr(hub, 0, scans.xray().image)
    with pytest.raises(InputError, match="has no view 1: it has 1"):
        overlay.show_overlay(hub, 1, screen.slice_node, screen.composite_node)
    with pytest.raises(InputError, match="no comparison 'blink'"):
        overlay.show_overlay(hub, 0, screen.slice_node, screen.composite_node, "blink")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="No camera was chosen"):
        camera.look_along_beam(None, hub)
    with pytest.raises(InputError, match="has no view 4"):
        camera.look_along_beam(screen.camera_node, hub, 4)
    with pytest.raises(InputError, match="of the kind CT volume"):
        rendering.show_ct_in_3d(hub, screen.volume_rendering_logic)
