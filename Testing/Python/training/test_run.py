"""A training stops and goes on without loss, keeps its log, and makes a model that says what it is."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import CheckpointError, GeometryError, InputError
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.training.curves import save_curves
from SphericalRegLib.training.encoders import EncoderSettings
from SphericalRegLib.training.plan import Plan
from SphericalRegLib.training.run import TrainingRun
from SphericalRegLib.training.trainer import Schedule

pytestmark = pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")

PLAN = Plan(
    pixels=32,
    regressor=Schedule(steps=6, batch=4),
    encoder=EncoderSettings(channels=4, width=16, blocks=1),
    encoders=Schedule(steps=4, batch=3),
)


def weights(run: TrainingRun) -> dict[str, torch.Tensor]:
    model = run.model()
    parts = {"regressor": model.regressor, "moving": model.moving, "fixed": model.fixed}
    return {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}


def test_a_run_that_was_stopped_anywhere_ends_as_one_that_was_not(sample_ct, tmp_path):
    whole = TrainingRun([sample_ct], PLAN, tmp_path / "whole", held_out=0, every=2)
    steps = [(at.phase, at.step, at.loss) for at in whole]
    seen = []
    # in the middle of either phase, at a checkpoint and between two
    for count in (3, 2, 3, None):
        part = TrainingRun([sample_ct], PLAN, tmp_path / "parts", held_out=0, every=2)
        seen += [(at.phase, at.step, at.loss) for at in islice(part, count)]
        part.save()
    assert seen == steps
    assert [phase for phase, _, _ in steps] == ["regressor"] * 6 + ["encoders"] * 4
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(part)[name]), name


def test_steps_after_the_last_checkpoint_of_a_killed_run_are_done_again(sample_ct, tmp_path):
    killed = TrainingRun([sample_ct], PLAN, tmp_path, held_out=0, every=2)
    first = [at.loss for at in islice(killed, 5)]
    again = TrainingRun([sample_ct], PLAN, tmp_path, held_out=0, every=2)
    rest = [(at.step, at.loss) for at in again]
    assert rest[0] == (5, first[4])
    with (tmp_path / "log.csv").open() as file:
        rows = [(row["phase"], int(row["step"])) for row in csv.DictReader(file)]
    assert rows == sorted(set(rows), key=rows.index)
    assert ("encoders", 4) in rows


def test_a_model_tells_what_it_is_for_and_how_it_was_validated(sample_ct, tmp_path):
    run = TrainingRun([sample_ct], PLAN, tmp_path / "t", held_out=1, every=3, name="mine")
    found = [at for at in run if at.validation_mm is not None]
    assert {(at.phase, at.step) for at in found} == {
        ("regressor", 3),
        ("regressor", 6),
        ("encoders", 3),
        ("encoders", 4),
    }
    assert found[-1].seconds_left == 0
    assert [at.done for at in found] == [0.25, 0.5, 0.875, 1.0]
    model = run.model()
    assert model.card.history["validation"]["regressed_mtre_mm"] == [pytest.approx(found[1].validation_mm)]
    assert model.card.history["validation"]["aligned_mtre_mm"] == [pytest.approx(found[3].validation_mm)]
    assert model.card.history["steps"] == {"regressor": 6, "encoders": 4}
    assert model.card.truth == {"rotation_deg": 22, "in_plane_mm": 55, "depth_mm": 110}
    assert model.card.fingerprint is not None
    model.save(tmp_path / "m.safetensors")
    assert json.dumps(load_model(tmp_path / "m.safetensors").card.history) == json.dumps(model.card.history)
    save_curves(tmp_path / "t" / "log.csv", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_fine_tuning_begins_with_the_models_weights(sample_ct, tmp_path):
    plan = replace(PLAN, encoder=replace(PLAN.encoder, volume_network="plain"))
    first = TrainingRun([sample_ct], plan, tmp_path / "a", held_out=0)
    list(first)
    start = first.model()
    assert float(start.volume_network.last.abs().max()) > 0
    second = TrainingRun([sample_ct], plan, tmp_path / "b", held_out=0, start=start)
    model = second.model()
    for part in ("regressor", "moving", "fixed", "volume_network"):
        for name, value in getattr(model, part).state_dict().items():
            assert torch.equal(value, getattr(start, part).state_dict()[name]), name
    assert model.card.history["fine_tuned_from"] == "model"
    wider = replace(plan, encoder=replace(plan.encoder, width=32))
    with pytest.raises(CheckpointError, match=r"'model' has another architecture \(encoder .*'width': 16.* there"):
        TrainingRun([sample_ct], wider, tmp_path / "c", held_out=0, start=start)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backbone": "posenet"}, "regressor .*resnet18.* there, .*posenet.* here"),
        ({"encoder": replace(PLAN.encoder, blocks=2)}, "encoder .*'blocks': 1.* there, .*'blocks': 2.* here"),
        ({"encoder": replace(PLAN.encoder, manifold="euclidean")}, "manifold spherical there, euclidean here"),
        ({"encoder": replace(PLAN.encoder, shared=True)}, "encoders two there, one here"),
    ],
)
def test_fine_tuning_another_architecture_is_refused(changes, words, sample_ct, tmp_path):
    plan = replace(PLAN, encoder=replace(PLAN.encoder, shared=False))
    first = TrainingRun([sample_ct], plan, tmp_path / "a", held_out=0)
    list(first)
    with pytest.raises(CheckpointError, match=f"another architecture .*{words}"):
        TrainingRun([sample_ct], replace(plan, **changes), tmp_path / "b", held_out=0, start=first.model())
    assert not (tmp_path / "b").exists()


def test_fine_tuning_adds_a_volume_network_that_begins_as_the_identity(sample_ct, tmp_path):
    first = TrainingRun([sample_ct], PLAN, tmp_path / "a", held_out=0)
    list(first)
    plan = replace(PLAN, encoder=replace(PLAN.encoder, volume_network="plain"))
    second = TrainingRun([sample_ct], plan, tmp_path / "b", held_out=0, start=first.model()).model()
    assert float(second.volume_network.last.abs().max()) == 0


def test_another_plan_or_ct_in_the_same_folder_is_refused(sample_ct, tmp_path):
    # as long as nothing was trained there, the plan may change
    TrainingRun([sample_ct], replace(PLAN, pixels=64), tmp_path, held_out=0)
    run = TrainingRun([sample_ct], PLAN, tmp_path, held_out=0)
    next(iter(run))
    run.save()
    with pytest.raises(CheckpointError, match=r"holds another training \(its plan differ"):
        TrainingRun([sample_ct], replace(PLAN, pixels=64), tmp_path, held_out=0)
    mirrored = replace(sample_ct, hu=sample_ct.hu[::-1].copy())
    with pytest.raises(CheckpointError, match=r"holds another training \(its cts differ"):
        TrainingRun([mirrored], PLAN, tmp_path, held_out=0)


def test_a_training_goes_on_with_another_learning_rate(sample_ct, tmp_path):
    run = TrainingRun([sample_ct], PLAN, tmp_path, held_out=0)
    next(iter(run))
    run.save()
    slower = replace(PLAN, regressor=replace(PLAN.regressor, learning_rate=1e-4))
    assert next(iter(TrainingRun([sample_ct], slower, tmp_path, held_out=0))).step == 2


def test_a_log_that_a_full_disk_has_cut_is_read_as_far_as_it_is_whole(sample_ct, tmp_path):
    run = TrainingRun([sample_ct], PLAN, tmp_path, held_out=0, every=2)
    list(run)
    text = (tmp_path / "log.csv").read_text()
    (tmp_path / "log.csv").write_text(text + "encoders,2")
    TrainingRun([sample_ct], PLAN, tmp_path, held_out=0, every=2)
    assert (tmp_path / "log.csv").read_text() == text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"truth": SearchRange(22, 3000, 110)},
            r"3000 mm in plane.*outside of the beam: give --poses.in_plane_mm (\d+) or",
        ),
        (
            {"reach": SearchRange(45, 4000, 150)},
            r"4000 mm in plane.*outside of the beam: give --reach.in_plane_mm (\d+) or",
        ),
    ],
)
def test_ranges_that_leave_the_beam_are_refused_with_one_that_does_not(changes, message, sample_ct, tmp_path):
    with pytest.raises(GeometryError, match=message) as told:
        TrainingRun([sample_ct], replace(PLAN, **changes), tmp_path / "a", held_out=0)
    assert not (tmp_path / "a").exists()
    ((name, extent),) = changes.items()
    fits = replace(extent, in_plane_mm=float(re.search(message, str(told.value)).group(1)))
    assert fits.in_plane_mm > 50
    TrainingRun([sample_ct], replace(PLAN, **{name: fits}), tmp_path / "a", held_out=0)


def test_held_out_xrays_are_of_all_cts(sample_ct, tmp_path):
    run = TrainingRun([sample_ct, sample_ct], PLAN, tmp_path, held_out=3)
    list(run)
    assert run.model().card.history["validation"]["held_out"] == 4


def test_several_patients_have_encoders_but_no_regressor_in_common(sample_ct, tmp_path):
    run = TrainingRun([sample_ct, sample_ct], PLAN, tmp_path / "a", held_out=0)
    assert {at.phase for at in run} == {"encoders"}
    model = run.model()
    assert model.regressor is None
    assert model.card.fingerprint is None
    with pytest.raises(InputError, match="no regressor in common"):
        TrainingRun([sample_ct] * 2, replace(PLAN, encoders=None), tmp_path / "b", held_out=0)


def test_a_ct_that_cannot_train_is_refused_before_anything_is_written(sample_ct, ct_without_bone, tmp_path):
    with pytest.raises(InputError, match="holds no bone"):
        TrainingRun([ct_without_bone], PLAN, tmp_path / "a", held_out=0)
    holed = replace(sample_ct, hu=np.where(sample_ct.hu > 1000, np.nan, sample_ct.hu).astype(np.float32))
    with pytest.raises(InputError, match="NaN"):
        TrainingRun([holed], PLAN, tmp_path / "a", held_out=0)
    with pytest.raises(InputError, match="no CT to train on"):
        TrainingRun([], PLAN, tmp_path / "a", held_out=0)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixels": 50}, "pixels is 50: train at a multiple of 32"),
        ({"detector_mm": 0.0}, "detector_mm is 0"),
        ({"randomization": "wild"}, "no randomization 'wild'"),
        ({"regressor": None, "encoders": None}, "nothing to train"),
        ({"truth": SearchRange(0, 50, 50)}, "must be above 0"),
    ],
)
def test_plans_that_cannot_be_are_refused(changes, message, sample_ct, tmp_path):
    with pytest.raises(InputError, match=message):
        TrainingRun([sample_ct], replace(PLAN, **changes), tmp_path, held_out=0)


def test_a_folder_that_cannot_be_written_is_told(sample_ct, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot be used"):
        TrainingRun([sample_ct], PLAN, tmp_path / "file", held_out=0)


def test_an_empty_log_cannot_be_drawn(tmp_path):
    (tmp_path / "log.csv").write_text("phase,step,loss,learning_rate,seconds,validation_mm\n")
    with pytest.raises(InputError, match="is empty"):
        save_curves(tmp_path / "log.csv", tmp_path / "c.png")
    with pytest.raises(InputError, match="cannot be read"):
        save_curves(tmp_path / "none.csv", tmp_path / "c.png")
