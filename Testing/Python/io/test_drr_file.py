"""DRRs as files: what our own readers make of them again."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.carm_setting import CArmSetting, setting_of
from SphericalRegLib.imaging.gray_tone import GrayTone
from SphericalRegLib.io.calibration_files import read_json
from SphericalRegLib.io.drr_file import write_drr
from SphericalRegLib.io.xray import read_xray

CENTER = torch.tensor([12.0, -190.0, 870.0], dtype=torch.float64)
SETTING = CArmSetting(-33.7, 21.4, 0.0, 1013.0, 641.5, 30, 40, 3.1, 5.2, 1.75, -2.5, 31.0, -12.5, 7.75, mirrored=True)
TONE = GrayTone(0.5, 4.5)


@pytest.fixture
def image():
    return np.random.default_rng(5).uniform(0, 6, (30, 40)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".png", ".nrrd", ".dcm"])
def test_the_calibration_beside_it_tells_every_number_again(tmp_path, image, suffix):
    setting = replace(SETTING, rotation_deg=17.0)
    calibration = write_drr(tmp_path / f"drr{suffix}", image, setting.view(), setting.pose(CENTER), TONE)
    views, pose = read_json(calibration)
    back = setting_of(views[0], pose, CENTER)
    assert vars(back) == pytest.approx(vars(setting), abs=1e-9)
    assert {path.name for path in tmp_path.iterdir()} == {f"drr{suffix}", "drr.geometry.json"}


@pytest.mark.parametrize("rotation", [0.0, 90.0, 180.0])
@pytest.mark.parametrize("mirrored", [True, False])
def test_dicom_holds_the_whole_geometry_and_the_line_integrals(tmp_path, image, rotation, mirrored):
    setting = replace(SETTING, rotation_deg=rotation, mirrored=mirrored)
    path = tmp_path / "drr.dcm"
    write_drr(path, image, setting.view(), setting.pose(CENTER), TONE)
    xray = read_xray(path)
    assert np.abs(xray.image - image).max() < 6 / 65535
    assert torch.allclose(xray.view.intrinsics, setting.view().intrinsics, rtol=1e-9)
    assert (xray.view.sdd, xray.view.sad) == pytest.approx((1013.0, 641.5))
    isocenter = setting.isocenter(CENTER)
    assert torch.allclose(xray.geometry.pose(isocenter), setting.pose(CENTER), atol=1e-6)
    assert pydicom.dcmread(path).WindowWidth == 4


def test_what_slicer_reads_of_dicom_are_the_line_integrals_too(tmp_path, image):
    path = tmp_path / "drr.dcm"
    write_drr(path, image, SETTING.view(), SETTING.pose(CENTER), TONE)
    assert np.abs(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))[0] - image).max() < 6 / 65535


@pytest.mark.parametrize("mirrored", [True, False])
def test_nrrd_lies_at_the_detector(tmp_path, image, mirrored):
    setting = replace(SETTING, rotation_deg=17.0, mirrored=mirrored)
    view, pose = setting.view(), setting.pose(CENTER)
    write_drr(tmp_path / "drr.nrrd", image, view, pose, TONE)
    picture = SimpleITK.ReadImage(str(tmp_path / "drr.nrrd"))
    assert np.array_equal(SimpleITK.GetArrayFromImage(picture)[0], image)
    assert np.array_equal(read_xray(tmp_path / "drr.nrrd", replace(view)).image, image)
    for pixel in ((0.0, 0.0), (39.0, 0.0), (12.5, 29.0)):
        left, posterior, head = picture.TransformContinuousIndexToPhysicalPoint((*pixel, 0.0))
        place = torch.tensor([[-left, -posterior, head]], dtype=torch.float64)
        assert view.project(place, pose)[0].tolist() == pytest.approx(pixel, abs=1e-6)


def test_png_is_what_the_tone_shows(tmp_path, image):
    write_drr(tmp_path / "drr.png", image, SETTING.view(), SETTING.pose(CENTER), GrayTone(1.0, 5.0, 2.0, True))
    pixels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "drr.png")))
    assert np.abs(pixels - 255 * (1 - np.clip((image - 1) / 4, 0, 1) ** 2)).max() <= 0.501


def test_what_cannot_be_written_is_said(tmp_path, image):
    view, pose = SETTING.view(), SETTING.pose(CENTER)
    with pytest.raises(InputError, match=r"drr\.bmp.*\.png"):
        write_drr(tmp_path / "drr.bmp", image, view, pose, TONE)
    with pytest.raises(InputError, match="all pixels"):
        write_drr(tmp_path / "drr.png", image[:10], view, pose, TONE)
    far = replace(SETTING, parallel=True)
    with pytest.raises(GeometryError, match="parallel"):
        write_drr(tmp_path / "drr.dcm", image, far.view(), far.pose(CENTER), TONE)
    assert list(tmp_path.iterdir()) == []
