"""``sphericalreg register``: the main job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from typing_extensions import Unpack

from SphericalRegLib.cli.choices import OptimizerName, SimilarityName
from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.ct_reading import CTReading, read_scan
from SphericalRegLib.cli.device import DeviceName, choose_device
from SphericalRegLib.cli.inputs import IntensityName, Preset, read_starts, read_xrays
from SphericalRegLib.cli.outputs import output_folder
from SphericalRegLib.cli.remedies import in_options
from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.cases import bone_points
from SphericalRegLib.evaluation.pose_errors import pose_errors
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.io.xray import TONE_UNTOLD
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.registration import Registration, Settings, bone_settings, ending_with
from SphericalRegLib.registration.learned import prepare
from SphericalRegLib.rendering import linearize
from SphericalRegLib.reporting.description import describe_ct, describe_settings
from SphericalRegLib.reporting.outcome import Outcome
from SphericalRegLib.reporting.report import write_outputs
from SphericalRegLib.threads import set_threads

ACCEPTED, REJECTED = 0, 3

_FILES = ("pose.tfm", "result.json", "report.html", "drr*.png", "drr*.nrrd")

_RANGE = SearchRange()


def register(
    ct: str,
    xray: list[str],
    output: str,
    view: list[str] | None = None,
    sdd: float | None = None,
    sad: float | None = None,
    spacing: tuple[float, float] | None = None,
    frame: int | None = None,
    channel: int | None = None,
    intensity: IntensityName = "auto",
    labels: str | None = None,
    label_names: str | None = None,
    bones: list[int | str] | None = None,
    downsample: int = 1,
    start_pose: str | None = None,
    preset: Preset | None = None,
    angles: tuple[float, float] | None = None,
    landmarks: list[str] | None = None,
    model: str | None = None,
    learned_stage: bool = False,
    search: SearchRange = _RANGE,
    candidates: int | None = None,
    similarity: SimilarityName | None = None,
    optimizer: OptimizerName | None = None,
    footprint_mm: float | None = None,
    truth: str | None = None,
    kernel: str = "auto",
    seed: int = 0,
    device: DeviceName = "auto",
    threads: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    **reading: Unpack[CTReading],
) -> int:
    """Register a CT to one or several X-rays; writes pose, DRR, result.json and an HTML report.

    Research software, not a medical device. Exit code 0: accepted; 3: rejected; 2: input that cannot be used.

    Args:
        ct: CT in Hounsfield units: NRRD, NIfTI, MHA, or a folder with a DICOM series.
        xray: one or several X-rays: DICOM, PNG, TIFF, NRRD, MHA.
        output: folder for pose.tfm, result.json, report.html, drr.png, drr.nrrd.
        view: calibration, where DICOM does not tell or for several X-rays: our JSON, or Autoscoper's text files.
        sdd: source-to-detector distance in mm, instead of DICOM's.
        sad: source-to-isocenter distance in mm, instead of DICOM's.
        spacing: distance of pixel centers on the detector in mm, rows then columns, instead of DICOM's.
        frame: of a multi-frame X-ray, counted from 0.
        channel: of a color picture, counted from 0.
        intensity: what the X-ray's values are: "intensity" (raw), "inverted" (bone dark), "attenuation" (bone bright).
        labels: label map on the CT's grid.
        label_names: JSON file with the labels' names.
        bones: register only these bones, by name or number.
        downsample: average the CT over that many voxels along each axis.
        start_pose: pose to start from: .tfm, or a JSON file that holds one.
        preset: view to start from.
        angles: C-arm angles to start from, primary then secondary, degrees as DICOM defines them.
        landmarks: landmarks to start from: a CSV (name,x,y,z,u,v) or JSON file for each X-ray, or Slicer's .mrk.json of
            the CT and then of each X-ray.
        model: a model trained for this CT (sphericalreg train): it tells where to start from the X-ray alone.
        learned_stage: align under the model's similarity first, then by intensity; for far starts.
        search: how far from the start the truth may lie.
        candidates: poses tried around each start; 1 trusts it.
        similarity: by which the last stage aligns, instead of the measured best; the verdict goes on judging as it was
            measured.
        optimizer: with which the last stage aligns, instead of Levenberg-Marquardt.
        footprint_mm: compare only what lies this close to the DRR, mm at the patient; 3 where bones are chosen.
        truth: file with the true pose, to report errors.
        kernel: of the renderer: auto, numba, torch.
        seed: of the search.
        device: what computes.
        threads: of the processor to compute with; by default one for each processor.
        quiet: no messages.
        verbose: more messages, and tracebacks.
    """
    console = Console(quiet, verbose)
    set_threads(threads)
    if learned_stage and model is None:
        raise InputError("--learned_stage aligns by a model's similarity: name one with --model, or leave it out.")
    target = choose_device(device)
    read = [ct, *xray, *(view or []), labels, label_names, start_pose, *(landmarks or []), model, truth]
    with output_folder(console, output, _FILES, read) as folder:
        console.say("Reading ...")
        true_pose = None if truth is None else read_pose(truth)
        scan = read_scan(ct, reading, labels, label_names, downsample, console)
        xrays = read_xrays(xray, view, frame, intensity, channel=channel, sdd=sdd, sad=sad, spacing=spacing)
        volume = to_volume(scan, labels=bones).to(target)
        starts, origin = read_starts(
            xrays, volume, start_pose=start_pose, preset=preset, angles=angles, landmarks=landmarks
        )
        if bones is None and footprint_mm is None:
            settings = Settings(range=search, kernel=kernel, seed=seed)
        else:
            settings = bone_settings(kernel=kernel, seed=seed)
            if footprint_mm is not None:
                settings = replace(settings, footprint_mm=footprint_mm)
            if search != _RANGE:
                settings = replace(settings, range=search)
        if candidates is not None:
            settings = replace(settings, candidates=candidates)
        settings = ending_with(settings, similarity, optimizer)
        notes = tuple(f"{Path(ct).name}: {note}" for note in scan.notes)
        if model is not None:
            trained = load_model(model).to(target)
            known = any(option is not None for option in (start_pose, preset, angles, landmarks))
            prepared = prepare(
                trained,
                volume,
                xrays,
                starts if known else None,
                settings,
                fallback=starts,
                origin=origin,
                learned_first=learned_stage,
                whole=None if bones is None else to_volume(scan).to(target),
            )
            starts, settings = prepared.starts, prepared.settings
            notes, origin = notes + prepared.notes, prepared.origin
        else:
            console.say("No model (--model): poses around the start are searched.")
        console.detail(f"Start: {origin}. CT {tuple(volume.density.shape)}, {target}.")

        # The first run on a machine compiles the kernels, which is no part of a registration's time.
        console.detail("Preparing the kernels ...")
        linearize(volume, xrays[0].view.resized(8, 8), starts[:1], samples=8, kernel=kernel)

        registration = Registration(volume, xrays, starts, settings)
        with console.bar("Registering", len(settings.stages), "stage") as bar:
            for step in registration:
                bar.n = step.level
                bar.set_postfix_str(f"{step.stage} px, cost {step.cost:.3f}")
        result = registration.result()

        errors = start_errors = None
        if true_pose is not None:
            points = bone_points(scan, bones)
            views = [one.view for one in xrays]
            errors = pose_errors(result.pose, true_pose, points, views, volume.center)
            start_errors = pose_errors(starts[0], true_pose, points, views, volume.center)
        outcome = Outcome(
            result=result,
            xrays=xrays,
            starts=starts,
            isocenter=volume.center,
            ct=describe_ct(scan, volume, bones),
            settings=describe_settings(settings, origin, target),
            errors=errors,
            start_errors=start_errors,
            notes=notes,
        )
        console.say("Writing the report ...")
        write_outputs(folder, outcome, volume, kernel)
    report = Path(output).resolve() / "report.html"
    verdict = result.verdict
    error = "" if errors is None else f", error {errors['mtre_mm']:.2f} mm (mTRE)"
    console.say(f"{'Accepted' if verdict.accepted else 'Rejected'} after {result.seconds:.1f} s{error}.")
    for reason in verdict.reasons:
        console.say(f"  {reason}")
    for caution in outcome.cautions:
        console.say(f"  {in_options(caution)}")
    if not verdict.accepted and any(TONE_UNTOLD in one.conversion for one in xrays):
        console.say("  The X-ray's file does not tell whether bone is bright or dark in it: see --intensity.")
    console.say(f"Report: {report}")
    return ACCEPTED if verdict.accepted else REJECTED
