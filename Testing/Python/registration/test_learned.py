"""With a model, registration starts where the model says, and searches as without one where the model is in doubt."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.evaluation.cases import capture_view, draw_case, simulated_xray
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.fingerprint import fingerprint
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.initialization import Case, Conditions, SearchRange, starts_of
from SphericalRegLib.initialization.regressed import regressed_poses
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.networks.encoder import Encoder
from SphericalRegLib.networks.model import Model, ModelCard, load_model
from SphericalRegLib.networks.regressor import Prediction
from SphericalRegLib.networks.volume_network import volume_network
from SphericalRegLib.registration import SYSTEMS, Registration, System, register
from SphericalRegLib.registration.alignment import Alignment
from SphericalRegLib.registration.judging.opinion import learned_opinion
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.registration.system import learned_stage
from SphericalRegLib.sample import sample_path

TRUTH = {"rotation_deg": 20.0, "in_plane_mm": 50.0, "depth_mm": 100.0}
SUITE = SUITES["blind"]
WIDE = SUITES["wide"]
INTENSITY, MODEL, BONES_MODEL = (SYSTEMS[name] for name in ("intensity", "model", "bones-model"))


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


def begun(case: Case, system: System) -> Registration:
    """With its first step done, so that it knows its starts."""
    registration = Registration(case, system)
    next(iter(registration))
    return registration


def encoding_only(made: Model, **changes) -> Model:
    encoder = Encoder(4, 16, 1)
    return Model(replace(made.card, **changes), moving=encoder, fixed=encoder)


def test_it_starts_where_the_regressor_says_and_ends_at_the_truth(bench):
    volume, xray, case = bench
    known = Case(volume, [xray], model=model_for(volume, case))
    starts = starts_of(MODEL.initializer, known)
    assert starts.poses.shape == (2, 4, 4)
    assert starts.notes == ()
    assert starts.reach.rotation_deg < SUITE.search.rotation_deg
    # perspective makes the poses from the opposite side rougher
    assert starts.leeway == 4.0
    off = se3.difference_about(starts.poses[:1], case.truth[None], volume.center)[0]
    assert 4 < float(torch.rad2deg(off[:3].norm())) < 8
    result = register(known, MODEL.searching(SUITE.search))
    left = se3.difference_about(result.pose[None], case.truth[None], volume.center)[0]
    assert float(left[3:].norm()) < 1.0
    assert result.verdict.accepted


def test_bones_alone_start_where_the_whole_ct_lies_and_are_compared_without_the_model(bench):
    volume, xray, case = bench
    known = Case(volume, [xray], whole=volume, model=model_for(volume, case))
    registration = Registration(known, BONES_MODEL)
    for step in registration:
        if not step.stage.startswith("whole CT: "):
            break
    assert registration.origin == "the whole CT's pose, found from the model 'oracle'"
    starts = registration.starts
    assert starts.poses.shape == (1, 4, 4)
    assert (starts.reach, starts.candidates) == (SearchRange(10.0, 10.0, 10.0), 24)
    left = se3.difference_about(starts.poses, case.truth[None], volume.center)[0]
    assert float(left[3:].norm()) < 1.0
    assert registration.notes == ()
    with pytest.raises(InputError, match="compares whole CTs: align bones alone without it"):
        Registration(known, BONES_MODEL.learned_first())


def test_poses_that_the_user_knows_are_tried_as_well(bench):
    volume, xray, case = bench
    known = Case(volume, [xray], model=model_for(volume, case), poses=case.truth)
    starts = starts_of(MODEL.initializer, known)
    assert starts.poses.shape == (2, 4, 4)
    assert torch.equal(starts.poses[1], case.truth)


def test_the_opposite_side_is_tried_only_where_nobody_tells_the_side(bench):
    volume, xray, case = bench
    known = Case(volume, [xray], model=model_for(volume, case))
    (said,) = regressed_poses(known.model, volume, [xray])
    starts = starts_of(MODEL.initializer, known)
    assert torch.equal(starts.poses, torch.stack([said.pose, said.opposite]))
    one_sided = starts_of(replace(MODEL.initializer, opposite=False), known)
    assert torch.equal(one_sided.poses, said.pose[None])
    told = starts_of(MODEL.initializer, replace(known, preset="AP"))
    assert torch.equal(told.poses[0], said.pose)
    assert len(told.poses) == 2


def test_an_x_ray_from_outside_of_the_range_is_told_and_searched_as_without_a_model(bench):
    volume, xray, case = bench
    far = SearchRange(30, 60, 90)
    doubtful = Case(volume, [xray], model=model_for(volume, case, log_odds=-3.0))
    starts = starts_of(MODEL.searching(far).initializer, doubtful)
    alone = starts_of(INTENSITY.searching(far).initializer, replace(doubtful, model=None))
    assert (starts.reach, starts.candidates, starts.leeway) == (alone.reach, alone.candidates, alone.leeway)
    assert starts.reach == far
    # from its guesses, and from whatever else is known
    assert len(starts.poses) == 4
    assert torch.equal(starts.poses[2:], alone.poses)
    assert "outside of the poses that the model 'oracle' was trained" in starts.notes[0]
    assert "±20°, ±50 mm in plane, ±100 mm in depth" in starts.notes[0]


def test_another_patients_model_is_refused(bench):
    volume, xray, case = bench
    other = replace(volume, density=volume.density.flip(1))
    with pytest.raises(CheckpointError, match="trained for another CT"):
        Registration(Case(other, [xray], model=model_for(volume, case)), MODEL)


def test_a_system_that_needs_a_model_says_so_without_one(bench):
    volume, xray, case = bench
    with pytest.raises(CheckpointError, match="starts where a trained model says, and there is none: choose a model"):
        next(iter(Registration(Case(volume, [xray]), MODEL)))
    with pytest.raises(CheckpointError, match="compares by a trained model's similarity, and there is none"):
        Registration(Case(volume, [xray], poses=case.start), SYSTEMS["learned-similarity"])


def test_encoders_make_a_stage_of_their_size_and_damping(bench):
    volume, _, case = bench
    with_regressor = model_for(volume, case)
    with pytest.raises(CheckpointError, match="has no encoders"):
        learned_stage().of(with_regressor)
    stage = learned_stage().of(encoding_only(with_regressor, encoder_pixels=96, damping=0.25, manifold="hyperbolic"))
    assert (stage.look.size, stage.name, stage.optimizer.damping) == (96, "learned", 0.25)
    assert type(stage.look.similarity.manifold).__name__ == "Hyperbolic"
    with pytest.raises(CheckpointError, match="'flat', which is none of"):
        learned_stage().of(encoding_only(with_regressor, manifold="flat"))


def test_a_system_about_a_loss_refuses_encoders_trained_by_another(bench):
    volume, _, case = bench
    by = {loss: {"plan": {"encoder": {"loss": loss}}} for loss in ("gradient so4", "gradient se3")}
    models = {loss: encoding_only(model_for(volume, case), history=history) for loss, history in by.items()}
    so4, se3_stage = (SYSTEMS[name].stages[0] for name in ("paper-so4", "paper-se3"))
    assert so4.of(models["gradient so4"]).look.size == models["gradient so4"].card.encoder_pixels
    assert se3_stage.of(models["gradient se3"]).look.size == models["gradient se3"].card.encoder_pixels
    with pytest.raises(CheckpointError, match="trained by the loss 'gradient se3', and this system is about"):
        so4.of(models["gradient se3"])
    with pytest.raises(CheckpointError, match="trained by the loss None"):
        so4.of(encoding_only(model_for(volume, case)))


def test_the_learned_stage_sees_the_ct_through_the_volume_network(bench):
    volume, xray, case = bench
    network = volume_network("plain", radius=18.0)
    with torch.no_grad():
        network.last.fill_(0.02)
    encoder = Encoder(4, 16, 1)
    model = Model(model_for(volume, case).card, moving=encoder, fixed=encoder, volume_network=network)
    look = learned_stage().of(model).look
    levels = Levels(volume, [xray], case.start, 0.0, "auto")
    seen, plain = levels.objective(look).volume, levels.objective(replace(look, adapt=None)).volume
    assert not torch.allclose(seen.density, plain.density, rtol=0.05)
    assert levels.objective(look).volume is seen  # Ψ runs once per CT


def test_a_learned_cost_above_its_limit_rejects_with_its_reason(bench):
    volume, xray, case = bench
    made = model_for(volume, case)
    torch.manual_seed(0)
    encoder = Encoder(4, 16, 1)
    for right, accepted in (([1.9, 1.5], True), ([1e-9, 1e-9], False)):
        card = replace(made.card, history={"validation": {"cost_at_truth": right, "cost_at_start": right}})
        judged = Case(volume, [xray], model=Model(card, made.regressor, encoder, encoder))
        result = register(judged, MODEL)
        assert result.verdict.accepted == accepted
        assert any("learned similarity disagrees" in reason for reason in result.verdict.reasons) != accepted
    # a judge that asks for no second opinion gets none
    assert register(judged, replace(MODEL, judge=replace(MODEL.judge, opinion=False))).verdict.accepted


def test_costs_in_its_reason_have_two_digits_however_small_they_are(bench):
    volume, xray, case = bench
    torch.manual_seed(0)
    history = {"validation": {"cost_at_truth": [0.00123], "cost_at_start": [0.00123]}}
    model = encoding_only(model_for(volume, case), history=history)
    stopped = begun(Case(volume, [xray], poses=case.truth, model=model), SYSTEMS["one-start"])
    (reason,) = [one for one in stopped.result().verdict.reasons if "learned similarity disagrees" in one]
    found = re.search(r"its cost is (\S+), where right poses stay below (\S+)\. ", reason)
    assert found[2] == "0.0015"
    assert len(found[1].replace(".", "").lstrip("0")) == 2


def test_a_model_of_several_patients_does_not_judge_another_one(bench):
    volume, xray, case = bench
    history = {"validation": {"cost_at_truth": [1e-9], "cost_at_start": [1e-9]}}
    own = encoding_only(model_for(volume, case), history=history)
    assert learned_opinion(own).limit == pytest.approx(1.25e-9)
    known = Case(volume, [xray], poses=case.truth, model=own)
    assert begun(known, MODEL).notes == ()
    many = encoding_only(model_for(volume, case), history=history, fingerprint=None)
    assert learned_opinion(many) is None
    other = begun(replace(known, model=many), MODEL)
    assert other.starts.reach == INTENSITY.initializer.given.reach
    # then nothing of it is used, which the user is told
    assert "Nothing of the model 'oracle' was used" in other.notes[0]
    assert begun(replace(known, model=many), MODEL.learned_first()).notes == ()


def test_the_learned_stage_in_front_brings_a_far_start_to_the_truth(far):
    volume, xray, case, model = far
    known = Case(volume, [xray], poses=case.start, model=model)
    ends = {}
    for name in ("one-start", "learned-one-start"):
        registration = Registration(known, SYSTEMS[name])
        for _ in registration:
            pass
        assert torch.equal(registration.starts.poses, case.start[None])
        result = registration.result()
        left = se3.difference_about(result.pose[None], case.truth[None], volume.center)[0]
        ends[name] = (float(left[3:].norm()), result.verdict.accepted)
    assert [stage.name for stage in SYSTEMS["learned-one-start"].stages] == ["learned", "align", "depth", "refine"]
    assert ends["learned-one-start"][0] < 1.0
    assert ends["learned-one-start"][1]
    assert ends["one-start"][0] > 20
    assert not ends["one-start"][1]


def test_a_pose_as_far_off_as_the_similarity_reaches_has_not_left_the_search(far):
    volume, xray, case, model = far
    known = Case(volume, [xray], poses=case.start, model=model)
    near = SYSTEMS["near"].learned_first()
    registration = begun(known, near)
    # ±45° in ranges of 5°, and the candidates' own range
    assert registration.starts.leeway == pytest.approx(10.0)
    assert registration.starts.reach == SearchRange(5.0, 10.0, 20.0)
    assert register(known, near).verdict.accepted
    bound = replace(near, stages=tuple(stage.of(model) for stage in near.stages))
    limited = Alignment(volume, [xray], replace(registration.starts, leeway=2.0), bound, Conditions())
    for _ in limited:
        pass
    assert [reason[:15] for reason in limited.result().verdict.reasons] == ["Left the search"]
    # a range of 0 is taken for 5, and a wide one leaves the limit as it is
    for reach, leeway in ((SearchRange(0, 80, 150), 10.0), (SearchRange(90, 160, 300), 1.5)):
        assert begun(known, near.searching(reach)).starts.leeway == leeway


def test_the_last_stage_is_never_replaced_by_the_learned_one():
    short = replace(INTENSITY, stages=INTENSITY.stages[-1:])
    assert [stage.name for stage in short.learned_first().stages] == ["learned", "refine"]


def test_the_learned_stage_needs_encoders_and_the_patient_they_were_trained_on(bench, far):
    volume, xray, case = bench
    with pytest.raises(CheckpointError, match=r"'oracle' has no encoders.*--encoder_steps above 0"):
        Registration(Case(volume, [xray], model=model_for(volume, case)), MODEL.learned_first())
    other = replace(volume, density=volume.density.flip(1))
    with pytest.raises(CheckpointError, match="trained for another CT"):
        Registration(Case(other, [xray], poses=case.start, model=far[3]), INTENSITY.learned_first())


def test_the_origin_of_the_starts_names_the_model_only_where_it_gave_one(bench):
    volume, xray, case = bench
    regressing = model_for(volume, case)
    encoding = encoding_only(regressing)
    nothing = "nothing known: AP and PA were tried"

    def origin(model, system=MODEL, **known):
        return begun(Case(volume, [xray], model=model, **known), system).origin

    given = {"poses": case.start, "poses_origin": "the hand"}
    assert origin(regressing) == "the model 'oracle'"
    assert origin(regressing, **given) == "the model 'oracle' and the hand"
    assert origin(model_for(volume, case, log_odds=-3.0)) == f"the model 'oracle' and {nothing}"
    assert origin(encoding, **given) == "the hand"
    assert origin(encoding) == nothing
    aligned = "the hand, then the learned similarity of the model 'oracle'"
    assert origin(encoding, MODEL.learned_first(), **given) == aligned


def test_without_a_regressor_it_starts_from_what_is_known(bench):
    volume, xray, case = bench
    encoding = encoding_only(model_for(volume, case))
    known = Case(volume, [xray], model=encoding, poses=case.start)
    starts = starts_of(MODEL.initializer, known)
    assert torch.equal(starts.poses, case.start[None])
    assert starts.reach == INTENSITY.initializer.given.reach
    with pytest.raises(CheckpointError, match="no pose regressor"):
        regressed_poses(encoding, volume, [xray])


def test_the_limit_lies_between_the_costs_of_right_and_of_wrong_poses():
    card = ModelCard("m", "", "", [], 64, 64, 1000.0, 700.0, [], TRUTH, TRUTH)
    assert card.cost_limit is None
    between = replace(card, history={"validation": {"cost_at_truth": [0.05, 0.1], "cost_at_start": [0.4, 0.3, 0.9]}})
    assert between.cost_limit == pytest.approx(0.2)
    close = replace(card, history={"validation": {"cost_at_truth": [0.05, 0.1], "cost_at_start": [0.11]}})
    assert close.cost_limit == pytest.approx(0.125)
