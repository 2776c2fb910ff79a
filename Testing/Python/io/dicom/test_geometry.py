"""Geometry out of DICOM headers: angles, distances, spacing, off-center detectors, and errors that help."""

import os
from pathlib import Path

import pydicom
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import carm
from SphericalRegLib.geometry.view import View, mirrored_view
from SphericalRegLib.io.dicom.geometry import dicom_tags_from_view, view_from_dicom

ISOCENTER = torch.tensor([12.0, -190.0, 870.0], dtype=torch.float64)
pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def header(**attributes: object) -> Dataset:
    dataset = Dataset()
    values = {
        "Modality": "XA",
        "Rows": 300,
        "Columns": 400,
        "DistanceSourceToDetector": 1000,
        "DistanceSourceToPatient": 700,
        "ImagerPixelSpacing": [0.5, 0.7],
        "PositionerPrimaryAngle": 30,
        "PositionerSecondaryAngle": -10,
        **attributes,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def test_distances_spacing_and_angles_are_read():
    geometry = view_from_dicom(header(), name="frontal")
    view = geometry.view
    assert (view.sdd, view.sad, view.spacing) == (1000.0, 700.0, (0.5, 0.7))
    assert (view.height, view.width, view.name) == (300, 400, "frontal")
    assert (geometry.primary_deg, geometry.secondary_deg) == (30.0, -10.0)


def test_without_a_word_the_central_ray_hits_the_middle_and_the_image_is_seen_from_the_detector():
    view = view_from_dicom(header()).view
    assert view.intrinsics[:2, 2].tolist() == [199.5, 149.5]
    assert view.mirrored


def test_the_pose_is_that_of_the_angles():
    pose = view_from_dicom(header()).pose(ISOCENTER)
    assert torch.allclose(pose, carm.pose_from_angles(30, -10, 700, ISOCENTER))


def test_what_is_given_replaces_the_header():
    geometry = view_from_dicom(
        header(DistanceSourceToDetector=None, ImagerPixelSpacing=[0, 0], PositionerPrimaryAngle=None),
        sdd=1200.0,
        sad=800.0,
        spacing=(0.2, 0.3),
        principal_point=(10.0, 20.0),
        primary_deg=180.0,
        mirrored=True,
    )
    assert (geometry.view.sdd, geometry.view.sad, geometry.view.spacing) == (1200.0, 800.0, pytest.approx((0.2, 0.3)))
    assert geometry.view.intrinsics[:2, 2].tolist() == [10.0, 20.0]
    assert (geometry.primary_deg, geometry.secondary_deg, geometry.view.mirrored) == (180.0, 0.0, True)


def test_one_angle_can_be_replaced_alone():
    geometry = view_from_dicom(header(), secondary_deg=5.0)
    assert (geometry.primary_deg, geometry.secondary_deg) == (30.0, 5.0)


def test_without_angles_they_are_unknown_and_the_pose_says_what_to_give():
    geometry = view_from_dicom(header(PositionerPrimaryAngle="", PositionerSecondaryAngle=""))
    assert (geometry.primary_deg, geometry.secondary_deg) == (None, None)
    assert not geometry.view.mirrored
    with pytest.raises(GeometryError, match="primary_deg"):
        geometry.pose(ISOCENTER)


def test_without_the_isocenters_distance_the_pose_says_what_to_give():
    with pytest.raises(GeometryError, match="give sad"):
        view_from_dicom(header(DistanceSourceToPatient=None)).pose(ISOCENTER)


@pytest.mark.parametrize(("position", "primary"), [("PA", 0.0), ("AP", 180.0), ("LL", 90.0), ("RL", -90.0)])
def test_view_position_stands_in_for_the_angles_of_a_radiograph(position, primary):
    geometry = view_from_dicom(header(Modality="DX", PositionerPrimaryAngle=None, ViewPosition=position))
    assert (geometry.primary_deg, geometry.secondary_deg) == (primary, 0.0)


def test_the_magnification_factor_stands_in_for_the_isocenters_distance():
    view = view_from_dicom(header(DistanceSourceToPatient=None, EstimatedRadiographicMagnificationFactor=1.25)).view
    assert view.sad == pytest.approx(800.0)


def test_the_isocenters_own_tag_comes_before_the_patients():
    assert view_from_dicom(header(DistanceSourceToIsocenter=750.0)).view.sad == 750.0


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"PixelSpacing": [0.3, 0.4]}, (0.3, 0.4)),
        ({"NominalScannedPixelSpacing": [0.1, 0.1]}, (0.1, 0.1)),
        ({"PixelSpacing": [0.35, 0.7], "PixelSpacingCalibrationType": "GEOMETRY"}, (0.5, 1.0)),
        (
            {
                "PixelSpacing": [0.3, 0.3],
                "PixelSpacingCalibrationType": "FIDUCIAL",
                "EstimatedRadiographicMagnificationFactor": 1.5,
            },
            (0.45, 0.45),
        ),
    ],
)
def test_pixel_spacing_stands_in_and_is_magnified_back_when_it_is_calibrated_to_the_patient(attributes, expected):
    assert view_from_dicom(header(ImagerPixelSpacing=None, **attributes)).view.spacing == pytest.approx(expected)


def test_calibrated_pixel_spacing_beside_imager_pixel_spacing_is_not_used():
    attributes = {"PixelSpacing": [0.3, 0.3], "PixelSpacingCalibrationType": "GEOMETRY"}
    assert view_from_dicom(header(**attributes)).view.spacing == pytest.approx((0.5, 0.7))


def test_a_moving_c_arm_has_its_own_angles_in_each_frame():
    dataset = header(
        PositionerPrimaryAngleIncrement=[0, 1.5, 3.5],
        PositionerSecondaryAngleIncrement=[0, 0, -2],
        NumberOfFrames=3,
    )
    geometry = view_from_dicom(dataset, frame=2)
    assert (geometry.primary_deg, geometry.secondary_deg) == (33.5, -12.0)
    with pytest.raises(GeometryError, match="frame 3"):
        view_from_dicom(dataset, frame=3)


def test_an_enhanced_image_keeps_its_geometry_in_functional_groups():
    def item(**attributes: object) -> Dataset:
        dataset = Dataset()
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        return dataset

    shared = item(
        XRayGeometrySequence=Sequence([item(DistanceSourceToDetector=1100.0, DistanceSourceToIsocenter=760.0)]),
        FramePixelDataPropertiesSequence=Sequence([item(ImagerPixelSpacing=[0.2, 0.2])]),
    )
    frames = [
        item(PositionerPositionSequence=Sequence([item(PositionerPrimaryAngle=a, PositionerSecondaryAngle=4.0)]))
        for a in (10.0, 20.0)
    ]
    dataset = item(Modality="XA", Rows=100, Columns=100)
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    geometry = view_from_dicom(dataset, frame=1)
    assert (geometry.primary_deg, geometry.secondary_deg) == (20.0, 4.0)
    assert (geometry.view.sdd, geometry.view.sad, geometry.view.spacing) == (1100.0, 760.0, pytest.approx((0.2, 0.2)))


def test_the_isocenters_projection_sets_the_principal_point():
    # elements of 0.2 mm, the image starts 100 rows and 50 columns into the detector, pixels are 2.5 and 3.5 elements
    dataset = header(
        PositionOfIsocenterProjection=[349.5, 299.5],
        DetectorElementSpacing=[0.2, 0.2],
        FieldOfViewOrigin=[100, 50],
    )
    u, v = view_from_dicom(dataset).view.intrinsics[:2, 2].tolist()
    assert v == pytest.approx(250 / 2.5 - 0.5)
    assert u == pytest.approx(250 / 3.5 - 0.5)


def test_the_active_area_sets_the_principal_point_when_the_stored_part_is_known():
    # detector of 1000 × 1200 elements of 0.2 mm from element (10, 20); the image starts at element (110, 220)
    dataset = header(
        DetectorActiveOrigin=[10, 20],
        DetectorActiveDimensions=[200, 240],
        DetectorElementSpacing=[0.2, 0.2],
        FieldOfViewOrigin=[110, 220],
        ImagerPixelSpacing=[0.4, 0.4],
    )
    u, v = view_from_dicom(dataset).view.intrinsics[:2, 2].tolist()
    assert v == pytest.approx((10 + 500 - 110) / 2 - 0.5)
    assert u == pytest.approx((20 + 600 - 220) / 2 - 0.5)


def test_the_active_area_alone_says_nothing_about_the_stored_part():
    dataset = header(DetectorActiveDimensions=[200, 240], DetectorElementSpacing=[0.2, 0.2])
    assert view_from_dicom(dataset).view.intrinsics[:2, 2].tolist() == [199.5, 149.5]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", ["NO", "YES"])
def test_a_turned_and_flipped_field_of_view_takes_its_principal_point_along(turn, flip):
    # the marked pixel of a 4 × 6 field of view, moved as numpy moves pixels
    rows, columns, row, column = 4, 6, 1, 4
    picture = torch.zeros(rows, columns)
    picture[row, column] = 1
    stored = torch.rot90(picture, -turn // 90)  # clockwise
    stored = stored.flip(1) if flip == "YES" else stored
    expected = stored.nonzero()[0].tolist()
    dataset = header(
        Rows=stored.shape[0],
        Columns=stored.shape[1],
        ImagerPixelSpacing=[0.5, 0.5],
        DetectorElementSpacing=[0.5, 0.5],
        PositionOfIsocenterProjection=[row, column],
        FieldOfViewOrigin=[0, 0],
        FieldOfViewRotation=turn,
        FieldOfViewHorizontalFlip=flip,
    )
    u, v = view_from_dicom(dataset).view.intrinsics[:2, 2].tolist()
    assert [v, u] == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4000),
    st.integers(1, 4000),
    st.floats(200, 3000),
    st.floats(0.2, 0.95),
    st.tuples(st.floats(0.01, 2), st.floats(0.01, 2)),
    st.tuples(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5)) | st.none(),
    st.tuples(st.floats(-180, 180), st.floats(-60, 60), st.sampled_from([0.0, 90.0, 180.0, -90.0])),
    st.booleans(),
)
def test_a_view_and_its_angles_survive_a_round_trip_through_dicom(
    rows, columns, sdd, sad_share, spacing, center, angles, mirrored
):
    point = None if center is None else (center[0] * columns, center[1] * rows)
    view = View.from_spacing(rows, columns, sdd, spacing, point, sad=sad_share * sdd)
    view = mirrored_view(view) if mirrored else view
    pose = carm.pose_from_angles(angles[0], angles[1], view.sad, ISOCENTER, angles[2])
    dataset = Dataset()
    dataset.Modality = "XA"
    for keyword, value in dicom_tags_from_view(view, pose).items():
        setattr(dataset, keyword, value)
    geometry = view_from_dicom(dataset)
    again = geometry.view
    assert (again.height, again.width, again.mirrored) == (rows, columns, mirrored)
    assert again.sdd == pytest.approx(sdd, rel=1e-10)
    assert torch.allclose(again.intrinsics[:2, :2], view.intrinsics[:2, :2], rtol=1e-9)
    # the principal point is stored in single precision
    assert torch.allclose(again.intrinsics[:2, 2], view.intrinsics[:2, 2], rtol=1e-6, atol=1e-6)
    assert torch.allclose(geometry.pose(ISOCENTER), pose, atol=1e-6)


def test_without_a_pose_no_angles_are_written():
    tags = dicom_tags_from_view(View.from_spacing(10, 10, 1000.0, (0.5, 0.5)))
    assert not {"PositionerPrimaryAngle", "PatientOrientation", "DistanceSourceToPatient"} & set(tags)


def test_skewed_pixels_cannot_be_written():
    k = torch.tensor([[2000.0, 3.0, 5.0], [0.0, 2000.0, 5.0], [0.0, 0.0, 1.0]])
    with pytest.raises(GeometryError, match="skewed"):
        dicom_tags_from_view(View(k, 10, 10, 1000.0))


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"ImagerPixelSpacing": [0, 0]}, r"ImagerPixelSpacing \(0018,1164\) is 0 × 0 mm: give spacing"),
        ({"ImagerPixelSpacing": None}, r"neither ImagerPixelSpacing \(0018,1164\) nor PixelSpacing .*give spacing"),
        ({"ImagerPixelSpacing": [0.5]}, "has 1 values"),
        ({"DistanceSourceToDetector": None}, r"no DistanceSourceToDetector \(0018,1110\): give sdd"),
        ({"DistanceSourceToDetector": 0}, r"is 0\.0 mm: give sdd"),
        ({"DistanceSourceToDetector": 600}, r"700\.0 mm.*600\.0 mm: give sad"),
        ({"DistanceSourceToPatient": 0}, r"DistanceSourceToPatient \(0018,1111\)\) is 0\.0 mm.*give sad"),
        ({"Rows": None}, "holds no image"),
        ({"DetectorPrimaryAngle": 12.0}, "not perpendicular.*principal_point"),
        ({"PatientOrientation": ["L", "X"]}, "'X'"),
        ({"FieldOfViewRotation": 45}, "quarter turns"),
        ({"PositionOfIsocenterProjection": [1.0, 1.0]}, "DetectorElementSpacing.*principal_point"),
        (
            {"ImagerPixelSpacing": None, "PixelSpacing": [0.3, 0.3], "PixelSpacingCalibrationType": "FIDUCIAL",
             "DistanceSourceToPatient": None},
            "calibrated to the patient's depth.*spacing",
        ),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_right_is_refused_with_tag_value_and_remedy(attributes, words):
    with pytest.raises(GeometryError, match=words):
        view_from_dicom(header(**attributes))


def test_text_that_is_no_number_is_refused_by_name():
    dataset = header()
    with pydicom.config.disable_value_validation():
        dataset["DistanceSourceToDetector"] = pydicom.DataElement(0x00181110, "LO", "about a meter")
    with pytest.raises(GeometryError, match=r"DistanceSourceToDetector \(0018,1110\) is not a number"):
        view_from_dicom(dataset)


def sample(name: str) -> Dataset:
    root = os.environ.get("SPHERICALREG_SHARED_DATA", Path(__file__).resolve().parents[4].parent / "shared" / "data")
    path = Path(root) / "dicom" / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return pydicom.dcmread(path, stop_before_pixels=True)


def test_a_real_chest_radiograph_with_zero_spacing_is_refused_and_read_when_it_is_given():
    dataset = sample("WG04_RG1_chest.dcm")
    with pytest.raises(GeometryError, match=r"PixelSpacing \(0028,0030\) is 0 × 0 mm"):
        view_from_dicom(dataset)
    geometry = view_from_dicom(dataset, spacing=(0.2, 0.2))
    assert (geometry.primary_deg, geometry.view.mirrored, geometry.view.sdd) == (0.0, True, 1996.0)
