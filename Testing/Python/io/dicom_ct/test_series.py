"""DICOM series: the right files, in the right order, with nothing missing."""

import numpy as np
import pydicom
import pytest

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.io.ct import read_ct
from Testing.Python.io import builders


@pytest.fixture
def series(tmp_path):
    grid = builders.oblique_grid()
    values = builders.blob(*grid)
    return tmp_path / "ct", values, grid, builders.write_series(tmp_path / "ct", values, *grid, uid="1.2.3.10")


def changed(file, **tags):
    dataset = pydicom.dcmread(file)
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.save_as(file)


def test_subfolders_and_other_files_are_no_obstacle(series):
    folder, values, _, files = series
    (folder / "deep" / "deeper").mkdir(parents=True)
    for file in files:
        file.rename(folder / "deep" / "deeper" / file.stem)  # without extension, as on a CD
    (folder / "README.txt").write_text("x" * 300)
    np.testing.assert_allclose(read_ct(folder).hu, values, atol=0.51)


def test_of_two_series_one_must_be_chosen(series):
    folder, values, grid, _ = series
    builders.write_series(folder, values, *grid, uid="1.2.3.20", name="other")
    with pytest.raises(InputError, match=r"(?s)2 series.*1\.2\.3\.10: 12 slices, CT, test series"):
        read_ct(folder)
    np.testing.assert_allclose(read_ct(folder, series="3.20").hu, values, atol=0.51)
    with pytest.raises(InputError, match="names 0"):
        read_ct(folder, series="99")


def test_a_localizer_is_not_worth_a_question(series):
    folder, values, grid, _ = series
    builders.write_series(folder, values[:2], *grid, uid="1.2.3.30", name="scout")
    assert read_ct(folder).hu.shape == values.shape


def test_a_missing_slice_is_an_error_that_says_where(series):
    folder, _, _, files = series
    files[4].unlink()
    with pytest.raises(GeometryError, match=r"2\.300 mm apart as a rule and 4\.600 mm between"):
        read_ct(folder)


def test_a_double_slice_is_an_error(series):
    folder, _, _, files = series
    changed(files[4], ImagePositionPatient=pydicom.dcmread(files[5]).ImagePositionPatient)
    with pytest.raises(GeometryError, match=r"1 slices in .* lie where another one does"):
        read_ct(folder)


def test_a_tilted_gantry_is_an_error_that_names_the_angle(tmp_path):
    spacing, directions, origin = builders.oblique_grid()
    tilted = directions.copy()
    tilted[:, 2] = directions @ [0, np.sin(0.2), np.cos(0.2)]
    values = builders.blob(spacing, directions, origin)
    builders.write_series(tmp_path / "ct", values, spacing, tilted, origin)
    with pytest.raises(GeometryError, match=r"11\.46° off"):
        read_ct(tmp_path / "ct")


def test_slices_of_different_grids_are_an_error(series):
    folder, _, _, files = series
    changed(files[4], PixelSpacing=[1.0, 1.0])
    with pytest.raises(GeometryError, match="differ in PixelSpacing"):
        read_ct(folder)


def test_a_spacing_of_zero_is_an_error(series):
    folder, _, _, files = series
    for file in files:
        changed(file, PixelSpacing=[0, 0])
    with pytest.raises(GeometryError, match=r"voxel spacing of \(0, 0, 2\.3\)"):
        read_ct(folder)


def test_a_single_slice_is_no_ct(series):
    folder, _, _, files = series
    for file in files[1:]:
        file.unlink()
    with pytest.raises(InputError, match="single slice"):
        read_ct(folder)


def test_a_truncated_slice_is_an_error(series):
    folder, _, _, files = series
    files[4].write_bytes(files[4].read_bytes()[:-200])
    with pytest.raises(InputError, match=r"truncated|damaged"):
        read_ct(folder)


def test_a_folder_without_dicom_is_an_error(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="no DICOM slices"):
        read_ct(tmp_path)


def test_an_xray_is_no_ct(tmp_path):
    path = builders.write_xray(tmp_path / "x.dcm", np.zeros((4, 5), np.uint16))
    with pytest.raises(InputError, match=r"XA.*no position"):
        read_ct(path)


def test_compressed_slices_are_read(series):
    folder, values, _, files = series
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.compress(pydicom.uid.RLELossless)
        dataset.save_as(file)
    np.testing.assert_allclose(read_ct(folder).hu, values, atol=0.51)


@pytest.mark.parametrize(("keyword", "value"), [("SamplesPerPixel", [1, 1]), ("Modality", ["CT", "MR"])])
def test_several_values_where_one_belongs_are_an_error_that_names_the_file(tmp_path, keyword, value):
    files = builders.write_series(tmp_path, builders.blob(*builders.oblique_grid()), *builders.oblique_grid())
    for file in files:
        dataset = pydicom.dcmread(file)
        setattr(dataset, keyword, value)
        dataset.save_as(file)
    with pytest.raises(InputError, match=tmp_path.name):
        read_ct(files[0])
