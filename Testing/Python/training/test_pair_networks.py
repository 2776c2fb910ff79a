"""Networks of two images learn to lead to the true pose, resume to the bit, and go into a model and out of it again."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.networks.model import Model, ModelCard, load_model
from SphericalRegLib.networks.pairs import PAIR_NETWORKS
from SphericalRegLib.registration import SYSTEMS
from SphericalRegLib.similarity import LearnedSimilarity
from SphericalRegLib.similarity.network_cost import NetworkCost
from SphericalRegLib.training.encoders import EncoderSettings
from SphericalRegLib.training.losses import gradient_of_distance
from SphericalRegLib.training.pair_networks import PairTrainer
from SphericalRegLib.training.pairs import PairSampler
from SphericalRegLib.training.trainer import Schedule
from SphericalRegLib.training.xrays import XRaySampler

every_network = pytest.mark.parametrize("kind", PAIR_NETWORKS)


@pytest.fixture(scope="module")
def sampler() -> PairSampler:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, 5, 5, 5, generator=generator)
    density = 0.03 * torch.nn.functional.interpolate(coarse, size=(16, 18, 20), mode="trilinear")[0]
    volume = Volume(density, torch.diag(torch.tensor([10.0, 10.0, 12.0, 1.0], dtype=torch.float64)))
    view = View.from_spacing(32, 32, 1000.0, (10.0, 10.0), sad=700.0)
    nominal = se3.translation(torch.tensor([0.0, 0.0, 700.0], dtype=torch.float64) - volume.center)
    xrays = XRaySampler(volume, view, nominal, SearchRange(5, 10, 15), samples=24, probability=0.0, collimated=False)
    return PairSampler(xrays, SearchRange(15, 30, 60))


def trainer(sampler: PairSampler, kind: str, steps: int, loss: str = "gradient directions") -> PairTrainer:
    schedule = Schedule(steps=steps, batch=4, learning_rate=2e-3)
    return PairTrainer([sampler], schedule, EncoderSettings(network=kind, loss=loss))


def angles(trained: PairTrainer, sampler: PairSampler) -> torch.Tensor:
    """(B,) degrees between the network's gradient and the geodesic's, translation and rotation scaled alike."""
    pairs = sampler.draw(24, torch.Generator().manual_seed(99))
    fixed = trained.similarity.fix_batch(pairs.xrays.images, pairs.xrays.masks)
    _, gradient = fixed.linearize(pairs.drrs, pairs.jacobians)
    center = sampler.xrays.volume.center
    from SphericalRegLib.geometry import so4

    wanted = gradient_of_distance(
        pairs.poses, pairs.xrays.poses, center, lambda a, b: so4.geodesic_se3(a, b, isocenter=center)
    )
    scale = torch.tensor([1.0] * 3 + [100.0] * 3)
    cosine = torch.nn.functional.cosine_similarity(gradient.detach() * scale, wanted.float() * scale)
    return torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))


@every_network
def test_a_short_training_lowers_the_loss(sampler: PairSampler, kind: str) -> None:
    losses = [step.loss for step in trainer(sampler, kind, 60).steps()]
    assert sum(losses[-15:]) / 15 < sum(losses[:15]) / 15


def test_prost_learns_where_the_truth_lies(sampler: PairSampler) -> None:
    trained = trainer(sampler, "prost-m", 120)
    before = float(angles(trained, sampler).median())
    for _ in trained.steps():
        pass
    after = float(angles(trained, sampler).median())
    assert after < before - 8
    assert after < 75


@every_network
@pytest.mark.parametrize("loss", ["gradient directions", "gradient se3", "gradient so4"])
def test_every_loss_of_the_gradient_reaches_the_networks_weights(sampler: PairSampler, kind: str, loss: str) -> None:
    trained = trainer(sampler, kind, 1, loss)
    trained.batch_loss(2).backward()
    moved = [parameter for parameter in trained.pair.parameters() if parameter.grad is not None]
    assert len(moved) >= len(list(trained.pair.parameters())) - 2
    assert all(bool(torch.isfinite(parameter.grad).all()) for parameter in moved)


def test_a_loss_of_the_optimizers_step_is_refused(sampler: PairSampler) -> None:
    with pytest.raises(InputError, match="has no Levenberg-Marquardt step"):
        trainer(sampler, "prost-t", 1, "step")


def test_a_resumed_training_is_the_uncut_one_to_the_bit(sampler: PairSampler, tmp_path: Path) -> None:
    whole = trainer(sampler, "cdreg", 6)
    losses = [step.loss for step in whole.steps()]
    cut = trainer(sampler, "cdreg", 6)
    list(islice(cut.steps(), 3))
    cut.save(tmp_path / "cut.safetensors")
    again = trainer(sampler, "cdreg", 6)
    again.resume(tmp_path / "cut.safetensors")
    assert [step.loss for step in again.steps()] == losses[3:]
    for name, value in whole.pair.state_dict().items():
        assert torch.equal(value, again.pair.state_dict()[name])


class TestModel:
    @pytest.fixture
    def model(self, sampler: PairSampler) -> Model:
        trained = trainer(sampler, "prost-m", 1)
        view = sampler.xrays.view
        span = {"rotation_deg": 1.0, "in_plane_mm": 1.0, "depth_mm": 1.0}
        card = ModelCard(
            "test",
            "2026-01-01",
            "0",
            view.intrinsics.tolist(),
            32,
            32,
            1000.0,
            700.0,
            torch.eye(4).tolist(),
            span,
            span,
        )
        return Model(replace(card, encoder_pixels=32), pair=trained.pair)

    def test_a_file_brings_the_network_back(self, model: Model, tmp_path: Path) -> None:
        model.save(tmp_path / "model.safetensors")
        again = load_model(tmp_path / "model.safetensors")
        assert again.pair is not None
        assert again.pair.settings == {"kind": "prost-m", "size": 32, "width": 16}
        assert again.learns_similarity
        for name, value in model.pair.state_dict().items():
            assert torch.allclose(value, again.pair.state_dict()[name], atol=1e-3)

    def test_systems_take_its_number_or_its_features(self, model: Model) -> None:
        number, features = (SYSTEMS[name].stages[0].look.of(model) for name in ("prost-m", "prost-m-lm"))
        assert isinstance(number.similarity, NetworkCost)
        assert isinstance(features.similarity, LearnedSimilarity)
        assert number.size == features.size == 32

    def test_a_system_of_another_network_says_which_it_needs(self, model: Model) -> None:
        with pytest.raises(
            CheckpointError, match="compares by the network 'prost-t', and the model 'test' has 'prost-m'"
        ):
            SYSTEMS["prost-t"].stages[0].look.of(model)

    def test_features_and_number_are_the_same_cost(self, model: Model) -> None:
        generator = torch.Generator().manual_seed(0)
        xray, drr = torch.rand(2, 32, 32, generator=generator)
        columns = torch.randn(1, 6, 32, 32, generator=generator)
        mask = torch.ones(32, 32)
        number, features = (
            SYSTEMS[name].stages[0].look.of(model).similarity.fix(xray, mask).compare(drr[None], columns, mask[None])
            for name in ("prost-m", "prost-m-lm")
        )
        # the features' cost is half the mean over places of the sum over 64 channels
        torch.testing.assert_close(32 * number.cost, features.cost, rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(32 * number.gradient, features.gradient, rtol=1e-3, atol=1e-6)
