"""DICOM X-rays: bright = dense whatever the tags, one frame, what the tags exclude excluded."""

import contextlib
import warnings

import numpy as np
import pydicom
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from SphericalRegLib.errors import GeometryError, InputError, SphericalRegError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.io.xray import read_xray
from Testing.Python.io import builders


def shadow(height=40, width=30) -> np.ndarray:
    """Line integrals with a dense disc in the upper left."""
    rows, columns = np.mgrid[:height, :width]
    return 0.5 + 0.02 * rows + 2.0 * np.exp(-((rows - 12) ** 2 + (columns - 8) ** 2) / 50)


def stored_intensity() -> np.ndarray:
    return np.round(60000 * np.exp(-shadow())).astype(np.uint16)


def density_correlation(image: np.ndarray) -> float:
    return float(np.corrcoef(image.ravel(), shadow().ravel())[0, 1])


def test_linear_intensity_gives_the_line_integrals(tmp_path):
    path = builders.write_xray(
        tmp_path / "x.dcm", stored_intensity(), PixelIntensityRelationship="LIN", PixelIntensityRelationshipSign=1
    )
    xray = read_xray(path, i0=60000)
    np.testing.assert_allclose(xray.image, shadow(), atol=1e-3)
    assert xray.image.dtype == np.float32
    assert xray.mask.all()
    assert "logarithm" in xray.conversion
    assert "LIN" in xray.conversion


@pytest.mark.parametrize(
    ("tags", "dense_is_high"),
    [
        # where the sign is given it decides
        ({"PixelIntensityRelationship": "LIN", "PixelIntensityRelationshipSign": 1}, False),
        ({"PixelIntensityRelationship": "LIN", "PixelIntensityRelationshipSign": -1}, True),
        ({"PixelIntensityRelationship": "LOG", "PixelIntensityRelationshipSign": -1, "Modality": "DX"}, True),
        (
            {
                "PixelIntensityRelationship": "LOG",
                "PixelIntensityRelationshipSign": 1,
                "Modality": "DX",
                "PhotometricInterpretation": "MONOCHROME1",
            },
            False,
        ),
        # otherwise the way it is displayed: bone dark in fluoroscopy, bright in radiography
        ({}, False),
        ({"PixelIntensityRelationship": "LIN"}, False),
        ({"PixelIntensityRelationship": "DISP"}, False),
        ({"Modality": "RF"}, False),
        ({"Modality": "RF", "PhotometricInterpretation": "MONOCHROME1"}, True),
        ({"Modality": "CR"}, True),
        ({"Modality": "DX"}, True),
        ({"Modality": "CR", "PhotometricInterpretation": "MONOCHROME1"}, False),
    ],
)
def test_dense_is_bright_whatever_the_tags(tmp_path, tags, dense_is_high):
    stored = stored_intensity()
    if dense_is_high:
        stored = (60000 - stored).astype(np.uint16)
    xray = read_xray(builders.write_xray(tmp_path / "x.dcm", stored, **tags), sdd=1000, spacing=(0.4, 0.3))
    assert density_correlation(xray.image) > 0.9


def test_the_caller_may_know_better(tmp_path):
    path = builders.write_xray(tmp_path / "x.dcm", stored_intensity())
    assert density_correlation(read_xray(path, intensity="intensity").image) > 0.999
    assert density_correlation(read_xray(path, intensity="attenuation").image) < -0.9
    with pytest.raises(InputError, match="'dark'"):
        read_xray(path, intensity="dark")


def test_a_rescale_is_applied(tmp_path):
    path = builders.write_xray(tmp_path / "x.dcm", stored_intensity(), RescaleSlope="0.5", RescaleIntercept="7")
    image = read_xray(path, intensity="attenuation").image
    np.testing.assert_allclose(image, stored_intensity() * 0.5 + 7, rtol=1e-6)


def test_a_logarithmic_angiogram_is_linear_behind_its_modality_lut(tmp_path):
    x = np.round(shadow() * 50).astype(np.uint8)
    lut = Dataset()
    lut.LUTDescriptor, lut.ModalityLUTType = [256, 0, 16], "US"
    lut.LUTData = np.round(60000 * np.exp(-np.arange(256) / 50)).astype("<u2").tobytes()
    lut["LUTData"].VR = "OW"
    path = builders.write_xray(tmp_path / "x.dcm", x, PixelIntensityRelationship="LOG", ModalityLUTSequence=[lut])
    np.testing.assert_allclose(read_xray(path, i0=60000).image, x / 50, atol=2e-3)


def test_of_several_frames_one_must_be_chosen(tmp_path):
    frames = np.stack([stored_intensity() // 4 + 1000 * n for n in range(3)]).astype(np.uint16)
    path = builders.write_xray(tmp_path / "x.dcm", frames)
    with pytest.raises(InputError, match=r"3 frames.*frame=0 to frame=2"):
        read_xray(path)
    xray = read_xray(path, frame=2, intensity="attenuation")
    np.testing.assert_array_equal(xray.image, frames[2])
    assert xray.frame == 2
    with pytest.raises(InputError, match="no frame 3"):
        read_xray(path, frame=3)


@pytest.mark.parametrize("frames", [1, 3])
def test_compressed_pixels_are_what_was_stored(tmp_path, frames):
    pixels = np.stack([stored_intensity() // 4 + 1000 * n for n in range(frames)]).astype(np.uint16)
    tags = {"RescaleSlope": "2", "RescaleIntercept": "-1", "PhotometricInterpretation": "MONOCHROME1"}
    dataset = builders.xray_dataset(pixels if frames > 1 else pixels[0], **tags)
    dataset.compress(RLELossless)
    pydicom.dcmwrite(tmp_path / "x.dcm", dataset, enforce_file_format=True)
    image = read_xray(tmp_path / "x.dcm", frame=frames - 1, intensity="attenuation").image
    np.testing.assert_array_equal(image, pixels[-1] * 2.0 - 1)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["u1", "u2", "i2"]),
    height=st.integers(2, 24),
    width=st.integers(2, 24),
    seed=st.integers(0, 99),
)
def test_any_pixels_come_back(tmp_path, kind, height, width, seed):
    info = np.iinfo(kind)
    pixels = np.random.default_rng(seed).integers(info.min, info.max, (height, width), dtype=kind)
    pixels.flat[0], pixels.flat[1] = 1, 2
    image = read_xray(builders.write_xray(tmp_path / "x.dcm", pixels), intensity="attenuation").image
    np.testing.assert_array_equal(image, pixels)


def test_geometry_comes_from_the_tags_or_the_caller(tmp_path):
    path = builders.write_xray(
        tmp_path / "x.dcm", stored_intensity(), PositionerPrimaryAngle="30", PositionerSecondaryAngle="-10"
    )
    xray = read_xray(path)
    assert (xray.view.sdd, xray.view.sad, xray.start_angles) == (1000.0, 600.0, (30.0, -10.0))
    assert xray.view.spacing == pytest.approx((0.4, 0.3))
    assert xray.geometry is not None
    assert read_xray(path, sdd=1200).view.sdd == 1200
    view = View.from_spacing(40, 30, 900.0, (1.0, 1.0))
    assert read_xray(path, view).view is view
    with pytest.raises(InputError, match="view and sdd"):
        read_xray(path, view, sdd=1200)


def test_a_view_of_another_size_is_an_error(tmp_path):
    path = builders.write_xray(tmp_path / "x.dcm", stored_intensity())
    with pytest.raises(GeometryError, match=r"40 rows and 30 columns, its geometry is for 20 and 15.*View\.resized"):
        read_xray(path, View.from_spacing(20, 15, 900.0, (1.0, 1.0)))


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"ImagerPixelSpacing": None}, "spacing"),
        ({"ImagerPixelSpacing": [0, 0]}, "spacing"),
        ({"DistanceSourceToDetector": None}, "sdd"),
        ({"DistanceSourceToDetector": 0}, "0"),
        ({"DistanceSourceToPatient": 1001}, "1001"),
    ],
)
def test_missing_or_impossible_geometry_is_an_error(tmp_path, tags, said):
    with pytest.raises(GeometryError, match=said):
        read_xray(builders.write_xray(tmp_path / "x.dcm", stored_intensity(), **tags))


def test_padding_is_not_usable(tmp_path):
    pixels = stored_intensity()
    pixels[:, :5] = 0
    pixels[:, 25:] = 3
    path = builders.write_xray(tmp_path / "x.dcm", pixels, PixelPaddingValue=0, PixelPaddingRangeLimit=3)
    mask = read_xray(path).mask
    assert not mask[:, :5].any()
    assert not mask[:, 25:].any()
    assert mask[:, 5:25].all()


def test_a_color_image_is_an_error(tmp_path):
    dataset = builders.xray_dataset(np.zeros((4, 5), np.uint8), PhotometricInterpretation="RGB", SamplesPerPixel=3)
    dataset.PlanarConfiguration, dataset.PixelData = 0, bytes(60)
    pydicom.dcmwrite(tmp_path / "x.dcm", dataset, enforce_file_format=True)
    with pytest.raises(InputError, match=r"color image \(RGB\)"):
        read_xray(tmp_path / "x.dcm")


def test_a_report_has_no_pixels(tmp_path):
    dataset = builders.xray_dataset(np.zeros((4, 5), np.uint8), Modality="SR")
    del dataset.PixelData
    pydicom.dcmwrite(tmp_path / "x.dcm", dataset, enforce_file_format=True)
    with pytest.raises(InputError, match=r"\(SR\) without pixels"):
        read_xray(tmp_path / "x.dcm")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("lost", [100, 1500])
def test_a_truncated_file_is_an_error(tmp_path, compressed, lost):
    dataset = builders.xray_dataset(np.random.default_rng(0).integers(0, 60000, (40, 30)).astype(np.uint16))
    if compressed:
        dataset.compress(RLELossless)
    path = tmp_path / "x.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(InputError, match=r"x\.dcm"):
        read_xray(path)


def test_header_only_dicom_is_an_error(tmp_path):
    (tmp_path / "x.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\x08\x00garbage" * 9)
    with pytest.raises(InputError, match=r"x\.dcm"):
        read_xray(tmp_path / "x.dcm")


def test_simulated_xrays_come_back(tmp_path):
    from SphericalRegLib.simulation.degrade import Degradations
    from SphericalRegLib.simulation.dicom_writer import write_xray_dicom
    from SphericalRegLib.simulation.instruments import Margins
    from SphericalRegLib.simulation.simulate import SimulatedXRay

    view = View.from_spacing(40, 30, 1020.0, (0.7, 0.7), sad=645.0)
    settings_ = Degradations(collimation=Margins(0.1, 0.1, 0.1, 0.2))
    inside = np.zeros((40, 30), bool)
    inside[4:32, 3:27] = True
    simulated = SimulatedXRay(
        np.where(inside, stored_intensity(), 5).astype(np.uint16), 16, False, inside, ~inside, np.zeros(3), settings_
    )
    write_xray_dicom(tmp_path / "x.dcm", simulated, view, primary_deg=0, secondary_deg=0)
    xray = read_xray(tmp_path / "x.dcm", mirrored=False, i0=60000)
    np.testing.assert_allclose(xray.image[inside], shadow()[inside], atol=1e-3)
    np.testing.assert_array_equal(xray.mask, inside)
    torch.testing.assert_close(xray.view.intrinsics, view.intrinsics)


def test_damaged_headers_are_errors_of_ours_or_harmless(tmp_path):
    whole = bytearray(builders.write_xray(tmp_path / "x.dcm", stored_intensity()).read_bytes())
    header = whole.rindex(bytes.fromhex("e07f1000"))
    rng = np.random.default_rng(0)
    for number in range(150):
        damaged = whole.copy()
        for place in rng.integers(132, header, 1 + number % 4):
            damaged[place] = rng.integers(256)
        (tmp_path / "damaged.dcm").write_bytes(damaged)
        with contextlib.suppress(SphericalRegError):
            read_xray(tmp_path / "damaged.dcm")


@pytest.mark.parametrize(
    "tags",
    [
        {"NumberOfFrames": "abc"},
        {"PixelPaddingValue": [1, 2]},
        {"RescaleSlope": "nan", "RescaleIntercept": "0"},
        {"ModalityLUTSequence": [Dataset()]},
        {"PixelData": b""},
    ],
    ids=lambda tags: next(iter(tags)),
)
def test_tags_that_make_no_sense_are_errors_that_name_the_file(tmp_path, tags):
    dataset = builders.xray_dataset(stored_intensity())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in tags.items():
            if keyword in ("NumberOfFrames", "RescaleSlope", "RescaleIntercept"):
                # what pydicom itself would refuse to hold: stored as text of another kind
                dataset.add_new(keyword, "LO", value)
            else:
                setattr(dataset, keyword, value)
        pydicom.dcmwrite(tmp_path / "x.dcm", dataset, enforce_file_format=True)
        with pytest.raises(InputError, match=r"x\.dcm"):
            read_xray(tmp_path / "x.dcm")
