"""Pairs show what they say; training lowers the loss, resumes to the bit, and stops before it spoils the weights."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
import torch

from SphericalRegLib.errors import CheckpointError, GeometryError, InputError, TrainingError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.networks.volume_network import PlainNetwork
from SphericalRegLib.rendering import render
from SphericalRegLib.training.encoders import LOSSES, EncoderSettings, EncoderTrainer
from SphericalRegLib.training.pairs import PairSampler
from SphericalRegLib.training.trainer import Schedule
from SphericalRegLib.training.xrays import XRaySampler

SETTINGS = EncoderSettings(channels=4, width=16, blocks=1)
SCHEDULE = Schedule(steps=30, batch=3, learning_rate=3e-3)


@pytest.fixture
def sampler():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, 5, 5, 5, generator=generator)
    density = 0.03 * torch.nn.functional.interpolate(coarse, size=(16, 18, 20), mode="trilinear")[0]
    spacing = torch.diag(torch.tensor([10.0, 10.0, 12.0, 1.0], dtype=torch.float64))
    volume = Volume(density, spacing)
    view = View.from_spacing(32, 32, 1000.0, (10.0, 10.0), sad=700.0)
    nominal = se3.translation(torch.tensor([0.0, 0.0, 700.0], dtype=torch.float64) - volume.center)
    xrays = XRaySampler(volume, view, nominal, SearchRange(10, 20, 30), samples=24)
    return PairSampler(xrays, SearchRange(15, 30, 60))


def test_a_pair_shows_the_truth_and_the_start_and_leads_from_one_to_the_other(sampler):
    sampler = replace(sampler, xrays=replace(sampler.xrays, probability=0.0))
    pairs = sampler.draw(4, torch.Generator().manual_seed(1))
    center = sampler.xrays.volume.center
    torch.testing.assert_close(se3.about(pairs.twists, pairs.poses, center), pairs.xrays.poses)
    drrs = render(sampler.xrays.volume, sampler.xrays.view, pairs.poses, samples=24)[:, 0]
    torch.testing.assert_close(pairs.drrs, drrs)
    step = torch.zeros(4, 6, dtype=torch.float64)
    step[:, 5] = 0.5
    moved = [
        render(sampler.xrays.volume, sampler.xrays.view, se3.about(sign * step, pairs.poses, center), samples=24)[:, 0]
        for sign in (1, -1)
    ]
    numeric = moved[0] - moved[1]
    # edges of the box sweep over a few pixels, where differences are no derivative
    off = (numeric - pairs.jacobians[:, 5]).abs() / numeric.abs().mean()
    assert float(off.flatten().quantile(0.9)) < 0.05
    at_truth = render(sampler.xrays.volume, sampler.xrays.view, pairs.xrays.poses, samples=24)[:, 0]
    likeness = [
        float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])
        for a, b in zip(pairs.xrays.images, at_truth, strict=True)
    ]
    assert min(likeness) > 0.99
    assert float(pairs.twists[:, :3].abs().max()) <= 15 * torch.pi / 180
    assert float(pairs.twists[:, 3:].abs().max()) <= 60


def test_ranges_that_leave_the_beam_are_refused(sampler):
    wild = replace(sampler, xrays=replace(sampler.xrays, truth=SearchRange(1, 3000, 1)))
    with pytest.raises(GeometryError, match="outside of the beam"):
        wild.draw(8, torch.Generator().manual_seed(0))


def test_training_lowers_the_loss(sampler, monkeypatch):
    trainer = EncoderTrainer([sampler], replace(SCHEDULE, steps=40, batch=24, learning_rate=2e-3), SETTINGS)
    fresh = trainer.batch_loss

    def always_the_same(count):
        trainer.generator.manual_seed(7)
        return fresh(count)

    # single steps' losses vary more than so few steps can lower them: the same pairs again and again
    monkeypatch.setattr(trainer, "batch_loss", always_the_same)
    losses = [step.loss for step in trainer.steps()]
    assert len(losses) == 40
    assert losses[-1] < 0.9 * losses[0]
    assert list(trainer.steps()) == []


@pytest.mark.parametrize("shared", [False, True])
def test_a_run_that_was_cut_off_goes_on_to_the_bit(shared, sampler, tmp_path):
    schedule, settings = replace(SCHEDULE, steps=8), replace(SETTINGS, shared=shared)
    whole = EncoderTrainer([sampler], schedule, settings)
    expected = [step.loss for step in whole.steps()]
    first = EncoderTrainer([sampler], schedule, settings)
    begun = [step.loss for step in islice(first.steps(), 3)]
    first.save(tmp_path / "m.safetensors")
    torch.manual_seed(99)
    second = EncoderTrainer([sampler], schedule, settings)
    second.resume(tmp_path / "m.safetensors")
    rest = [step.loss for step in second.steps()]
    assert begun + rest == expected
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


@pytest.mark.parametrize("name", ["equivariant", "plain"])
def test_the_volume_network_learns_through_drrs_and_jacobians(name, sampler, tmp_path):
    settings = replace(SETTINGS, volume_network=name)
    trainer = EncoderTrainer([sampler], replace(SCHEDULE, steps=2, learning_rate=1e-2), settings)
    volume = sampler.xrays.volume
    with torch.no_grad():
        assert torch.equal(trainer.network(volume).density, volume.density)
    next(trainer.steps())
    trainer.save(tmp_path / "m")
    resumed = EncoderTrainer([sampler], trainer.schedule, settings)
    resumed.resume(tmp_path / "m")
    for one in (trainer, resumed):
        list(one.steps())
    with torch.no_grad():
        assert not torch.equal(trainer.network(volume).density, volume.density)
        assert torch.equal(trainer.network(volume).density, resumed.network(volume).density)


def test_the_volume_network_changes_drrs_but_not_xrays(sampler):
    network = PlainNetwork(20.0)
    with torch.no_grad():
        network.last.fill_(0.1)
    drawn = [one.draw(2, torch.Generator().manual_seed(3)) for one in (sampler, replace(sampler, network=network))]
    assert torch.equal(drawn[0].xrays.images, drawn[1].xrays.images)
    assert not torch.equal(drawn[0].drrs, drawn[1].drrs)
    for found in drawn[1].drrs.sum(), drawn[1].jacobians.square().sum():
        (gradient,) = torch.autograd.grad(found, network.last, retain_graph=True)
        assert float(gradient.abs().sum()) > 0


def test_other_settings_are_refused_by_name(sampler, tmp_path):
    EncoderTrainer([sampler], SCHEDULE, SETTINGS).save(tmp_path / "m")
    with pytest.raises(CheckpointError, match=r"width 16 there, 32 here"):
        EncoderTrainer([sampler], SCHEDULE, replace(SETTINGS, width=32)).resume(tmp_path / "m")
    with pytest.raises(InputError, match="no manifold 'toroidal'"):
        replace(SETTINGS, manifold="toroidal")
    with pytest.raises(InputError, match="no loss 'luck'"):
        replace(SETTINGS, loss="luck")
    with pytest.raises(InputError, match="no volume network 'deep'"):
        replace(SETTINGS, volume_network="deep")
    with pytest.raises(InputError, match="no CT to train on"):
        EncoderTrainer([], SCHEDULE, SETTINGS)


def test_weights_of_another_architecture_are_refused_by_name(sampler):
    trainer = EncoderTrainer([sampler], SCHEDULE, SETTINGS)
    weights = trainer.state_dict()
    weights["moving.out.weight"] = torch.zeros(5, 16)
    with pytest.raises(CheckpointError, match=r"moving.out.weight is of shape \(5, 16\) there, \(4, 16\) here"):
        trainer.load_weights(weights, "m.safetensors")
    del weights["moving.out.weight"]
    with pytest.raises(CheckpointError, match=r"moving.out.weight is absent there"):
        trainer.load_weights(weights, "m.safetensors")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("unrolled", [1, 2])
def test_every_loss_reaches_both_encoders(loss, unrolled, sampler):
    trainer = EncoderTrainer([sampler], SCHEDULE, replace(SETTINGS, loss=loss, unrolled=unrolled))
    next(trainer.steps())
    for encoder in (trainer.moving, trainer.still):
        assert sum(float(p.grad.abs().sum()) for p in encoder.parameters()) > 0
    # what a loss does not use stays as it was
    assert (trainer.log_damping.grad is None) == (loss != "step")
    assert (trainer.log_scale.grad is None) == (loss in ("step", "gradient directions"))


def test_the_second_unrolled_step_begins_where_the_first_ended(sampler, monkeypatch):
    trainer = EncoderTrainer([sampler], SCHEDULE, replace(SETTINGS, unrolled=2))
    redrawn = []
    redraw = type(sampler).redraw

    def seen(self, poses, jacobian=True):
        redrawn.append(poses)
        return redraw(self, poses, jacobian)

    monkeypatch.setattr(type(sampler), "redraw", seen)
    trainer.generator.manual_seed(5)
    trainer.batch_loss(3)
    start, then = redrawn
    moved = se3.difference_about(then, start, sampler.xrays.volume.center)
    assert float(moved.abs().amax(1).min()) > 1e-3
    assert torch.isfinite(moved).all()


def test_several_cts_take_turns(sampler):
    darker = replace(sampler.xrays.volume, density=0.5 * sampler.xrays.volume.density)
    other = replace(sampler, xrays=replace(sampler.xrays, volume=darker))
    trainer = EncoderTrainer([sampler, other], SCHEDULE, SETTINGS)
    peaks = set()
    for seed in range(12):
        trainer.generator.manual_seed(seed)
        chosen = int(torch.randint(2, (), generator=trainer.generator))
        peaks.add(chosen)
        trainer.generator.manual_seed(seed)
        assert torch.isfinite(trainer.batch_loss(2))
    assert peaks == {0, 1}


def test_a_loss_that_is_not_a_number_stops_before_it_spoils_the_weights(sampler, monkeypatch):
    trainer = EncoderTrainer([sampler], SCHEDULE, SETTINGS)
    steps = trainer.steps()
    next(steps)
    before = {name: value.clone() for name, value in trainer.state_dict().items()}
    monkeypatch.setattr(trainer, "batch_loss", lambda count: trainer.log_damping * float("nan"))
    with pytest.raises(TrainingError, match=r"loss became nan at step 2.*smaller one .*begins anew"):
        next(steps)
    assert all(torch.equal(value, before[name]) for name, value in trainer.state_dict().items())


def test_a_batch_that_does_not_fit_is_halved_and_said(sampler, monkeypatch):
    trainer = EncoderTrainer([sampler], replace(SCHEDULE, batch=8), SETTINGS)
    real = trainer.batch_loss

    def short_of_memory(count):
        if count > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(count)

    monkeypatch.setattr(trainer, "batch_loss", short_of_memory)
    steps = trainer.steps()
    first, second = next(steps), next(steps)
    assert (trainer.batch, second.notice) == (2, "")
    assert "did not fit into memory: 2 a step" in first.notice


def test_memory_short_for_one_example_stops_with_what_would_help(sampler, monkeypatch):
    trainer = EncoderTrainer([sampler], SCHEDULE, SETTINGS)

    def never(count):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(trainer, "batch_loss", never)
    with pytest.raises(TrainingError, match=r"batch of 1 .*smaller size"):
        next(trainer.steps())


def test_other_errors_pass_as_they_are(sampler, monkeypatch):
    trainer = EncoderTrainer([sampler], SCHEDULE, SETTINGS)

    def broken(count):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(trainer, "batch_loss", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        next(trainer.steps())


def test_mixed_precision_gives_nearly_the_same_loss(sampler):
    exact, mixed = (next(EncoderTrainer([sampler], SCHEDULE, SETTINGS, mixed=m).steps()).loss for m in (False, True))
    assert mixed != exact
    assert mixed == pytest.approx(exact, rel=0.05)


def test_a_gradient_that_is_not_finite_is_called_one(sampler, monkeypatch):
    trainer = EncoderTrainer([sampler], SCHEDULE, SETTINGS)
    # finite itself, with an infinite derivative
    monkeypatch.setattr(
        trainer, "batch_loss", lambda count: (trainer.log_damping - trainer.log_damping.detach()).sqrt()
    )
    with pytest.raises(TrainingError, match=r"gradient became (inf|nan) at step 1.*smaller one .*begins anew"):
        next(trainer.steps())


def test_starts_that_leave_the_beam_do_no_harm(sampler):
    far = replace(sampler, reach=SearchRange(10, 4000, 10))
    for manifold in ("spherical", "euclidean", "hyperbolic"):
        for loss in ("step", "gradient directions", "gradient so4"):
            settings = replace(SETTINGS, manifold=manifold, loss=loss)
            trainer = EncoderTrainer([far], replace(SCHEDULE, batch=4), settings)
            generator = torch.Generator().manual_seed(1)
            assert bool((far.draw(8, generator).drrs.amax((1, 2)) == 0).any())
            next(trainer.steps())
            assert all(torch.isfinite(p).all() for p in trainer.parameters()), (manifold, loss)
