"""A C-arm that is set by its numbers, in Slicer's scene and views."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm_setting import CArmSetting
from SphericalRegLib.io.calibration_files import read_json
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.scene import carm, detector, drr_carm, landmarks, matrices, overlay, poses
from SphericalRegLib.scene.drr import drr_of
from Testing.Python.scene import scans
from Testing.Python.scene.builders import add_linear_transform, add_volume, voxel_in_world

SETTING = CArmSetting(-33.7, 21.4, 12.0, 1013.0, 700.0, 72, 96, 2.8, 2.4, 3.0, -2.5, 11.0, -12.5, 7.75, mirrored=True)


@pytest.fixture
def ct_node(a_scene: Any) -> Any:
    return add_volume(a_scene, scans.ct().hu, scans.ct().world_from_voxel, "CT")


@pytest.fixture
def hub(a_scene: Any, ct_node: Any) -> Any:
    return drr_carm.add_drr_carm(a_scene, SETTING, ct_node, "C-arm")


def test_the_middle_of_the_ct_is_where_the_engine_has_it(ct_node: Any) -> None:
    assert torch.allclose(drr_carm.ct_center(ct_node), scans.volume().center, atol=1e-9)


def test_three_lines_of_python_draw_what_the_engine_draws(ct_node: Any) -> None:
    import slicer

    from SphericalRegLib.rendering import render

    node = drr_of(ct_node, "LAO 30 CRA 15", rows=72, columns=96, row_spacing=2.8, column_spacing=2.4)
    pixels = slicer.util.arrayFromVolume(node)[0]
    setting = drr_carm.get_setting(node.GetParentTransformNode())
    assert (setting.primary_deg, setting.secondary_deg, setting.columns) == (30.0, 15.0, 96)
    expected = render(scans.volume(), setting.view(), setting.pose(scans.volume().center)[None], samples=48)[0, 0]
    assert pixels.max() > 1
    assert np.abs(pixels - expected.numpy()).max() < 1e-4


def test_a_voxel_of_the_drr_lies_where_its_pixel_is(hub: Any) -> None:
    node = drr_carm.put_drr(hub, np.zeros((72, 96), np.float32))
    place = torch.from_numpy(voxel_in_world(node, (17.0, 60.0, 0.0)))
    pose = SETTING.pose(drr_carm.ct_center(drr_carm.carm.carm_nodes(hub).ct))
    assert SETTING.view().project(place[None], pose)[0].tolist() == pytest.approx([17.0, 60.0], abs=1e-6)


def test_numbers_move_pose_geometry_and_shapes(hub: Any, ct_node: Any) -> None:
    other = replace(SETTING, primary_deg=64.0, sdd=1200.0, table_head=-40.0, rows=40)
    frame = carm.carm_nodes(hub).detectors[0]
    before = frame.GetPolyData().GetBounds()
    drr_carm.set_setting(hub, other)
    assert drr_carm.get_setting(hub) == other
    center = drr_carm.ct_center(ct_node)
    assert torch.allclose(poses.pose_from_transform(hub), other.pose(center), atol=1e-9)
    assert carm.views(hub)[0].sdd == 1200.0
    assert frame.GetPolyData().GetBounds() != before
    turning = torch.tensor([[*hub.GetCenterOfTransformation()]], dtype=torch.float64)
    world = se3.transform_points(se3.inverse(other.pose(center)), turning)[0]
    assert torch.allclose(world, other.isocenter(center), atol=1e-6)


def test_dragging_its_handles_changes_the_numbers(hub: Any, ct_node: Any) -> None:
    center = drr_carm.ct_center(ct_node)
    moved = replace(SETTING, primary_deg=-12.0, table_left=60.0)
    poses.set_pose(hub, moved.pose(center))
    assert vars(drr_carm.get_setting(hub)) == pytest.approx(vars(moved), abs=1e-6)


def test_a_ct_that_is_moved_takes_the_isocenter_with_it_when_numbers_are_set(
    hub: Any, a_scene: Any, ct_node: Any
) -> None:
    matrix = np.eye(4)
    matrix[:3, 3] = [30.0, -20.0, 10.0]
    ct_node.SetAndObserveTransformNodeID(add_linear_transform(a_scene, matrix).GetID())
    drr_carm.set_setting(hub, SETTING)
    center = scans.volume().center + torch.tensor([30.0, -20.0, 10.0])
    assert torch.allclose(poses.pose_from_transform(hub), SETTING.pose(center), atol=1e-9)


def test_the_window_follows_the_picture_until_the_user_sets_one(hub: Any) -> None:
    image = np.zeros((72, 96), np.float32)
    image[20:50] = np.linspace(1, 5, 30)[:, None]
    node = drr_carm.put_drr(hub, image)
    tone = drr_carm.tone(hub)
    assert (tone.low, tone.high) == pytest.approx((1.0, 5.0), abs=0.05)
    drr_carm.put_drr(hub, 3 * image)
    assert (drr_carm.tone(hub).low, drr_carm.tone(hub).high) == pytest.approx((3.0, 15.0), abs=0.15)
    node.GetDisplayNode().SetWindowLevel(2.0, 3.0)
    drr_carm.put_drr(hub, 2 * image)
    assert (drr_carm.tone(hub).low, drr_carm.tone(hub).high) == pytest.approx((2.0, 4.0))
    drr_carm.fit_window(hub)
    assert drr_carm.tone(hub).high == pytest.approx(10.0, abs=0.1)
    drr_carm.put_drr(hub, image)
    assert drr_carm.tone(hub).high == pytest.approx(5.0, abs=0.05)


def test_gamma_and_inversion_are_in_the_color_table(hub: Any) -> None:
    node = drr_carm.put_drr(hub, scans.xray().image)
    drr_carm.set_curve(hub, 2.0, True)
    table = node.GetDisplayNode().GetColorNode()
    gray = [0.0] * 4
    table.GetColor(128, gray)
    assert gray[0] == pytest.approx(1 - (128 / 255) ** 2, abs=0.003)
    assert (drr_carm.tone(hub).gamma, drr_carm.tone(hub).inverted) == (2.0, True)
    assert table.GetHideFromEditors()


class TestMarkups:
    def test_are_projected_with_their_pixels_in_a_table(self, hub: Any, a_scene: Any, ct_node: Any) -> None:
        points = scans.landmarks()
        far = points["head"] + [0.0, 0.0, 900.0]
        markups = landmarks.markups_from_landmarks(a_scene, {**points, "far": far}, "points")
        table = drr_carm.project(hub, markups)
        view, pose = SETTING.view(), SETTING.pose(drr_carm.ct_center(ct_node))
        names = [table.GetTable().GetValueByName(row, "Point").ToString() for row in range(5)]
        assert names == [*points, "far"]
        for row, name in enumerate(points):
            expected = view.project(torch.from_numpy(points[name])[None], pose)[0].tolist()
            told = [float(table.GetTable().GetValueByName(row, key).ToString()) for key in ("u", "v")]
            assert told == pytest.approx(expected, abs=0.0051)
        assert table.GetTable().GetValueByName(4, "Inside").ToString() == "no"
        crosses = carm.carm_nodes(hub).projections[0]
        assert crosses.GetNumberOfControlPoints() == 4
        node = drr_carm.put_drr(hub, np.zeros((72, 96), np.float32))
        ijk = np.linalg.inv(matrices.world_from_ijk(node)) @ [*crosses.GetNthControlPointPositionWorld(0), 1.0]
        first = view.project(torch.from_numpy(points["head"])[None], pose)[0].tolist()
        assert ijk[:3].tolist() == pytest.approx([*first, 0.0], abs=1e-6)

    def test_follow_in_the_same_table_and_leave_with_their_markups(self, hub: Any, a_scene: Any) -> None:
        markups = landmarks.markups_from_landmarks(a_scene, scans.landmarks(), "points")
        table = drr_carm.project(hub, markups)
        before = table.GetTable().GetValueByName(0, "u").ToString()
        markups.RemoveNthControlPoint(3)
        drr_carm.set_setting(hub, replace(SETTING, table_left=30.0))
        assert drr_carm.project(hub, markups) is table
        assert table.GetTable().GetNumberOfRows() == 3
        assert table.GetTable().GetValueByName(0, "u").ToString() != before
        crosses = carm.carm_nodes(hub).projections[0]
        assert drr_carm.project(hub, None) is None
        assert not a_scene.IsNodePresent(table)
        assert not a_scene.IsNodePresent(crosses)


class TestFiles:
    def test_what_is_saved_holds_the_setting(self, hub: Any, ct_node: Any, tmp_path: Path) -> None:
        node = drr_carm.put_drr(hub, np.clip(scans.xray().image, 0, None))
        drr_carm.save(hub, tmp_path / "drr.dcm")
        xray = read_xray(tmp_path / "drr.dcm")
        assert np.abs(xray.image - detector.array_of(node)).max() < 1e-3
        assert torch.allclose(xray.view.intrinsics, SETTING.view().intrinsics, rtol=1e-9)
        calibration = read_json(tmp_path / "drr.geometry.json")
        assert calibration.pose is not None
        assert torch.allclose(calibration.pose, SETTING.pose(drr_carm.ct_center(ct_node)), atol=1e-9)

    def test_a_drr_that_is_not_drawn_with_all_pixels_is_not_saved(self, hub: Any, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no DRR yet"):
            drr_carm.save(hub, tmp_path / "drr.png")
        drr_carm.put_drr(hub, np.zeros((36, 48), np.float32))
        with pytest.raises(InputError, match="wait"):
            drr_carm.save(hub, tmp_path / "drr.png")


def test_it_is_found_again_in_a_loaded_scene_and_goes_as_a_whole(
    hub: Any, a_scene: Any, ct_node: Any, tmp_path: Path
) -> None:
    drr_carm.put_drr(hub, scans.xray().image)
    drr_carm.set_curve(hub, 1.5, False)
    drr_carm.project(hub, landmarks.markups_from_landmarks(a_scene, scans.landmarks(), "points"))
    assert drr_carm.drr_carms(a_scene) == [hub]
    assert carm.missing(hub) == []
    made = [node.GetID() for node in carm.belongings(hub)]
    assert len(made) == 7
    carm.remove_carm(hub)
    assert [one for one in made if a_scene.GetNodeByID(one)] == []
    assert a_scene.IsNodePresent(ct_node)


def test_a_parallel_beam_has_no_source_in_3d(hub: Any) -> None:
    drr_carm.set_setting(hub, replace(SETTING, parallel=True))
    found = carm.carm_nodes(hub)
    assert not found.sources[0].GetDisplayNode().GetVisibility3D()
    assert found.detectors[0].GetDisplayNode().GetVisibility3D()
    drr_carm.set_setting(hub, SETTING)
    assert found.beams[0].GetDisplayNode().GetVisibility3D()


@pytest.mark.usefixtures("a_slicer_app")
def test_the_slice_view_shows_it_as_saved(tmp_path: Path) -> None:
    """What the view shows, pixel for pixel, is the PNG that is saved: window, gamma and inversion included."""
    from SphericalRegLib.app.panel.carm_drr import CArmDRR
    from Testing.Python.scene.views import OffScreen

    views = OffScreen((96 * 4, 72 * 4))
    try:
        ct = add_volume(views.scene, scans.ct().hu, scans.ct().world_from_voxel, "CT")
        setting = replace(SETTING, row_spacing=2.4)
        hub = drr_carm.add_drr_carm(views.scene, setting, ct, "C-arm")
        *_, image = CArmDRR(scans.volume()).resting(setting)
        drr_carm.put_drr(hub, image)
        drr_carm.set_curve(hub, 0.6, True)
        overlay.show_overlay(hub, 0, views.slice_node, views.composite_node, "edges")
        picture = views.picture(views.slice_view)
        drr_carm.save(hub, tmp_path / "drr.png")
        saved = read_xray(tmp_path / "drr.png", setting.view()).image
        # the view has a margin of 2 %; compare middles of pixels
        rows = ((np.arange(72) - 35.5) * 4 / 1.02 + 143.5).round().astype(int)
        columns = ((np.arange(96) - 47.5) * 4 / 1.02 + 191.5).round().astype(int)
        shown = picture[np.ix_(rows, columns)][..., 0].astype(float)
        assert np.corrcoef(shown.ravel(), saved.ravel())[0, 1] > 0.99
        assert np.median(np.abs(shown - saved)) < 6
    finally:
        views.close()
