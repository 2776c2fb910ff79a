"""``sphericalreg landscape``: how a similarity looks from around a pose."""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from SphericalRegLib.app.device import DeviceName, choose_device
from SphericalRegLib.app.jobs.landscape_job import LandscapeJob
from SphericalRegLib.app.jobs.landscape_study_job import LandscapeStudyJob
from SphericalRegLib.cli.commands.simulated_xrays import SimulatedXRays, settings_of, simulated, wants_simulated
from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.outputs import output_folder
from SphericalRegLib.cli.reading.ct_reading import CTReading, read_scan
from SphericalRegLib.cli.reading.inputs import Preset, read_case
from SphericalRegLib.cli.reading.system_choice import chosen_system
from SphericalRegLib.cli.reading.xray_reading import XRayReading, files_of, read_images
from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.initialization import Case, Known, Starts, starts_of
from SphericalRegLib.landscape import DISTANCES, PARAMETERS, Axis, Landscape
from SphericalRegLib.landscape.files import write_csv, write_npz
from SphericalRegLib.landscape.picture import draw
from SphericalRegLib.landscape.report import as_json, as_text
from SphericalRegLib.networks.model import Model, load_model
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.looks import looks_by_name, looks_of
from SphericalRegLib.reporting.landscape_study import in_words
from SphericalRegLib.similarity.table import LEARNED, SIMILARITIES
from SphericalRegLib.threads import set_threads
from SphericalRegLib.whole_file import write_whole

# As the paper's figures.
_EXTENTS = {"rad": 1.0, "mm": 40.0}


class LandscapeOptions(CTReading, XRayReading, SimulatedXRays, total=False):
    """How CT and X-rays are read, and which X-rays are simulated where there are none."""


def landscape(
    ct: str,
    output: str,
    xray: list[str] | None = None,
    parameters: tuple[str, str] = ("rx", "ry"),
    extent: tuple[float, float] | None = None,
    steps: tuple[int, int] = (41, 41),
    similarity: list[str] | None = None,
    system: str | None = None,
    size: int = 64,
    labels: str | None = None,
    label_names: str | None = None,
    bones: list[int | str] | None = None,
    downsample: int = 1,
    start_pose: str | None = None,
    preset: Preset | None = None,
    angles: tuple[float, float] | None = None,
    landmarks: list[str] | None = None,
    model: str | None = None,
    footprint_mm: float | None = None,
    kernel: str = "auto",
    device: DeviceName = "auto",
    json: bool = False,
    threads: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    **options: Unpack[LandscapeOptions],
) -> int:
    """Compute the cost of similarities over two of the six pose parameters: pictures, tables, and the basin's width.

    Research software, not a medical device. The parameters are a twist about the CT's isocenter in the camera's axes
    (of the first X-ray): rotation rx, ry, rz in radians, shift tx, ty, tz in mm; x along columns, y along rows, z along
    the beam. The middle is the start pose; to look around the true one, give it as --start_pose.

    Args:
        ct: CT in Hounsfield units: NRRD, NIfTI, MHA, or a folder with a DICOM series.
        output: folder for landscape.png, landscape.csv, landscape.npz and landscape.json.
        xray: one or several X-rays: DICOM, PNG, TIFF, NRRD, MHA; or --cases.
        parameters: which two: rx, ry, rz, tx, ty, tz.
        extent: how far to either side, for each of the two: radians or mm; 1 rad and 40 mm by default.
        steps: values of each of the two, both ends included; odd numbers have the pose itself among them.
        similarity: one or several: tone-free, gradient-ncc, local-ncc, ncc, mutual-information, patch-ncc, mixed;
            learned: that of --model; or distances to the pose in the middle: se3, so4, so4-projected. All similarities
            by default.
        system: one of "sphericalreg systems", a YAML file or a result.json: what each of its stages minimizes, at its
            own resolution.
        size: pixels along the longer side of the X-ray, of what --similarity names.
        labels: label map on the CT's grid.
        label_names: JSON file with the labels' names.
        bones: render only these bones, by name or number.
        downsample: average the CT over that many voxels along each axis.
        start_pose: pose in the middle: .tfm, or a JSON file that holds one.
        preset: view in the middle.
        angles: C-arm angles in the middle, primary then secondary, degrees as DICOM defines them.
        landmarks: landmarks that give the pose in the middle: a CSV (name,x,y,z,u,v) or JSON file for each X-ray, or
            Slicer's .mrk.json of the CT and then of each X-ray.
        model: a trained model, for the learned similarity; it sees best at the size it was trained for.
        footprint_mm: compare only what lies this close to the DRR, mm at the patient; 3 where bones are chosen.
        kernel: of the renderer: auto, or a name that `sphericalreg info` lists.
        device: what computes.
        json: print the numbers as one line of JSON, last.
        threads: of the processor to compute with; by default one for each processor.
        quiet: no messages.
        verbose: more messages, and tracebacks.
    """
    console = Console(quiet, verbose)
    set_threads(threads)
    target = choose_device(device)
    first, second = (_axis(parameters[n], None if extent is None else extent[n], steps[n]) for n in range(2))
    trained = None if model is None else load_model(model).to(target)
    looks, distances = _shown(similarity, system, size, bones is not None, footprint_mm, trained)
    read = [ct, labels, label_names, start_pose, model, *(xray or []), *(landmarks or []), *files_of(options)]
    start: dict[str, Any] = {"start_pose": start_pose, "preset": preset, "angles": angles, "landmarks": landmarks}
    job: LandscapeJob | LandscapeStudyJob
    with output_folder(console, output, ["landscape.*"], read) as folder:
        console.say("Reading ...")
        scan = read_scan(ct, options, labels, label_names, downsample, console)
        if wants_simulated(options):
            told = {name: options.get(name) for name in XRayReading.__annotations__ if name != "intensity"}
            made = simulated(scan, options, bones, {"xray": xray} | told | start, console)
            made = replace(made, volume=made.volume.to(target))
            job = LandscapeStudyJob(made, first, second, looks, distances, model=trained, kernel=kernel)
        else:
            xrays = read_images(xray or [], options)
            volume = to_volume(scan, labels=bones).to(target)
            middle = _middle(read_case(volume, xrays, **start))
            console.detail(f"In the middle: {middle.origin}. CT {tuple(volume.density.shape)}, {target}.")
            pose = middle.poses[0]
            job = LandscapeJob(volume, xrays, pose, first, second, looks, distances, model=trained, kernel=kernel)
        _follow(job, console)
        found, numbers, text = _told(job, options)
        console.say("Drawing ...")
        _write(folder, found, numbers)
    console.say(f"Pictures: {Path(output).resolve() / 'landscape.png'}")
    print(json_text.dumps(numbers) if json else text)
    return 0


def _middle(case: Case) -> Starts:
    """The one pose to look around.

    Raises:
        InputError: where the options tell of several.
    """
    starts = starts_of(Known(), case)
    if len(starts.poses) != 1:
        raise InputError(
            f"There are {len(starts.poses)} poses to look around ({starts.origin}): give one by --start_pose, "
            "--preset, --angles or --landmarks."
        )
    return starts


def _follow(job: LandscapeJob | LandscapeStudyJob, console: Console) -> None:
    """Run it, and tell how far it is."""
    with console.bar("Landscape", len(job), "pose") as bar:
        for progress in job:
            bar.update(progress.done - bar.n)


def _told(job: LandscapeJob | LandscapeStudyJob, options: Mapping[str, Any]) -> tuple[Landscape, dict[str, Any], str]:
    """The landscape to draw, of several the first one; the numbers, of several over all of them; and these in words."""
    if isinstance(job, LandscapeJob):
        one = job.result()
        return one, as_json(one), as_text(one)
    study = job.result()
    first = as_json(study.first)
    numbers = {"simulated": settings_of(options), "axes": first["axes"], "costs": study.costs}
    return study.first, numbers, in_words(study.costs, (study.first.first, study.first.second))


def _write(folder: Path, found: Landscape, numbers: dict[str, Any]) -> None:
    """All files."""
    write_csv(folder / "landscape.csv", found)
    write_npz(folder / "landscape.npz", found)
    write_whole(folder / "landscape.png", draw(found))
    write_whole(folder / "landscape.json", json_text.dumps(numbers, indent=1))


def _axis(parameter: str, extent: float | None, steps: int) -> Axis:
    """One of the two axes, with the usual extent where none is given."""
    unit = PARAMETERS[parameter].unit if parameter in PARAMETERS else "rad"
    return Axis(parameter, _EXTENTS[unit] if extent is None else extent, steps)


def _shown(
    names: Sequence[str] | None,
    system: str | None,
    size: int,
    bones: bool,
    footprint_mm: float | None,
    model: Model | None,
) -> tuple[dict[str, Look], tuple[str, ...]]:
    """Looks, and names of distances: those of a system's stages, those named, or all similarities that there are.

    Raises:
        InputError: for a name of neither, or a learned similarity without a model that has one.
    """
    looks: dict[str, Look] = {}
    if system is not None:
        looks = looks_of(chosen_system(system, bones=bones, model=model is not None), model)
        names = names or []
    if names is None:
        learns = model is not None and model.learns_similarity
        names = [*SIMILARITIES, LEARNED] if learns else list(SIMILARITIES)
    chosen = list(dict.fromkeys(names))
    if not chosen and not looks:
        everything = ", ".join([*SIMILARITIES, LEARNED, *DISTANCES])
        raise InputError(f"--similarity names nothing: choose among {everything}.")
    distances = tuple(name for name in chosen if name in DISTANCES)
    for name in chosen:
        if name not in (*SIMILARITIES, LEARNED, *DISTANCES):
            raise InputError(
                f"There is no similarity {name!r}: choose among {', '.join([*SIMILARITIES, LEARNED, *DISTANCES])}."
            )
    named = [name for name in chosen if name not in DISTANCES]
    looks |= looks_by_name(named, size, bones=bones, footprint_mm=footprint_mm, model=model)
    return looks, distances
