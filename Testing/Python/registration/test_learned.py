"""With a model, registration starts where the model says, and searches as without one where the model is in doubt."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from SphericalRegLib.registration.learned import learned_stage, prepare, with_learned_stage
from SphericalRegLib.registration.settings import bone_settings
from torch import nn

from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.evaluation.cases import capture_view, draw_case, simulated_xray
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.fingerprint import fingerprint
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.networks.encoder import Encoder
from SphericalRegLib.networks.model import Model, ModelCard, load_model
from SphericalRegLib.networks.regressor import Prediction
from SphericalRegLib.networks.volume_network import volume_network
from SphericalRegLib.registration import Registration, Settings, register
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.sample import sample_path

TRUTH = {"rotation_deg": 20.0, "in_plane_mm": 50.0, "depth_mm": 100.0}
SUITE = SUITES["blind"]
WIDE = SUITES["wide"]


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


@pytest.fixture(scope="module")
def far():
    """An X-ray with a start from which intensity alone finds nothing, and the shipped model's encoders alone."""
    ct = read_ct(sample_path("pelvis_lumbar_3mm.nii.gz"))
    volume, view = to_volume(ct), capture_view()
    case = draw_case(2, 0, view, volume.center, WIDE)
    model = load_model(sample_path("pelvis_lumbar_3mm_model.safetensors"))
    return volume, simulated_xray(case, ct, view), case, replace(model, regressor=None)


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


def test_bones_alone_start_where_the_whole_ct_lies_and_are_compared_without_the_model(bench):
    volume, xray, case = bench
    settings = bone_settings()
    prepared = prepare(model_for(volume, case), volume, [xray], None, settings, whole=volume)
    assert prepared.settings == settings
    assert prepared.origin == "the whole CT's pose, found from the model 'oracle'"
    left = se3.difference_about(prepared.starts, case.truth[None], volume.center)[0]
    assert prepared.starts.shape == (1, 4, 4)
    assert float(left[3:].norm()) < 1.0
    with pytest.raises(InputError, match="compares whole CTs: align bones alone without it"):
        prepare(model_for(volume, case), volume, [xray], None, settings, learned_first=True, whole=volume)


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


def test_costs_in_its_reason_have_two_digits_however_small_they_are(bench):
    volume, xray, case = bench
    made = model_for(volume, case)
    torch.manual_seed(0)
    encoder = Encoder(4, 16, 1)
    card = replace(made.card, history={"validation": {"cost_at_truth": [0.00123], "cost_at_start": [0.00123]}})
    prepared = prepare(Model(card, made.regressor, encoder, encoder), volume, [xray], None, Settings())
    stopped = Registration(volume, [xray], case.truth[None], replace(prepared.settings, candidates=1, retries=0))
    next(iter(stopped))
    (reason,) = [one for one in stopped.result().verdict.reasons if "learned similarity disagrees" in one]
    found = re.search(r"its cost is (\S+), where right poses stay below (\S+)\. ", reason)
    assert found[2] == "0.0015"
    assert len(found[1].replace(".", "").lstrip("0")) == 2


def test_a_model_of_several_patients_does_not_judge_another_one(bench):
    volume, xray, case = bench
    made = model_for(volume, case)
    encoder = Encoder(4, 16, 1)
    card = replace(made.card, history={"validation": {"cost_at_truth": [1e-9], "cost_at_start": [1e-9]}})
    own = prepare(Model(card, moving=encoder, fixed=encoder), volume, [xray], case.truth[None], Settings())
    assert own.settings.opinion.limit == pytest.approx(1.25e-9)
    assert own.notes == ()
    many = Model(replace(card, fingerprint=None), moving=encoder, fixed=encoder)
    other = prepare(many, volume, [xray], case.truth[None], Settings())
    assert other.settings == Settings()
    # then nothing of it is used, which the user is told
    assert "Nothing of the model 'oracle' was used" in other.notes[0]
    assert prepare(many, volume, [xray], case.truth[None], Settings(), learned_first=True).notes == ()


def test_the_learned_stage_in_front_brings_a_far_start_to_the_truth(far):
    volume, xray, case, model = far
    alone = Settings(candidates=1, retries=0)
    prepared = prepare(model, volume, [xray], case.start[None], alone, learned_first=True)
    assert torch.equal(prepared.starts, case.start[None])
    names = [stage.name for stage in prepared.settings.stages]
    assert names == ["spherical", "select", "align", "refine"]
    ends = {}
    for words, settings in (("intensity", alone), ("learned", prepared.settings)):
        result = register(volume, [xray], prepared.starts, settings)
        left = se3.difference_about(result.pose[None], case.truth[None], volume.center)[0]
        ends[words] = (float(left[3:].norm()), result.verdict.accepted)
    assert ends["learned"][0] < 1.0
    assert ends["learned"][1]
    assert ends["intensity"][0] > 20
    assert not ends["intensity"][1]


def test_a_pose_as_far_off_as_the_similarity_reaches_has_not_left_the_search(far):
    volume, xray, case, model = far
    near = Settings(range=SearchRange(5.0, 10.0, 20.0), candidates=4)
    settings = with_learned_stage(model, volume, near)
    # ±45° in ranges of 5°, and the candidates' own range
    assert settings.thresholds.strayed == pytest.approx(10.0)
    assert settings.range == near.range
    limited = replace(settings, thresholds=near.thresholds)
    assert register(volume, [xray], case.start[None], settings).verdict.accepted
    reasons = register(volume, [xray], case.start[None], limited).verdict.reasons
    assert [reason[:15] for reason in reasons] == ["Left the search"]
    # a range of 0 is taken for 5, and a wide one leaves the limit as it is
    assert with_learned_stage(model, volume, Settings(range=SearchRange(0, 80, 150))).thresholds.strayed == 10.0
    assert with_learned_stage(model, volume, Settings(range=SearchRange(90, 160, 300))).thresholds.strayed == 2.0


def test_the_last_stage_is_never_replaced_by_the_learned_one(far):
    volume, _, _, model = far
    last = Settings().stages[-1]
    assert [s.name for s in with_learned_stage(model, volume, Settings(stages=(last,))).stages] == [
        "spherical",
        "refine",
    ]


def test_the_learned_stage_needs_encoders_and_the_patient_they_were_trained_on(bench, far):
    volume, xray, case = bench
    with pytest.raises(CheckpointError, match=r"'oracle' has no encoders.*--encoder_steps above 0"):
        prepare(model_for(volume, case), volume, [xray], None, Settings(), learned_first=True)
    other = replace(volume, density=volume.density.flip(1))
    with pytest.raises(CheckpointError, match="trained for another CT"):
        with_learned_stage(far[3], other, Settings())


def test_the_origin_of_the_starts_names_the_model_only_where_it_gave_one(bench):
    volume, xray, case = bench
    regressing = model_for(volume, case)
    encoder = Encoder(4, 16, 1)
    encoding = Model(regressing.card, moving=encoder, fixed=encoder)
    given = case.start[None]

    def origin(model, given, **options):
        return prepare(model, volume, [xray], given, Settings(), origin="AP", **options).origin

    assert origin(regressing, None) == "the model 'oracle'"
    assert origin(regressing, None, fallback=given) == "the model 'oracle'"
    assert origin(regressing, given) == "the model 'oracle' and AP"
    doubtful = model_for(volume, case, log_odds=-3.0)
    assert origin(doubtful, None, fallback=given) == "the model 'oracle' and AP"
    assert origin(encoding, given) == "AP"
    assert origin(encoding, None, fallback=given) == "AP"
    aligned = "AP, then the learned similarity of the model 'oracle'"
    assert origin(encoding, given, learned_first=True) == aligned


def test_without_a_regressor_it_starts_from_what_is_known_or_says_that_nothing_is(bench):
    volume, xray, case = bench
    encoder = Encoder(4, 16, 1)
    encoding = Model(model_for(volume, case).card, moving=encoder, fixed=encoder)
    prepared = prepare(encoding, volume, [xray], None, Settings(), fallback=case.start[None])
    assert torch.equal(prepared.starts, case.start[None])
    assert prepared.settings.range == Settings().range
    with pytest.raises(CheckpointError, match="no pose regressor"):
        prepare(encoding, volume, [xray], None, Settings())


def test_the_limit_lies_between_the_costs_of_right_and_of_wrong_poses():
    card = ModelCard("m", "", "", [], 64, 64, 1000.0, 700.0, [], TRUTH, TRUTH)
    assert card.cost_limit is None
    between = replace(card, history={"validation": {"cost_at_truth": [0.05, 0.1], "cost_at_start": [0.4, 0.3, 0.9]}})
    assert between.cost_limit == pytest.approx(0.2)
    close = replace(card, history={"validation": {"cost_at_truth": [0.05, 0.1], "cost_at_start": [0.11]}})
    assert close.cost_limit == pytest.approx(0.125)
