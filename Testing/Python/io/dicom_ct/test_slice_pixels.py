"""Values of DICOM slices: bits, rescale and padding, whatever place the file gives them."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.ct import read_ct
from Testing.Python.io import builders

GRID = builders.oblique_grid()
VALUES = builders.blob(*GRID)


@pytest.fixture
def files(tmp_path):
    return builders.write_series(tmp_path, VALUES, *GRID)


def rewrite(files, change):
    for k, file in enumerate(files):
        dataset = pydicom.dcmread(file)
        change(dataset, VALUES[k])
        dataset.save_as(file)
    return files[0].parent


def plain(dataset, cells):
    """Stored cells that are HU without a rescale of their own."""
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.PixelData = cells.tobytes()


@pytest.mark.parametrize("padding", [{"PixelPaddingValue": -2000}, {"PixelPaddingValue": 63536}])
def test_padding_is_air_whatever_the_rescale(files, padding):
    def change(dataset, plane):
        cells = (plane + 500).astype("<i2")
        cells[:3] = -2000
        plain(dataset, cells)
        dataset.RescaleIntercept = 1500
        for keyword, value in padding.items():
            dataset.add_new(keyword, "US" if value > 0 else "SS", value)

    hu = read_ct(rewrite(files, change), rescale=(1, -2000)).hu
    np.testing.assert_array_equal(hu[:, 3:], VALUES[:, 3:])
    assert (hu[:, :3] == -1024).all()


def test_a_range_of_padding_is_air_and_tissue_beside_it_is_not(files):
    def change(dataset, plane):
        cells = (plane + 1100).astype("<u2")
        cells[:2], cells[2:4] = 3000, 3040
        plain(dataset, cells)
        dataset.RescaleIntercept, dataset.PixelRepresentation = -1100, 0
        dataset.add_new("PixelPaddingValue", "US", 3050)
        dataset.add_new("PixelPaddingRangeLimit", "US", 3000)

    hu = read_ct(rewrite(files, change)).hu
    np.testing.assert_array_equal(hu[:, 4:], VALUES[:, 4:])
    assert (hu[:, :4] == -1024).all()


def test_padding_does_not_make_hounsfield_units_of_other_values(files):
    def change(dataset, plane):
        cells = (plane + 1100).astype("<i2")
        cells[:3] = -2000
        plain(dataset, cells)
        dataset.add_new("PixelPaddingValue", "SS", -2000)

    with pytest.raises(InputError, match="none below 0"):
        read_ct(rewrite(files, change))


@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_twelve_signed_bits_with_something_else_above_them(files, syntax):
    def change(dataset, plane):
        cells = (np.clip(plane, -2048, 2047).astype("<i2").view("<u2") & 0x0FFF) | 0x5000
        plain(dataset, cells.astype("<u2"))
        dataset.BitsStored, dataset.HighBit = 12, 11
        if syntax:
            dataset.compress(syntax)

    np.testing.assert_array_equal(read_ct(rewrite(files, change)).hu, VALUES)


def test_bits_that_lie_higher_are_moved_down(files):
    def change(dataset, plane):
        plain(dataset, (plane.astype("<i2").view("<u2") << 4).astype("<u2"))
        dataset.BitsStored, dataset.HighBit = 12, 15

    np.testing.assert_array_equal(read_ct(rewrite(files, change)).hu, VALUES)


def test_jpeg2000_of_signed_slices_with_their_own_rescale(files, tmp_path):
    from Testing.Python.io.dicom_ct.test_enhanced_ct import jpeg2000

    def change(dataset, plane):
        cells = np.frombuffer(dataset.PixelData, "<i2").reshape(plane.shape)
        dataset.PixelData = pydicom.encaps.encapsulate([jpeg2000(cells, tmp_path)])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless

    np.testing.assert_allclose(read_ct(rewrite(files, change)).hu, VALUES, atol=0.51)


def test_a_modality_lut_is_used_and_said(files):
    def change(dataset, plane):
        table = Dataset()
        table.LUTDescriptor, table.ModalityLUTType = [2048, 0, 16], "HU"
        table["LUTDescriptor"].VR = "US"
        # the table's own values are unsigned: HU + 3000 here, so the file needs a rescale as well
        table.add_new("LUTData", "OW", (np.arange(2048) * 2).astype("<u2").tobytes())
        dataset.ModalityLUTSequence = [table]
        dataset.PixelRepresentation = 0
        dataset.PixelData = (np.round(plane + 1000) // 2).astype("<u2").tobytes()
        del dataset.RescaleSlope, dataset.RescaleIntercept

    ct = read_ct(rewrite(files, change), rescale=(1, -1000))
    np.testing.assert_allclose(ct.hu, VALUES, atol=1)
    assert "Modality LUT" in ct.notes[0]


def real_world_map(unit, slope, intercept):
    item, code = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = unit, "UCUM", unit
    item.MeasurementUnitsCodeSequence = [code]
    item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, intercept
    return item


def mapped(tmp_path, unit):
    dataset = builders.enhanced_ct(VALUES, *GRID)
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        scale = frame.PixelValueTransformationSequence[0]
        mapping = real_world_map(unit, float(scale.RescaleSlope), float(scale.RescaleIntercept))
        frame.RealWorldValueMappingSequence = [mapping]
        del frame.PixelValueTransformationSequence
    return builders.save(dataset, tmp_path / "mapped.dcm")


def test_a_real_world_map_in_hounsfield_units_is_used_by_frame_and_said(tmp_path):
    ct = read_ct(mapped(tmp_path, "[hnsf'U]"))
    np.testing.assert_allclose(ct.hu, VALUES, atol=0.51)
    assert "Real World Value Map" in ct.notes[0]


def test_values_in_other_units_are_an_error_that_names_them_and_the_remedy_works(tmp_path, files):
    with pytest.raises(InputError, match=r"Real World Value Map in mg/cm3.*units='hu'"):
        read_ct(mapped(tmp_path, "mg/cm3"))
    (tmp_path / "mapped.dcm").unlink()

    def change(dataset, _):
        dataset.RescaleType = "Z_EFF"

    with pytest.raises(InputError, match=r"RescaleType \(0028,1054\) Z_EFF"):
        read_ct(rewrite(files, change))
    np.testing.assert_allclose(read_ct(tmp_path, units="hu").hu, VALUES, atol=0.51)


def test_slices_without_rescale_are_taken_as_stored_and_that_is_said(files):
    def change(dataset, plane):
        dataset.PixelData = plane.astype("<i2").tobytes()
        del dataset.RescaleSlope, dataset.RescaleIntercept

    ct = read_ct(rewrite(files, change))
    np.testing.assert_array_equal(ct.hu, VALUES)
    assert "no Rescale Slope" in ct.notes[0]


def test_a_ct_without_air_is_said(tmp_path):
    ct = read_ct(builders.write_itk(tmp_path / "crop.nrrd", np.maximum(VALUES, -50), *GRID))
    assert "holds no air: its lowest value is -50 HU" in ct.notes[0]
    assert read_ct(builders.write_itk(tmp_path / "whole.nrrd", VALUES, *GRID)).notes == ()


def test_negative_stored_values_stay_negative_in_every_frame(tmp_path):
    dataset = builders.enhanced_ct(VALUES, *GRID)
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        scale = frame.PixelValueTransformationSequence[0]
        scale.RescaleSlope, scale.RescaleIntercept = 1, 0
    dataset.PixelData = VALUES.astype("<i2").tobytes()
    np.testing.assert_array_equal(read_ct(builders.save(dataset, tmp_path / "ct.dcm")).hu, VALUES)
