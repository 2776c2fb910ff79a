"""``sphericalreg train``: a model for one patient, or encoders for many."""

from __future__ import annotations

import contextlib
import json as json_text
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed as dist
from typing_extensions import Unpack

from SphericalRegLib.app.device import DeviceName, choose_device
from SphericalRegLib.app.jobs.steps import Message
from SphericalRegLib.app.jobs.training_job import TrainingInputs, TrainingJob
from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.outputs import output_files
from SphericalRegLib.cli.process.signals import INTERRUPTED, Stopped
from SphericalRegLib.cli.process.stopping import StopRequest
from SphericalRegLib.cli.reading.ct_reading import CTReading, read_scan
from SphericalRegLib.cli.reading.inputs import Preset
from SphericalRegLib.cli.running import Computing, begin
from SphericalRegLib.errors import InputError
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.training.encoders import EncoderSettings
from SphericalRegLib.training.plan import Plan

_PLAN = Plan()


class TrainOptions(CTReading, Computing, total=False):
    """How CTs are read, and how the command runs."""


def train(
    ct: list[str],
    output: str,
    folder: str | None = None,
    start: str | None = None,
    downsample: int = 1,
    preset: Preset = "AP",
    sdd: float = _PLAN.sdd,
    sad: float = _PLAN.sad,
    detector_mm: float = _PLAN.detector_mm,
    pixels: int = _PLAN.pixels,
    encoder_pixels: int = _PLAN.encoder_pixels,
    poses: SearchRange = _PLAN.truth,
    reach: SearchRange = _PLAN.reach,
    randomization: Literal["strong", "paper"] = "strong",
    regressor_steps: int | None = None,
    regressor_batch: int | None = None,
    encoder_steps: int | None = None,
    encoder_batch: int | None = None,
    learning_rate: float | None = None,
    backbone: str = _PLAN.backbone,
    backbone_width: int = _PLAN.backbone_width,
    encoder: EncoderSettings = _PLAN.encoder,
    held_out: int = 24,
    every: int = 500,
    seed: int = 0,
    mixed: bool = False,
    until_input_ends: bool = False,
    json: bool = False,
    **options: Unpack[TrainOptions],
) -> int:
    """Train a model for one CT: a pose regressor and a learned similarity; or, for several CTs, the similarity alone.

    Research software, not a medical device. Stop it at any moment (Ctrl-C): the same command goes on where it stopped.
    The folder beside the output keeps checkpoints, log.csv and curves.png; it may be deleted afterwards.

    Args:
        ct: one CT or several, in Hounsfield units: NRRD, NIfTI, MHA, or a folder with a DICOM series.
        output: the model's file, .safetensors.
        folder: for checkpoints and the log; OUTPUT.training by default.
        start: a model to begin with (fine-tuning).
        downsample: average the CT over that many voxels along each axis.
        preset: the view in the middle of the poses.
        sdd: source-to-detector distance, mm.
        sad: source-to-isocenter distance, mm.
        detector_mm: side of the detector, mm.
        pixels: along each side of the images that the regressor sees.
        encoder_pixels: along each side of the images that the encoders see.
        poses: how far the poses of X-rays lie from the preset, to either side.
        reach: how far starts may lie from the truth, for the similarity.
        randomization: strong: with the simulator's degradations; paper: exactly the published steps.
        regressor_steps: of the optimizer; 0: no regressor.
        regressor_batch: X-rays a step.
        encoder_steps: of the optimizer; 0: no similarity.
        encoder_batch: pairs a step.
        learning_rate: at its highest.
        backbone: of the regressor: resnet18, convnext, swin, posenet.
        backbone_width: channels of its first stage.
        encoder: manifold, loss, unrolled steps, sharing and sizes of the encoders; the volume network.
        held_out: X-rays from the simulator, to validate on.
        every: steps between checkpoints.
        seed: of weights and images.
        mixed: half precision on CUDA.
        until_input_ends: stop as if by Ctrl-C when standard input ends; for programs that start a training.
        json: print progress and, last, the figures as lines of JSON.
    """
    # messages go to stderr, JSON to stdout
    console = begin(options)
    place = _place(output, folder)
    with output_files(console, [output], [*ct, start]):
        # sees that the model can be written, before hours are spent on it
        pass
    if every < 1 or held_out < 0:
        raise InputError(f"every={every} must be 1 or more, held_out={held_out} 0 or more.")
    plan = _plan(regressor_steps, regressor_batch, encoder_steps, encoder_batch, learning_rate, seed)
    plan = replace(plan, sdd=sdd, sad=sad, detector_mm=detector_mm, preset=preset, truth=poses, reach=reach)
    plan = replace(plan, pixels=pixels, encoder_pixels=encoder_pixels, randomization=randomization, mixed=mixed)
    plan = replace(plan, backbone=backbone, backbone_width=backbone_width, encoder=encoder)
    device, leader = _device(options.get("device", "auto"))
    with _told_what_is_kept(place):
        console.say("Reading ...")
        scans = [read_scan(path, options, downsample=downsample, console=console) for path in ct]
        beginning = None if start is None else load_model(start)
        console.say("Preparing held-out X-rays ...")
        job = TrainingJob(TrainingInputs(scans, plan, output, place, device, beginning, held_out, every, writes=leader))
        stop = StopRequest(until_input_ends)
        if not _follow(job, console, json and leader, device, stop):
            _say(console, job.problem, f"Stopped; the same command goes on from {place}." if leader else "")
            return stop.code
        if not leader:
            return 0
        console.say("Validating ...")
        trained = job.result()
        _say(console, job.problem)
    _tell(trained.figures, console, json)
    return 0


def _place(output: str, folder: str | None) -> Path:
    """The training's own folder.

    Raises:
        InputError: for an output that is no model's, or within that folder.
    """
    if not output.endswith(".safetensors"):
        raise InputError(f"The output {output} must end with .safetensors, which is what a model is.")
    place = Path(folder if folder is not None else f"{output}.training")
    if Path(output).resolve().parent == place.resolve():
        raise InputError(f"{output} lies in the training's own folder: name a place outside of {place}.")
    return place


def _tell(figures: dict[str, Any], console: Console, as_json: bool) -> None:
    """A model's figures: as a line of JSON on the standard output, or as messages."""
    if as_json:
        print(json_text.dumps(figures))
        return
    left = dict(figures)
    seconds = ", ".join(f"{phase} {_minutes(value)}" for phase, value in left.pop("seconds").items())
    console.say(f"{left.pop('model')}: {left.pop('bytes') / 1e6:.1f} MB, trained for {seconds}.")
    for key, value in left.items():
        console.say(f"{key}: {value:.3g}" if isinstance(value, float) else f"{key}: {value}")


def _say(console: Console, *messages: str) -> None:
    """Those that are not empty."""
    for message in filter(None, messages):
        console.say(message)


@contextlib.contextmanager
def _told_what_is_kept(folder: Path) -> Iterator[None]:
    """Within it, one who stops the training learns what is kept of it."""
    try:
        yield
    except KeyboardInterrupt as stop:
        code = stop.code if isinstance(stop, Stopped) else INTERRUPTED
        if any(folder.glob("*.safetensors")):
            raise Stopped(code, f"the last checkpoint is kept: the same command goes on from {folder}.") from None
        raise Stopped(code, "no step was kept: the same command begins anew.") from None


def _plan(
    regressor_steps: int | None,
    regressor_batch: int | None,
    encoder_steps: int | None,
    encoder_batch: int | None,
    learning_rate: float | None,
    seed: int,
) -> Plan:
    """The default plan with these numbers in its schedules."""
    schedules: dict[str, Any] = {}
    for name, steps, batch in (
        ("regressor", regressor_steps, regressor_batch),
        ("encoders", encoder_steps, encoder_batch),
    ):
        usual = getattr(_PLAN, name)
        if steps == 0:
            schedules[name] = None
            continue
        schedules[name] = replace(
            usual,
            steps=usual.steps if steps is None else steps,
            batch=usual.batch if batch is None else batch,
            learning_rate=usual.learning_rate if learning_rate is None else learning_rate,
            seed=seed,
        )
    return replace(_PLAN, **schedules)


def _follow(job: TrainingJob, console: Console, as_json: bool, device: str, stop: StopRequest) -> bool:
    """Train, and tell how it goes; whether to the end, for it may be stopped after any step, which is kept."""
    phase = ""
    # closed within the request, for then it saves: a launcher's second signal must not cut it short
    with console.bar("Training", None, "step") as bar, stop, contextlib.closing(iter(job)) as steps:
        for at in steps:
            if isinstance(at, Message):
                console.say(at.text)
                continue
            if at.phase != phase:
                phase = at.phase
                bar.reset(total=at.steps)
                bar.set_description(f"Training the {phase}")
            bar.n = at.step
            if at.notice:
                console.say(at.notice)
            if at.validation_mm is not None:
                left = "" if at.seconds_left is None else f", {_minutes(at.seconds_left)} left for the {at.phase}"
                console.say(
                    f"The {at.phase}, step {at.step} of {at.steps}: loss {at.loss:.3f}, held-out X-rays "
                    f"{at.validation_mm:.1f} mm{left}."
                )
            if at.step % 10 == 0 or at.step == at.steps or at.validation_mm is not None:
                left = "" if at.seconds_left is None else f", {_minutes(at.seconds_left)} left"
                bar.set_postfix_str(f"loss {at.loss:.3f}{left}")
                if as_json:
                    print(json_text.dumps(asdict(at)), flush=True)
            if stop.agreed(device):
                return False
    return True


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _device(name: DeviceName) -> tuple[str, bool]:
    """What computes, and whether this process is the one that writes; under torchrun each process has its own GPU."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world < 2:
        return str(choose_device(name)), True
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    kind = choose_device(name).type
    if not dist.is_initialized():
        dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    if kind == "cuda":
        torch.cuda.set_device(rank)
        return f"cuda:{rank}", dist.get_rank() == 0
    return kind, dist.get_rank() == 0
