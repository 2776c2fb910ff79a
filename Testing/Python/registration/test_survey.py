"""A survey's parts against what they stand for: correlations worked out shift by shift, poses that turn about the
source, and X-rays of one and of two views whose poses a survey comes near to."""

import math
from dataclasses import replace

import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import SearchRange, Starts
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.registration import SYSTEMS, Case, Conditions, Registration, Stage
from SphericalRegLib.registration.alignment import Alignment
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.optima import SAME_MM
from SphericalRegLib.registration.survey import NOWHERE, Survey, aimed, look_around
from SphericalRegLib.rendering import render
from SphericalRegLib.similarity import GradientNCC, LocalNCC, ToneFreeGradient
from SphericalRegLib.similarity.sliding import slide

EDGES = Look(GradientNCC(1.0), 32)
WINDOWS = Look(LocalNCC((1.5, 3.0)), 32)


@pytest.fixture(scope="module")
def a_volume():
    """Oblique, anisotropic, off center: balls of bone in soft tissue."""
    z, y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in (30, 40, 50)), indexing="ij")
    density = 0.02 * (((x - 25) / 24) ** 2 + ((y - 20) / 18) ** 2 + ((z - 15) / 14) ** 2 < 1).double()
    for cx, cy, cz, r in ((15, 15, 8, 5), (33, 24, 20, 6), (28, 10, 18, 3), (12, 28, 20, 4)):
        inside = (2 * (x - cx)) ** 2 + (2.5 * (y - cy)) ** 2 + (3 * (z - cz)) ** 2 < (2.5 * r) ** 2
        density = density + 0.03 * inside.double()
    turn = se3.so3_exp(torch.tensor([0.3, -0.2, 0.4], dtype=torch.float64))
    grid = torch.eye(4, dtype=torch.float64)
    grid[:3, :3] = turn @ torch.diag(torch.tensor([2.0, 2.5, 3.0], dtype=torch.float64))
    grid[:3, 3] = torch.tensor([40.0, -70.0, 110.0])
    return Volume(density[None].float(), grid)


def a_view(**changes):
    view = View.from_spacing(96, 128, 1000.0, (1.6, 2.0), principal_point=(60.0, 50.0), sad=700.0)
    return replace(view, **changes)


def a_pose(volume, degrees=(0.0, 0.0, 0.0), mm=(0.0, 0.0, 0.0)):
    facing = torch.eye(4, dtype=torch.float64)
    facing[:3, 3] = torch.tensor([5.0, -8.0, 700.0]) - volume.center
    twist = torch.tensor([*(math.radians(d) for d in degrees), *mm], dtype=torch.float64)
    return se3.about(twist, facing, volume.center)


@pytest.mark.parametrize("similarity", [GradientNCC(1.0), LocalNCC((1.5, 3.0))], ids=["gradients", "windows"])
def test_every_shift_has_the_correlation_of_the_two_maps_there(similarity):
    generator = torch.Generator().manual_seed(0)
    xray = torch.rand(7, 9, generator=generator, dtype=torch.float64)
    mask = (torch.rand(7, 9, generator=generator) > 0.2).double()
    # erosion leaves nothing of so small a picture
    fixed = replace(similarity.fix(xray, mask), support=mask)
    images = torch.rand(2, 10, 14, generator=generator, dtype=torch.float64)
    weights = torch.rand(2, 10, 14, generator=generator, dtype=torch.float64)
    score = slide(fixed, images, weights, least_overlap=0.0)
    assert score.shape == (2, 4, 6)
    for y, x in ((0, 0), (3, 5), (1, 4)):
        for n in range(2):
            w = weights[n, y : y + 7, x : x + 9] * fixed.support
            parts = []
            for still, moving in zip(fixed.maps, fixed.maps_of(images), strict=True):
                there = moving[n, :, y : y + 7, x : x + 9]
                norm = ((w * still**2).sum() * (w * there**2).sum()).sqrt()
                parts.append(float((w * still * there).sum() / norm))
            assert float(score[n, y, x]) == pytest.approx(sum(parts) / len(parts), abs=1e-9)


def test_a_shift_at_which_the_drr_leaves_the_xray_does_not_count():
    fixed = GradientNCC(1.0).fix(torch.rand(8, 8, generator=torch.Generator().manual_seed(1)), torch.ones(8, 8))
    image = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(2))
    weights = torch.zeros(1, 16, 16)
    weights[0, 4:8, 4:8] = 1.0
    score = slide(fixed, image, weights)[0]
    assert score[0, 0] > -1
    assert score[8, 8] == -1
    assert torch.equal(slide(fixed, image, torch.zeros(1, 16, 16)), torch.full((1, 9, 9), -1.0))


@pytest.mark.parametrize("mirrored", [False, True])
def test_an_aimed_pose_shows_the_point_where_it_was_asked_for_and_keeps_its_distance(a_volume, mirrored):
    view = a_view()
    if mirrored:
        flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))
        view = replace(view, intrinsics=view.intrinsics @ flip)
    rig = se3.exp(torch.tensor([0.1, 0.3, -0.2, 5.0, 10.0, -20.0], dtype=torch.float64))
    view = replace(view, camera_from_rig=rig)
    poses = se3.inverse(rig) @ torch.stack([a_pose(a_volume), a_pose(a_volume, (8, -5, 20), (10, 4, 60))])
    shifts = torch.tensor([[0.0, 0.0], [7.0, -3.0], [-12.0, 20.0]], dtype=torch.float64).expand(2, 3, 2)
    moved = aimed(view, poses, a_volume.center, shifts)
    before = view.project(a_volume.center[None], poses)
    after = view.project(a_volume.center[None], moved.reshape(-1, 4, 4)).reshape(2, 3, 2)
    torch.testing.assert_close(after, before + shifts, rtol=0, atol=1e-8)
    source = torch.linalg.inv(view.camera_from_world(poses))[:, :3, 3]
    turned = torch.linalg.inv(view.camera_from_world(moved))[:, :, :3, 3]
    torch.testing.assert_close(turned, source[:, None].expand_as(turned), rtol=0, atol=1e-8)
    torch.testing.assert_close(moved[:, 0], poses, rtol=0, atol=1e-9)


def test_an_aimed_drr_is_the_same_drr_elsewhere(a_volume):
    view = a_view().resized(48, 64)
    pose = a_pose(a_volume)[None]
    moved = aimed(view, pose, a_volume.center, torch.tensor([[[3.0, -2.0]]], dtype=torch.float64))[0]
    before, after = (render(a_volume, view, p, samples=120)[0, 0] for p in (pose, moved))
    assert float((after[5:40, 10:55] - before[7:42, 7:52]).abs().max()) < 0.12 * float(before.max())


def xrays_of(volume, views, pose):
    return [
        XRay(render(volume, view, pose[None], samples=200)[0, 0].numpy(), view, torch.ones(96, 128).bool().numpy())
        for view in views
    ]


def side_view():
    turn = torch.zeros(3, dtype=torch.float64)
    turn[1] = math.radians(70)
    from_rig = torch.eye(4, dtype=torch.float64)
    from_rig[:3, :3] = se3.so3_exp(turn)
    # both look at the same place
    from_rig[:3, 3] = torch.tensor([0.0, 0.0, 700.0]) - from_rig[:3, :3] @ torch.tensor([0.0, 0.0, 700.0]).double()
    return a_view(camera_from_rig=from_rig)


@pytest.mark.parametrize("count", [1, 2], ids=["one view", "two views"])
def test_the_best_of_a_survey_lies_near_the_truth_in_the_plane_and_in_what_is_sampled(a_volume, count):
    truth = a_pose(a_volume, (6.0, -9.0, 12.0), (18.0, -22.0, 30.0))
    xrays = xrays_of(a_volume, [a_view(), side_view()][:count], truth)
    starts = Starts(a_pose(a_volume)[None], SearchRange(15.0, 40.0, 60.0), 8, "test")
    levels = Levels(a_volume, xrays, starts.poses, 40.0, "auto")
    survey = Survey((EDGES, WINDOWS), (replace(EDGES, size=48), replace(WINDOWS, size=48)), poses=600)
    seen = list(look_around(survey, levels.objective, starts, 0))
    assert sum(len(one.poses) for one in seen if one.size == 32) == survey.count(starts)
    fine = [one for one in seen if one.size == 48]
    assert sum(len(one.poses) for one in fine) == math.ceil(0.25 * survey.count(starts))
    poses, cost = torch.cat([one.poses for one in fine]), torch.cat([one.cost for one in fine])
    left = se3.difference_about(poses[cost.argmin()][None], truth[None], a_volume.center)[0]
    assert float(torch.rad2deg(left[:3]).norm()) < 12
    # it is placed by whole pixels of some 5 mm
    assert float(left[3:5].abs().max()) < 8
    assert float(cost.min()) < 0.35
    start = se3.difference_about(starts.poses, truth[None], a_volume.center)[0]
    assert float(start[3:5].abs().max()) > 15


def test_poses_that_show_nothing_cost_most(a_volume):
    xrays = xrays_of(a_volume, [a_view()], a_pose(a_volume))
    starts = Starts(a_pose(a_volume, mm=(900.0, 0.0, 0.0))[None], SearchRange(1.0, 5.0, 5.0), 4, "test")
    levels = Levels(a_volume, xrays, starts.poses, 40.0, "auto")
    (seen,) = look_around(Survey((EDGES,), poses=8), levels.objective, starts, 0)
    assert (seen.cost == NOWHERE).all()


def test_a_wider_search_surveys_more_poses_up_to_a_limit():
    survey = Survey((EDGES,), poses=100, most=400)
    for reach, count in (
        (SearchRange(20, 40, 80), 100),
        (SearchRange(20, 80, 80), 100),
        (SearchRange(20, 40, 160), 200),
        (SearchRange(45, 80, 150), 400),
        (SearchRange(5, 10, 20), 64),
    ):
        assert survey.count(Starts(torch.eye(4)[None], reach, 16, "")) == count


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Survey(()), "give some"),
        (lambda: Survey((replace(EDGES, footprint_mm=3.0),)), "whole X-rays"),
        (lambda: Survey((EDGES, replace(WINDOWS, size=48))), "same size"),
        (lambda: Survey((EDGES,), poses=0), "survey of 0 poses"),
        (lambda: Survey((EDGES,), share=0.0), "share is 0"),
    ],
)
def test_what_is_no_survey_is_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_a_similarity_that_cannot_be_slid_is_refused_by_name(a_volume):
    xrays = xrays_of(a_volume, [a_view()], a_pose(a_volume))
    starts = Starts(a_pose(a_volume)[None], SearchRange(5.0, 5.0, 5.0), 4, "test")
    levels = Levels(a_volume, xrays, starts.poses, 40.0, "auto")
    with pytest.raises(InputError, match="is no correlation: a survey takes gradient-ncc and local-ncc"):
        list(look_around(Survey((Look(ToneFreeGradient(0.7), 32),)), levels.objective, starts, 0))


def test_a_survey_is_told_step_by_step_and_may_be_stopped(a_volume):
    case = Case(a_volume, xrays_of(a_volume, [a_view()], a_pose(a_volume)), poses=a_pose(a_volume))
    registration = Registration(case, SYSTEMS["intensity"], Conditions())
    steps = iter(registration)
    told = [next(steps) for _ in range(3)]
    assert [step.stage for step in told] == ["survey 32"] * 3
    assert [step.iteration for step in told] == [0, 1, 2]
    result = registration.result()
    assert result.verdict.words == "rejected"
    assert "Stopped before the end." in result.verdict.refusals


def test_a_stage_begins_farther_and_nearer_too_and_the_point_stays_where_it_is_seen(a_volume):
    truth = a_pose(a_volume)
    view = a_view(camera_from_rig=se3.exp(torch.tensor([0.1, 0.3, -0.2, 5.0, 10.0, -20.0], dtype=torch.float64)))
    truth = se3.inverse(view.camera_from_rig) @ truth
    xrays = xrays_of(a_volume, [view], truth)
    windows = Look(LocalNCC((2.0,)), 64)
    still = LevenbergMarquardt(iterations=0)
    stages = (
        Stage("depth", windows, still, depths_mm=(-40.0, 30.0)),
        Stage("refine", windows, still),
    )
    system = replace(SYSTEMS["one-start"], stages=stages)
    alignment = Alignment(a_volume, xrays, Starts(truth[None], SearchRange(), 1, "test"), system, Conditions())
    next(iter(alignment))
    poses = alignment._poses
    assert len(poses) == 3
    seen = view.project(a_volume.center[None], poses)
    torch.testing.assert_close(seen, seen[:1].expand_as(seen), rtol=0, atol=1e-8)
    camera = se3.transform_points(view.camera_from_world(poses), a_volume.center[None])[:, 0]
    torch.testing.assert_close(
        camera.norm(dim=1) - camera[0].norm(), torch.tensor([0.0, -40.0, 30.0], dtype=torch.float64), rtol=0, atol=1e-8
    )


def test_the_best_of_another_look_goes_on_beside_a_stages_own(a_volume):
    truth = a_pose(a_volume)
    xrays = xrays_of(a_volume, [a_view()], truth)
    start = a_pose(a_volume, (3.0, 2.0, -4.0), (6.0, 5.0, 20.0))
    moves, still = LevenbergMarquardt(iterations=15, tolerance=0.1), LevenbergMarquardt(iterations=0)
    looks = replace(WINDOWS, size=48), EDGES
    stages = (Stage("search", looks[0], moves, also=looks[1]), Stage("refine", replace(WINDOWS, size=64), still))
    told = []
    system = replace(SYSTEMS["one-start"], stages=stages)
    alignment = Alignment(a_volume, xrays, Starts(start[None], SearchRange(), 1, "test"), system, Conditions())
    for step in alignment:
        told.append(step.stage)
        if step.stage == "refine 64":
            begun = alignment._poses
    assert list(dict.fromkeys(told)) == ["search 48", "search 32", "refine 64"]
    alone = []
    for look in looks:
        one = replace(system, stages=(Stage("search", look, moves),))
        run = Alignment(a_volume, xrays, Starts(start[None], SearchRange(), 1, "test"), one, Conditions())
        for _ in run:
            pass
        alone.append(run.pose)
    apart = se3.difference_about(alone[0][None], alone[1][None], a_volume.center)[0, 3:].norm()
    if float(apart) >= SAME_MM:
        torch.testing.assert_close(begun, torch.stack(alone))
    else:
        torch.testing.assert_close(begun, alone[0][None])


def test_two_looks_give_no_gate_and_no_result():
    with pytest.raises(InputError, match="give it no gate"):
        Stage("search", WINDOWS, LevenbergMarquardt(), also=EDGES, gate=0.2)
    with pytest.raises(InputError, match="has two looks"):
        replace(SYSTEMS["one-start"], stages=(Stage("search", WINDOWS, LevenbergMarquardt(), also=EDGES),))
