"""RT images: gantry, couch and receptor as IEC 61217 turns them; the image as the source sees it."""

import os
from pathlib import Path

import pydicom
import pytest
import torch
from pydicom.dataset import Dataset

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import frames, se3
from SphericalRegLib.io.dicom.geometry import view_from_dicom

ISOCENTER = torch.tensor([5.0, -20.0, 100.0], dtype=torch.float64)


def header(**attributes: object) -> Dataset:
    dataset = Dataset()
    values = {
        "Modality": "RTIMAGE",
        "Rows": 300,
        "Columns": 400,
        "RTImageSID": 1500,
        "RadiationMachineSAD": 1000,
        "ImagePlanePixelSpacing": [0.4, 0.5],
        "RTImagePosition": [-99.75, 59.8],
        "GantryAngle": 0,
        "PatientPosition": "HFS",
        **attributes,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def source_side(dataset: Dataset) -> torch.Tensor:
    """Unit vector from the isocenter to the source."""
    geometry = view_from_dicom(dataset)
    return (se3.inverse(geometry.pose(ISOCENTER))[:3, 3] - ISOCENTER) / 1000


def appears(dataset: Dataset, letter: str) -> list[float]:
    """Where a point 40 mm from the isocenter appears, from the principal point: (right, down)."""
    geometry = view_from_dicom(dataset)
    point = (ISOCENTER + 40 * frames.direction(letter))[None]
    pixel = geometry.view.project(point, geometry.pose(ISOCENTER))[0] - geometry.view.intrinsics[:2, 2]
    return pixel.tolist()


@pytest.mark.parametrize(
    ("gantry", "position", "side"),
    [
        (0, "HFS", "A"), (90, "HFS", "L"), (180, "HFS", "P"), (270, "HFS", "R"),
        (0, "HFP", "P"), (90, "HFP", "R"), (90, "FFS", "R"), (90, "FFP", "L"),
        (0, "HFDR", "L"), (0, "HFDL", "R"), (0, "FFDR", "L"), (0, "FFDL", "R"),
    ],
)  # fmt: skip
def test_the_gantry_puts_the_source_where_the_patients_position_says(gantry, position, side):
    found = source_side(header(GantryAngle=gantry, PatientPosition=position))
    assert torch.allclose(found, frames.direction(side), atol=1e-9)


@pytest.mark.parametrize(("position", "up"), [("HFS", "H"), ("HFP", "H"), ("FFS", "F"), ("FFDL", "F")])
def test_what_is_nearer_to_the_gantry_is_up_in_the_image(position, up):
    right, down = appears(header(PatientPosition=position), up)
    assert down < -100
    assert abs(right) < 1e-6


def test_at_gantry_zero_a_supine_patients_left_is_on_the_right():
    right, down = appears(header(), "L")
    assert right > 100
    assert abs(down) < 1e-6


def test_all_images_are_as_the_source_sees_them():
    for gantry in (0, 37, 90, 180, 301):
        assert not view_from_dicom(header(GantryAngle=gantry)).view.mirrored


def test_the_couch_turns_the_patient_about_the_vertical():
    # a couch angle of 90° brings the patient's head, which was at the gantry, to the left as one faces the gantry
    right, down = appears(header(PatientSupportAngle=90), "H")
    assert right < -100
    assert abs(down) < 1e-6


def test_the_receptors_angle_turns_the_image_against_itself():
    # the receptor turned counterclockwise shows the head turned clockwise
    right, down = appears(header(XRayImageReceptorAngle=90), "H")
    assert right > 100
    assert abs(down) < 1e-6


def test_position_and_translation_set_the_principal_point():
    view = view_from_dicom(header()).view
    assert view.intrinsics[:2, 2].tolist() == pytest.approx([199.5, 149.5])
    shifted = view_from_dicom(header(XRayImageReceptorTranslation=[10.0, -4.0, -500.0])).view
    assert shifted.intrinsics[:2, 2].tolist() == pytest.approx([199.5 - 20, 149.5 - 10])


def test_an_image_stored_mirrored_is_recognized_and_keeps_its_picture():
    plain, mirror = header(), header(RTImageOrientation=[-1, 0, 0, 0, -1, 0], RTImagePosition=[99.75, 59.8])
    assert view_from_dicom(mirror).view.mirrored
    right, down = appears(plain, "L")
    assert appears(mirror, "L") == pytest.approx([-right, down])


def test_an_image_stored_upside_down_is_a_half_turn():
    turned = header(RTImageOrientation=[-1, 0, 0, 0, 1, 0], RTImagePosition=[99.75, -59.8])
    right, down = appears(header(), "LH")
    assert not view_from_dicom(turned).view.mirrored
    assert appears(turned, "LH") == pytest.approx([-right, -down])


def test_spacing_and_distances_are_read_or_replaced():
    view = view_from_dicom(header()).view
    assert (view.sdd, view.sad, view.spacing) == (1500.0, 1000.0, pytest.approx((0.4, 0.5)))
    other = view_from_dicom(header(), sdd=1600.0, sad=900.0, spacing=(0.1, 0.2)).view
    assert (other.sdd, other.sad, other.spacing) == (1600.0, 900.0, pytest.approx((0.1, 0.2)))


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"RTImagePlane": "NON_NORMAL"}, "NON_NORMAL"),
        ({"RTImageSID": 0}, r"RTImageSID \(3002,0026\) is 0\.0.*give sdd"),
        ({"RTImageSID": 1000}, "RadiationMachineSAD .* is 1000"),
        ({"ImagePlanePixelSpacing": None}, "ImagePlanePixelSpacing .*give spacing"),
        ({"RTImageOrientation": [1, 0, 0, 1, 0, 0]}, "perpendicular"),
        ({"PatientPosition": "SITTING"}, "SITTING"),
        ({"GantryPitchAngle": 3.0}, "GantryPitchAngle"),
    ],
)
def test_what_cannot_be_read_is_refused_by_tag_and_value(attributes, words):
    with pytest.raises(GeometryError, match=words):
        view_from_dicom(header(**attributes))


def test_a_real_portal_image_is_an_ap_view():
    root = os.environ.get("SPHERICALREG_SHARED_DATA", Path(__file__).resolve().parents[4].parent / "shared" / "data")
    path = Path(root) / "dicom" / "RI6XDosiGap.dcm"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    geometry = view_from_dicom(pydicom.dcmread(path, stop_before_pixels=True))
    assert geometry.primary_deg == pytest.approx(-180, abs=0.1)
    assert geometry.view.sdd == pytest.approx(1500.033, abs=1e-3)
    assert geometry.view.spacing == pytest.approx((0.392, 0.392))
    assert geometry.view.intrinsics[:2, 2].tolist() == pytest.approx([511.5, 383.5], abs=0.05)
