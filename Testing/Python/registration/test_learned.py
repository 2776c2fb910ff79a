"""With a model, registration starts where the model says, and searches as without one where the model is in doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from SphericalRegLib.errors import CheckpointError
from SphericalRegLib.evaluation.cases import capture_view, draw_case, simulated_xray
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.ct import read_ct
from SphericalRegLib.imaging.fingerprint import fingerprint
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.networks.encoder import Encoder
from SphericalRegLib.networks.model import Model, ModelCard
from SphericalRegLib.networks.regressor import Prediction
from SphericalRegLib.networks.volume_network import volume_network
from SphericalRegLib.registration import Settings, register
from SphericalRegLib.registration.learned import learned_stage, prepare
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.sample import sample_path

TRUTH = {"rotation_deg": 20.0, "in_plane_mm": 50.0, "depth_mm": 100.0}
SUITE = SUITES["blind"]


class Oracle(nn.Module):
    """A regressor that knows one pose up to an error."""

    settings: dict[str, int] = {}  # noqa: RUF012

    def __init__(self, twist: torch.Tensor, log_odds: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.said = Prediction(twist[None].float(), torch.tensor([log_odds]))

    def forward(self, images: torch.Tensor) -> Prediction:
        return Prediction(self.said.twists.expand(len(images), 6), self.said.inside.expand(len(images)))


@pytest.fixture(scope="module")
def bench():
    ct = read_ct(sample_path("pelvis_lumbar_3mm.nii.gz"))
    volume, view = to_volume(ct), capture_view()
    case = draw_case(3, 99, view, volume.center, SUITE)
    return volume, simulated_xray(case, ct, view), case


def model_for(volume, case, error_deg=6.0, log_odds=5.0) -> Model:
    view = capture_view(64)
    nominal = se3.inverse(se3.inverse(case.start))
    center = volume.center
    twist = se3.difference_about(case.truth[None], nominal[None], center)[0]
    twist[:3] += np.deg2rad(error_deg) * torch.tensor([1.0, -1.0, 0.5]) / 1.5
    relative = nominal.clone()
    relative[:3, 3] += relative[:3, :3] @ center
    card = ModelCard(
        "oracle",
        "2026-01-01",
        "0.1",
        view.intrinsics.tolist(),
        64,
        64,
        1000.0,
        700.0,
        relative.tolist(),
        TRUTH,
        TRUTH,
        fingerprint=fingerprint(volume),
    )
    widths = SearchRange(**TRUTH).twist
    return Model(card, Oracle(twist / widths, log_odds))


def test_it_starts_where_the_regressor_says_and_ends_at_the_truth(bench):
    volume, xray, case = bench
    settings = Settings(range=SUITE.search)
    prepared = prepare(model_for(volume, case), volume, [xray], None, settings)
    assert prepared.starts.shape == (2, 4, 4)
    assert prepared.notes == ()
    assert prepared.settings.range.rotation_deg < settings.range.rotation_deg
    off = se3.difference_about(prepared.starts[:1], case.truth[None], volume.center)[0]
    assert 4 < float(torch.rad2deg(off[:3].norm())) < 8
    result = register(volume, [xray], prepared.starts, prepared.settings)
    left = se3.difference_about(result.pose[None], case.truth[None], volume.center)[0]
    assert float(left[3:].norm()) < 1.0
    assert result.verdict.accepted


def test_poses_that_the_user_knows_are_tried_as_well(bench):
    volume, xray, case = bench
    given = case.truth[None]
    prepared = prepare(model_for(volume, case), volume, [xray], given, Settings())
    assert prepared.starts.shape == (2, 4, 4)
    assert torch.equal(prepared.starts[1], given[0])


def test_an_x_ray_from_outside_of_the_range_is_told_and_searched_as_without_a_model(bench):
    volume, xray, case = bench
    settings = Settings(range=SearchRange(30, 60, 90))
    doubtful = model_for(volume, case, log_odds=-3.0)
    prepared = prepare(doubtful, volume, [xray], None, settings, fallback=case.start[None])
    assert prepared.settings == settings
    assert torch.equal(prepared.starts[2], case.start)
    assert "outside of the poses that the model 'oracle' was trained" in prepared.notes[0]
    assert "±20°, ±50 mm in plane, ±100 mm in depth" in prepared.notes[0]


def test_another_patients_model_is_refused(bench):
    volume, xray, case = bench
    other = replace(volume, density=volume.density.flip(1))
    with pytest.raises(CheckpointError, match="trained for another CT"):
        prepare(model_for(volume, case), other, [xray], None, Settings())


def test_encoders_make_a_stage_of_their_size_and_damping(bench):
    volume, _, case = bench
    with_regressor = model_for(volume, case)
    assert learned_stage(with_regressor) is None
    card = replace(with_regressor.card, encoder_pixels=96, damping=0.25, manifold="hyperbolic")
    stage = learned_stage(Model(card, moving=Encoder(4, 16, 1), fixed=Encoder(4, 16, 1)))
    assert (stage.size, stage.name, stage.optimizer.damping) == (96, "hyperbolic", 0.25)
    assert type(stage.similarity.manifold).__name__ == "Hyperbolic"


def test_the_learned_stage_sees_the_ct_through_the_volume_network(bench):
    volume, xray, case = bench
    network = volume_network("plain", radius=18.0)
    with torch.no_grad():
        network.last.fill_(0.02)
    encoder = Encoder(4, 16, 1)
    stage = learned_stage(Model(model_for(volume, case).card, moving=encoder, fixed=encoder, volume_network=network))
    levels = Levels(volume, [xray], case.start, None, 0.0, "auto")
    seen, plain = levels.objective(stage).volume, levels.objective(replace(stage, adapt=None)).volume
    assert not torch.allclose(seen.density, plain.density, rtol=0.05)
    assert levels.objective(stage).volume is seen  # Ψ runs once per CT


def test_a_learned_cost_above_its_limit_rejects_with_its_reason(bench):
    volume, xray, case = bench
    made = model_for(volume, case)
    torch.manual_seed(0)
    encoder = Encoder(4, 16, 1)
    for right, accepted in (([1.9, 1.5], True), ([1e-9, 1e-9], False)):
        card = replace(made.card, history={"validation": {"cost_at_truth": right, "cost_at_start": right}})
        judged = Model(card, made.regressor, encoder, encoder)
        prepared = prepare(judged, volume, [xray], None, Settings())
        result = register(volume, [xray], prepared.starts, prepared.settings)
        assert result.verdict.accepted == accepted
        assert any("learned similarity disagrees" in reason for reason in result.verdict.reasons) != accepted


def test_the_limit_lies_between_the_costs_of_right_and_of_wrong_poses():
    card = ModelCard("m", "", "", [], 64, 64, 1000.0, 700.0, [], TRUTH, TRUTH)
    assert card.cost_limit is None
    between = replace(card, history={"validation": {"cost_at_truth": [0.05, 0.1], "cost_at_start": [0.4, 0.3, 0.9]}})
    assert between.cost_limit == pytest.approx(0.2)
    close = replace(card, history={"validation": {"cost_at_truth": [0.05, 0.1], "cost_at_start": [0.11]}})
    assert close.cost_limit == pytest.approx(0.125)
