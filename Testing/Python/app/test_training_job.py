"""A training told step by step; cancelled, it keeps what was done."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from SphericalRegLib.app import Cancelled, Controller, Finished, Message, Progressed
from SphericalRegLib.app.jobs.training_job import TrainingInputs, TrainingJob
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.networks.checkpoint import load_checkpoint
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.sample import sample_path
from SphericalRegLib.training.encoders import EncoderSettings
from SphericalRegLib.training.plan import Plan
from SphericalRegLib.training.trainer import Schedule
from Testing.Python.app.doubles import Diary, HandTurned

pytestmark = pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")

PLAN = Plan(
    pixels=32,
    regressor=Schedule(steps=4, batch=2),
    encoder=EncoderSettings(channels=4, width=16),
    encoders=Schedule(steps=2, batch=2),
)


@pytest.fixture(scope="module")
def scan() -> CT:
    return read_ct(sample_path("pelvis_lumbar_3mm.nii.gz"))


def inputs(scan: CT, place: Path, **changes: Any) -> TrainingInputs:
    output = str(place / "models" / "m.safetensors")
    return TrainingInputs([scan], PLAN, output, place / "t", held_out=1, every=2, **changes)


def controlled(job: TrainingJob) -> tuple[Controller, HandTurned, Diary]:
    scheduler, diary = HandTurned(), Diary()
    controller = Controller(scheduler)
    controller.events.connect(diary)
    controller.start(lambda: job)
    return controller, scheduler, diary


def test_it_ends_with_the_model_in_its_file_and_the_medians_of_what_was_validated(scan: CT, tmp_path: Path) -> None:
    _controller, scheduler, diary = controlled(TrainingJob(inputs(scan, tmp_path)))
    scheduler.run_out()
    steps = [event.step for event in diary.of(Progressed)]
    assert [(step.phase, step.step) for step in steps] == [
        *(("regressor", n) for n in (1, 2, 3, 4)),
        *(("encoders", n) for n in (1, 2)),
    ]
    assert [step.done for step in steps] == [0.125, 0.25, 0.375, 0.5, 0.75, 1.0]
    trained = diary.of(Finished)[0].result
    path = Path(trained.figures["model"])
    assert trained.figures["bytes"] == path.stat().st_size
    assert load_model(path).card.name == trained.model.card.name == "m"
    assert trained.figures["held_out"] == 1
    assert trained.figures["aligned_mtre_mm"] > 0
    assert (tmp_path / "t" / "curves.png").exists()


def test_cancelled_it_keeps_every_step_and_goes_on_from_there(scan: CT, tmp_path: Path) -> None:
    controller, scheduler, diary = controlled(TrainingJob(inputs(scan, tmp_path)))
    scheduler.turn(4)
    assert controller.cancel()
    scheduler.run_out()
    assert diary.of(Cancelled)[0].count == 3
    kept, _header = load_checkpoint(tmp_path / "t" / "regressor.safetensors", "regressor training")
    # the last checkpoint by itself was that of step 2
    assert len(kept["losses"]) == 3
    del controller, scheduler, diary
    assert next(iter(TrainingJob(inputs(scan, tmp_path)))).step == 4


def test_a_process_that_does_not_write_leaves_nothing(scan: CT, tmp_path: Path) -> None:
    steps = iter(TrainingJob(inputs(scan, tmp_path, writes=False)))
    next(steps)
    steps.close()
    assert not list(tmp_path.rglob("*.safetensors"))


def test_what_hinders_it_without_ending_it_is_a_message(
    scan: CT, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = TrainingJob(inputs(scan, tmp_path))
    (tmp_path / "t" / "curves.png").mkdir()
    monkeypatch.setattr(type(job._run.folder), "is_locked", False)
    steps = iter(job)
    seen = [next(steps) for _ in range(4)]
    assert isinstance(seen[0], Message)
    assert "has no locks" in seen[0].text
    assert isinstance(seen[3], Message)
    assert "curves.png" in seen[3].text
    steps.close()
    assert "curves.png" in job.problem
