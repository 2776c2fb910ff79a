"""Trainings of a study: each gives one model file, keeps checkpoints beside it, and goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.evaluation.study.result import TrainedFigures
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.networks.checkpoint import load_checkpoint
from SphericalRegLib.networks.regressor import count_weights
from SphericalRegLib.text_files import read_json_file
from SphericalRegLib.training.plan import Plan
from SphericalRegLib.training.run import TrainingRun
from SphericalRegLib.whole_file import write_whole

# Of a pace: steps that are not timed, for kernels are compiled and memory is taken, and steps that are.
_WARM, _TIMED = 3, 8
# Of a curve in a report.
_POINTS = 120
_SAVES = 20
_PHASES = {
    "regressor": ("regressor training",),
    "dense": ("dense training",),
    "encoders": ("encoder training", "pair training"),
}


@dataclass(frozen=True)
class TrainingOrder:
    """One training.

    Attributes:
        name: of the model; no other order has it.
        cts: names of the CTs that it learns from.
        plan: with the steps of its phases, where ``minutes`` are 0.
        minutes: of processor time, shared alike by its phases.
        folder: for checkpoints.
    """

    name: str
    cts: tuple[str, ...]
    plan: Plan
    minutes: float
    folder: Path


@dataclass(frozen=True)
class TrainedFile:
    """What comes of it: a model's file, as bytes, for it may come from another machine, and figures for JSON."""

    content: bytes
    figures: dict[str, Any]


def order_name(recipe: str, plan: Plan, cts: Sequence[str], seen: Sequence[Any], minutes: float, seed: int) -> str:
    """A name that tells what is trained, and ends with what makes it another training: plan, CTs and time."""
    told = {"plan": plan.told(), "cts": list(seen), "minutes": minutes}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]
    return f"{recipe}-{'+'.join(cts)}-seed{seed}-{digest}"


def train(scans: Mapping[str, CT], order: TrainingOrder) -> TrainedFile:
    """Train from where it is to the end.

    Raises:
        CheckpointError, InputError, TrainingError: as :class:`~SphericalRegLib.training.run.TrainingRun`.
    """
    cts = [scans[name] for name in order.cts]
    plan = _paced(cts, order)
    steps = max(one.steps for one in (plan.regressor, plan.dense, plan.encoders) if one is not None)
    every = max(1, steps // _SAVES)
    run = TrainingRun(cts, plan, order.folder, held_out=0, every=every, name=order.name)
    spent_file = order.folder / "spent.json"
    before = read_json_file(spent_file)["seconds"] if spent_file.exists() else 0.0
    began = time.process_time()
    for at in run:
        if at.step % every == 0 or at.step == at.steps:
            # with the checkpoint: what a kill takes away is not counted
            write_whole(spent_file, json.dumps({"seconds": before + time.process_time() - began}))
    model = run.model()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        content = path.read_bytes()
    history = model.card.history
    losses = _losses(order.folder)
    figures = {
        "minutes": read_json_file(spent_file)["seconds"] / 60,
        "steps": history["steps"],
        "weights": sum(
            count_weights(part.requires_grad_(True))
            for part in (model.regressor, model.dense, model.moving, model.volume_network, model.pair)
            if part is not None
        ),
        "losses": {phase: _ends(values) for phase, values in losses.items()},
        "curves": {phase: _curve(values) for phase, values in losses.items()},
        "pixels": {
            name: size
            for name, size, there in (
                ("image", plan.pixels, model.regressor is not None or model.dense is not None),
                ("similarity", plan.encoder_pixels, model.learns_similarity),
            )
            if there
        },
    }
    return TrainedFile(content, figures)


def figures_from(path: Path) -> TrainedFigures:
    """The figures that were kept beside a model.

    Raises:
        InputError: for a file that is not one of them.
    """
    told = read_json_file(path)
    try:
        return TrainedFigures(
            told["minutes"],
            told["steps"],
            told["weights"],
            {phase: (ends[0], ends[1]) for phase, ends in told["losses"].items()},
            {phase: (curve[0], curve[1]) for phase, curve in told["curves"].items()},
            told["pixels"],
        )
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path} tells no training ({error!r}): delete it, and the model is trained again.") from None


def _paced(cts: Sequence[CT], order: TrainingOrder) -> Plan:
    """The plan with as many steps as fit into its minutes here; once told, they stay, so that a training that was
    stopped ends as one that was not."""
    if order.minutes == 0:
        return order.plan
    path = order.folder / "steps.json"
    if path.exists():
        steps = read_json_file(path)
    else:
        phases = [name for name in _PHASES if getattr(order.plan, name) is not None]
        share = 60 * order.minutes / len(phases)
        steps = {phase: max(1, int(share / _pace(cts, order.plan, phase))) for phase in phases}
        order.folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(steps))
    changed = {phase: replace(getattr(order.plan, phase), steps=int(count)) for phase, count in steps.items()}
    return replace(order.plan, **changed)


def _pace(cts: Sequence[CT], plan: Plan, phase: str) -> float:
    """Processor seconds of one step."""
    alone: dict[str, Any] = dict.fromkeys(_PHASES)
    alone[phase] = replace(getattr(plan, phase), steps=_WARM + _TIMED)
    began = 0.0
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(cts, replace(plan, **alone), folder, held_out=0, every=_WARM + _TIMED, name="pace")
        for at in run:
            if at.step == _WARM:
                began = time.process_time()
            if at.step == _WARM + _TIMED - 1:
                return (time.process_time() - began) / (_TIMED - 1)
    raise AssertionError("a training has as many steps as its schedule")


def _losses(folder: Path) -> dict[str, list[float]]:
    """{phase: the loss of each step}, of a training that is done."""
    found = {}
    for phase, kinds in _PHASES.items():
        path = folder / f"{phase}.safetensors"
        if not path.exists():
            continue
        for kind in kinds:
            try:
                found[phase] = load_checkpoint(path, kind)[0]["losses"].tolist()
            except CheckpointError:
                if kind == kinds[-1]:
                    raise
            else:
                break
    return found


def _ends(losses: Sequence[float]) -> tuple[float, float]:
    """Means of the first steps and of the last tenth."""
    count = max(1, len(losses) // 10)
    first = losses[: min(count, 10)]
    return sum(first) / len(first), sum(losses[-count:]) / count


def _curve(losses: Sequence[float]) -> tuple[list[int], list[float]]:
    """Steps and mean losses of as many stretches as a picture shows."""
    size = max(1, -(-len(losses) // _POINTS))
    parts = [losses[start : start + size] for start in range(0, len(losses), size)]
    steps = [min(len(losses), (n + 1) * size) for n in range(len(parts))]
    return steps, [sum(part) / len(part) for part in parts]
