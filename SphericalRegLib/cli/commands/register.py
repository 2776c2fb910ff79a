"""``sphericalreg register``: the main job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from typing_extensions import Unpack

from SphericalRegLib.app.device import DeviceName, choose_device
from SphericalRegLib.app.jobs.registration_job import Inputs, RegistrationJob
from SphericalRegLib.cli.commands.register_bodies import (
    ACCEPTED,
    PLANE_ONLY,
    REJECTED,
    refuse_options,
    register_bodies,
    tell_bodies,
)
from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.outputs import output_folder
from SphericalRegLib.cli.parsing.choices import OptimizerName, SimilarityName
from SphericalRegLib.cli.process.remedies import in_options
from SphericalRegLib.cli.reading.ct_reading import CTReading, read_scan
from SphericalRegLib.cli.reading.inputs import Preset, read_case
from SphericalRegLib.cli.reading.system_choice import chosen_system
from SphericalRegLib.cli.reading.xray_reading import XRayReading, files_of, read_images
from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.tolerance import GeometryTolerance
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import Uncertainty
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.io.xray import TONE_UNTOLD
from SphericalRegLib.networks.model import Model, load_model
from SphericalRegLib.registration import Case, Conditions, System
from SphericalRegLib.reporting.outcome import Outcome
from SphericalRegLib.reporting.report import write_outputs
from SphericalRegLib.threads import set_threads

# Stands for the system's own: the parser cannot tell it from the same numbers typed.
_RANGE = SearchRange()

_AS_TOLD = GeometryTolerance()

# Options that several bodies have no use for, as they are where nobody gives them.
_OF_ONE_BODY: dict[str, object] = {
    "bones": None,
    "model": None,
    "learned_stage": False,
    "search": _RANGE,
    "candidates": None,
    "similarity": None,
    "optimizer": None,
    "footprint_mm": None,
    "uncertainty": "calibrated",
    "truth": None,
}

_FILES = ("pose*.tfm", "result.json", "report.html", "drr*.png", "drr*.nrrd")


class RegisterReading(CTReading, XRayReading, total=False):
    """How CT and X-rays are read."""


def register(
    ct: str,
    xray: list[str],
    output: str,
    geometry_tolerance: GeometryTolerance = _AS_TOLD,
    labels: str | None = None,
    label_names: str | None = None,
    bones: list[int | str] | None = None,
    bodies: list[str] | None = None,
    downsample: int = 1,
    start_pose: str | None = None,
    preset: Preset | None = None,
    angles: tuple[float, float] | None = None,
    landmarks: list[str] | None = None,
    model: str | None = None,
    learned_stage: bool = False,
    system: str | None = None,
    search: SearchRange = _RANGE,
    candidates: int | None = None,
    similarity: SimilarityName | None = None,
    optimizer: OptimizerName | None = None,
    footprint_mm: float | None = None,
    tolerance_mm: float = 1.0,
    tolerance_deg: float = 1.0,
    uncertainty: Uncertainty = "calibrated",
    truth: str | None = None,
    kernel: str = "auto",
    seed: int = 0,
    device: DeviceName = "auto",
    threads: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    **reading: Unpack[RegisterReading],
) -> int:
    """Register a CT to one or several X-rays; writes pose, DRR, result.json and an HTML report.

    Research software, not a medical device. Exit code 0: accepted; 4: accepted in the plane only, its depth is
    doubtful; 3: rejected; 2: input that cannot be used.

    Args:
        ct: CT in Hounsfield units: NRRD, NIfTI, MHA, or a folder with a DICOM series.
        xray: one or several X-rays: DICOM, PNG, TIFF, NRRD, MHA.
        output: folder for pose.tfm, result.json, report.html, drr.png, drr.nrrd.
        geometry_tolerance: how well the X-ray's geometry is known.
        labels: label map on the CT's grid.
        label_names: JSON file with the labels' names.
        bones: register only these bones, by name or number, as one piece.
        bodies: register these bones each at its own pose, and the rest of the CT as a body too: each a label, or
            NAME=LABEL+LABEL for one of several labels.
        downsample: average the CT over that many voxels along each axis.
        start_pose: pose to start from: .tfm, or a JSON file that holds one.
        preset: view to start from.
        angles: C-arm angles to start from, primary then secondary, degrees as DICOM defines them.
        landmarks: landmarks to start from: a CSV (name,x,y,z,u,v) or JSON file for each X-ray, or Slicer's .mrk.json of
            the CT and then of each X-ray.
        model: a model trained for this CT (sphericalreg train): it tells where to start from the X-ray alone.
        learned_stage: align under the model's similarity first, then by intensity; for far starts.
        system: how to register: a name that "sphericalreg systems" lists, a YAML file, or a result.json whose system is
            to run again. Options below change parts of it.
        search: how far from the start the truth may lie; 20 40 80, the default, stands for as far as the system looks.
        candidates: poses followed around each start, of a survey the best; 1 trusts it.
        similarity: by which the last stage aligns, instead of the measured best; the verdict goes on judging as it was
            measured.
        optimizer: with which the last stage aligns, instead of Levenberg-Marquardt.
        footprint_mm: compare only what lies this close to the DRR, mm at the patient; 3 where bones are chosen.
        tolerance_mm: what you need, in the plane and in depth: a direction is accepted where it is known (95 %) to
            twice as much.
        tolerance_deg: what you need of rotation.
        uncertainty: where intervals come from: "calibrated" on other patients' X-rays; "simulated", from X-rays made of
            this CT at the pose found and registered again, half a minute more.
        truth: file with the true pose, to report errors.
        kernel: of the renderer: auto, or a name that `sphericalreg info` lists.
        seed: of the search.
        device: what computes.
        threads: of the processor to compute with; by default one for each processor.
        quiet: no messages.
        verbose: more messages, and tracebacks.
    """
    console = Console(quiet, verbose)
    set_threads(threads)
    if bodies is not None:
        refuse_options(
            {
                "bones": bones,
                "model": model,
                "learned_stage": learned_stage,
                "search": search,
                "candidates": candidates,
                "similarity": similarity,
                "optimizer": optimizer,
                "footprint_mm": footprint_mm,
                "uncertainty": uncertainty,
                "truth": truth,
            },
            _OF_ONE_BODY,
        )
    trained = None if model is None else load_model(model)
    if bodies is not None:
        target = choose_device(device)
        read = [ct, *xray, labels, label_names, start_pose, *(landmarks or []), *files_of(reading)]
        with output_folder(console, output, _FILES, read) as folder:
            console.say("Reading ...")
            scan = read_scan(ct, reading, labels, label_names, downsample, console)
            xrays = read_images(xray, reading, geometry_tolerance)

            def known(whole: Volume, seen: Sequence[XRay]) -> Case:
                # says where the start is given in more than one way
                return read_case(whole, seen, start_pose=start_pose, preset=preset, angles=angles, landmarks=landmarks)

            found = register_bodies(
                scan,
                xrays,
                bodies,
                known,
                chosen_system(system or "bodies"),
                Conditions(kernel, seed, tolerance_mm, tolerance_deg),
                target,
                folder,
                console,
            )
        return tell_bodies(found, output, console)
    method = _system(system, bones, trained, learned_stage)
    reach = None if search == _RANGE else search
    method = method.searching(reach, candidates).comparing_within(footprint_mm).ending_with(similarity, optimizer)
    target = choose_device(device)
    read = [ct, *xray, labels, label_names, start_pose, *(landmarks or []), model, truth, *files_of(reading)]
    with output_folder(console, output, _FILES, read) as folder:
        console.say("Reading ...")
        true_pose = None if truth is None else read_pose(truth)
        scan = read_scan(ct, reading, labels, label_names, downsample, console)
        xrays = read_images(xray, reading, geometry_tolerance)
        case = read_case(
            to_volume(scan, labels=bones).to(target),
            xrays,
            start_pose=start_pose,
            preset=preset,
            angles=angles,
            landmarks=landmarks,
            whole=to_volume(scan).to(target) if bones and trained is not None else None,
            model=None if trained is None else trained.to(target),
        )
        if trained is None:
            console.say("No model (--model): poses around the start are searched.")
        console.detail(f"System {method.name}. CT {tuple(case.volume.density.shape)}, {target}.")
        notes = tuple(f"{Path(ct).name}: {note}" for note in scan.notes)
        conditions = Conditions(kernel, seed, tolerance_mm, tolerance_deg, uncertainty)
        job = RegistrationJob(Inputs(scan, case, method, conditions, bones, true_pose, notes=notes))
        _follow(job, console, len(method.stages))
        outcome = job.outcome()
        console.detail(f"Start: {outcome.settings['start']}.")
        console.say("Writing the report ...")
        write_outputs(folder, outcome, case.volume, kernel)
    return _told(outcome, output, console)


def _follow(job: RegistrationJob, console: Console, stages: int) -> None:
    """Run it, and tell how far it is."""
    with console.bar("Registering", stages, "stage") as bar:
        for step in job:
            bar.n, bar.total = step.level, step.levels
            bar.set_postfix_str(f"{step.stage} px, cost {step.cost:.3f}")


def _system(name: str | None, bones: list[int | str] | None, model: Model | None, learned_first: bool) -> System:
    """The system that the options name.

    Raises:
        InputError: for one that needs a model, without a model.
    """
    method = chosen_system(name, bones=bones is not None, model=model is not None)
    if learned_first:
        if model is None:
            raise InputError("--learned_stage aligns by a model's similarity: name one with --model, or leave it out.")
        method = method.learned_first()
    if method.needs_model and model is None:
        raise InputError(f"The system {method.name!r} needs a trained model: name one with --model.")
    return method


def _told(outcome: Outcome, output: str, console: Console) -> int:
    """The verdict on the console, and the exit code."""
    verdict, errors = outcome.result.verdict, outcome.errors
    report = Path(output).resolve() / "report.html"
    error = "" if errors is None else f", error {errors['mtre_mm']:.2f} mm (mTRE)"
    console.say(f"{verdict.words.capitalize()} after {outcome.result.seconds:.1f} s{error}.")
    known = outcome.result.half_widths
    widths = (
        _width("rotation", known.rotation_deg, "°"),
        _width("in the plane", known.plane_mm, " mm"),
        _width("depth", known.depth_mm, " mm"),
    )
    console.say(f"  Known (95 %): {', '.join(widths)}.")
    for reason in verdict.reasons:
        console.say(f"  {in_options(reason)}")
    for caution in outcome.cautions:
        console.say(f"  {in_options(caution)}")
    if not verdict.accepted and any(TONE_UNTOLD in one.conversion for one in outcome.xrays):
        console.say("  The X-ray's file does not tell whether bone is bright or dark in it: see --intensity.")
    console.say(f"Report: {report}")
    return ACCEPTED if verdict.accepted else PLANE_ONLY if verdict.plane_only else REJECTED


def _width(direction: str, half_width: float, unit: str) -> str:
    return f"{direction} ±{half_width:.2g}{unit}" if half_width < float("inf") else f"{direction} not known"
