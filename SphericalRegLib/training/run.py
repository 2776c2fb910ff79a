"""A whole training: regressor, then encoders, with validation, checkpoints and a log; cancel it when you like."""

from __future__ import annotations

import copy
import datetime
import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from SphericalRegLib import __version__
from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.fingerprint import fingerprint
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.networks.model import Model, ModelCard
from SphericalRegLib.simulation.randomize import STEPS, STRONGER
from SphericalRegLib.training.dense import DenseTrainer
from SphericalRegLib.training.encoders import OWN, EncoderTrainer
from SphericalRegLib.training.folder import TrainingFolder
from SphericalRegLib.training.pair_networks import PairTrainer
from SphericalRegLib.training.pairs import PairSampler
from SphericalRegLib.training.plan import Plan, prepared_volume
from SphericalRegLib.training.ranges import check_poses, check_reach
from SphericalRegLib.training.regressor import RegressorTrainer
from SphericalRegLib.training.trainer import Trainer
from SphericalRegLib.training.validation import Validation, median
from SphericalRegLib.training.xrays import XRaySampler

_PROBABILITY = {"strong": 0.25, "paper": 0.5}
# Along each ray.
_FEWEST_SAMPLES = 48


@dataclass(frozen=True)
class TrainingProgress:
    """After one step.

    Attributes:
        phase: "regressor", "dense" or "encoders".
        step, steps: of the phase.
        done: share of the whole training; phases count alike.
        loss: of the step.
        seconds: that all runs of this training have taken so far.
        seconds_left: at the present pace; None in the first steps of a phase.
        validation_mm: median mTRE on held-out X-rays, where it was just measured.
        notice: what the user should know of.
    """

    phase: str
    step: int
    steps: int
    done: float
    loss: float
    seconds: float
    seconds_left: float | None
    validation_mm: float | None
    notice: str


class TrainingRun:
    """Trains a model of one CT (patient-specific), or encoders on several (patient-agnostic).

    Iterate it; stop whenever you like: what was done is in ``folder``, and a run of the same plan there goes on as if
    it had never stopped. When the iterator ends, ask for the :meth:`model`.

    Args:
        cts: one or several.
        plan: of the training. With several CTs there is no regressor: a pose is that of one patient.
        folder: for checkpoints, log.csv and plan.json; made if it is not there.
        device: that trains.
        start: a model whose weights to begin with (fine-tuning).
        held_out: X-rays to validate on.
        every: steps between validations and checkpoints.
        name: of the model.
        writes: whether this process keeps checkpoints and the log; of several, one does.

    Raises:
        InputError: for no CT, one without bone or with NaN, or a plan that cannot be.
        CheckpointError: if the folder holds another training, or ``start`` another architecture.
        GeometryError: if the ranges leave the CT outside of the beam.
    """

    def __init__(
        self,
        cts: Sequence[CT],
        plan: Plan,
        folder: str | os.PathLike[str],
        *,
        device: str = "cpu",
        start: Model | None = None,
        held_out: int = 12,
        every: int = 500,
        name: str = "model",
        writes: bool = True,
    ) -> None:
        if not cts:
            raise InputError("There is no CT to train on: name one or several with --ct.")
        self.plan, self.name, self.every = plan, name, every
        self._volumes = [to_volume(ct) for ct in cts]
        for volume in self._volumes:
            self._check_ranges(volume)
        self._fine_tuned = None if start is None else start.card.name
        self._trainers: dict[str, Trainer] = {}
        if plan.regressor is not None and len(cts) == 1:
            self._trainers["regressor"] = RegressorTrainer(
                self._sampler(self._volumes[0], plan.pixels, device),
                plan.regressor,
                plan.backbone,
                plan.backbone_width,
                plan.encoder.length,
                plan.mixed,
            )
        if plan.dense is not None and len(cts) == 1:
            sampler = self._sampler(self._volumes[0], plan.pixels, device)
            self._trainers["dense"] = DenseTrainer(sampler, plan.dense, plan.dense_kind, plan.dense_width)
        if plan.encoders is not None:
            size = plan.encoder_pixels
            pairs = [PairSampler(self._sampler(volume, size, device), plan.reach) for volume in self._volumes]
            self._trainers["encoders"] = (
                EncoderTrainer(pairs, plan.encoders, plan.encoder, plan.mixed)
                if plan.encoder.network == OWN
                else PairTrainer(pairs, plan.encoders, plan.encoder)
            )
        if not self._trainers:
            raise InputError("Several CTs have no regressor in common: train encoders, or a regressor on one CT.")
        if start is not None:
            self._begin_with(start)
        self.folder = TrainingFolder(folder, list(self._trainers), writes)
        self.folder.open(
            {
                "plan": plan.told(),
                "fine_tuned_from": self._fine_tuned,
                "cts": [list(fingerprint(volume).density) for volume in self._volumes],
            }
        )
        share = math.ceil(held_out / len(cts))
        self._validations = [Validation(ct, plan, share) for ct in cts] if held_out else []
        for phase, trainer in self._trainers.items():
            if (path := self.folder.checkpoint(phase)).exists():
                trainer.resume(path)
        self._seconds = self.folder.resume_log({phase: len(each.losses) for phase, each in self._trainers.items()})

    def __iter__(self) -> Iterator[TrainingProgress]:
        for number, (phase, trainer) in enumerate(self._trainers.items()):
            before = self._seconds[phase]
            done_before = len(trainer.losses)
            with self.folder.log() as log:
                for at in trainer.steps():
                    last = at.step == trainer.schedule.steps
                    self._seconds[phase] = before + at.seconds
                    found = None
                    if self.folder.writes and (at.step % self.every == 0 or last):
                        trainer.save(self.folder.checkpoint(phase))
                        found = self._validated(phase)
                    here = at.step - done_before
                    left = at.seconds / here * (trainer.schedule.steps - at.step) if here >= 10 or last else None
                    if log is not None and (at.step % 10 == 0 or last or found is not None):
                        row = (phase, at.step, at.loss, trainer.schedule.rate(at.step), self._seconds[phase], found)
                        log.writerow(["" if cell is None else cell for cell in row])
                    yield TrainingProgress(
                        phase,
                        at.step,
                        trainer.schedule.steps,
                        (number + at.step / trainer.schedule.steps) / len(self._trainers),
                        at.loss,
                        sum(self._seconds.values()),
                        left,
                        found,
                        at.notice,
                    )

    def save(self) -> None:
        """Keep what was done since the last checkpoint; after stopping in mid-run.

        Raises:
            CheckpointError: where it cannot be written.
        """
        for phase, trainer in self._trainers.items():
            if trainer.losses:
                trainer.save(self.folder.checkpoint(phase))

    def model(self) -> Model:
        """As trained so far, validated, on the CPU."""
        made = self._model()
        if self._validations:
            starts = self._on_all(Validation.start_mm)
            errors: dict[str, object] = {"held_out": len(starts)}
            if made.regressor is not None:
                errors["regressed_mtre_mm"] = self._on_all(lambda each: each.regressed_mm(made))
            if made.learns_similarity:
                errors["start_mtre_mm"] = starts
                errors["aligned_mtre_mm"] = self._on_all(lambda each: each.aligned_mm(made))
                costs = [each.costs(made) for each in self._validations]
                for name, values in zip(("cost_at_truth", "cost_at_start"), zip(*costs, strict=True), strict=True):
                    errors[name] = [*itertools.chain(*values)]
            made.card.history["validation"] = errors
        return made

    def _model(self) -> Model:
        plan, view = self.plan, self.plan.view()
        regressor, encoders = self._trainers.get("regressor"), self._trainers.get("encoders")
        dense = self._trainers.get("dense")
        volume = self._volumes[0]
        nominal = plan.nominal(volume.center)
        nominal[:3, 3] += nominal[:3, :3] @ volume.center
        assert isinstance(regressor, RegressorTrainer | None)
        assert isinstance(encoders, EncoderTrainer | PairTrainer | None)
        own = encoders if isinstance(encoders, EncoderTrainer) else None
        card = ModelCard(
            name=self.name,
            created=datetime.date.today().isoformat(),
            version=__version__,
            intrinsics=view.intrinsics.tolist(),
            height=view.height,
            width=view.width,
            sdd=plan.sdd,
            sad=plan.sad,
            nominal=nominal.tolist(),
            truth=asdict(plan.truth),
            reach=asdict(plan.reach),
            encoder_pixels=plan.encoder_pixels,
            manifold=plan.encoder.manifold,
            damping=0.1 if own is None else own.damping,
            length=plan.encoder.length,
            fingerprint=fingerprint(volume) if len(self._volumes) == 1 else None,
            intensities={"randomization": plan.randomization, "probability": _PROBABILITY[plan.randomization]},
            history={
                "plan": plan.told(),
                "fine_tuned_from": self._fine_tuned,
                "cts": len(self._volumes),
                "steps": {phase: len(trainer.losses) for phase, trainer in self._trainers.items()},
                "loss": {phase: _mean_of_last(trainer.losses) for phase, trainer in self._trainers.items()},
                "seconds": dict(self._seconds),
            },
        )
        return Model(
            card,
            regressor=None if regressor is None else copy.deepcopy(regressor.regressor),
            moving=None if own is None else copy.deepcopy(own.moving),
            fixed=None if own is None else copy.deepcopy(own.still),
            volume_network=None if encoders is None else copy.deepcopy(encoders.network),
            pair=copy.deepcopy(encoders.pair) if isinstance(encoders, PairTrainer) else None,
            dense=copy.deepcopy(dense.dense) if isinstance(dense, DenseTrainer) else None,
        ).to("cpu")

    def _sampler(self, whole: Volume, pixels: int, device: str) -> XRaySampler:
        plan = self.plan
        volume = prepared_volume(whole, plan, pixels).to(device)
        steps = tuple(STEPS) if plan.randomization == "paper" else (*STEPS, *STRONGER)
        return XRaySampler(
            volume,
            plan.view(pixels),
            plan.nominal(volume.center),
            plan.truth,
            samples=max(_FEWEST_SAMPLES, pixels),
            randomization=steps,
            probability=_PROBABILITY[plan.randomization],
            collimated=plan.randomization != "paper",
        )

    def _begin_with(self, start: Model) -> None:
        """Put a model's weights into the networks that are trained; those that it lacks begin as they are.

        Raises:
            CheckpointError: for networks of another architecture, or features for another manifold.
        """
        encoders, regressor = self._trainers.get("encoders"), self._trainers.get("regressor")
        pairs: list[tuple[str, Any, Any]] = []
        if isinstance(regressor, RegressorTrainer) and start.regressor is not None:
            pairs.append(("regressor", start.regressor.settings, regressor.regressor.settings))
        if isinstance(encoders, EncoderTrainer) and start.moving is not None and start.fixed is not None:
            pairs.append(("manifold", start.card.manifold, self.plan.encoder.manifold))
            pairs.append(("encoder", start.moving.settings, encoders.moving.settings))
            if self.plan.encoder.shared and not _is_shared(start):
                pairs.append(("encoders", "two", "one"))
            if start.volume_network is not None:
                # without one it begins as the identity
                pairs.append(("volume network", start.volume_network.kind, self.plan.encoder.volume_network))
        if different := [f"{what} {there} there, {here} here" for what, there, here in pairs if there != here]:
            raise CheckpointError(
                f"The model {start.card.name!r} has another architecture ({'; '.join(different)}): train with the same."
            )
        parts: dict[str, dict[str, Any]] = {"regressor": {}, "encoders": {}}
        if start.regressor is not None:
            parts["regressor"] = {f"regressor.{k}": v for k, v in start.regressor.state_dict().items()}
        if start.moving is not None and start.fixed is not None:
            for name, encoder in (("moving", start.moving), ("still", start.fixed)):
                parts["encoders"] |= {f"{name}.{k}": v for k, v in encoder.state_dict().items()}
            if start.volume_network is not None:
                parts["encoders"] |= {f"network.{k}": v for k, v in start.volume_network.state_dict().items()}
        for phase, trainer in self._trainers.items():
            if parts[phase]:
                trainer.load_weights(trainer.state_dict() | parts[phase], f"The model {start.card.name!r}")

    def _validated(self, phase: str) -> float | None:
        if not self._validations or phase == "dense":
            return None
        made = self._model()
        return median(
            self._on_all(lambda each: each.regressed_mm(made) if phase == "regressor" else each.aligned_mm(made))
        )

    def _on_all(self, measure: Callable[[Validation], list[float]]) -> list[float]:
        """Of all CTs' held-out X-rays."""
        return [value for each in self._validations for value in measure(each)]

    def _check_ranges(self, volume: Volume) -> None:
        plan = self.plan
        coarse = prepared_volume(volume, plan, plan.encoder_pixels)
        at = coarse, plan.view(plan.encoder_pixels), plan.nominal(coarse.center), plan.truth
        check_poses(*at)
        if plan.encoders is not None:
            check_reach(*at, plan.reach)


def _is_shared(model: Model) -> bool:
    """Whether both encoders of a model are one: a file keeps two."""
    assert model.moving is not None
    assert model.fixed is not None
    theirs = model.fixed.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in model.moving.state_dict().items())


def _mean_of_last(losses: Sequence[float], count: int = 100) -> float | None:
    recent = losses[-count:]
    return sum(recent) / len(recent) if recent else None
