"""Pictures without tags: PNG, TIFF, NRRD, MHA."""

import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.tolerance import EXACT, GeometryTolerance
from SphericalRegLib.geometry.view import View
from SphericalRegLib.io.xray import read_xray
from Testing.Python.io import builders

VIEW = View.from_spacing(12, 15, 1000.0, (0.4, 0.3))
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 15)).astype(np.uint8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(
        [("png", "u1"), ("png", "u2"), ("tif", "u1"), ("tif", "u2"), ("tif", "f4"), ("nrrd", "f4"), ("mha", "i2")]
    ),
    height=st.integers(2, 30),
    width=st.integers(2, 30),
    seed=st.integers(0, 99),
)
def test_any_pixels_come_back(tmp_path, kind, height, width, seed):
    extension, dtype = kind
    pixels = np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(dtype)
    pixels.flat[0], pixels.flat[1] = 1, 2
    path = builders.write_itk(tmp_path / f"x.{extension}", pixels)
    xray = read_xray(path, View.from_spacing(height, width, 1000.0, (1.0, 1.0)))
    np.testing.assert_array_equal(xray.image, pixels)
    assert xray.image.dtype == np.float32


def test_a_single_slice_is_a_picture(tmp_path):
    path = builders.write_itk(tmp_path / "x.nrrd", PIXELS[None])
    np.testing.assert_array_equal(read_xray(path, VIEW).image, PIXELS)


@pytest.mark.parametrize("extension", ["tif", "nrrd"])
def test_of_several_pages_one_must_be_chosen(tmp_path, extension):
    path = builders.write_itk(tmp_path / f"x.{extension}", np.stack([PIXELS, PIXELS[::-1], PIXELS[:, ::-1]]))
    with pytest.raises(InputError, match="3 frames"):
        read_xray(path, VIEW)
    xray = read_xray(path, VIEW, 1)
    np.testing.assert_array_equal(xray.image, PIXELS[::-1])
    assert xray.frame == 1


def color(tmp_path, channels):
    image = SimpleITK.GetImageFromArray(np.stack(channels, axis=-1), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "x.png"))
    return tmp_path / "x.png"


def test_a_color_picture_needs_a_choice(tmp_path):
    path = color(tmp_path, [PIXELS, PIXELS[::-1], PIXELS])
    with pytest.raises(InputError, match=r"3 channels.*channel=0"):
        read_xray(path, VIEW)
    np.testing.assert_array_equal(read_xray(path, VIEW, channel=1).image, PIXELS[::-1])
    with pytest.raises(InputError, match="no channel 3"):
        read_xray(path, VIEW, channel=3)


@pytest.mark.parametrize("opacity", [False, True])
def test_gray_saved_as_color_is_gray(tmp_path, opacity):
    path = color(tmp_path, [PIXELS] * 3 + [np.full_like(PIXELS, 255)] * opacity)
    np.testing.assert_array_equal(read_xray(path, VIEW).image, PIXELS)


def test_the_geometry_must_be_given(tmp_path):
    path = builders.write_itk(tmp_path / "x.png", PIXELS)
    with pytest.raises(GeometryError, match="sdd="):
        read_xray(path)
    with pytest.raises(GeometryError, match="spacing="):
        read_xray(path, sdd=1000)
    xray = read_xray(path, sdd=1000, spacing=(0.4, 0.3), primary_deg=90, mirrored=True)
    assert xray.view.intrinsics[0, 0] == -VIEW.intrinsics[0, 0]
    assert xray.start_angles == (90, 0)
    assert xray.view.tolerance.focal == pytest.approx(0.01 * 2**0.5)
    stated = GeometryTolerance(sdd_mm=2.0, spacing_mm=0.0, center_mm=3.0)
    told = read_xray(path, sdd=1000, spacing=(0.4, 0.3), geometry_tolerance=stated).view.tolerance
    assert (told.focal, told.center_mm) == (0.002, 3.0)
    assert read_xray(path, VIEW).view.tolerance == EXACT
    assert read_xray(path, VIEW, geometry_tolerance=stated).view.tolerance.center_mm == 3.0
    with pytest.raises(GeometryError, match="12 rows and 15 columns"):
        read_xray(path, View.from_spacing(15, 12, 1000.0, (0.4, 0.3)))
    with pytest.raises(GeometryError, match="spacing"):
        read_xray(path, sdd=1000, spacing=(0, 0))


def test_an_intensity_is_converted_when_told(tmp_path):
    x = np.random.default_rng(1).uniform(0, 4, (12, 15))
    path = builders.write_itk(tmp_path / "x.tif", (50000 * np.exp(-x)).astype(np.float32))
    np.testing.assert_allclose(read_xray(path, VIEW, intensity="intensity", i0=50000).image, x, atol=1e-4)


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.nrrd", "x.dcm"])
@pytest.mark.parametrize("content", [b"", b"not an image, " * 50, b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_file_that_is_no_image_is_an_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"x\."):
        read_xray(tmp_path / name, VIEW)


@pytest.mark.parametrize("extension", ["png", "tif", "nrrd"])
def test_a_truncated_picture_is_an_error(tmp_path, extension):
    pixels = np.random.default_rng(0).integers(0, 65536, (40, 50)).astype(np.uint16)
    path = builders.write_itk(tmp_path / f"x.{extension}", pixels)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="cannot be read"):
        read_xray(path, View.from_spacing(40, 50, 1000.0, (1.0, 1.0)))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_xray(tmp_path / "nowhere.png", VIEW)


def test_nan_is_an_error_that_says_where(tmp_path):
    pixels = PIXELS.astype(np.float32)
    pixels[7, 3] = np.nan
    with pytest.raises(InputError, match="row 7, column 3"):
        read_xray(builders.write_itk(tmp_path / "x.nrrd", pixels), VIEW)


def test_a_mask_may_be_given_or_left_away(tmp_path):
    shape, view = (200, 220), View.from_spacing(200, 220, 1000.0, (1.0, 1.0))
    image = np.random.default_rng(0).normal(100, 1, shape).astype(np.float32)
    image[:60] = 200
    path = builders.write_itk(tmp_path / "x.nrrd", image)
    drawn = np.zeros(shape, np.uint8)
    drawn[20:90, 30:70] = 255
    mask = builders.write_itk(tmp_path / "mask.png", drawn)
    assert not read_xray(path, view).mask[:50].any()
    assert read_xray(path, view, mask="none").mask.all()
    np.testing.assert_array_equal(read_xray(path, view, mask=mask).mask, drawn > 0)


def test_a_mask_of_another_size_or_without_a_usable_pixel_is_an_error(tmp_path):
    path = builders.write_itk(tmp_path / "x.png", PIXELS)
    small = builders.write_itk(tmp_path / "small.png", PIXELS[:5])
    with pytest.raises(InputError, match="5 rows and 15 columns, the X-ray 12 and 15"):
        read_xray(path, VIEW, mask=small)
    empty = builders.write_itk(tmp_path / "empty.png", 0 * PIXELS)
    with pytest.raises(InputError, match="zero everywhere"):
        read_xray(path, VIEW, mask=empty)
    with pytest.raises(InputError, match=r"no mask .*gone.png"):
        read_xray(path, VIEW, mask=tmp_path / "gone.png")
