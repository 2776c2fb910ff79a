"""What is easily confused with a bone's pose is tried, and a start is never lost on the way."""

import dataclasses
import math

import pytest
import torch

from SphericalRegLib.evaluation.cases import bone_points
from SphericalRegLib.evaluation.metrics import mtre
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_angles
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.mask import estimate_mask
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import Known, SearchRange
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.registration import SYSTEMS, Case, Registration, register
from SphericalRegLib.registration.judging.rivals import (
    Rival,
    Shaft,
    best_rivals,
    confusable,
    doubt,
    is_elsewhere,
    other_side,
)
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.registration.optima import going_on
from SphericalRegLib.registration.plain import as_plain, from_plain
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.degrade import Degradations
from SphericalRegLib.simulation.simulate import simulate, to_attenuation

BONES = SYSTEMS["bones"]
IDENTITY = torch.eye(4, dtype=torch.float64)
CENTER = torch.zeros(3, dtype=torch.float64)


@pytest.fixture(scope="module")
def a_ct():
    ends = (".nii.gz", "_labels.nii.gz", "_labels.json")
    return read_ct(*(sample_path(f"pelvis_lumbar_3mm{end}") for end in ends))


@pytest.fixture(scope="module")
def a_femur(a_ct):
    return to_volume(a_ct, labels=["femur_left"])


@pytest.fixture(scope="module")
def the_truth(a_femur):
    return pose_from_angles(175.0, 4.0, 700.0, a_femur.center)


@pytest.fixture(scope="module")
def two_xrays(a_ct, a_femur, the_truth):
    """Of the whole CT, 60° apart, with noise and scatter."""
    frontal = pose_from_angles(180.0, 0.0, 700.0, a_femur.center)
    oblique = pose_from_angles(120.0, 0.0, 700.0, a_femur.center)
    first = View.from_spacing(192, 192, 1000.0, (1.6, 1.6), sad=700.0)
    xrays = []
    for seed, view in enumerate((first, dataclasses.replace(first, camera_from_rig=oblique @ se3.inverse(frontal)))):
        degraded = Degradations(gamma=0.8, scatter_fraction=0.15, log_output=True, bits=12)
        simulated = simulate(a_ct.hu, a_ct.world_from_voxel, view, the_truth.numpy(), degraded, seed=7000 + seed)
        image = to_attenuation(simulated)
        xrays.append(XRay(image, view, estimate_mask(image)))
    return xrays


def shifted(mm):
    return se3.translation(torch.tensor([mm, 0.0, 0.0], dtype=torch.float64))


class TestConfusable:
    def test_the_shaft_of_a_tube_is_its_axis(self):
        along = torch.tensor([2.0, -1.0, 5.0], dtype=torch.float64) / math.sqrt(30)
        k, j, i = torch.meshgrid(*[torch.arange(40.0, dtype=torch.float64)] * 3, indexing="ij")
        offset = 2.0 * (torch.stack([i, j, k], -1) - 19.5)
        forward = offset @ along
        across = (offset - forward[..., None] * along).norm(dim=-1)
        density = ((across < 6) & (forward.abs() < 30)).to(torch.float32)[None]
        world_from_voxel = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0], dtype=torch.float64))
        shaft = Shaft.of(Volume(density, world_from_voxel))
        assert abs(float(shaft.direction @ along)) > 0.999
        torch.testing.assert_close(shaft.middle, torch.full((3,), 39.0, dtype=torch.float64), atol=0.2, rtol=0)
        assert shaft.length == pytest.approx(0.96 * 60, abs=2.5)

    def test_a_femur_has_a_shaft_and_what_is_no_tube_has_none(self, a_ct, a_femur):
        assert 60 < Shaft.of(a_femur).length < 110
        for bone in ("vertebrae_L3", "hip_left", "sacrum"):
            assert Shaft.of(to_volume(a_ct, labels=[bone])) is None

    def test_half_a_turn_leaves_the_shaft_in_place_and_two_leave_all(self, a_femur, the_truth):
        shaft = Shaft.of(a_femur)
        turned = shaft.turned(the_truth)
        on_axis = shaft.middle + torch.tensor([[-30.0], [0.0], [30.0]], dtype=torch.float64) * shaft.direction
        there, back = (se3.transform_points(pose, on_axis) for pose in (turned, the_truth))
        torch.testing.assert_close(there, back)
        torch.testing.assert_close(shaft.turned(turned), the_truth)
        relative = se3.difference_about(turned[None], the_truth[None], a_femur.center)[0, :3]
        assert float(relative.norm()) == pytest.approx(math.pi)

    def test_shifts_go_no_farther_than_the_bone_is_long(self, a_femur, the_truth, two_xrays):
        views = [xray.view for xray in two_xrays]
        words = [rival.words for rival in confusable(a_femur, views, the_truth)]
        assert words.count("turned by half about the bone's long axis") == 1
        assert words.count("moved along the bone's long axis") == 6
        for rival in confusable(a_femur, views, the_truth):
            if rival.words.startswith("moved"):
                apart = se3.difference_about(rival.pose[None], the_truth[None], a_femur.center)[0]
                assert float(apart[3:].norm()) <= 0.6 * Shaft.of(a_femur).length

    def test_views_that_share_their_vertical_axis_have_one_opposite_side(self, a_ct, two_xrays, the_truth):
        vertebra = to_volume(a_ct, labels=["vertebrae_L3"])
        (opposite,) = confusable(vertebra, [two_xrays[0].view] * 2, the_truth)
        assert opposite.words == "seen from the opposite side"

    def test_the_other_side_is_a_half_turn_in_place(self, a_femur, the_truth, two_xrays):
        for xray in two_xrays:
            behind = other_side(the_truth, xray.view, a_femur.center)
            center = a_femur.center[None]
            torch.testing.assert_close(se3.transform_points(behind, center), se3.transform_points(the_truth, center))
            turn = se3.difference_about(behind[None], the_truth[None], a_femur.center)[0, :3]
            assert float(turn.norm()) == pytest.approx(math.pi)
            assert float((turn / math.pi @ xray.view.camera_from_rig[1, :3]).abs()) == pytest.approx(1.0)

    def test_a_thin_bones_turn_counts_however_few_millimeters_it_is(self):
        turned = se3.about(
            torch.tensor([[0.0, 0.0, math.radians(40), 0.0, 0.0, 0.0]], dtype=torch.float64), IDENTITY[None], CENTER
        )[0]
        assert is_elsewhere(turned, IDENTITY, CENTER, 3.0, 10.0)
        assert not is_elsewhere(turned, IDENTITY, CENTER, 3.0, 10.0, degrees=50.0)
        assert is_elsewhere(shifted(11.0), IDENTITY, CENTER, 3.0, 10.0)
        assert not is_elsewhere(shifted(9.0), IDENTITY, CENTER, 3.0, 10.0)


class TestDoubt:
    def test_the_best_that_are_elsewhere_come_first_and_once(self):
        rivals = [Rival(shifted(30.0), "b", 0.3), Rival(shifted(31.0), "a", 0.2), Rival(shifted(2.0), "same", 0.1)]
        rivals.append(Rival(shifted(60.0), "out of the beam"))
        assert [rival.words for rival in best_rivals(rivals, IDENTITY, CENTER, 50.0, 10.0)] == ["a"]

    def test_what_fits_about_as_well_is_told_and_what_does_not_is_none(self):
        rivals = [Rival(shifted(30.0), "moved along the bone's long axis", 0.22), Rival(shifted(50.0), "far", 0.3)]
        assert doubt(rivals, 0.2, 1.15) == "A pose moved along the bone's long axis fits as well (0.220 against 0.200)."
        assert doubt(rivals, 0.18, 1.15) is None
        assert doubt([], 0.2, 1.15) is None


class TestStart:
    def test_goes_on_whatever_its_rank(self):
        ranked = [(shifted(30.0 * n), 0.1 * (n + 1)) for n in range(4)]
        poses, places = going_on(ranked, [ranked[3]], 2, 1.5, CENTER, 50.0)
        assert len(poses) == 2, "the second is pruned, the start is not"
        assert places == [1]
        assert torch.equal(poses[1], ranked[3][0])

    def test_is_not_doubled_where_another_has_come_to_the_same_place(self):
        ranked = [(shifted(0.0), 0.1), (shifted(30.0), 0.2)]
        poses, places = going_on(ranked, [(shifted(30.2), 0.2), (shifted(0.1), 0.1)], 3, 9.0, CENTER, 50.0)
        assert len(poses) == 2
        assert places == [0, 1]

    def test_is_dropped_where_it_left_the_beam(self):
        poses, places = going_on([(IDENTITY, 0.1)], [(shifted(9.0), math.inf)], 3, 9.0, CENTER, 50.0)
        assert (len(poses), places) == (1, [])

    def test_goes_no_further_where_the_finest_stage_could_not_save_it(self):
        ranked = [(IDENTITY, 0.1), (shifted(30.0), 0.15)]
        for cost, places in ((0.29, [1]), (0.31, [])):
            poses, found = going_on(ranked, [(shifted(60.0), cost)], 1, 9.0, CENTER, 50.0, hopeless=3.0)
            assert (len(poses), found) == (1 + len(places), places)

    def test_a_wide_search_from_the_right_pose_ends_no_worse_than_the_pose_itself(self, a_femur, two_xrays, the_truth):
        alone = dataclasses.replace(BONES, rivals=False)
        case = Case(a_femur, two_xrays, poses=the_truth)
        searched = register(case, alone.searching(SearchRange(25.0, 25.0, 25.0), candidates=12))
        # one start leaves a quarter of its range as margin: so both see the same pixels
        start = dataclasses.replace(alone, initializer=Known.around(SearchRange(25.0, 100.0, 25.0), 1))
        refined = register(case, start)
        assert searched.history[-1].cost <= refined.history[-1].cost + 1e-4


class TestPixels:
    @pytest.mark.parametrize("stage", [0, 1])
    def test_a_bone_has_as_many_in_a_wide_search_as_in_a_narrow_one(self, stage, a_femur, two_xrays, the_truth):
        look = BONES.stages[stage].look
        narrow, wide = (
            [item.view for item in Levels(a_femur, two_xrays, the_truth, margin, "auto").objective(look).views]
            for margin in (10.0, 40.0)
        )
        for one, other in zip(narrow, wide, strict=True):
            assert max(one.height, one.width) == pytest.approx(look.size, abs=1)
            assert other.spacing == pytest.approx(one.spacing, rel=0.04)
            assert other.height > one.height


class TestTwoViews:
    @pytest.fixture(scope="class")
    def points(self, a_ct):
        return bone_points(a_ct, ["femur_left"])

    def test_a_start_that_is_right_is_accepted(self, a_femur, two_xrays, the_truth, points):
        registration = Registration(Case(a_femur, two_xrays, poses=the_truth), BONES.searching(candidates=2))
        levels = [step.level for step in registration]
        result = registration.result()
        assert result.verdict.accepted, result.verdict.reasons
        assert float(mtre(result.pose, the_truth, points)) < 2.0
        assert registration.notes == ()
        assert result.depth_known
        assert set(levels) <= set(range(5))
        assert max(levels) > 2, "rivals have levels of their own"

    @pytest.mark.parametrize("confusion", ["turned", "along"])
    def test_a_start_easily_confused_is_corrected_or_rejected(self, confusion, a_femur, two_xrays, the_truth, points):
        shaft = Shaft.of(a_femur)
        wrong = shaft.turned(the_truth) if confusion == "turned" else shaft.moved(the_truth, 30.0)
        registration = Registration(Case(a_femur, two_xrays, poses=wrong), BONES.searching(candidates=2))
        list(registration)
        result = registration.result()
        corrected = float(mtre(result.pose, the_truth, points)) < 2.0
        assert corrected or not result.verdict.accepted
        if corrected:
            assert any("fits better" in note for note in registration.notes)

    def test_one_view_does_not_know_depth(self, a_femur, two_xrays, the_truth):
        case = Case(a_femur, two_xrays[:1], poses=the_truth)
        result = register(case, dataclasses.replace(BONES, rivals=False).searching(candidates=1))
        assert not result.depth_known
        assert math.isinf(result.depth_sd_mm)


def test_limits_belong_to_the_number_of_views():
    limits = BONES.judge.limits
    assert limits.cost_views is not None
    assert limits.of_views(1).cost == limits.cost
    assert limits.of_views(2).cost == limits.of_views(3).cost == limits.cost_views
    assert SYSTEMS["intensity"].judge.limits.of_views(2) == SYSTEMS["intensity"].judge.limits


def test_rivals_and_limits_are_plain_data():
    assert from_plain(as_plain(BONES)) == BONES
    assert BONES.rivals
    assert not SYSTEMS["intensity"].rivals
