"""Simulated X-rays as DICOM files that others can read."""

import numpy as np
import pydicom
import pytest
import SimpleITK
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.io.dicom.geometry import view_from_dicom
from SphericalRegLib.simulation.degrade import Degradations
from SphericalRegLib.simulation.dicom_writer import write_xray_dicom
from SphericalRegLib.simulation.instruments import Circle, Margins
from SphericalRegLib.simulation.simulate import SimulatedXRay


def picture(view: View, settings: Degradations | None = None) -> SimulatedXRay:
    """An X-ray with a ramp of values; how it came about does not matter to the writer."""
    settings = settings or Degradations(bits=12)
    shape = (view.height, view.width)
    ramp = np.linspace(0, 2**settings.bits - 1, view.height * view.width).reshape(shape).astype(np.uint16)
    everywhere = np.ones(shape, bool)
    return SimulatedXRay(
        ramp, settings.bits, settings.log_output, everywhere, ~everywhere, np.zeros((*shape, 3)), settings
    )


VIEW = View.from_spacing(20, 31, 1020.5, (0.7, 0.3), sad=645.0)


def test_pixels_and_geometry_come_back(tmp_path):
    xray = picture(VIEW)
    write_xray_dicom(tmp_path / "x.dcm", xray, VIEW, primary_deg=30.25, secondary_deg=-12.5)
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    assert np.array_equal(dataset.pixel_array, xray.intensity)
    assert (dataset.Modality, dataset.BitsStored, dataset.PixelIntensityRelationship) == ("XA", 12, "LIN")
    assert "SIMULATED" in dataset.ImageType
    geometry = view_from_dicom(dataset, mirrored=False)
    torch.testing.assert_close(geometry.view.intrinsics, VIEW.intrinsics)
    assert (geometry.view.sdd, geometry.view.sad) == (1020.5, 645.0)
    assert (geometry.primary_deg, geometry.secondary_deg) == (30.25, -12.5)


@pytest.mark.parametrize("angles", [(180.0, 0.0), (0.0, 0.0), (35.0, 10.0), (-90.0, 5.0)])
@pytest.mark.parametrize("mirror", [1, -1])
def test_off_center_and_mirrored_views_come_back(tmp_path, angles, mirror):
    k = torch.tensor([[mirror * 3000.0, 0, 4.25], [0, 2500.0, 13.5], [0, 0, 1]], dtype=torch.float64)
    view = View(k, 20, 31, 1020.5, sad=645.0)
    write_xray_dicom(tmp_path / "x.dcm", picture(view), view, primary_deg=angles[0], secondary_deg=angles[1])
    read = view_from_dicom(pydicom.dcmread(tmp_path / "x.dcm"))
    torch.testing.assert_close(read.view.intrinsics, k, rtol=1e-6, atol=1e-5)
    assert (read.primary_deg, read.secondary_deg) == pytest.approx(angles)


def test_simpleitk_reads_the_same_image(tmp_path):
    xray = picture(VIEW, Degradations(bits=16, log_output=True))
    write_xray_dicom(tmp_path / "x.dcm", xray, VIEW)
    image = SimpleITK.ReadImage(str(tmp_path / "x.dcm"))
    assert np.array_equal(SimpleITK.GetArrayFromImage(image)[0], xray.intensity)
    assert image.GetSpacing()[:2] == pytest.approx((0.3, 0.7))
    assert pydicom.dcmread(tmp_path / "x.dcm").PixelIntensityRelationship == "LOG"


def test_identifiers_follow_from_the_content(tmp_path):
    other = picture(VIEW)
    other.intensity[0, 0] = 17
    for name, xray in (("a", picture(VIEW)), ("b", picture(VIEW)), ("c", other)):
        write_xray_dicom(tmp_path / name, xray, VIEW)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    a, c = (pydicom.dcmread(tmp_path / name) for name in "ac")
    assert a.StudyInstanceUID == c.StudyInstanceUID
    assert a.SOPInstanceUID != c.SOPInstanceUID
    assert a.SOPInstanceUID == a.file_meta.MediaStorageSOPInstanceUID
    assert a.SOPInstanceUID.is_valid


@pytest.mark.parametrize(
    ("collimation", "expected"),
    [
        (Margins(0.1, 0.2, 0.0, 0.5), {"CollimatorLeftVerticalEdge": 3, "CollimatorLowerHorizontalEdge": 11}),
        (Circle(0.9), {"RadiusOfCircularCollimator": 9, "CollimatorShape": "CIRCULAR"}),
    ],
)
def test_the_collimator_is_described(tmp_path, collimation, expected):
    write_xray_dicom(tmp_path / "x.dcm", picture(VIEW, Degradations(collimation=collimation)), VIEW)
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    assert {keyword: dataset[keyword].value for keyword in expected} == expected


def test_nothing_is_half_written(tmp_path):
    missing = tmp_path / "no such folder" / "x.dcm"
    with pytest.raises(InputError, match="no such folder"):
        write_xray_dicom(missing, picture(VIEW), VIEW)
    (tmp_path / "folder.dcm").mkdir()
    with pytest.raises(InputError, match=r"folder\.dcm"):
        write_xray_dicom(tmp_path / "folder.dcm", picture(VIEW), VIEW)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.dcm"]


def test_what_dicom_cannot_say_is_refused(tmp_path):
    path = tmp_path / "x.dcm"
    skewed = VIEW.intrinsics.clone()
    skewed[0, 1] = 2.0
    view = View(skewed, 20, 31, 1000.0)
    with pytest.raises(GeometryError, match="skewed"):
        write_xray_dicom(path, picture(view), view)
    mirrored = View(VIEW.intrinsics * torch.tensor([[-1.0], [1], [1]]), 20, 31, 1000.0)
    with pytest.raises(InputError, match="PatientOrientation"):
        write_xray_dicom(path, picture(mirrored), mirrored)
    with pytest.raises(InputError, match="20 × 31 pixels"):
        write_xray_dicom(path, picture(VIEW), VIEW.resized(10, 10))
    with pytest.raises(InputError, match="both C-arm angles"):
        write_xray_dicom(path, picture(VIEW), VIEW, primary_deg=3.0)
    assert not path.exists()
