"""Bodies against one another: relative poses, joint angles, anatomical frames, tables."""

import csv
import io
import json

import pytest
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.cardan import cardan_rotation
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.registration.result import HalfWidths, Verdict
from SphericalRegLib.reporting.outcome import finite
from SphericalRegLib.tracking.anatomical_frames import frame_of_inertia, frame_of_landmarks, named_frames
from SphericalRegLib.tracking.kinematics import Joint, joint_motions, motion_of, relative_poses
from SphericalRegLib.tracking.tables import as_content, as_csv, joints_as_csv
from SphericalRegLib.tracking.track import BodyResult, FrameResult, Track

RIG = se3.exp(torch.tensor([1.2, 0.3, -0.5, 30.0, -20.0, 700.0]).double())
FRAMES = {
    "thigh": se3.exp(torch.tensor([0.2, -0.1, 0.4, 10.0, 5.0, 60.0]).double()),
    "shank": se3.exp(torch.tensor([-0.1, 0.3, 0.1, 12.0, 8.0, -40.0]).double()),
}


def result(pose, refusals=()):
    verdict = Verdict(not refusals, tuple(refusals), refusals=tuple(refusals))
    widths = HalfWidths(0.4, 0.2, float("inf"))
    return BodyResult(pose, torch.eye(6).double(), widths, verdict, 0.1, 0.3, (1.0, 0.9))


def a_track():
    """Flexion by 30° in the second frame; nothing in the third; the shank is lost in the fourth."""
    flexed = FRAMES["thigh"] @ se3.from_parts(
        cardan_rotation(torch.tensor([0.5236, 0.0, 0.0]).double()), torch.tensor([0.0, 0.0, -100.0]).double()
    )
    shank = RIG @ flexed @ se3.inverse(FRAMES["shank"])
    frames = (
        FrameResult(1, (result(RIG), result(RIG)), views=("a", "b"), cost=0.1),
        FrameResult(2, (result(RIG), result(shank)), views=("a", "b"), cost=0.1),
        FrameResult(3, problem="it is blank"),
        FrameResult(4, (result(RIG), result(RIG, ("No clear match: it.",))), views=("a", "b"), cost=0.1),
    )
    return Track(("thigh", "shank"), (torch.zeros(3).double(), torch.ones(3).double()), frames)


def test_joint_angles_are_about_the_anatomical_frames_and_gaps_stay():
    motions = joint_motions(a_track(), Joint("thigh", "shank"), FRAMES)
    assert [motion is None for motion in motions] == [False, False, True, True]
    assert motions[1].angles_deg == pytest.approx((30.0, 0.0, 0.0), abs=1e-3)
    # the floating axis and the distal one's own are tilted by the flexion
    assert motions[1].shifts_mm == pytest.approx((0.0, -50.0, -100 * 3**0.5 / 2), abs=1e-2)


def test_angles_and_shifts_do_not_depend_on_where_the_rig_is():
    moved = se3.exp(torch.tensor([0.4, 0.2, 0.9, -80.0, 40.0, 20.0]).double())
    one = motion_of(RIG @ FRAMES["thigh"], RIG @ FRAMES["shank"], "zxy")
    other = motion_of(moved @ RIG @ FRAMES["thigh"], moved @ RIG @ FRAMES["shank"], "zxy")
    assert one.angles_deg == pytest.approx(other.angles_deg)
    assert one.shifts_mm == pytest.approx(other.shifts_mm)


def test_bones_as_in_the_ct_have_not_moved_against_each_other():
    relative = relative_poses(a_track(), "shank", "thigh")
    torch.testing.assert_close(relative[0], torch.eye(4).double())
    assert relative[2] is None


def test_joints_that_are_none_are_refused():
    with pytest.raises(InputError, match="with itself"):
        Joint("thigh", "thigh")
    with pytest.raises(InputError, match="no anatomical frame"):
        joint_motions(a_track(), Joint("thigh", "shank"), {"thigh": FRAMES["thigh"]})
    with pytest.raises(InputError, match="no body 'foot'"):
        a_track().poses("foot")


class TestFrames:
    def test_landmarks_make_a_right_handed_frame_along_the_bone(self):
        points = {
            "head": torch.tensor([10.0, 20.0, 300.0]).double(),
            "middle": torch.tensor([14.0, 18.0, 0.0]).double(),
            "inner": torch.tensor([-20.0, 15.0, 4.0]).double(),
            "outer": torch.tensor([48.0, 22.0, -3.0]).double(),
        }
        table = {"femur": {"origin": "middle", "along": ["middle", "head"], "aside": ["inner", "outer"]}}
        frame = named_frames(table, points)["femur"]
        torch.testing.assert_close(frame[:3, :3].T @ frame[:3, :3], torch.eye(3).double())
        assert float(torch.linalg.det(frame[:3, :3])) == pytest.approx(1)
        along = points["head"] - points["middle"]
        torch.testing.assert_close(frame[:3, 2], along / along.norm())
        assert float(frame[:3, 0] @ (points["outer"] - points["inner"])) > 0
        assert torch.equal(frame[:3, 3], points["middle"])

    def test_landmarks_that_make_no_frame_are_refused(self):
        zero, up = torch.zeros(3).double(), torch.tensor([0.0, 0.0, 1.0]).double()
        with pytest.raises(GeometryError, match="parallel"):
            frame_of_landmarks(zero, (zero, up), (zero, 2 * up))
        with pytest.raises(GeometryError, match="one place"):
            frame_of_landmarks(zero, (zero, zero), (zero, up))
        with pytest.raises(InputError, match="no landmark 'knee' for 'femur'"):
            named_frames({"femur": {"origin": "knee", "along": ["a", "a"], "aside": ["a", "a"]}}, {"a": zero})
        with pytest.raises(InputError, match="give origin"):
            named_frames({"a": {"origin": "knee"}}, {"knee": zero})

    def box(self, turned, size=(8, 14, 30)):
        density = torch.zeros(1, 40, 40, 40)
        low = [20 - n // 2 for n in size]
        density[0, low[2] : low[2] + size[2], low[1] : low[1] + size[1], low[0] : low[0] + size[0]] = 0.05
        return Volume(density, turned @ torch.diag(torch.tensor([1.5, 1.0, 2.0, 1.0]).double()))

    def test_axes_of_inertia_turn_with_the_body(self):
        turned = se3.exp(torch.tensor([0.2, -0.3, 0.4, 50.0, -20.0, 30.0]).double())
        frame = frame_of_inertia(self.box(turned))
        straight = frame_of_inertia(self.box(torch.eye(4).double()))
        torch.testing.assert_close(straight[:3, 2].abs(), torch.tensor([0.0, 0.0, 1.0]).double(), atol=1e-6, rtol=0)
        torch.testing.assert_close(frame, turned @ straight, atol=1e-6, rtol=0)
        assert float(frame[2, 2]) > 0
        assert float(frame[0, 0]) > 0

    def test_a_round_body_has_none(self):
        with pytest.raises(GeometryError, match="too round"):
            frame_of_inertia(self.box(torch.eye(4).double(), (8, 12, 6)))


class TestTables:
    def test_each_frame_and_body_is_a_row_and_gaps_are_empty(self):
        rows = list(csv.DictReader(io.StringIO(as_csv(a_track()))))
        assert [(row["frame"], row["body"]) for row in rows[:3]] == [("1", "thigh"), ("1", "shank"), ("2", "thigh")]
        assert rows[0]["verdict"] == "accepted"
        assert float(rows[0]["r12"]) == pytest.approx(float(RIG[0, 1]), abs=1e-6)
        assert float(rows[1]["z_mm"]) == pytest.approx(float((RIG @ torch.ones(4).double())[2]), abs=1e-6)
        assert rows[0]["depth_95_mm"] == ""
        assert rows[4]["verdict"] == "not tracked"
        assert rows[4]["x_mm"] == ""
        assert rows[4]["reasons"] == "it is blank"
        assert (rows[7]["verdict"], rows[7]["reasons"]) == ("rejected", "No clear match: it.")

    def test_joints_are_rows_too(self):
        joint = Joint("thigh", "shank")
        text = joints_as_csv(a_track(), {joint: joint_motions(a_track(), joint, FRAMES)})
        rows = list(csv.DictReader(io.StringIO(text)))
        assert float(rows[1]["angle1_deg"]) == pytest.approx(30, abs=1e-3)
        assert [row["angle1_deg"] == "" for row in rows] == [False, False, True, True]

    def test_json_holds_every_digit(self):
        content = json.loads(json.dumps(finite(as_content(a_track()))))
        assert content["frames"][0]["bodies"][0]["pose"] == RIG.tolist()
        assert content["frames"][0]["bodies"][0]["half_widths"][2] is None
        assert [body["name"] for body in content["bodies"]] == ["thigh", "shank"]
