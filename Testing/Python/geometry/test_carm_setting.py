"""A C-arm's numbers: what they do to the picture, and that they come back out of poses and calibrations."""

from dataclasses import astuple, replace

import pytest
import torch

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import carm, frames, se3
from SphericalRegLib.geometry.carm_setting import (
    PARALLEL_MM,
    CArmSetting,
    looking,
    setting_of,
)
from SphericalRegLib.geometry.carm_words import NAMED_VIEWS, angle_words, view_angles, view_name
from SphericalRegLib.geometry.view import View

CENTER = torch.tensor([12.0, -190.0, 870.0], dtype=torch.float64)
OBLIQUE = CArmSetting(-33.7, 21.4, 117.3, 1013.0, 641.5, 300, 400, 0.31, 0.52, 17.25, -8.5, 31.0, -12.5, 77.75, True)


def seen_at(setting, letter, distance=50.0):
    """Where a point at a distance from the CT's middle appears: (right, down) of the image's middle, mm on it."""
    view = setting.view()
    pixel = view.project((CENTER + distance * frames.direction(letter))[None], setting.pose(CENTER))[0]
    return (
        float(pixel[0] - (view.width - 1) / 2) * setting.column_spacing,
        float(pixel[1] - (view.height - 1) / 2) * setting.row_spacing,
    )


class TestThereAndBack:
    @pytest.mark.parametrize(
        "setting",
        [
            CArmSetting(),
            OBLIQUE,
            replace(OBLIQUE, mirrored=False),
            replace(OBLIQUE, primary_deg=151.2, secondary_deg=-63.1, rotation_deg=-90.0),
            replace(OBLIQUE, primary_deg=180.0, secondary_deg=0.0, rotation_deg=180.0),
        ],
    )
    def test_every_number_comes_back(self, setting):
        back = setting_of(setting.view(), setting.pose(CENTER), CENTER)
        assert astuple(back) == pytest.approx(astuple(setting), abs=1e-9)

    def test_the_view_and_the_pose_of_what_came_back_are_the_same(self):
        view, pose = OBLIQUE.view(), OBLIQUE.pose(CENTER)
        back = setting_of(view, pose, CENTER)
        assert torch.allclose(back.view().intrinsics, view.intrinsics, rtol=1e-12)
        assert torch.allclose(back.pose(CENTER), pose, atol=1e-9)

    def test_a_calibrated_view_in_a_rig_that_is_stored_upside_down(self):
        rig = se3.exp(torch.tensor([0.2, 1.4, -0.3, 120.0, -40.0, 310.0], dtype=torch.float64))
        k = torch.tensor([[610.0, 0.0, 30.25], [0.0, -505.0, 13.5], [0.0, 0.0, 1.0]], dtype=torch.float64)
        view = View(k, 40, 56, 1180.0, rig, sad=700.0)
        pose = se3.exp(torch.tensor([1.1, -0.7, 0.4, 31.0, -17.0, 702.0], dtype=torch.float64))
        setting = setting_of(view, pose, CENTER)
        points = CENTER + torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 60
        expected = view.project(points, pose)
        assert setting.mirrored
        assert torch.allclose(setting.view().project(points, setting.pose(CENTER)), expected, atol=1e-7)

    def test_without_a_known_isocenter_it_is_level_with_the_ct(self):
        view = replace(OBLIQUE.view(), sad=None)
        pose = OBLIQUE.pose(CENTER)
        back = setting_of(view, pose, CENTER)
        assert back.sad == pytest.approx(float(se3.transform_points(pose, CENTER[None])[0, 2]))
        assert torch.allclose(back.pose(CENTER), pose, atol=1e-9)

    def test_skewed_pixels_are_refused(self):
        k = OBLIQUE.view().intrinsics.clone()
        k[0, 1] = 2.0
        with pytest.raises(GeometryError, match="Skewed"):
            setting_of(replace(OBLIQUE.view(), intrinsics=k), OBLIQUE.pose(CENTER), CENTER)

    def test_the_angles_are_those_of_dicom(self):
        setting = CArmSetting(primary_deg=-30.0, secondary_deg=15.0)
        angles = carm.angles_from_pose(setting.pose(CENTER))
        assert angles == pytest.approx((-30.0, 15.0, 0.0))


class TestWhatTheNumbersDo:
    def test_a_table_moved_to_the_head_moves_the_patient_up_in_the_picture(self):
        right, down = seen_at(CArmSetting(table_head=40.0), "H", 0.0)
        assert (right, down) == pytest.approx((0.0, -40.0 * 1.5), abs=1e-9)

    def test_a_table_moved_to_the_left_moves_the_patient_to_the_right_of_an_ap_picture(self):
        right, down = seen_at(CArmSetting(table_left=40.0), "H", 0.0)
        assert (right, down) == pytest.approx((40.0 * 1.5, 0.0), abs=1e-9)

    def test_a_table_moved_to_the_front_brings_the_patient_nearer_to_an_ap_source(self):
        raised = CArmSetting(table_front=100.0)
        assert float(se3.transform_points(raised.pose(CENTER), CENTER[None])[0, 2]) == pytest.approx(700.0)

    @pytest.mark.parametrize("name", NAMED_VIEWS)
    def test_every_view_shows_the_head_up(self, name):
        _, down = seen_at(CArmSetting().seen_from(name), "H")
        assert down < -40

    @pytest.mark.parametrize("name", ["AP", "PA", "inlet", "outlet"])
    def test_views_from_front_and_back_show_the_patients_left_on_the_right(self, name):
        right, _ = seen_at(CArmSetting().seen_from(name), "L")
        assert right == pytest.approx(75.0, rel=0.2)

    def test_an_inlet_view_is_taken_from_the_front_and_from_above(self):
        beam = CArmSetting().seen_from("inlet").pose(CENTER)[2, :3]
        assert torch.dot(beam, frames.direction("P")).item() == pytest.approx(0.76604444)
        assert torch.dot(beam, frames.direction("F")).item() == pytest.approx(0.64278761)

    def test_unknown_views_are_refused_by_name(self):
        with pytest.raises(GeometryError, match=r"'oblong'.*inlet"):
            CArmSetting().seen_from("oblong")


class TestParallelBeam:
    def test_depth_does_not_magnify_and_the_isocenter_keeps_its_scale(self):
        setting = CArmSetting(parallel=True)
        right, _ = seen_at(setting, "L", 100.0)
        assert right == pytest.approx(150.0, rel=1e-6)
        near = setting.view().project((CENTER + torch.tensor([-100.0, 200.0, 0.0]))[None], setting.pose(CENTER))
        far = setting.view().project((CENTER + torch.tensor([-100.0, -200.0, 0.0]))[None], setting.pose(CENTER))
        assert float((near - far).norm()) < 0.1
        assert setting.view().sdd - setting.view().sad == pytest.approx(400.0, abs=1e-6)

    def test_it_comes_back_as_parallel_with_the_same_picture(self):
        setting = replace(OBLIQUE, parallel=True)
        back = setting_of(setting.view(), setting.pose(CENTER), CENTER)
        assert back.parallel
        points = CENTER + torch.tensor([[10.0, 20, 30], [-100, 50, -60]], dtype=torch.float64)
        expected = setting.view().project(points, setting.pose(CENTER))
        assert torch.allclose(back.view().project(points, back.pose(CENTER)), expected, atol=1e-6)
        assert back.view().sdd > PARALLEL_MM


class TestLineOfSight:
    def test_a_camera_in_front_looking_back_is_an_ap_beam(self):
        source = CENTER + torch.tensor([0.0, 900.0, 0.0], dtype=torch.float64)
        head = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
        setting = looking(OBLIQUE, source, CENTER, head, CENTER)
        assert (setting.primary_deg, setting.secondary_deg) == pytest.approx((180.0, 0.0))
        assert setting.rotation_deg == pytest.approx(0.0, abs=1e-9)
        assert (setting.table_left, setting.table_front, setting.table_head) == pytest.approx((0, 0, 0), abs=1e-9)
        assert setting.sdd == OBLIQUE.sdd

    def test_an_oblique_line_off_the_middle_is_the_central_ray(self):
        source = torch.tensor([412.0, 310.0, 1100.0], dtype=torch.float64)
        target = torch.tensor([-10.0, -150.0, 840.0], dtype=torch.float64)
        up = torch.tensor([0.3, 0.1, 1.0], dtype=torch.float64)
        setting = looking(CArmSetting(), source, target, up, CENTER)
        pose = setting.pose(CENTER)
        in_camera = se3.transform_points(pose, torch.stack([source, target]))
        assert torch.allclose(in_camera[:, :2], torch.zeros(2, 2, dtype=torch.float64), atol=1e-9)
        assert in_camera[0, 2] < in_camera[1, 2]
        upward = pose[:3, :3] @ up
        assert float(upward[0]) == pytest.approx(0.0, abs=1e-12)
        assert float(upward[1]) < 0

    def test_a_line_along_up_is_refused(self):
        up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
        with pytest.raises(GeometryError, match="turn the 3D view"):
            looking(CArmSetting(), CENTER + 100 * up, CENTER, up, CENTER)


class TestWords:
    @pytest.mark.parametrize(
        ("text", "angles"),
        [
            ("LAO 30 CRA 20", (30.0, 20.0)),
            ("rao 30.5°, cau 15°", (-30.5, -15.0)),
            ("CAU 10", (0.0, -10.0)),
            ("AP", (180.0, 0.0)),
            ("Left Lateral", (90.0, 0.0)),
        ],
    )
    def test_are_read(self, text, angles):
        assert view_angles(text) == angles

    @pytest.mark.parametrize("text", ["LAO 30 RAO 20", "LAO 200", "CRA 91", "LAO", "30 20", "LAO 30 and more", ""])
    def test_that_mean_nothing_are_refused(self, text):
        with pytest.raises(GeometryError):
            view_angles(text)

    def test_are_told(self):
        assert angle_words(-30.0, -15.04, 1) == "RAO 30.0° CAU 15.0°"
        assert angle_words(12.4, 0.0) == "LAO 12° 0°"
        assert angle_words(180.0, 40.0) == "180° CRA 40°"

    def test_the_first_views_are_the_presets_of_registrations(self):
        assert {name: NAMED_VIEWS[name] for name in carm.PRESETS} == carm.PRESETS

    def test_a_view_is_called_by_its_name(self):
        assert [view_name(*angles) for angles in NAMED_VIEWS.values()] == list(NAMED_VIEWS)
        assert view_name(-180.0, 0.0) == "AP"
        assert view_name(12.0, 0.0) is None
