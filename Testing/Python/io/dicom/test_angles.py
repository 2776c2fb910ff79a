"""Positioner angles of frames (PS3.3 C.8.7.5.1.3), and of views that have a name instead."""

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.io.dicom.angles import positioner_angles


def run(**attributes: object) -> Dataset:
    dataset = Dataset()
    usual = {"NumberOfFrames": 5, "PositionerPrimaryAngle": 180, "PositionerSecondaryAngle": 2}
    for keyword, value in {**usual, "PositionerMotion": "DYNAMIC", **attributes}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def degrees(dataset: Dataset, frame: int) -> tuple[float | None, float | None]:
    angles = positioner_angles(dataset, frame)
    return angles.primary_deg, angles.secondary_deg


def test_one_increment_is_the_step_from_each_frame_to_the_next():
    dataset = run(PositionerPrimaryAngleIncrement="-4.5", PositionerSecondaryAngleIncrement="0.5")
    assert [degrees(dataset, n) for n in (0, 1, 4)] == [(180, 2), (175.5, 2.5), (162, 4)]
    assert "PositionerPrimaryAngleIncrement" in positioner_angles(dataset, 4).origin


def test_one_increment_for_each_frame_counts_from_the_first():
    dataset = run(
        PositionerPrimaryAngleIncrement=[0, -1, -3, -6, -10], PositionerSecondaryAngleIncrement=[0, 0, 0, 1, 1]
    )
    assert [degrees(dataset, n) for n in range(5)] == [(180, 2), (179, 2), (177, 2), (174, 3), (170, 3)]


def test_an_angle_may_step_while_the_other_has_one_increment_for_each_frame():
    dataset = run(PositionerPrimaryAngleIncrement="-1", PositionerSecondaryAngleIncrement=[0, 1, 2, 3, 5])
    assert degrees(dataset, 4) == (176, 7)


@pytest.mark.parametrize("increments", [[0, 1], [0, 1, 2, 3], [0] * 6])
def test_any_other_number_of_increments_is_refused(increments):
    with pytest.raises(GeometryError, match=rf"has {len(increments)} values for 5 frames.*calibration"):
        positioner_angles(run(PositionerPrimaryAngleIncrement=increments), 1)


def test_a_run_beyond_180_degrees_comes_around():
    assert degrees(run(PositionerPrimaryAngleIncrement="15"), 2) == (-150, 2)


def test_what_does_not_move_has_the_first_frames_angles_and_contradictions_are_told():
    angles = positioner_angles(run(PositionerMotion="STATIC", PositionerPrimaryAngleIncrement="-4.5"), 4)
    assert (angles.primary_deg, angles.secondary_deg) == (180, 2)
    assert "STATIC" in angles.notes[0]
    still = run(PositionerMotion="STATIC", PositionerPrimaryAngleIncrement="0")
    assert positioner_angles(still, 4).notes == ()


def test_a_first_increment_other_than_0_is_doubted():
    angles = positioner_angles(run(PositionerPrimaryAngleIncrement=[-1, -1, -1, -1, -1]), 0)
    assert "first frame is not 0" in angles.notes[0]


def test_angles_in_functional_groups_take_no_increments():
    def group(angle: float) -> Dataset:
        position, frame = Dataset(), Dataset()
        position.PositionerPrimaryAngle, position.PositionerSecondaryAngle = angle, 0
        frame.PositionerPositionSequence = Sequence([position])
        return frame

    dataset = run(PositionerPrimaryAngleIncrement="-4.5")
    dataset.PerFrameFunctionalGroupsSequence = Sequence([group(10.0 * n) for n in range(5)])
    assert degrees(dataset, 4) == (40, 0)


@pytest.mark.parametrize(
    ("code", "primary"),
    [
        ("399348003", 180.0),
        ("R-10206", 180.0),
        ("272479007", 0.0),
        ("399173006", 90.0),
        ("399198007", -90.0),
        ("399067008", None),
    ],
)
def test_the_code_of_a_view_stands_in_for_its_name(code, primary):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = code, "SCT"
    dataset = run(PositionerPrimaryAngle=None, ViewCodeSequence=Sequence([item]))
    assert positioner_angles(dataset, 0).primary_deg == primary
