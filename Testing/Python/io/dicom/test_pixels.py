"""Which bits of a cell are the pixel's, and which pixels are none."""

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import JPEG2000Lossless, RLELossless

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.xray import read_xray
from Testing.Python.io import builders


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), signed=st.booleans(), width=st.sampled_from([8, 16]), seed=st.integers(0, 99))
def test_the_pixels_bits_come_back_whatever_lies_beside_them(tmp_path, data, signed, width, seed):
    stored = data.draw(st.integers(2, width))
    high = data.draw(st.integers(stored - 1, width - 1))
    rng = np.random.default_rng(seed)
    low = -(2 ** (stored - 1)) if signed else 0
    pixels = rng.integers(low, low + 2**stored, (6, 8))
    pixels.flat[:2] = low, low + 1
    shift = high + 1 - stored
    mask = (2**stored - 1) << shift
    cells = ((pixels << shift) & mask) | (rng.integers(0, 2**width, pixels.shape) & ~mask & (2**width - 1))
    path = builders.write_xray(
        tmp_path / "x.dcm",
        cells.astype(f"u{width // 8}"),
        BitsStored=stored,
        HighBit=high,
        PixelRepresentation=int(signed),
    )
    np.testing.assert_array_equal(read_xray(path, intensity="attenuation").image, pixels)
    assert int(pydicom.dcmread(path).BitsStored) == stored


def test_run_lengths_keep_what_lies_beside_the_pixel_which_is_masked_off(tmp_path):
    pixels = np.arange(48, dtype=np.uint16).reshape(6, 8) * 80
    dataset = builders.xray_dataset(pixels | 0xA000, BitsStored=12, HighBit=11)
    dataset.compress(RLELossless)
    pydicom.dcmwrite(tmp_path / "x.dcm", dataset, enforce_file_format=True)
    np.testing.assert_array_equal(read_xray(tmp_path / "x.dcm", intensity="attenuation").image, pixels)


@pytest.mark.parametrize(("stored", "high"), [(12, 3), (12, 16), (12, 20), (20, 19), (0, 11)])
def test_bits_that_do_not_fit_together_are_named(tmp_path, stored, high):
    pixels = np.arange(48, dtype=np.uint16).reshape(6, 8)
    path = builders.write_xray(tmp_path / "x.dcm", pixels, BitsStored=stored, HighBit=high)
    with pytest.raises(InputError, match=rf"x\.dcm.*BitsAllocated 16, BitsStored {stored} and HighBit {high}"):
        read_xray(path)


def test_compressed_pixels_in_the_higher_bits_are_refused_and_their_run_lengths_read(tmp_path):
    pixels = np.arange(48, dtype=np.uint16).reshape(6, 8)
    dataset = builders.xray_dataset(pixels << 4)
    dataset.compress(RLELossless)
    dataset.BitsStored, dataset.HighBit = 12, 15
    pydicom.dcmwrite(tmp_path / "x.dcm", dataset, enforce_file_format=True)
    np.testing.assert_array_equal(read_xray(tmp_path / "x.dcm", intensity="attenuation").image, pixels)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    pydicom.dcmwrite(tmp_path / "x.dcm", dataset, enforce_file_format=True)
    with pytest.raises(InputError, match=r"HighBit 15.*Decompress it"):
        read_xray(tmp_path / "x.dcm")


@pytest.mark.parametrize(("value", "vr"), [(-2000, "SS"), (63536, "US")])
def test_padding_of_signed_pixels_may_be_written_without_a_sign(tmp_path, value, vr):
    pixels = (np.arange(48).reshape(6, 8) * 20).astype(np.int16)
    pixels[:, :2] = -2000
    dataset = builders.xray_dataset(pixels)
    dataset.add_new("PixelPaddingValue", vr, value)
    pydicom.dcmwrite(tmp_path / "x.dcm", dataset, enforce_file_format=True)
    mask = read_xray(tmp_path / "x.dcm").mask
    assert not mask[:, :2].any()
    assert mask[:, 3:].all()


def test_padding_of_unsigned_pixels_may_be_written_with_a_sign(tmp_path):
    pixels = (np.arange(48).reshape(6, 8) * 20).astype(np.uint16)
    pixels[:, :2] = 65535
    dataset = builders.xray_dataset(pixels)
    dataset.add_new("PixelPaddingValue", "SS", -1)
    pydicom.dcmwrite(tmp_path / "x.dcm", dataset, enforce_file_format=True)
    assert not read_xray(tmp_path / "x.dcm").mask[:, :2].any()


def test_collimators_of_a_frame_are_in_its_functional_group(tmp_path):
    pixels = np.stack([np.arange(480, dtype=np.uint16).reshape(20, 24)] * 2)
    groups = []
    for right in (25, 13):
        group, shape = pydicom.Dataset(), pydicom.Dataset()
        shape.CollimatorShape = "RECTANGULAR"
        shape.CollimatorLeftVerticalEdge, shape.CollimatorRightVerticalEdge = 0, right
        shape.CollimatorUpperHorizontalEdge, shape.CollimatorLowerHorizontalEdge = 0, 21
        group.CollimatorShapeSequence = [shape]
        groups.append(group)
    path = builders.write_xray(tmp_path / "x.dcm", pixels, PerFrameFunctionalGroupsSequence=groups)
    assert read_xray(path, frame=0).mask[:, 14:].any()
    assert not read_xray(path, frame=1).mask[:, 12:].any()


@pytest.mark.parametrize("modality", ["MR", "CT", "SEG", "PT", "US"])
def test_what_is_no_projection_is_refused_by_name(tmp_path, modality):
    path = builders.write_xray(tmp_path / "x.dcm", np.arange(48, dtype=np.uint16).reshape(6, 8), Modality=modality)
    with pytest.raises(InputError, match=rf"is no X-ray but {modality}"):
        read_xray(path)


def test_dicom_without_its_preamble_is_not_read_as_a_picture(tmp_path):
    path = builders.write_xray(tmp_path / "x.dcm", np.arange(48, dtype=np.uint16).reshape(6, 8))
    for start in (132, 132 + 12 + int(pydicom.dcmread(path).file_meta.FileMetaInformationGroupLength)):
        (tmp_path / "bare.dcm").write_bytes(path.read_bytes()[start:])
        with pytest.raises(InputError, match="without its preamble"):
            read_xray(tmp_path / "bare.dcm", sdd=1000, spacing=(1, 1))
