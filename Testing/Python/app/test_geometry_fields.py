"""Numbers in fields to calibrated views and back, and what is said about missing ones."""

import dataclasses
from dataclasses import replace

import pydicom
import pytest
import torch

from SphericalRegLib.app.panel.geometry_fields import (
    GROUPS,
    ViewFields,
    fields_from_dicom,
    group_of,
    nominal,
    problems,
    view_of,
    views_of,
)
from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry.carm import pose_from_angles
from SphericalRegLib.io.dicom.geometry import view_from_dicom
from SphericalRegLib.sample import sample_path

GOOD = ViewFields(
    sdd=1200.0,
    sad=800.0,
    row_spacing=0.4,
    column_spacing=0.5,
    off_center_columns=12.5,
    off_center_rows=-30.0,
    angles_known=True,
)
SIZE = (300, 400)


@pytest.fixture
def a_header():
    return pydicom.dcmread(sample_path("pelvis_lumbar_3mm_ap.dcm"), stop_before_pixels=True)


def test_complete_fields_have_no_problems():
    assert problems(GOOD, SIZE) == {}
    assert problems(GOOD, SIZE, several=True) == {}


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"sdd": 0.0}, "sdd", "Missing"),
        ({"sdd": -5.0}, "sdd", "Missing"),
        ({"sdd": float("nan")}, "sdd", "Missing"),
        ({"sdd": 12.0, "sad": 0.0}, "sdd", "12 mm is no C-arm"),
        ({"row_spacing": 0.0}, "row_spacing", "Missing"),
        ({"column_spacing": 400.0}, "column_spacing", "no detector's pixel"),
        ({"sad": 1200.0}, "sad", "less than the distance to the detector, 1200 mm"),
        ({"sad": -1.0}, "sad", "no distance"),
        ({"off_center_columns": 401.0}, "off_center_columns", "miss the detector"),
        ({"off_center_rows": -301.0}, "off_center_rows", "miss the detector"),
        ({"secondary_angle": 91.0}, "secondary_angle", "between -90"),
    ],
)
def test_each_wrong_value_is_told_beside_its_field_and_refused(change, field, words):
    wrong = replace(GOOD, **change)
    found = problems(wrong, SIZE)
    assert list(found) == [field]
    assert words in found[field]
    with pytest.raises(GeometryError, match=r"The geometry of AP is not complete"):
        view_of(wrong, SIZE, "AP")


def test_each_field_belongs_to_one_group():
    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(field.name for field in dataclasses.fields(ViewFields))
    assert group_of("row_spacing") == group_of("column_spacing") == "spacing"


def test_a_central_ray_that_misses_both_ways_is_told_once():
    assert len(problems(replace(GOOD, off_center_columns=500.0, off_center_rows=500.0), SIZE)) == 1


def test_an_empty_panel_says_all_that_is_missing():
    assert set(problems(ViewFields())) == {"sdd", "row_spacing", "column_spacing"}
    assert set(problems(ViewFields(), several=True)) == {"sdd", "row_spacing", "column_spacing", "sad", "angles_known"}


def test_one_view_does_without_isocenter_and_angles_and_two_do_not():
    fields = replace(GOOD, sad=0.0, angles_known=False)
    assert problems(fields, SIZE) == {}
    assert set(problems(fields, SIZE, several=True)) == {"sad", "angles_known"}
    with pytest.raises(GeometryError, match="two views need"):
        views_of([fields, fields], [SIZE, SIZE], ["AP", "lateral"])


def test_a_view_has_its_principal_point_where_the_fields_say():
    view = view_of(GOOD, SIZE, "AP")
    assert view.intrinsics.tolist() == [[2400.0, 0.0, 212.0], [0.0, 3000.0, 119.5], [0.0, 0.0, 1.0]]
    assert (view.sdd, view.sad, view.height, view.width) == (1200.0, 800.0, 300, 400)
    assert view_of(replace(GOOD, mirrored=True), SIZE, "AP").intrinsics[0].tolist() == [-2400.0, 0.0, 212.0]
    assert view_of(replace(GOOD, sad=0.0), SIZE, "AP").sad is None


def test_the_fields_of_a_header_make_the_view_that_the_library_reads(a_header):
    fields, missing = fields_from_dicom(a_header)
    assert missing == []
    read = view_from_dicom(a_header)
    made = view_of(fields, (read.view.height, read.view.width), "AP")
    assert torch.allclose(made.intrinsics, read.view.intrinsics, atol=1e-9)
    assert (made.sdd, made.sad) == (read.view.sdd, read.view.sad)
    isocenter = torch.tensor([10.0, -20.0, 30.0], dtype=torch.float64)
    assert torch.allclose(nominal(fields, made).pose(isocenter), read.pose(isocenter), atol=1e-9)


@pytest.mark.parametrize(
    ("deleted", "empty"),
    [
        (["DistanceSourceToDetector"], {"sdd"}),
        (["ImagerPixelSpacing"], {"row_spacing", "column_spacing"}),
        (["DistanceSourceToDetector", "ImagerPixelSpacing"], {"sdd", "row_spacing", "column_spacing"}),
    ],
)
def test_what_a_header_lacks_stays_empty_and_the_rest_is_filled(a_header, deleted, empty):
    whole, _ = fields_from_dicom(a_header)
    for keyword in deleted:
        delattr(a_header, keyword)
    fields, missing = fields_from_dicom(a_header)
    assert set(problems(fields)) == empty
    for keyword in deleted:
        assert any(keyword in message for message in missing)
    assert (fields.primary_angle, fields.mirrored) == (whole.primary_angle, whole.mirrored)
    assert fields.angles_known


def test_spacing_scaled_from_the_patient_is_not_taken_from_a_stand_in_distance(a_header):
    a_header.PixelSpacing = a_header.ImagerPixelSpacing
    a_header.PixelSpacingCalibrationType = "GEOMETRY"
    del a_header.ImagerPixelSpacing, a_header.DistanceSourceToDetector
    if "EstimatedRadiographicMagnificationFactor" in a_header:
        del a_header.EstimatedRadiographicMagnificationFactor
    fields, _ = fields_from_dicom(a_header)
    assert set(problems(fields)) == {"sdd", "row_spacing", "column_spacing"}


def test_a_header_of_another_kind_of_image_fills_nothing():
    fields, missing = fields_from_dicom(pydicom.Dataset())
    assert fields == ViewFields()
    assert "Rows" in missing[0]


def test_two_views_share_the_rig_of_the_first_as_their_angles_say():
    first = replace(GOOD, primary_angle=175.0, secondary_angle=4.0)
    second = replace(GOOD, sad=700.0, primary_angle=80.0, secondary_angle=-12.0, rotation=90.0)
    views = views_of([first, second], [SIZE, (256, 256)], ["AP", "lateral"])
    isocenter = torch.tensor([3.0, 40.0, -70.0], dtype=torch.float64)
    rig = pose_from_angles(175.0, 4.0, 800.0, isocenter)
    assert torch.allclose(views[0].camera_from_world(rig), rig, atol=1e-9)
    seen = pose_from_angles(80.0, -12.0, 700.0, isocenter, 90.0)
    assert torch.allclose(views[1].camera_from_world(rig), seen, atol=1e-9)


def test_angles_without_a_distance_place_the_isocenter_where_it_usually_is():
    fields = replace(GOOD, sad=0.0, primary_angle=180.0)
    isocenter = torch.tensor([0.0, 50.0, 0.0], dtype=torch.float64)
    pose = nominal(fields, view_of(fields, SIZE, "AP")).pose(isocenter)
    assert torch.allclose(pose[:3, :3] @ isocenter + pose[:3, 3], torch.tensor([0.0, 0.0, 840.0]).double(), atol=1e-9)


def test_what_is_implausible_in_a_header_is_among_the_words_for_the_user(a_header):
    a_header.DistanceSourceToDetector, a_header.DistanceSourceToPatient = 120, 80
    fields, words = fields_from_dicom(a_header)
    assert fields.sdd == 120
    assert any("120 mm" in text and "give sdd" in text for text in words)
