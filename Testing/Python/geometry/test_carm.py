"""C-arm angles: where the detector is, which way is up, and what a person sees in the picture."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import carm, frames, se3
from SphericalRegLib.geometry.view import View, mirrored_view

ISOCENTER = torch.tensor([12.0, -190.0, 870.0], dtype=torch.float64)
SAD = 700.0


def detector_side(pose: torch.Tensor) -> torch.Tensor:
    """Unit vector in RAS from the source to the detector."""
    return pose[2, :3]


def seen_at(pose: torch.Tensor, letter: str, mirrored: bool = False) -> tuple[float, float]:
    """Where a point 50 mm from the isocenter towards a patient direction appears: (right, down) of the middle."""
    view = View.from_spacing(501, 601, 1000.0, (0.5, 0.5), sad=SAD)
    view = mirrored_view(view) if mirrored else view
    pixels = view.project((ISOCENTER + 50 * frames.direction(letter))[None], pose)[0]
    return (pixels[0] - 300).item(), (pixels[1] - 250).item()


@pytest.mark.parametrize(("name", "side"), [("AP", "P"), ("PA", "A"), ("left lateral", "L"), ("right lateral", "R")])
def test_presets_put_the_detector_on_the_side_their_name_says(name, side):
    pose = carm.pose_from_preset(name, SAD, ISOCENTER)
    assert torch.allclose(detector_side(pose), frames.direction(side), atol=1e-12)


def test_the_primary_angle_turns_from_the_front_to_the_patients_left():
    pose = carm.pose_from_angles(30, 0, SAD, ISOCENTER)
    assert torch.dot(detector_side(pose), frames.direction("L")).item() == pytest.approx(0.5)
    assert torch.dot(detector_side(pose), frames.direction("A")).item() == pytest.approx(0.75**0.5)


def test_the_secondary_angle_turns_towards_the_head_at_every_primary_angle():
    for primary in (-120, 0, 45, 180):
        pose = carm.pose_from_angles(primary, 25, SAD, ISOCENTER)
        assert torch.dot(detector_side(pose), frames.direction("H")).item() == pytest.approx(0.42261826)


def test_the_source_is_at_the_distance_given_and_the_isocenter_on_the_axis():
    pose = carm.pose_from_angles(33, -21, SAD, ISOCENTER, 40)
    assert torch.allclose(
        se3.transform_points(pose, ISOCENTER[None])[0], torch.tensor([0.0, 0, SAD], dtype=torch.float64), atol=1e-9
    )
    source = se3.inverse(pose)[:3, 3]
    assert (source - ISOCENTER).norm().item() == pytest.approx(SAD)


@pytest.mark.parametrize("name", list(carm.PRESETS))
def test_presets_show_the_head_up(name):
    right, down = seen_at(carm.pose_from_preset(name, SAD, ISOCENTER), "H")
    assert down < -50
    assert abs(right) < 1e-6


@pytest.mark.parametrize("name", ["AP", "PA"])
def test_ap_and_pa_as_displayed_have_the_patients_left_on_the_images_right(name):
    pose = carm.pose_from_preset(name, SAD, ISOCENTER)
    mirrored, _ = carm.expected_display(carm.PRESETS[name][0])
    right, _ = seen_at(pose, "L", mirrored)
    assert right > 50


def test_an_lao_view_as_displayed_shows_the_spine_on_the_right_as_cardiologists_know_it():
    pose = carm.pose_from_angles(40, 0, SAD, ISOCENTER)
    assert seen_at(pose, "P", carm.expected_display(40).mirrored)[0] > 30


def test_a_left_lateral_as_displayed_faces_to_the_left():
    pose = carm.pose_from_preset("left lateral", SAD, ISOCENTER)
    assert seen_at(pose, "A", carm.expected_display(90).mirrored)[0] < -50


def test_rotation_turns_the_sources_view_clockwise():
    pose = carm.pose_from_angles(180, 0, SAD, ISOCENTER, rotation_deg=90)
    right, down = seen_at(pose, "H")
    assert right > 50
    assert abs(down) < 1e-6


@settings(max_examples=100, deadline=None)
@given(st.floats(-180, 180), st.floats(-89, 89), st.floats(-180, 180))
def test_angles_survive_a_round_trip(primary, secondary, rotation):
    pose = carm.pose_from_angles(primary, secondary, SAD, ISOCENTER, rotation)
    angles = carm.angles_from_pose(pose)
    assert -180 < angles.primary_deg <= 180
    assert -180 < angles.rotation_deg <= 180
    again = carm.pose_from_angles(angles.primary_deg, angles.secondary_deg, SAD, ISOCENTER, angles.rotation_deg)
    assert torch.allclose(again, pose, atol=1e-6)
    assert angles.secondary_deg == pytest.approx(secondary, abs=1e-9)


@pytest.mark.parametrize("secondary", [90.0, -90.0])
def test_a_beam_along_the_body_still_gives_angles_that_rebuild_the_pose(secondary):
    pose = carm.pose_from_angles(35, secondary, SAD, ISOCENTER, 10)
    angles = carm.angles_from_pose(pose)
    assert angles.primary_deg == 0
    again = carm.pose_from_angles(angles.primary_deg, angles.secondary_deg, SAD, ISOCENTER, angles.rotation_deg)
    assert torch.allclose(again, pose, atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(
    st.floats(-180, 180),
    st.floats(-50, 50),
    st.booleans(),
    st.sampled_from([0.0, 90.0, 180.0, -90.0]),
)
def test_patient_orientation_tells_mirroring_and_quarter_turns(primary, secondary, mirrored, rotation):
    pose = carm.pose_from_angles(primary, secondary, SAD, ISOCENTER, rotation)
    row = frames.direction_letters(-pose[0, :3] if mirrored else pose[0, :3])
    column = frames.direction_letters(pose[1, :3])
    found = carm.display_from_orientation(primary, secondary, row, column)
    assert found == carm.Display(mirrored, rotation)


def test_letters_that_name_the_beams_direction_leave_the_expected_mirroring():
    # L\F at a left lateral, as scanners write it at every angle
    assert carm.display_from_orientation(90, 0, "L", "F") == carm.Display(True, 0.0)
    assert carm.display_from_orientation(100, 0, "L", "F") == carm.Display(True, 0.0)


def test_an_unknown_preset_is_named_with_the_known_ones():
    with pytest.raises(GeometryError, match=r"'oblique'.*AP, PA"):
        carm.pose_from_preset("oblique", SAD, ISOCENTER)


def test_presets_are_found_in_any_case():
    assert torch.equal(
        carm.pose_from_preset("Left Lateral", SAD, ISOCENTER), carm.pose_from_preset("left lateral", SAD, ISOCENTER)
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 0, 0.0, ISOCENTER), r"0\.0 mm"),
        ((float("nan"), 0, SAD, ISOCENTER), "primary"),
        ((0, float("inf"), SAD, ISOCENTER), "secondary"),
        ((0, 0, SAD, torch.tensor([1.0, 2.0])), "isocenter"),
        ((0, 0, SAD, torch.tensor([1.0, 2.0, torch.nan])), "isocenter"),
    ],
)
def test_impossible_values_are_refused_by_name(arguments, words):
    with pytest.raises(GeometryError, match=words):
        carm.pose_from_angles(*arguments)
