"""Intervals from X-rays simulated of the patient at hand, at the pose that was found."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.cases import bone_points
from SphericalRegLib.evaluation.metrics import mtre, translation_error
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_angles
from SphericalRegLib.geometry.tolerance import Tolerance
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.registration import SYSTEMS, Case, Conditions, Registration, register
from SphericalRegLib.registration.judging.simulated import SimulatedErrors, simulated_errors
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.case_xray import simulated_xray


@pytest.fixture(scope="module")
def scan():
    return read_ct(sample_path("pelvis_lumbar_3mm.nii.gz"))


@pytest.fixture(scope="module")
def case(scan):
    """A clinical X-ray from the side, and the start near it."""
    volume = to_volume(scan)
    view = View.from_spacing(256, 256, 1000.0, (1.4, 1.4), sad=700.0)
    truth = pose_from_angles(90.0, 4.0, 700.0, volume.center, 3.0)
    xray = simulated_xray(scan, view, truth, "clinical", 5, occluder=False)
    offset = torch.tensor([0.03, -0.02, 0.04, 3.0, -4.0, 10.0], dtype=torch.float64)
    return Case(volume, [xray], poses=se3.about(offset, truth, volume.center), scan=scan), truth


def ended(steps):
    """What a generator returns, and what it yielded."""
    yielded = []
    while True:
        try:
            yielded.append(next(steps))
        except StopIteration as end:
            return end.value, yielded


def test_intervals_are_students_over_what_became_of_the_xrays_bias_included():
    view = replace(
        View.from_spacing(64, 64, 1000.0, (5.0, 5.0)),
        camera_from_rig=se3.exp(torch.tensor([[0.7, -0.4, 1.1, 30.0, -20.0, 5.0]], dtype=torch.float64))[0],
    )
    rng = np.random.default_rng(0)
    along = np.concatenate(
        [rng.normal(0, [0.001, 0.004, 0.002], (10, 3)), rng.normal([0, 0, 0.7], [0.1, 0.3, 0.2], (10, 3))], 1
    )
    turn = view.camera_from_rig[:3, :3]
    in_rig = torch.from_numpy(along).reshape(10, 2, 3) @ turn
    errors = SimulatedErrors(in_rig.reshape(10, 6), torch.linspace(0.1, 0.2, 10, dtype=torch.float64))
    known = errors.half_widths(view)
    t = 2.228  # of 10 degrees of freedom, from a table
    assert known.depth_mm == pytest.approx(t * math.sqrt((along[:, 5] ** 2).mean()), rel=1e-3)
    in_plane = along[:, 3:5].T @ along[:, 3:5] / 10
    assert known.plane_mm == pytest.approx(t * math.sqrt(np.linalg.eigvalsh(in_plane)[-1]), rel=1e-3)
    assert known.rotation_deg > t * math.degrees(math.sqrt((along[:, 1] ** 2).mean())) * 0.999
    # logarithms of 0.1 to 0.2: mean -1.92, deviation 0.23; t of 9 degrees of freedom at 99.9 %: 4.297
    assert errors.cost_limit == pytest.approx(math.exp(-1.925 + 4.297 * math.sqrt(1.1) * 0.232), rel=0.02)
    assert errors.refusal(0.4) is None
    assert "10 X-rays simulated of this CT at this pose cost 0.1 to 0.2" in errors.refusal(0.5)
    # two do not tell how costs spread
    assert SimulatedErrors(in_rig.reshape(10, 6)[:2], errors.costs[:2]).refusal(1.0) is None


def test_the_interval_of_this_patient_holds_the_truth_and_is_narrower_than_that_of_all_patients(case):
    known, truth = case
    usual = register(known, SYSTEMS["near"])
    own = register(known, SYSTEMS["near"], Conditions(uncertainty="simulated"))
    assert torch.equal(own.pose, usual.pose)
    off = translation_error(own.pose, truth, known.volume.center, known.xrays[0].view)
    assert float(off.in_plane_mm) < own.half_widths.plane_mm < usual.half_widths.plane_mm
    assert abs(float(off.depth_mm)) < own.half_widths.depth_mm < usual.half_widths.depth_mm
    assert "simulated of this CT" in own.intervals_from
    assert "other patients" in usual.intervals_from
    # the truth lies where the verdict says
    points = bone_points(known.scan)
    assert own.verdict.accepted or own.verdict.plane_only
    assert float(mtre(own.pose, truth, points)) < 3 * own.half_widths.depth_mm


def test_the_same_seed_gives_the_same_and_steps_are_told(case):
    known, truth = case
    both = [ended(simulated_errors(known.scan, known, SYSTEMS["near"], truth, Conditions(), 2)) for _ in range(2)]
    assert torch.equal(both[0][0].twists, both[1][0].twists)
    stages = {step.stage for step in both[0][1]}
    assert stages == {f"simulated X-ray {number} of 2: refine 160" for number in (1, 2)}
    other, _ = ended(simulated_errors(known.scan, known, SYSTEMS["near"], truth, Conditions(seed=1), 2))
    assert not torch.equal(other.twists, both[0][0].twists)


def test_what_is_not_known_of_the_view_widens_these_intervals_too(case, monkeypatch):
    known, _ = case
    monkeypatch.setattr("SphericalRegLib.registration.judging.simulated.SAMPLES", 2)
    xray = replace(known.xrays[0], view=replace(known.xrays[0].view, tolerance=Tolerance(0.01)))
    doubted = register(replace(known, xrays=[xray]), SYSTEMS["near"], Conditions(uncertainty="simulated"))
    assert doubted.half_widths.depth_mm == pytest.approx(math.hypot(doubted.of_images.depth_mm, 7.0), rel=0.15)
    assert doubted.verdict.plane_only


def test_what_it_needs_is_said(case):
    known, _ = case
    with pytest.raises(InputError, match="scan"):
        Registration(replace(known, scan=None), SYSTEMS["near"], Conditions(uncertainty="simulated"))
    with pytest.raises(InputError, match="calibrated, simulated"):
        Conditions(uncertainty="guessed")  # type: ignore[arg-type]
    simulated = Conditions(uncertainty="simulated")
    with pytest.raises(InputError, match="aligns nothing"):
        Registration(known, replace(SYSTEMS["near"], stages=()), simulated)


def test_where_nothing_can_be_simulated_the_pose_is_kept_and_refused(case, monkeypatch):
    known, _ = case

    def hopeless(*_: object):
        yield from ()
        raise InputError("Of 12 X-rays simulated at this pose only 3 could be registered.")

    monkeypatch.setattr("SphericalRegLib.registration.registration.simulated_errors", hopeless)
    result = register(known, SYSTEMS["near"], Conditions(uncertainty="simulated"))
    assert result.verdict.words == "rejected"
    assert "only 3 could be registered" in result.verdict.refusals[-1]
    assert torch.equal(result.pose, register(known, SYSTEMS["near"]).pose)
