"""Which series of a folder is the CT: by what images say they are, whatever their number."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.ct import read_ct
from Testing.Python.io import builders

GRID = builders.oblique_grid()
VALUES = builders.blob(*GRID)
MANY = np.concatenate([VALUES, VALUES, VALUES])


def add(folder, values=VALUES, *, uid=None, name="other", **tags):
    files = builders.write_series(folder, values, *GRID, uid=uid, name=name)
    for file in files:
        dataset = pydicom.dcmread(file)
        for keyword, value in tags.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(file)
    return files


@pytest.fixture
def folder(tmp_path):
    add(tmp_path, uid="1.2.3.10", name="ct", ImageType=["ORIGINAL", "PRIMARY", "AXIAL"])
    return tmp_path


@pytest.mark.parametrize(
    "tags",
    [
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"ImageType": ["DERIVED", "SECONDARY", "MPR"]},
        {"ImageType": ["DERIVED", "PRIMARY", "MIP"]},
        {"ImageType": ["DERIVED", "SECONDARY", "OTHER"], "ImagePositionPatient": None},
        {"Modality": "MR"},
        {"Modality": "PT"},
        {"Modality": "SEG"},
        {"SOPClassUID": SecondaryCaptureImageStorage},
    ],
)
def test_what_is_no_original_ct_does_not_compete_however_large_it_is(folder, tags):
    add(folder, MANY, **tags)
    np.testing.assert_allclose(read_ct(folder).hu, VALUES, atol=0.51)


def test_files_without_image_are_passed_over(folder):
    report = builders.empty_dicom("1.2.840.10008.5.1.4.1.1.88.67", "SR")
    report.SeriesInstanceUID = generate_uid()
    builders.save(report, folder / "dose.dcm")
    assert read_ct(folder).hu.shape == VALUES.shape


def test_a_small_ct_competes_with_a_large_one(folder):
    add(folder, VALUES[4:8], uid="1.2.3.77")
    with pytest.raises(InputError, match=r"(?s)2 could be the CT.*3\.10: 12 slices, CT.*3\.77: 4 slices, CT"):
        read_ct(folder)
    assert read_ct(folder, series="3.77").hu.shape[0] == 4


def test_a_reformatted_ct_is_read_where_there_is_no_original(tmp_path):
    add(tmp_path, ImageType=["DERIVED", "SECONDARY", "MPR"])
    add(tmp_path, name="mip", ImageType=["DERIVED", "SECONDARY", "MIP"])
    np.testing.assert_allclose(read_ct(tmp_path).hu, VALUES, atol=0.51)


def test_another_modality_is_read_only_where_its_series_is_named(tmp_path):
    files = add(tmp_path, uid="1.2.3.40", Modality="MR")
    with pytest.raises(InputError, match=r"(?s)holds no CT.*series=.*1\.2\.3\.40: 12 slices, MR"):
        read_ct(tmp_path)
    with pytest.raises(InputError, match=r"is MR, not CT.*series=1\.2\.3\.40"):
        read_ct(files[0])
    for place in (tmp_path, files[0]):
        assert "modality is MR, not CT" in read_ct(place, series="1.2.3.40").notes[0]


def test_a_localizer_that_is_named_is_said_to_be_one(folder):
    files = add(folder, VALUES[:2], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    with pytest.raises(InputError, match=r"is the localizer .*name the folder with the CT's slices"):
        read_ct(files[0])


def test_localizers_within_the_series_are_left_out_and_said(folder):
    add(folder, VALUES[:2], uid="1.2.3.10", name="scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    ct = read_ct(folder)
    np.testing.assert_allclose(ct.hu, VALUES, atol=0.51)
    assert "2 localizers" in ct.notes[0]


def test_second_copies_of_the_same_images_are_left_out_and_said(folder):
    for file in sorted(folder.glob("ct*.dcm"))[:3]:
        (folder / f"copy_{file.name}").write_bytes(file.read_bytes())
    ct = read_ct(folder)
    np.testing.assert_allclose(ct.hu, VALUES, atol=0.51)
    assert "3 second copies" in ct.notes[0]


def test_phases_in_single_slices_are_named_and_one_can_be_chosen(tmp_path):
    for phase in (1, 2):
        add(tmp_path, VALUES + np.int16(phase), uid="1.2.3.50", name=f"p{phase}_", AcquisitionNumber=phase)
    with pytest.raises(InputError, match=r"differ in AcquisitionNumber: .*phase='AcquisitionNumber="):
        read_ct(tmp_path)
    np.testing.assert_allclose(read_ct(tmp_path, phase="AcquisitionNumber=2").hu, VALUES + 2, atol=0.51)


def test_a_slice_without_position_in_the_series_is_an_error(folder):
    add(folder, VALUES[:1], uid="1.2.3.10", name="lost", ImagePositionPatient=None)
    with pytest.raises(InputError, match=r"lost001\.dcm has no ImagePositionPatient"):
        read_ct(folder)


def test_images_of_another_modality_under_the_same_uid_do_not_disturb_the_ct(folder):
    """Some software gives everything that it exports one SeriesInstanceUID."""
    alone = read_ct(folder)
    add(folder, uid="1.2.3.10", name="pet", Modality="PT")
    builders.write_xray(
        folder / "xray.dcm", np.arange(48, dtype=np.uint16).reshape(6, 8), SeriesInstanceUID="1.2.3.10", Modality="XA"
    )
    for path in (folder, next(iter(sorted(folder.glob("ct*"))))):
        np.testing.assert_array_equal(read_ct(path).hu, alone.hu)
    with pytest.raises(InputError, match=r"names 3 of the series"):
        read_ct(folder, series="3.10")
    np.testing.assert_array_equal(read_ct(folder, series="3.10 (CT)").hu, alone.hu)
