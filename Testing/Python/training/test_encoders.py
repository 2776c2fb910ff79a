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
from SphericalRegLib.rendering import render
from SphericalRegLib.training.loop import EncoderTrainer, TrainingSettings
from SphericalRegLib.training.pairs import PairSampler

SETTINGS = TrainingSettings(steps=30, batch=3, channels=4, width=16, blocks=1, learning_rate=3e-3)


@pytest.fixture
def sampler():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, 5, 5, 5, generator=generator)
    density = 0.03 * torch.nn.functional.interpolate(coarse, size=(16, 18, 20), mode="trilinear")[0]
    spacing = torch.diag(torch.tensor([10.0, 10.0, 12.0, 1.0], dtype=torch.float64))
    volume = Volume(density, spacing)
    view = View.from_spacing(32, 32, 1000.0, (10.0, 10.0), sad=700.0)
    nominal = se3.translation(torch.tensor([0.0, 0.0, 700.0], dtype=torch.float64) - volume.center)
    return PairSampler(volume, view, nominal, SearchRange(10, 20, 30), SearchRange(15, 30, 60), samples=24)


def test_a_pair_shows_the_truth_and_the_start_and_leads_from_one_to_the_other(sampler):
    pairs = sampler.draw(4, torch.Generator().manual_seed(1))
    center = sampler.volume.center
    torch.testing.assert_close(se3.about(pairs.twists, pairs.poses, center), pairs.truths)
    drrs = render(sampler.volume, sampler.view, pairs.poses, samples=24)[:, 0]
    torch.testing.assert_close(pairs.drrs, drrs)
    step = torch.zeros(4, 6, dtype=torch.float64)
    step[:, 5] = 0.5
    moved = [
        render(sampler.volume, sampler.view, se3.about(sign * step, pairs.poses, center), samples=24)[:, 0]
        for sign in (1, -1)
    ]
    numeric = moved[0] - moved[1]
    # edges of the box sweep over pixels: compared as a whole
    assert float((numeric - pairs.jacobians[:, 5]).norm() / numeric.norm()) < 0.1
    at_truth = render(sampler.volume, sampler.view, pairs.truths, samples=24)[:, 0]
    likeness = [
        float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])
        for a, b in zip(pairs.xrays, at_truth, strict=True)
    ]
    assert min(likeness) > 0.4
    assert float(pairs.twists[:, :3].abs().max()) <= 15 * torch.pi / 180
    assert float(pairs.twists[:, 3:].abs().max()) <= 60


def test_ranges_that_leave_the_beam_are_refused(sampler):
    wild = replace(sampler, truth=SearchRange(0, 3000, 0))
    with pytest.raises(GeometryError, match="outside of the beam"):
        wild.draw(8, torch.Generator().manual_seed(0))


def test_training_lowers_the_loss(sampler):
    trainer = EncoderTrainer(sampler, replace(SETTINGS, steps=60))
    losses = [step.loss for step in trainer.steps()]
    assert len(losses) == 60
    assert sum(losses[-10:]) < 0.95 * sum(losses[:10])
    assert list(trainer.steps()) == []


@pytest.mark.parametrize("shared", [False, True])
def test_a_run_that_was_cut_off_goes_on_to_the_bit(shared, sampler, tmp_path):
    settings = replace(SETTINGS, steps=8, shared=shared)
    whole = EncoderTrainer(sampler, settings)
    expected = [step.loss for step in whole.steps()]
    first = EncoderTrainer(sampler, settings)
    begun = [step.loss for step in islice(first.steps(), 3)]
    first.save(tmp_path / "m.safetensors")
    torch.manual_seed(99)
    second = EncoderTrainer(sampler, settings)
    second.resume(tmp_path / "m.safetensors")
    rest = [step.loss for step in second.steps()]
    assert begun + rest == expected
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_other_settings_are_refused_by_name(sampler, tmp_path):
    EncoderTrainer(sampler, SETTINGS).save(tmp_path / "m")
    with pytest.raises(CheckpointError, match=r"width 16 there, 32 here"):
        EncoderTrainer(sampler, replace(SETTINGS, width=32)).resume(tmp_path / "m")
    with pytest.raises(InputError, match="no manifold 'toroidal'"):
        EncoderTrainer(sampler, replace(SETTINGS, manifold="toroidal"))


def test_a_loss_that_is_not_a_number_stops_before_it_spoils_the_weights(sampler, monkeypatch):
    trainer = EncoderTrainer(sampler, SETTINGS)
    steps = trainer.steps()
    next(steps)
    before = {name: value.clone() for name, value in trainer.state_dict().items()}
    monkeypatch.setattr(trainer, "loss", lambda: trainer.log_damping * float("nan"))
    with pytest.raises(TrainingError, match=r"became nan at step 2 .*smaller learning rate"):
        next(steps)
    assert all(torch.equal(value, before[name]) for name, value in trainer.state_dict().items())
