"""Attributes in every place where the standard lets them stand, and the words for where each number came from."""

import re

import pydicom
import pytest
import torch
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import carm
from SphericalRegLib.geometry.view import View, mirrored_view
from SphericalRegLib.io.dicom.geometry import as_far_as_told, dicom_tags_from_view, view_from_dicom
from SphericalRegLib.io.dicom.tags import _MACROS, number, origin, texts

ISOCENTER = torch.tensor([12.0, -190.0, 870.0], dtype=torch.float64)


def item(**attributes: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def header(**attributes: object) -> Dataset:
    usual = {
        "Modality": "XA",
        "Rows": 300,
        "Columns": 400,
        "DistanceSourceToDetector": 1000,
        "DistanceSourceToPatient": 700,
        "ImagerPixelSpacing": [0.5, 0.7],
        "PositionerPrimaryAngle": 30,
        "PositionerSecondaryAngle": -10,
    }
    return item(**{keyword: value for keyword, value in {**usual, **attributes}.items() if value is not None})


def test_every_attribute_of_the_macros_is_one_of_dicoms():
    for sequence, keywords in _MACROS.items():
        assert pydicom.datadict.dictionary_VR(sequence) == "SQ"
        for keyword in keywords:
            assert pydicom.datadict.tag_for_keyword(keyword) is not None, keyword


@pytest.mark.parametrize("places", ["root", "shared", "frame", "shared root", "frame shared root"])
def test_the_frames_group_comes_before_the_shared_one_and_that_before_the_header(places):
    values = {"root": 1000, "shared": 1100, "frame": 1200}
    dataset = item(NumberOfFrames=2)
    if "root" in places:
        dataset.DistanceSourceToDetector = values["root"]
    if "shared" in places:
        group = item(XRayGeometrySequence=Sequence([item(DistanceSourceToDetector=values["shared"])]))
        dataset.SharedFunctionalGroupsSequence = Sequence([group])
    if "frame" in places:
        groups = [item(XRayGeometrySequence=Sequence([item(DistanceSourceToDetector=n)])) for n in (1, 1200)]
        dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    assert number(dataset, "DistanceSourceToDetector", 1) == values[places.split()[0]]


def test_only_the_macros_own_sequences_count():
    elsewhere = item(ReferencedImageSequence=Sequence([item(DistanceSourceToDetector=55, ImagerPixelSpacing=[9, 9])]))
    dataset = item(SharedFunctionalGroupsSequence=Sequence([elsewhere]))
    assert number(dataset, "DistanceSourceToDetector") is None
    # nor a macro's sequence in the header itself, outside of the groups
    dataset.XRayGeometrySequence = Sequence([item(DistanceSourceToDetector=55)])
    assert number(dataset, "DistanceSourceToDetector") is None


def test_groups_that_do_not_reach_to_the_frame_are_refused():
    dataset = header(NumberOfFrames=3, PerFrameFunctionalGroupsSequence=Sequence([item()]))
    with pytest.raises(GeometryError, match="describes 1 frames, but frame 2"):
        view_from_dicom(dataset, frame=2)


def enhanced(tags: dict, patient_orientation: list[str], frames: int, frame: int) -> Dataset:
    """The classic tags where enhanced XA keeps them (PS3.3 C.8.19.6), written by pydicom, other frames elsewhere."""
    dataset = item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.12.1.1",
        Modality="XA",
        Rows=tags["Rows"],
        Columns=tags["Columns"],
        NumberOfFrames=frames,
        DetectorElementSpacing=tags["DetectorElementSpacing"],
        PositionOfIsocenterProjection=tags["PositionOfIsocenterProjection"],
    )
    fov = {key: tags[key] for key in ("FieldOfViewOrigin", "FieldOfViewRotation", "FieldOfViewHorizontalFlip")}
    shared = item(
        XRayGeometrySequence=Sequence(
            [
                item(
                    DistanceSourceToDetector=tags["DistanceSourceToDetector"],
                    DistanceSourceToIsocenter=float(tags["DistanceSourceToPatient"]),
                )
            ]
        ),
        FramePixelDataPropertiesSequence=Sequence([item(ImagerPixelSpacing=tags["ImagerPixelSpacing"])]),
        FieldOfViewSequence=Sequence([item(**fov)]),
        PatientOrientationInFrameSequence=Sequence([item(PatientOrientation=patient_orientation)]),
    )
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for number_ in range(frames):
        shift = 0 if number_ == frame else 40
        position = item(
            PositionerPrimaryAngle=float(tags["PositionerPrimaryAngle"]) + shift,
            PositionerSecondaryAngle=float(tags["PositionerSecondaryAngle"]) + shift / 4,
        )
        groups.append(item(PositionerPositionSequence=Sequence([position])))
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    return dataset


@pytest.mark.parametrize("mirrored", [False, True])
def test_an_enhanced_image_tells_the_same_geometry_as_the_classic_one(tmp_path, mirrored):
    # oblique angles, anisotropic pixels, central ray off center, a quarter turn
    view = View.from_spacing(330, 410, 1180.0, (0.31, 0.43), (150.25, 240.75), 760.0)
    view = mirrored_view(view) if mirrored else view
    pose = carm.pose_from_angles(37.0, -21.0, 760.0, ISOCENTER, 90.0)
    tags = dicom_tags_from_view(view, pose)
    dataset = enhanced(tags, tags.pop("PatientOrientation"), frames=3, frame=1)
    path = tmp_path / "enhanced.dcm"
    pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=True)
    again = pydicom.dcmread(path, force=True)
    geometry = view_from_dicom(again, frame=1)
    assert torch.allclose(geometry.view.intrinsics, view.intrinsics, rtol=1e-6, atol=1e-5)
    assert torch.allclose(geometry.pose(ISOCENTER), pose, atol=1e-4)
    assert geometry.sources.sdd == "DistanceSourceToDetector (0018,1110) in XRayGeometrySequence of the functional " + (
        "group of all frames"
    )
    assert "frame 1's functional group" in geometry.sources.angles
    assert view_from_dicom(again, frame=0).primary_deg == pytest.approx(77.0, abs=1e-4)


def test_each_number_says_where_it_came_from():
    sources = view_from_dicom(header(PatientOrientation=["L", "F"])).sources
    assert sources.sdd == "DistanceSourceToDetector (0018,1110)"
    assert sources.sad == "DistanceSourceToPatient (0018,1111)"
    assert sources.spacing == "ImagerPixelSpacing (0018,1164)"
    assert sources.angles == "PositionerPrimaryAngle (0018,1510)"
    assert sources.display == "PatientOrientation (0020,0020)"
    assert "middle" in sources.principal_point
    given = view_from_dicom(header(), sdd=1100.0, sad=600.0, spacing=(1.0, 1.0), primary_deg=0.0, mirrored=True).sources
    assert {given.sdd, given.sad, given.spacing, given.angles, given.display} == {"as given"}


@pytest.mark.parametrize(
    ("attributes", "spacing", "words"),
    [
        (
            {"DetectorElementSpacing": [0.15, 0.2], "DetectorBinning": [2, 3]},
            (0.3, 0.6),
            "DetectorElementSpacing (0018,7022) × DetectorBinning (0018,701A)",
        ),
        (
            {"PixelSpacing": [0.35, 0.7], "PixelSpacingCalibrationType": "FIDUCIAL"},
            (0.5, 1.0),
            "PixelSpacing (0028,0030), calibrated (FIDUCIAL), × magnification 1.42857",
        ),
        ({"NominalScannedPixelSpacing": [0.1, 0.1]}, (0.1, 0.1), "NominalScannedPixelSpacing (0018,2010)"),
    ],
)
def test_spacing_from_other_attributes_says_so(attributes, spacing, words):
    geometry = view_from_dicom(header(ImagerPixelSpacing=None, **attributes))
    assert geometry.view.spacing == pytest.approx(spacing)
    assert geometry.sources.spacing == words


def test_pixel_spacing_that_may_be_calibrated_is_doubted():
    geometry = view_from_dicom(header(ImagerPixelSpacing=None, PixelSpacing=[0.3, 0.3]))
    assert geometry.view.spacing == pytest.approx((0.3, 0.3))
    assert "does not say whether it was calibrated" in geometry.notes[0]


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"DistanceSourceToDetector": 1.2, "DistanceSourceToPatient": 0.8}, "1.2 mm.*may be in m.*give sdd"),
        ({"DistanceSourceToDetector": 120, "DistanceSourceToPatient": None}, "120 mm.*may be in cm.*give sdd"),
        ({"ImagerPixelSpacing": [5, 5]}, "5 × 5 mm .*give spacing"),
        ({"ImagerPixelSpacing": [2, 2]}, "600 × 800 mm.*check spacing"),
        ({"ImagerPixelSpacing": [0.05, 0.05]}, "15 × 20 mm.*check spacing"),
        ({"DistanceSourceToPatient": 200}, "magnifies 5 times.*check sad"),
        ({"PositionerPrimaryAngle": 270}, "270°, outside of ±180"),
        ({"PositionerSecondaryAngle": 100}, "100°, outside of ±90"),
        (
            {"DistanceSourceToPatient": None, "EstimatedRadiographicMagnificationFactor": 1},
            "is 1, but an X-ray magnifies",
        ),
        (
            {
                "PositionOfIsocenterProjection": [1000.0, 10.0],
                "DetectorElementSpacing": [0.5, 0.5],
                "FieldOfViewOrigin": [0, 0],
            },
            "outside of the image's 400 columns",
        ),
    ],
)
def test_what_is_implausible_is_noted_with_value_and_remedy(attributes, words):
    notes = view_from_dicom(header(**attributes)).notes
    assert [note for note in notes if re.search(words, note)] == list(notes[:1]), notes


def test_a_usual_x_ray_gives_no_notes():
    assert view_from_dicom(header()).notes == ()


def test_all_that_is_missing_is_told_at_once():
    told = as_far_as_told(header(DistanceSourceToDetector=None, ImagerPixelSpacing=None))
    assert told.sdd_missing
    assert told.spacing_missing
    assert "DistanceSourceToDetector" in told.missing[0]
    assert "ImagerPixelSpacing" in told.missing[1]
    assert told.geometry.primary_deg == 30


def test_a_calibrated_spacing_without_a_distance_is_a_stand_in_too():
    header_ = header(
        DistanceSourceToDetector=None,
        ImagerPixelSpacing=None,
        PixelSpacing=[0.3, 0.3],
        PixelSpacingCalibrationType="GEOMETRY",
    )
    assert as_far_as_told(header_).spacing_missing


def test_an_rt_image_says_in_its_exposures_what_differs_by_frame():
    exposures = [item(ReferencedFrameNumber=n + 1, GantryAngle=angle) for n, angle in enumerate((0.0, 90.0))]
    dataset = item(
        Modality="RTIMAGE",
        Rows=10,
        Columns=10,
        NumberOfFrames=2,
        RTImageSID=1500,
        RadiationMachineSAD=1000,
        ImagePlanePixelSpacing=[4, 4],
        PatientPosition="HFS",
        GantryAngle=0,
        ExposureSequence=Sequence(exposures),
    )
    poses = [view_from_dicom(dataset, frame=n).pose(ISOCENTER) for n in (0, 1)]
    alone = item(**{e.keyword: e.value for e in dataset if e.keyword not in ("ExposureSequence", "GantryAngle")})
    alone.GantryAngle = 90
    assert torch.allclose(poses[1], view_from_dicom(alone).pose(ISOCENTER))
    assert not torch.allclose(poses[0], poses[1])


def test_texts_of_a_group_are_texts_too():
    group = item(PatientOrientationInFrameSequence=Sequence([item(PatientOrientation=["L ", "F"])]))
    dataset = item(PatientOrientation=["R", "F"], SharedFunctionalGroupsSequence=Sequence([group]))
    assert texts(dataset, "PatientOrientation") == ["L", "F"]
    assert "PatientOrientationInFrameSequence" in origin(dataset, "PatientOrientation")
