"""X-rays for the regressor are drawn as declared; its loss is the geodesic distance; training lowers it."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from itertools import islice

import pytest
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.networks.regressor import Prediction
from SphericalRegLib.training.plan import Plan, prepared_volume
from SphericalRegLib.training.regressor import RegressorTrainer, pose_loss
from SphericalRegLib.training.trainer import Schedule
from SphericalRegLib.training.xrays import XRays, XRaySampler

WIDTHS = SearchRange(20, 50, 100).twist
needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")


@pytest.fixture
def xrays(sample_ct) -> XRaySampler:
    plan = Plan(pixels=32)
    volume = prepared_volume(to_volume(sample_ct), plan, 32)
    return XRaySampler(volume, plan.view(), plan.nominal(volume.center), SearchRange(20, 50, 100), samples=32)


def test_poses_are_those_of_their_twists_and_lie_within_the_range(xrays):
    taken = xrays.draw(64, torch.Generator().manual_seed(0))
    assert float(taken.twists.abs().max()) <= 1
    assert bool(taken.inside.all())
    nominal = xrays.nominal.expand(64, 4, 4)
    expected = se3.about(taken.twists * WIDTHS, nominal, xrays.volume.center)
    torch.testing.assert_close(taken.poses, expected)
    assert taken.images.shape == taken.masks.shape == (64, 32, 32)
    assert 0 <= float(taken.images.min()) <= float(taken.images.max()) <= 1


def test_those_outside_are_said_to_be_and_reach_to_twice_the_range(xrays):
    taken = xrays.draw(400, torch.Generator().manual_seed(0), outside=0.3)
    farthest = taken.twists.abs().amax(1)
    assert float(farthest[taken.inside].max()) <= 1
    assert float(farthest[~taken.inside].min()) >= 1.3
    assert float(farthest[~taken.inside].max()) <= 2
    assert 0.2 < float((~taken.inside).float().mean()) < 0.4


def test_a_range_of_nothing_and_one_beyond_the_beam_are_refused(xrays):
    with pytest.raises(InputError, match="must be above 0"):
        replace(xrays, truth=SearchRange(20, 0, 100))
    with pytest.raises(GeometryError, match="outside of the beam: narrow it"):
        replace(xrays, truth=SearchRange(20, 3000, 100)).draw(8, torch.Generator().manual_seed(0))


def a_batch(twists: torch.Tensor, inside: torch.Tensor) -> XRays:
    nothing = torch.zeros(len(twists), 1, 1)
    return XRays(nothing, nothing, torch.eye(4).expand(len(twists), 4, 4), twists, inside)


def test_the_loss_is_the_angle_and_the_distance_between_poses():
    truth = torch.zeros(2, 6, dtype=torch.float64)
    said = torch.zeros(2, 6)
    said[0, 1] = 0.5  # 10°
    said[1, 5] = 0.3  # 30 mm
    sure = torch.full((2,), 40.0)
    found = pose_loss(Prediction(said, sure), a_batch(truth, torch.tensor([True, True])), WIDTHS, 100.0)
    assert float(found) == pytest.approx((torch.pi / 18 + 0.3) / 2, rel=1e-4)


def test_angles_are_those_of_rotations_not_differences_of_vectors():
    one = torch.tensor([[1.0, 0.7, -0.9, 0, 0, 0]], dtype=torch.float64)
    other = torch.tensor([[-0.8, 0.9, 0.6, 0, 0, 0]])
    sure = torch.full((1,), 40.0)
    wide = SearchRange(60, 50, 100).twist
    found = pose_loss(Prediction(other, sure), a_batch(one, torch.tensor([True])), wide, 100.0)
    a, b = (se3.so3_exp(v[0, :3].double() * wide[:3]) for v in (one, other))
    expected = torch.arccos(((a.T @ b).trace() - 1) / 2)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    assert float(found) != pytest.approx(float(((one - other)[0, :3] * wide[:3]).norm()), rel=0.02)


def test_poses_outside_cost_nothing_but_their_edge():
    truth = torch.ones(2, 6, dtype=torch.float64)
    said = torch.zeros(2, 6)
    outside = a_batch(truth, torch.tensor([False, False]))
    right, wrong = (
        float(pose_loss(Prediction(said, torch.full((2,), s)), outside, WIDTHS, 100.0)) for s in (-9.0, 9.0)
    )
    assert right < 1e-4
    assert wrong > 0.3


def test_its_gradient_is_finite_at_the_truth():
    said = torch.zeros(1, 6, requires_grad=True)
    batch = a_batch(torch.zeros(1, 6, dtype=torch.float64), torch.tensor([True]))
    pose_loss(Prediction(said, torch.zeros(1)), batch, WIDTHS, 100.0).backward()
    assert torch.isfinite(said.grad).all()


@needs_timm
def test_training_lowers_the_loss_on_x_rays_it_has_not_seen_and_resumes_to_the_bit(xrays, tmp_path):
    schedule = Schedule(steps=40, batch=16, learning_rate=1e-3)
    trainer = RegressorTrainer(xrays, schedule)

    def unseen():
        trainer.generator.manual_seed(999)
        with torch.no_grad():
            return float(trainer.batch_loss(64))

    before = unseen()
    losses = [step.loss for step in islice(trainer.steps(), 20)]
    trainer.save(tmp_path / "r.safetensors")
    losses += [step.loss for step in trainer.steps()]
    assert unseen() < 0.95 * before
    again = RegressorTrainer(xrays, schedule)
    again.resume(tmp_path / "r.safetensors")
    assert [step.loss for step in again.steps()] == losses[20:]


@needs_timm
def test_mixed_precision_gives_nearly_the_same_loss(xrays):
    schedule = Schedule(steps=1, batch=8)
    exact, mixed = (next(RegressorTrainer(xrays, schedule, mixed=m).steps()).loss for m in (False, True))
    assert mixed != exact
    assert mixed == pytest.approx(exact, rel=0.02)
