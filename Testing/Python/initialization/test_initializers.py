"""Every initializer: what it makes of what is known, and what it says where something is missing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_angles
from SphericalRegLib.geometry.nominal import NominalGeometry
from SphericalRegLib.initialization import (
    Angles,
    Case,
    FromLandmarks,
    Given,
    Known,
    Marks,
    OppositeSide,
    Search,
    SearchRange,
    Starts,
    starts_of,
)
from SphericalRegLib.initialization.given import start_poses
from SphericalRegLib.initialization.opposite import opposite_pose
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.registration import SYSTEMS, Limits, Look, Registration, Stage
from SphericalRegLib.registration.whole_first import WholeFirst
from SphericalRegLib.rendering import render
from SphericalRegLib.similarity import ToneFreeGradient
from Testing.Python.landscape.scenes import blobs, mirrored_view, pose_before, xray_at

VOLUME, VIEW = blobs(), mirrored_view()
POSE = pose_before(VIEW, VOLUME)
XRAY = xray_at(VOLUME, VIEW, POSE)
CASE = Case(VOLUME, [XRAY])
POINTS = {f"P{n}": VOLUME.center.numpy() + offset for n, offset in enumerate(
    [(0, 0, 0), (20, 5, -8), (-15, 18, 6), (4, -22, 14), (-9, -7, -19), (12, 14, 17)]
)}  # fmt: skip
PIXELS = {
    name: pixel.tolist()
    for name, pixel in zip(
        POINTS, VIEW.project(torch.tensor([list(point) for point in POINTS.values()]), POSE), strict=True
    )
}


class TestGiven:
    def test_a_given_pose_is_taken_as_it_is_with_its_origin(self):
        starts = starts_of(Given(SearchRange(1, 2, 3), 5), replace(CASE, poses=POSE, poses_origin="the file a.tfm"))
        assert torch.equal(starts.poses, POSE[None])
        assert (starts.reach, starts.candidates, starts.origin) == (SearchRange(1, 2, 3), 5, "the file a.tfm")
        assert starts_of(Given(), replace(CASE, poses=torch.stack([POSE] * 3))).poses.shape == (3, 4, 4)

    def test_without_one_it_says_what_to_do(self):
        with pytest.raises(InputError, match="no pose to start from: give one, or choose a system"):
            starts_of(Given(), replace(CASE, preset="AP"))
        with pytest.raises(GeometryError, match="not a rigid"):
            starts_of(Given(), replace(CASE, poses=2 * POSE))


class TestAngles:
    def test_a_preset_typed_angles_the_header_or_both_frontal_views(self):
        header = replace(XRAY, geometry=NominalGeometry(replace(VIEW, sad=700.0), 30.0, -10.0))
        for case, count, origin in (
            (replace(CASE, preset="left lateral"), 1, "the preset view left lateral"),
            (replace(CASE, angles=(12.5, 0.0)), 1, "C-arm angles 12.5°, 0°"),
            (replace(CASE, xrays=[header]), 1, "the X-ray's C-arm angles 30°, -10°"),
            (CASE, 2, "nothing known: AP and PA were tried"),
        ):
            starts = starts_of(Angles(), case)
            wanted = start_poses(case.xrays, VOLUME.center, preset=case.preset, angles=case.angles)
            assert torch.equal(starts.poses, wanted)
            assert (len(starts.poses), starts.origin) == (count, origin)
            assert (starts.reach, starts.candidates) == (SearchRange(), 16)


class TestLandmarks:
    def test_they_give_the_pose(self):
        starts = starts_of(FromLandmarks(), replace(CASE, landmarks=Marks([POINTS], [PIXELS])))
        torch.testing.assert_close(starts.poses[0], POSE, atol=1e-4, rtol=0)
        assert starts.origin == "6 landmarks, 0.00 px rms"

    def test_views_without_marks_are_left_out(self):
        case = Case(VOLUME, [XRAY, XRAY], landmarks=Marks([POINTS, POINTS], [{}, PIXELS]))
        torch.testing.assert_close(starts_of(FromLandmarks(), case).poses[0], POSE, atol=1e-4, rtol=0)

    @pytest.mark.parametrize(
        ("marks", "words"),
        [
            (None, "no landmarks in the CT: mark at least 4"),
            (Marks([{}], [PIXELS]), "no landmarks in the CT"),
            (Marks([POINTS], [{}]), "no landmarks in the X-ray: mark them there too"),
        ],
    )
    def test_what_is_missing_is_said(self, marks, words):
        with pytest.raises(InputError, match=words):
            starts_of(FromLandmarks(), replace(CASE, landmarks=marks))


class TestKnown:
    def test_the_most_specific_thing_starts_with_its_own_reach(self):
        known = Known()
        for case, part in (
            (replace(CASE, poses=POSE), known.given),
            (replace(CASE, landmarks=Marks([POINTS], [PIXELS])), known.landmarks),
            (replace(CASE, preset="AP"), known.angles),
            (replace(CASE, angles=(1.0, 2.0)), known.angles),
            (CASE, known.angles),
        ):
            found, own = starts_of(known, case), starts_of(part, case)
            assert torch.equal(found.poses, own.poses)
            assert (found.reach, found.candidates, found.origin) == (own.reach, own.candidates, own.origin)
        assert known.landmarks.reach.rotation_deg < known.angles.reach.rotation_deg

    def test_one_reach_for_all_where_that_is_wanted(self):
        reach = SearchRange(1, 2, 3)
        for case in (replace(CASE, poses=POSE), replace(CASE, landmarks=Marks([POINTS], [PIXELS])), CASE):
            starts = starts_of(Known.around(reach, 7), case)
            assert (starts.reach, starts.candidates) == (reach, 7)


class TestCase:
    def test_a_start_is_given_once(self):
        with pytest.raises(InputError, match="given by a pose and a preset: leave all but one out"):
            Case(VOLUME, [XRAY], poses=POSE, preset="AP")
        with pytest.raises(InputError, match="given by angles and landmarks"):
            Case(VOLUME, [XRAY], angles=(0.0, 0.0), landmarks=Marks([POINTS], [PIXELS]))
        assert not CASE.start_is_known
        assert replace(CASE, preset="AP").start_is_known

    @pytest.mark.parametrize("make", [Given, Angles, FromLandmarks, Search])
    def test_there_is_always_a_candidate(self, make):
        with pytest.raises(InputError, match="candidates is 0: try at least 1"):
            make(candidates=0)
        with pytest.raises(InputError, match="candidates is -1"):
            Starts(POSE, SearchRange(), -1, "nowhere")


def test_a_search_looks_farther_around_the_same_starts():
    case = replace(CASE, preset="AP")
    near, far = starts_of(Known(), case), starts_of(Search(), case)
    assert torch.equal(near.poses, far.poses)
    assert far.reach.rotation_deg > near.reach.rotation_deg
    assert far.candidates > near.candidates
    assert far.origin == near.origin
    given = starts_of(Search(of=Given()), replace(CASE, poses=POSE))
    assert torch.equal(given.poses, POSE[None])


class TestOppositeSide:
    def test_each_start_and_its_opposite_are_tried(self):
        case = replace(CASE, poses=torch.stack([POSE, se3.translation(torch.tensor([5.0, 0, 0]).double()) @ POSE]))
        starts = starts_of(OppositeSide(), case)
        assert torch.equal(starts.poses[:2], case.poses)
        for pose, behind in zip(starts.poses[:2], starts.poses[2:], strict=True):
            assert torch.equal(behind, opposite_pose(pose, VIEW, VOLUME.center))
        assert starts.origin == "the given pose, and the same from the opposite side"
        changed = OppositeSide().searching(SearchRange(1, 2, 3), 4)
        assert starts_of(changed, case).reach == SearchRange(1, 2, 3)

    def test_the_opposite_of_ap_is_pa(self):
        ap, pa = (pose_from_angles(angle, 0.0, 700.0, VOLUME.center) for angle in (0.0, 180.0))
        frontal = replace(VIEW, camera_from_rig=torch.eye(4, dtype=torch.float64))
        torch.testing.assert_close(opposite_pose(ap, frontal, VOLUME.center), pa, atol=1e-9, rtol=0)

    def test_turned_back_twice_a_pose_is_itself(self):
        behind = opposite_pose(POSE, VIEW, VOLUME.center)
        before, after = (se3.transform_points(p, VOLUME.center[None]) for p in (POSE, behind))
        assert float((POSE - behind).abs().max()) > 1
        # the beam goes through the patient the other way, at the same depth
        cameras = [VIEW.camera_from_world(p) for p in (POSE, behind)]
        depths = [float(se3.transform_points(camera, VOLUME.center[None])[0, 2]) for camera in cameras]
        assert depths[0] == pytest.approx(depths[1])
        axes = [camera[:3, :3].T @ torch.tensor([0.0, 0.0, 1.0]).double() for camera in cameras]
        torch.testing.assert_close(axes[0], -axes[1])
        assert before.shape == after.shape
        torch.testing.assert_close(opposite_pose(behind, VIEW, VOLUME.center), POSE, atol=1e-9, rtol=0)

    @pytest.mark.parametrize(("farther", "most"), [(1.0, 0.25), (100.0, 0.01)])
    def test_it_looks_like_the_mirror_image_but_for_perspective(self, farther, most):
        # the same picture from farther off has less perspective: intrinsics and distances grow alike
        k = VIEW.intrinsics.clone()
        k[:2, :2] *= farther
        view = replace(VIEW, intrinsics=k, sdd=farther * VIEW.sdd)
        back = torch.tensor([0.0, 0.0, (farther - 1) * 700.0], dtype=torch.float64)
        pose = se3.inverse(view.camera_from_rig) @ se3.translation(back) @ VIEW.camera_from_world(POSE)
        flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))
        mirrored = replace(view, intrinsics=view.intrinsics @ flip)
        behind = opposite_pose(pose, view, VOLUME.center)
        seen = render(VOLUME, view, behind[None], samples=256)[0, 0]
        expected = render(VOLUME, mirrored, pose[None], samples=256)[0, 0]
        unmirrored = render(VOLUME, view, pose[None], samples=256)[0, 0]
        apart = float((seen - expected).norm() / expected.norm())
        assert apart < most
        assert float((seen - unmirrored).norm() / expected.norm()) > 3 * apart


def small(name, **changes):
    look = Look(ToneFreeGradient(0.7), 40)
    judge = replace(SYSTEMS["intensity"].judge, look=look, limits=Limits(None))
    stages = (Stage("refine", look, LevenbergMarquardt(iterations=5, tolerance=0.0, relative_tolerance=0.0)),)
    return replace(SYSTEMS["one-start"], name=name, stages=stages, judge=judge, **changes)


class TestWholeFirst:
    WHOLE = small("whole")
    BONES = small("after", initializer=WholeFirst(by=WHOLE, reach=SearchRange(4, 5, 6), candidates=2))

    @pytest.fixture
    def case(self):
        part = VOLUME.density.clone()
        part[..., :12] = 0
        off = torch.tensor([math.radians(2.0), 0.0, 0.0, 2.0, 0.0, 4.0], dtype=torch.float64)
        near = se3.about(off, POSE, VOLUME.center)
        return Case(replace(VOLUME, density=part), [XRAY], whole=VOLUME, poses=near)

    def test_bones_start_where_the_whole_ct_came_to_lie(self, case):
        alone = Registration(replace(case, volume=VOLUME, whole=None), self.WHOLE)
        for _ in alone:
            pass
        registration = Registration(case, self.BONES)
        stages = [step.stage for step in registration]
        whole = [stage for stage in stages if stage.startswith("whole CT: ")]
        assert stages[: len(whole)] == whole
        assert set(whole) == {"whole CT: refine 40"}
        assert set(stages[len(whole) :]) == {"survey 32", "survey 48", "refine 40"}
        starts = registration.starts
        assert torch.equal(starts.poses, alone.result().pose[None])
        assert (starts.reach, starts.candidates) == (SearchRange(4, 5, 6), 2)
        assert starts.origin == "the whole CT's pose, found from the given pose"
        assert starts.notes == ()
        # both parts' time counts
        assert registration.result().seconds > alone.result().seconds / 2

    def test_it_can_be_stopped_in_the_middle_of_either_part(self, case):
        registration = Registration(case, self.BONES)
        steps = iter(registration)
        assert next(steps).stage.startswith("whole CT: ")
        steps.close()
        with pytest.raises(InputError, match="has not begun"):
            registration.result()
        registration = Registration(case, self.BONES)
        for step in registration:
            if not step.stage.startswith("whole CT: "):
                break
        result = registration.result()
        assert result.verdict.reasons[0] == "Stopped before the end."
        assert len(result.history) == 1

    def test_a_rejected_pose_of_the_whole_ct_is_told(self, case):
        strict = replace(self.WHOLE, judge=replace(self.WHOLE.judge, limits=Limits(1e-9)))
        registration = Registration(case, replace(self.BONES, initializer=WholeFirst(by=strict, candidates=1)))
        for _ in registration:
            pass
        (note,) = registration.notes
        assert note.startswith("The bones were started from a pose of the whole CT that was itself rejected: Weak")

    def test_without_bones_it_says_so(self):
        with pytest.raises(InputError, match="registers bones after the whole CT: choose bones, or another system"):
            next(iter(Registration(replace(CASE, poses=POSE), self.BONES)))
