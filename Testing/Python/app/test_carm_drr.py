"""DRRs of a C-arm that moves, and of one that rests."""

from dataclasses import replace

import numpy as np
import pytest

from SphericalRegLib.app.panel.carm_drr import SIZES, CArmDRR
from SphericalRegLib.app.panel.carm_fields import CArmFields, carm_fields, carm_problem
from SphericalRegLib.geometry.carm_setting import CArmSetting
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.rendering import render
from SphericalRegLib.sample import sample_path


@pytest.fixture(scope="module")
def volume():
    return to_volume(read_ct(sample_path("pelvis_lumbar_3mm.nii.gz")))


class Clock:
    """Each look at it is so many seconds after the one before."""

    def __init__(self, step):
        self.step, self.now = step, 0.0

    def __call__(self):
        self.now += self.step
        return self.now


def test_while_it_moves_all_of_the_detector_is_drawn_with_few_pixels(volume):
    setting = CArmSetting(rows=600, columns=800, row_spacing=0.7, column_spacing=0.5)
    moving = CArmDRR(volume, clock=Clock(0.001)).moving(setting)
    assert moving.shape == (192, 256)
    small = setting.view().resized(192, 256)
    expected = render(volume, small, setting.pose(volume.center)[None], samples=256)[0, 0].numpy()
    assert np.abs(moving - expected).max() < 0.05 * expected.max()
    assert np.abs(moving - expected).mean() < 0.003 * expected.max()


def test_at_rest_it_is_drawn_in_bands_with_all_pixels(volume):
    setting = replace(CArmSetting().seen_from("inlet"), rows=300, columns=200)
    *before, image = CArmDRR(volume, clock=Clock(0.04)).resting(setting)
    assert len(before) >= 2
    assert before == [None] * len(before)
    expected = render(volume, setting.view(), setting.pose(volume.center)[None], samples=183)[0, 0].numpy()
    assert np.abs(image - expected).max() < 1e-4


def test_a_slow_machine_gets_fewer_pixels_and_a_fast_one_more_again(volume):
    clock = Clock(0.2)
    drr = CArmDRR(volume, clock=clock)
    shapes = [drr.moving(CArmSetting()).shape[0] for _ in range(3)]
    assert shapes == [256, 128, 96]
    clock.step = 0.001
    for _ in range(12):
        last = drr.moving(CArmSetting()).shape[0]
    assert last == SIZES[0]


def test_bones_alone_attenuate_less_and_not_at_all_beside_them(volume):
    drr = CArmDRR(volume)
    whole, bone = drr.moving(CArmSetting()), drr.moving(CArmSetting(), bone_only=True)
    assert 0.03 < bone.sum() / whole.sum() < 0.2
    assert (bone == 0).mean() > 0.02
    # along a ray through bone and soft tissue only the bone counts, with all that it attenuates
    assert bool((bone <= whole + 1e-4).all())
    assert bone.max() > 1


class TestFields:
    def test_a_setting_comes_back(self):
        setting = CArmSetting(-33.7, 21.4, 12.0, 1013.0, 641.5, 300, 400, 0.31, 0.52, 17.25, -8.5, 31, -12.5, 7.0, True)
        back = carm_fields(setting).setting()
        assert vars(back) == pytest.approx(vars(setting))

    def test_the_usual_c_arm_is_fine(self):
        assert carm_problem(CArmFields()) == ""
        assert CArmFields().size == (512, 512)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"sdd": 100.0}, "100 mm from the source"),
            ({"sad": 1200.0}, "before the detector"),
            ({"row_spacing": 0.0}, "pixel of 0"),
            ({"detector_width": 0.0}, "detector of 0"),
            ({"row_spacing": 0.05}, "512 × 8192 pixels"),
            ({"secondary_angle": 91.0}, "91°"),
        ],
    )
    def test_what_no_c_arm_can_do_is_said(self, change, words):
        assert words in carm_problem(replace(CArmFields(), **change))
