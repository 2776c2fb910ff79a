"""Bodies through frames: tracked, lost and found again, stopped and resumed."""

import dataclasses
import json
import types

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.bodies import REST
from SphericalRegLib.optimization.calibration_block import calibrated
from SphericalRegLib.tracking import appraisal
from SphericalRegLib.tracking.calibration import CalibrationDoubt
from SphericalRegLib.tracking.expectation import Motion, Sighting, predicted
from SphericalRegLib.tracking.frame_record import as_record, from_record
from SphericalRegLib.tracking.memory import FolderMemory
from SphericalRegLib.tracking.tracker import BACKWARD, FORWARD, FrameDone, Plan, Tracker
from Testing.Python.tracking.phantom import BODIES, NEAR_MM, farthest, keyframes, sequence, system, truth

PLAN = Plan(Motion(4.0, 4.0), candidates=1)


def run(tracker):
    return [step for step in tracker if isinstance(step, FrameDone)]


def tracked(seq, keys=None, plan=PLAN, memory=None, **options):
    tracker = Tracker(BODIES, seq, keys or keyframes(), system(), plan, memory=memory, **options)
    done = run(tracker)
    return tracker.track(), done


@pytest.fixture(scope="module")
def a_track():
    return tracked(sequence())[0]


def test_every_frame_and_body_ends_at_the_truth(a_track):
    for frame in a_track.frames:
        assert frame.tracked, [body.verdict.reasons for body in frame.bodies]
        assert all(farthest(body.pose, frame.frame, place) < NEAR_MM for place, body in enumerate(frame.bodies))


def test_intervals_hold_the_truth_and_are_told_by_direction(a_track):
    for frame in a_track.frames:
        for place, body in enumerate(frame.bodies):
            twist = se3.difference_about(body.pose, truth(frame.frame)[place], BODIES[place].volume.center)
            assert float(torch.rad2deg(twist[:3]).norm()) < body.half_widths.rotation_deg * 3**0.5
            assert float(twist[3:].norm()) < 3 * max(body.half_widths.plane_mm, body.half_widths.depth_mm)


def test_frames_are_read_when_their_turn_comes_and_once():
    seq = sequence(range(3))
    for step in Tracker(BODIES, seq, keyframes(), system(), PLAN):
        if isinstance(step, FrameDone):
            assert seq.sources[0].asked == list(range(step.result.frame + 1))


def test_a_blank_frame_is_a_gap_that_nothing_fills_and_the_others_go_on():
    track, _ = tracked(sequence(range(5), blank=(2,)))
    assert [frame.tracked for frame in track.frames] == [True, True, False, True, True]
    assert track.frames[2].bodies == ()
    assert "7 everywhere" in track.frames[2].problem
    assert track.poses("first")[2] is None
    # two frames ahead, as fast as before
    assert farthest(track.frames[3].bodies[0].pose, 3, 0) < NEAR_MM


def test_tracking_begins_at_a_keyframe_and_goes_both_ways():
    track, done = tracked(sequence(range(5)), keyframes(2))
    assert [step.direction for step in done] == [FORWARD] * 3 + [BACKWARD] * 2
    assert [step.result.frame for step in done] == [2, 3, 4, 1, 0]
    assert track.numbers == [0, 1, 2, 3, 4]
    assert all(farthest(frame.bodies[1].pose, frame.frame, 1) < NEAR_MM for frame in track.frames)


def test_what_a_jump_loses_a_search_finds_again():
    middle = se3.translation(torch.tensor([0.0, 0.0, 700.0]).double())
    jump = middle @ se3.exp(torch.tensor([0.15, -0.12, 0.1, 10.0, -8.0, 6.0]).double()) @ se3.inverse(middle)
    # both bodies jump alike, and stay there
    after = dict.fromkeys((2, 3), jump)
    lost, _ = tracked(sequence(range(4), jumps=after), plan=Plan(Motion(1.0, 1.0), candidates=1))
    assert not lost.frames[2].tracked
    found, _ = tracked(sequence(range(4), jumps=after), plan=Plan(Motion(1.0, 1.0), candidates=24))
    assert found.frames[2].tracked
    # at once, or backward from the frame after it
    assert any("searched anew" in frame.origin for frame in found.frames[2:])
    for place, body in enumerate(found.frames[3].bodies):
        twist = se3.difference_about(body.pose, jump @ truth(3)[place], BODIES[place].volume.center)
        assert float(twist[3:].norm()) < 1.0


def test_one_view_knows_no_depth_but_by_a_neighbor():
    one = dataclasses.replace(sequence(range(1)), sources=sequence(range(1)).sources[:1])
    alone, _ = tracked(one)
    body = alone.frames[0].bodies[1]
    assert body.half_widths.depth_mm == float("inf")
    assert not body.verdict.accepted
    assert any("Not known from this view: depth" in reason for reason in body.verdict.reasons)
    beside, _ = tracked(one, plan=Plan(PLAN.motion, neighbor="first", neighborly=Motion(2.0, 2.0), candidates=1))
    widths = beside.frames[0].bodies[1].half_widths
    # of the prior, and of what is not known of the neighbor
    assert widths.depth_mm >= 1.96 * 2.0


@pytest.mark.parametrize("surrounded", [False, True])
def test_a_tube_without_its_surroundings_may_lie_along_its_axis(surrounded, monkeypatch):
    monkeypatch.setattr(appraisal, "Shaft", types.SimpleNamespace(of=lambda volume: volume))
    bodies = [BODIES[0], dataclasses.replace(BODIES[1], name=REST) if surrounded else BODIES[1]]
    keys = {0: dict(zip([body.name for body in bodies], truth(0), strict=True))}
    tracker = Tracker(bodies, sequence(range(1)), keys, system(), PLAN)
    (done,) = run(tracker)
    first = done.result.bodies[0]
    assert first.tracked, "its frames follow one another all the same"
    assert (first.half_widths.plane_mm < float("inf")) is surrounded
    assert (first.half_widths.rotation_deg < float("inf")) is surrounded
    assert any("long axis" in remark for remark in first.verdict.remarks) is not surrounded
    if not surrounded:
        assert first.verdict.words == "rejected"


def test_a_view_that_lacks_a_frame_is_done_without():
    both = sequence(range(3))
    both.sources[1].numbers = (0, 2)
    track, _ = tracked(both)
    assert [frame.views for frame in track.frames] == [("one", "two"), ("one",), ("one", "two")]


def test_a_body_out_of_the_field_is_said_to_be():
    away = {1: se3.translation(torch.tensor([400.0, 0.0, 0.0]).double())}
    track, _ = tracked(sequence(range(2), jumps=away))
    assert not track.frames[1].tracked


class TestGoingOn:
    def inputs(self):
        return {"frames": [0, 1, 2, 3], "motion": 4.0}

    def test_a_run_that_was_stopped_ends_at_the_same_numbers(self, tmp_path):
        whole, _ = tracked(sequence(range(4)))
        tracker = Tracker(
            BODIES, sequence(range(4)), keyframes(), system(), PLAN, memory=FolderMemory(tmp_path, self.inputs())
        )
        for step in tracker:
            if isinstance(step, FrameDone) and step.result.frame == 1:
                break
        seq = sequence(range(4))
        resumed, done = tracked(seq, memory=FolderMemory(tmp_path, self.inputs()))
        assert [step.remembered for step in done] == [True, True, False, False]
        assert seq.sources[0].asked == [2, 3]
        for one, other in zip(whole.frames, resumed.frames, strict=True):
            for a, b in zip(one.bodies, other.bodies, strict=True):
                assert torch.equal(a.pose, b.pose)
                assert torch.equal(a.covariance, b.covariance)
                assert a.verdict == b.verdict
                assert a.half_widths == b.half_widths

    def test_a_folder_of_other_inputs_is_refused(self, tmp_path):
        FolderMemory(tmp_path, self.inputs())
        with pytest.raises(InputError, match=r"other inputs \(motion\)"):
            FolderMemory(tmp_path, self.inputs() | {"motion": 5.0})

    def test_a_damaged_state_is_named(self, tmp_path):
        memory = FolderMemory(tmp_path, self.inputs())
        (tmp_path / "forward_000001.json").write_text(json.dumps({"version": 1, "frame": 1}))
        with pytest.raises(InputError, match=r"forward_000001\.json is damaged"):
            memory.recall(1, FORWARD)

    def test_a_frame_comes_back_to_the_last_digit(self, a_track):
        for frame in a_track.frames:
            again = from_record(json.loads(json.dumps(as_record(frame))), "it")
            assert as_record(again) == as_record(frame)
            assert torch.equal(again.bodies[0].pose, frame.bodies[0].pose)


@pytest.mark.parametrize(
    ("keys", "plan", "words"),
    [
        ({}, PLAN, "Nothing tells"),
        ({9: {"first": torch.eye(4)}}, PLAN, "keyframe for frame 9"),
        ({0: {"third": torch.eye(4)}}, PLAN, "'third', which is no body"),
        ({0: {"first": torch.eye(4)}}, PLAN, "lacks second"),
        (None, Plan(neighbor="rest"), "neighbor 'rest' is no body"),
    ],
)
def test_starts_and_plans_that_do_not_fit_are_refused(keys, plan, words):
    with pytest.raises(InputError, match=words):
        Tracker(BODIES, sequence(range(2)), keyframes() if keys is None else keys, system(), plan)


def test_a_steady_motion_is_predicted_to_the_digit():
    center = BODIES[0].volume.center
    turn, shift = torch.tensor([0.02, -0.03, 0.05]).double(), torch.tensor([3.0, -2.0, 4.0]).double()

    def moved(frame):
        rotation = se3.so3_exp(frame * turn) @ truth(0)[0][:3, :3]
        place = se3.transform_points(truth(0)[0], center[None])[0] + frame * shift
        return se3.from_parts(rotation, place - rotation @ center)

    for seen, wanted in (((3, 2), 5), ((3, 1), 4), ((3, 4), 2)):
        last, before = (Sighting(frame, moved(frame)) for frame in seen)
        torch.testing.assert_close(predicted(last, before, wanted, center), moved(wanted))
    assert torch.equal(predicted(last, None, 5, center), moved(3))
    # what was seen long ago says nothing of how it moves now
    assert torch.equal(predicted(last, before, 30, center), moved(3))


class TestDoubtfulCalibration:
    def test_a_center_that_is_off_is_refined_and_told_with_its_interval(self):
        seen = sequence(range(1))
        # the X-rays of the first view are believed to lie 4 mm aside of where they do
        wrong = [dataclasses.replace(source, view=source.view) for source in seen.sources]
        shifted = calibrated(wrong[0].view, torch.tensor([0.0, -4.0, 3.0]).double())
        wrong[0].believed = shifted
        plan = dataclasses.replace(PLAN, doubt=CalibrationDoubt(0.0, 6.0))
        believed = dataclasses.replace(seen, sources=tuple(wrong))
        track, _ = tracked(believed, plan=plan)
        (frame,) = track.frames
        first, second = frame.refined
        assert first.center_mm == pytest.approx((4.0, -3.0), abs=1.5)
        assert first.focal_factor == pytest.approx(1.0, abs=1e-3)
        assert all(0 < width < 6 * 1.96 for width in first.center_half_widths_mm)
        assert second.name == "two"
        # one of two centers and the place of all bodies are one to the images
        assert first.confused
        again = from_record(json.loads(json.dumps(as_record(frame))), "it")
        assert again.refined == frame.refined

    def test_a_doubt_that_is_none_is_refused(self):
        with pytest.raises(InputError, match="Nothing of the calibration is in doubt"):
            CalibrationDoubt(0.0, 0.0)
        with pytest.raises(InputError, match="doubt of focal is -1"):
            CalibrationDoubt(-1.0, 0.0)
