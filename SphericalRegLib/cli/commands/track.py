"""``sphericalreg track``: bodies through a sequence of X-rays."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from SphericalRegLib.app.jobs.steps import Message
from SphericalRegLib.app.jobs.track_job import FrameTracked, TrackEvent, TrackInputs, TrackJob
from SphericalRegLib.cli.commands.register_bodies import REJECTED, exit_code
from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.outputs import output_folder
from SphericalRegLib.cli.process.stopping import StopRequest
from SphericalRegLib.cli.reading.anatomy import anatomical_frames, chosen_joints
from SphericalRegLib.cli.reading.bodies import checked_names, implant_bodies, volume_bodies
from SphericalRegLib.cli.reading.ct_reading import CTReading, read_scan
from SphericalRegLib.cli.reading.inputs import Preset
from SphericalRegLib.cli.reading.system_choice import chosen_system
from SphericalRegLib.cli.reading.track_inputs import (
    Refinable,
    doubt_of,
    first_frame,
    keyframes_of,
    moving_bodies,
    sequence_of,
    trial_of,
    usual_system,
)
from SphericalRegLib.cli.reading.xray_reading import XRayReading, files_of
from SphericalRegLib.cli.running import Computing, begin, device_of
from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.cardan import ORDERS
from SphericalRegLib.registration import Conditions
from SphericalRegLib.registration.result import Progress
from SphericalRegLib.reporting.track_film import write_films
from SphericalRegLib.reporting.track_report import write_track
from SphericalRegLib.tracking.calibration import CalibrationDoubt
from SphericalRegLib.tracking.expectation import Motion
from SphericalRegLib.tracking.kinematics import joint_motions
from SphericalRegLib.tracking.track import Track
from SphericalRegLib.tracking.tracker import Plan

_USUAL, _DOUBT = Motion(), CalibrationDoubt()

_FILES = ("track.csv", "track.json", "joints.csv", "report.html", "*.tra", "*.tfm", "overlay_*.mp4")


class TrackOptions(CTReading, XRayReading, Computing, total=False):
    """How CT and X-rays are read, and how the command runs."""


def track(
    output: str,
    ct: str | None = None,
    xray: list[str] | None = None,
    trial: str | None = None,
    labels: str | None = None,
    label_names: str | None = None,
    bodies: list[str] | None = None,
    rest: bool = True,
    volumes: list[str] | None = None,
    implants: list[str] | None = None,
    implant_voxel_mm: float = 0.5,
    frames: tuple[int, int] | None = None,
    step: int = 1,
    start_pose: str | None = None,
    preset: Preset | None = None,
    angles: tuple[float, float] | None = None,
    keyframes: str | None = None,
    system: str | None = None,
    motion: Motion = _USUAL,
    neighbor: str | None = None,
    neighborly: Motion = _USUAL,
    candidates: int = 16,
    refine: list[Refinable] | None = None,
    doubt: CalibrationDoubt = _DOUBT,
    joints: list[str] | None = None,
    axes: str = "xyz",
    anatomy: str | None = None,
    transforms: bool = False,
    film: bool = False,
    tolerance_mm: float = 1.0,
    tolerance_deg: float = 1.0,
    kernel: str = "auto",
    seed: int = 0,
    **options: Unpack[TrackOptions],
) -> int:
    """Track bodies through a sequence of X-rays of one or several calibrated views, with a verdict for every frame.

    Research software, not a medical device. Stop it at any moment (Ctrl-C): the same command goes on where it stopped;
    the folder OUTPUT.frames keeps each frame's state and may be deleted afterwards. Frames that are lost stay gaps.
    Exit code 0: all bodies are tracked in all frames, 4: in some, 3: in none; 2: input that cannot be used.

    Args:
        output: folder for track.csv, track.json, one .tra for each body, and report.html.
        ct: CT in Hounsfield units: NRRD, NIfTI, MHA, TIFF, or a folder with a DICOM series.
        xray: of each view a folder with numbered pictures, a film (AVI, MP4), or a DICOM file, which may have several
            frames; in the order of the views.
        trial: trial file of Autoscoper (.cfg), in place of CT, xray and view: calibrations, radiographs and volumes.
        labels: label map on the CT's grid.
        label_names: JSON file with the labels' names.
        bodies: bones that each move on their own, by label, or NAME=LABEL+LABEL for one body of several labels; without
            it all of the CT is one body.
        rest: whether the rest of the CT is a body too; without it bones are compared with what is near them alone.
        volumes: further bodies that are CTs of their own, each NAME=FILE, such as one cropped volume for each bone.
        implants: further bodies out of closed surfaces (STL, PLY, OBJ, in mm), each NAME=FILE:MATERIAL with a material
            out of cocr, ti, steel, pe, cement, or its attenuation in 1/mm; usually with --mask none, for masks leave
            metal out.
        implant_voxel_mm: edge of the voxels that implants are made of.
        frames: the first and the last frame to track, as the files count; all of them by default.
        step: track every so many frames.
        start_pose: pose of all bodies in the first frame: .tfm, or a JSON file that holds one.
        preset: view to start from; the whole CT is then registered in the first frame first.
        angles: C-arm angles to start from, primary then secondary, degrees as DICOM defines them; likewise.
        keyframes: JSON file with poses of bodies in frames: {"12": {"femur": 4×4 matrix by rows}}; tracking begins at
            the first, and a later one puts its bodies right.
        system: how to align and judge: a name that "sphericalreg systems" lists, a YAML file, or a result.json.
        motion: how far a body may be from where constant velocity expects it in the next frame, as standard deviations,
            degrees and mm.
        neighbor: the body that all others are expected near, such as rest: a prior, which one view needs for depth.
        neighborly: how far they may have moved against it, as standard deviations, degrees and mm.
        candidates: poses tried around where a lost body is expected; 1 searches for none.
        refine: what of each view's calibration is refined with the bodies, frame by frame, and told with its interval.
        doubt: how far focal lengths (relative) and centers (mm) may be off where they are refined, as standard
            deviations.
        joints: pairs of bodies of which angles are told, each PROXIMAL:DISTAL.
        axes: the order of the axes about which the distal body turns: xyz is Grood and Suntay's.
        anatomy: JSON file with landmarks and which of them make each body's anatomical frame; axes of inertia without.
        transforms: write each pose as an ITK transform as well, BODY_000012.tfm.
        film: write a film of each view with the bodies' contours.
        tolerance_mm: what you need, in the plane and in depth.
        tolerance_deg: what you need of rotation.
        kernel: of the renderer: auto, or a name that `sphericalreg info` lists.
        seed: of searches.
    """
    console = begin(options)
    if options.get("frame") is not None:
        raise InputError("--frame is for a single X-ray: choose frames of a sequence with --frames FIRST LAST.")
    device = device_of(options)
    films = xray or []
    pairs = chosen_joints(joints, axes, ORDERS)
    read = [ct, *films, labels, label_names, start_pose, keyframes, trial, anatomy, *files_of(options)]
    with output_folder(console, output, _FILES, read) as folder:
        console.say("Reading ...")
        autoscoper = None if trial is None else trial_of(trial, ct, films, options)
        scan = None if ct is None else read_scan(ct, options, labels, label_names, console=console)
        files = volume_bodies(volumes or (), options) + implant_bodies(implants or (), implant_voxel_mm)
        moving = checked_names(moving_bodies(scan, bodies, rest, files, autoscoper, options, device))
        anatomical = anatomical_frames(pairs, moving, anatomy)
        sequence = sequence_of(films, autoscoper, options, frames, step)
        known = keyframes_of(keyframes, start_pose, moving, sequence)
        alone = bool(files) or autoscoper is not None
        usual = usual_system(moving, alone, only_implants=len(implants or ()) == len(moving))
        method = chosen_system(system or usual)
        inputs = TrackInputs(
            moving,
            sequence,
            method,
            known,
            None if known else first_frame(scan, preset, angles, device),
            Plan(motion, neighbor, neighborly, candidates=candidates, doubt=doubt_of(refine, doubt)),
            Conditions(kernel, seed, tolerance_mm, tolerance_deg),
            Path(f"{output.rstrip('/')}.frames"),
            tuple(f"{Path(scan.path).name}: {note}" for note in scan.notes) if scan is not None else (),
        )
        job, stop = TrackJob(inputs), StopRequest()
        if not _follow(job, console, stop):
            console.say(f"Stopped; the same command goes on from {inputs.folder}.")
            return stop.code
        tracked = job.result()
        console.say("Writing the report ...")
        motions = {joint: joint_motions(tracked, joint, anatomical) for joint in pairs}
        write_track(folder, tracked, sequence, moving, motions, transforms)
        for number in write_films(folder, tracked, sequence, moving) if film else ():
            console.detail(f"Film: frame {number}.")
    return _told(tracked, output, console)


def _follow(job: TrackJob, console: Console, stop: StopRequest) -> bool:
    """Track, and tell how it goes; whether to the end."""
    with console.bar("Tracking", None, "frame") as bar, stop, contextlib.closing(iter(job)) as steps:
        for event in steps:
            _tell(event, console, bar)
            if stop.asked:
                return False
    return True


def _tell(event: TrackEvent, console: Console, bar: Any) -> None:
    if isinstance(event, Message):
        console.say(event.text)
    elif isinstance(event, Progress):
        bar.set_postfix_str(f"first frame, {event.stage} px, cost {event.cost:.3f}")
    elif isinstance(event, FrameTracked):
        bar.total = event.total
        bar.n = event.count
        left = "" if event.seconds_left is None else f", {_minutes(event.seconds_left)} left"
        bar.set_postfix_str(f"frame {event.result.frame} {_words(event)}{left}")
        console.detail(f"Frame {event.result.frame}, {event.direction}: {_words(event)}.")


def _words(event: FrameTracked) -> str:
    result = event.result
    if not result.bodies:
        return f"not tracked ({result.problem})"
    return "tracked" if result.tracked else "doubtful"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _told(tracked: Track, output: str, console: Console) -> int:
    """The verdicts on the console, and the exit code."""
    total = len(tracked.frames)
    for place, name in enumerate(tracked.names):
        known = sum(bool(frame.bodies) and frame.bodies[place].tracked for frame in tracked.frames)
        exact = sum(bool(frame.bodies) and frame.bodies[place].verdict.accepted for frame in tracked.frames)
        console.say(f"{name}: tracked in {known} of {total} frames, known as exactly as asked for in {exact}.")
    lost = [frame.frame for frame in tracked.frames if not frame.tracked]
    if lost:
        shown = ", ".join(str(number) for number in lost[:20])
        console.say(f"Gaps: {shown}{', ...' if len(lost) > 20 else ''}. Nothing fills them; the report tells why.")
    console.say(f"Report: {Path(output).resolve() / 'report.html'}")
    # a body that is tracked may be known too badly to be accepted; a gap is known not at all
    return REJECTED if lost else exit_code([body.verdict for frame in tracked.frames for body in frame.bodies])
