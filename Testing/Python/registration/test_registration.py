"""A registration on the shipped CT, from X-rays by the independent simulator."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.evaluation.metrics import mtre
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_angles
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.mask import estimate_mask
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.registration import SYSTEMS, Case, Conditions, Registration, register
from SphericalRegLib.registration.judging.sharpness import sharpness
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.degrade import Degradations
from SphericalRegLib.simulation.simulate import simulate, to_attenuation

INTENSITY = SYSTEMS["intensity"]


@pytest.fixture(scope="module")
def a_ct():
    return read_ct(
        sample_path("pelvis_lumbar_3mm.nii.gz"),
        labels=sample_path("pelvis_lumbar_3mm_labels.nii.gz"),
        label_names=sample_path("pelvis_lumbar_3mm_labels.json"),
    )


@pytest.fixture(scope="module")
def a_volume(a_ct):
    return to_volume(a_ct)


@pytest.fixture(scope="module")
def a_view():
    return View.from_spacing(256, 256, 1000.0, (1.4, 1.4), sad=700.0)


def moved(pose, degrees, mm, center):
    twist = torch.tensor([math.radians(d) for d in degrees] + list(mm), dtype=torch.float64)
    return se3.about(twist, pose, center)


@pytest.fixture(scope="module")
def the_truth(a_volume):
    frontal = pose_from_angles(180.0, 0.0, 700.0, a_volume.center)
    return moved(frontal, (4.0, -7.0, 5.0), (12.0, -20.0, 25.0), a_volume.center)


def an_xray_of(a_ct, view, pose, **degradations):
    simulated = simulate(a_ct.hu, a_ct.world_from_voxel, view, pose.numpy(), Degradations(**degradations), seed=3)
    image = to_attenuation(simulated)
    return XRay(image, view, estimate_mask(image))


@pytest.fixture(scope="module")
def an_xray(a_ct, a_view, the_truth):
    return an_xray_of(a_ct, a_view, the_truth, gamma=0.8, scatter_fraction=0.15, log_output=True, bits=12)


@pytest.fixture(scope="module")
def a_start(the_truth, a_volume):
    return moved(the_truth, (-10.0, 12.0, 8.0), (25.0, -20.0, 50.0), a_volume.center)


@pytest.fixture(scope="module")
def bone_points(a_ct):
    k, j, i = np.nonzero(a_ct.labels > 0)
    chosen = np.random.default_rng(0).choice(len(k), 500, replace=False)
    points = np.stack([i, j, k, np.ones_like(i)])[:, chosen]
    return torch.from_numpy((a_ct.world_from_voxel @ points)[:3].T.copy())


@pytest.fixture(scope="module")
def the_result(a_volume, an_xray, a_start):
    return register(Case(a_volume, [an_xray], poses=a_start), INTENSITY)


def test_a_start_far_off_ends_within_a_millimeter_and_is_accepted(the_result, the_truth, bone_points):
    assert float(mtre(the_result.pose, the_truth, bone_points)) < 1.0
    assert the_result.verdict.accepted, the_result.verdict.reasons


def test_the_history_tells_every_stage_in_order(the_result):
    levels = [step.level for step in the_result.history]
    assert sorted(set(levels)) == list(range(the_result.history[0].levels))
    seconds = [step.seconds for step in the_result.history]
    assert seconds == sorted(seconds)


def test_depth_is_the_least_certain_direction_and_a_millimeter_or_less(the_result):
    deviations = the_result.covariance.diagonal()[3:].sqrt()
    assert deviations[2] == deviations.max()
    assert the_result.depth_sd_mm == pytest.approx(float(deviations[2]))
    assert 0.01 < the_result.depth_sd_mm < 1.0


def test_the_same_input_gives_the_same_pose(the_result, a_volume, an_xray, a_start):
    again = register(Case(a_volume, [an_xray], poses=a_start), INTENSITY)
    assert torch.equal(again.pose, the_result.pose)


def test_an_upside_down_xray_is_rejected_with_a_reason(a_volume, an_xray, a_start):
    wrong = dataclasses.replace(an_xray, image=an_xray.image[::-1].copy(), mask=an_xray.mask[::-1].copy())
    result = register(Case(a_volume, [wrong], poses=a_start), SYSTEMS["no-retries"])
    assert not result.verdict.accepted
    assert any(reason.startswith("No clear match") for reason in result.verdict.reasons)


def test_a_run_that_is_stopped_still_tells_where_it_was(a_volume, an_xray, a_start):
    registration = Registration(Case(a_volume, [an_xray], poses=a_start), INTENSITY)
    for n, _ in enumerate(registration):
        if n == 3:
            break
    result = registration.result()
    assert not result.verdict.accepted
    assert result.verdict.reasons[0] == "Stopped before the end."
    assert len(result.history) == 4


def test_asking_for_a_result_before_the_first_step_is_an_error(a_volume, an_xray, a_start):
    registration = Registration(Case(a_volume, [an_xray], poses=a_start), INTENSITY)
    for ask in (registration.result, lambda: registration.starts, lambda: registration.origin):
        with pytest.raises(InputError, match="has not begun"):
            ask()


def begin(volume, xrays, poses):
    """The first step: only then the starts are known."""
    next(iter(Registration(Case(volume, xrays, poses=poses), INTENSITY)))


def test_a_ct_outside_of_the_beam_is_named(a_volume, an_xray, a_start):
    aside = a_start.clone()
    aside[0, 3] += 2000
    with pytest.raises(GeometryError, match="does not overlap the beam"):
        begin(a_volume, [an_xray], aside)
    behind = a_start.clone()
    behind[2, 3] -= 2000
    with pytest.raises(GeometryError, match="behind the X-ray source"):
        begin(a_volume, [an_xray], behind)


def test_nothing_to_register_or_to_start_from_is_an_error(a_volume, an_xray, a_start):
    with pytest.raises(InputError, match="no X-ray"):
        Case(a_volume, [], poses=a_start)
    with pytest.raises(InputError, match="no pose to start"):
        begin(a_volume, [an_xray], torch.zeros(0, 4, 4))


def test_two_views_share_one_pose_and_pin_down_depth(a_ct, a_volume, a_view, an_xray, the_truth, a_start, bone_points):
    # a second detector 80° around the isocenter of the first view's frontal pose
    center = a_volume.center
    frontal = pose_from_angles(180.0, 0.0, 700.0, center)
    lateral = pose_from_angles(100.0, 0.0, 700.0, center)
    side = dataclasses.replace(a_view, camera_from_rig=lateral @ se3.inverse(frontal), name="lateral")
    second = an_xray_of(a_ct, side, the_truth, photons=2e6)
    one = register(Case(a_volume, [an_xray], poses=a_start), INTENSITY)
    both = register(Case(a_volume, [an_xray, second], poses=a_start), INTENSITY)
    assert len(both.views) == 2
    assert float(mtre(both.pose, the_truth, bone_points)) < 0.5
    assert both.depth_sd_mm < one.depth_sd_mm


def test_one_vertebra_registers_in_an_xray_full_of_other_anatomy(a_ct, a_view, an_xray, the_truth):
    vertebra = to_volume(a_ct, labels=["vertebrae_L3"])
    start = moved(the_truth, (3.0, -3.0, 3.0), (5.0, -4.0, 10.0), vertebra.center)
    result = register(Case(vertebra, [an_xray], poses=start), SYSTEMS["bones"])
    # from one view
    assert not result.verdict.accepted
    assert "Not known from this view: depth." in result.verdict.reasons
    twist = se3.difference_about(result.pose, the_truth, vertebra.center)
    assert float(twist[3:5].norm()) < 1.5, "in plane"
    assert math.degrees(float(twist[:3].norm())) < 3.0


def test_a_pose_far_beyond_the_search_is_refused(a_volume, an_xray, a_start, the_truth):
    narrow = INTENSITY.searching(SearchRange(1.0, 1.0, 1.0))
    assert register(Case(a_volume, [an_xray], poses=a_start), narrow).verdict.words == "rejected"
    # near enough to be found, three of the smallest ranges off
    aside = moved(the_truth, (0.0, 0.0, 0.0), (15.0, 0.0, 0.0), a_volume.center)
    result = register(Case(a_volume, [an_xray], poses=aside), narrow)
    assert [reason[:15] for reason in result.verdict.refusals] == ["Left the search"]


def test_without_stages_the_best_of_the_starts_is_the_result(a_volume, an_xray, a_start, the_truth):
    both = torch.stack([a_start, the_truth])
    registration = Registration(Case(a_volume, [an_xray], poses=both), SYSTEMS["start-only"])
    assert list(registration) == []
    result = registration.result()
    assert torch.equal(result.pose, the_truth)
    # at 64 pixels depth is hardly known
    assert result.verdict.words == "accepted in the plane only", result.verdict.reasons
    assert result.history == ()
    assert result.cost == pytest.approx(result.verdict_cost, rel=1e-3)
    # the other one is an optimum of its own
    assert len(result.candidates) == 2
    far = register(Case(a_volume, [an_xray], poses=a_start), SYSTEMS["start-only"])
    assert torch.equal(far.pose, a_start)
    assert far.verdict.words == "rejected"
    assert [reason[:15] for reason in far.verdict.reasons[:2]] == ["Weak similarity", "No clear match:"]


def test_another_seed_draws_other_candidates(a_volume, an_xray, a_start):
    def first(seed):
        registration = Registration(Case(a_volume, [an_xray], poses=a_start), INTENSITY, Conditions(seed=seed))
        return next(iter(registration)).pose

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


def test_neighbors_are_compared_by_a_look_of_their_own(a_volume, an_xray, the_truth):
    system = SYSTEMS["start-only"]
    assert system.judge.neighbors is not None
    blunt = dataclasses.replace(system.judge, limits=dataclasses.replace(system.judge.limits, sharpness=1e-6))
    levels = Levels(a_volume, [an_xray], the_truth[None], 10.0, "auto")
    ratios = {}
    for neighbors in (system.judge.neighbors, None):
        judge = dataclasses.replace(blunt, neighbors=neighbors)
        result = register(Case(a_volume, [an_xray], poses=the_truth), dataclasses.replace(system, judge=judge))
        ratios[neighbors] = sharpness(levels.objective(neighbors or judge.look), the_truth, an_xray.view)
        assert any(f"cost ratio {ratios[neighbors]:.2f}" in reason for reason in result.verdict.refusals)
    assert ratios[None] != pytest.approx(ratios[system.judge.neighbors], rel=0.1)
