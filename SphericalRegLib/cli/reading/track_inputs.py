"""What ``sphericalreg track`` tracks, out of its options: bodies, sequence, starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch

from SphericalRegLib.cli.reading.bodies import has_rest, scan_bodies
from SphericalRegLib.cli.reading.ct_reading import read_scan
from SphericalRegLib.cli.reading.inputs import read_case, read_views
from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.bodies import Body
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.calibration_files import read_autoscoper
from SphericalRegLib.io.keyframe_file import read_keyframes
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.io.sequences.contract import XRaySequence
from SphericalRegLib.io.sequences.open_sequence import open_sequence
from SphericalRegLib.io.sequences.trial import Trial, read_trial
from SphericalRegLib.registration import Case, System, default_system
from SphericalRegLib.tracking.calibration import CalibrationDoubt
from SphericalRegLib.tracking.tracker import Keyframes

#: What of a view can be refined.
Refinable = Literal["focal", "center"]


def moving_bodies(
    scan: CT | None,
    chosen: Sequence[str] | None,
    rest: bool,
    of_files: tuple[Body, ...],
    trial: Trial | None,
    options: Mapping[str, Any],
    device: torch.device,
) -> tuple[Body, ...]:
    """What moves: bones of a CT, bodies of files of their own, those of a trial, and last the rest of the CT.

    Args:
        scan: the CT, or None.
        chosen: its bodies, as of :func:`~SphericalRegLib.cli.reading.bodies.named_bones`; None for all of it as one.
        rest: whether its rest is a body too.
        of_files: other bodies.
        trial: whose volumes are bodies.
        options: how CTs are read.
        device: where they are rendered.

    Raises:
        InputError: without any, or for a trial that flips a volume.
    """
    if trial is not None:
        for volume in trial.volumes:
            if any(volume.flip):
                raise InputError(
                    f"The trial flips {volume.path.name}, which is not read: write the volume the way it lies, and "
                    "VolumeFlip 0 0 0."
                )
            of_files += (
                Body(volume.path.stem, to_volume(read_scan(volume.path, {**options, "ct_spacing": volume.voxel_mm}))),
            )
    of_scan = () if scan is None else scan_bodies(scan, chosen, rest)
    if not of_scan and not of_files:
        raise InputError("There is no body: name a CT, --volumes NAME=FILE, or --implants NAME=FILE:MATERIAL.")
    # the rest comes last, for all others lie within it
    bones, last = (of_scan[:-1], of_scan[-1:]) if of_scan and has_rest(of_scan) else (of_scan, ())
    return tuple(Body(body.name, body.volume.to(device), body.excess) for body in (*bones, *of_files, *last))


def doubt_of(refine: Sequence[Refinable] | None, doubt: CalibrationDoubt) -> CalibrationDoubt | None:
    """What is in doubt of what is to be refined."""
    if not refine:
        return None
    return CalibrationDoubt(doubt.focal if "focal" in refine else 0.0, doubt.center_mm if "center" in refine else 0.0)


def usual_system(bodies: Sequence[Body], alone: bool, *, only_implants: bool) -> str:
    """By its name: what aligns such bodies where nobody chooses."""
    if only_implants:
        return "implants"
    # the rest of a CT, or a CT as one body, leaves nothing of the anatomy out
    return "bodies" if has_rest(bodies) or (len(bodies) == 1 and not alone) else "bones"


def trial_of(path: str, ct: str | None, xray: Sequence[str], options: Mapping[str, Any]) -> Trial:
    """Autoscoper's trial, which names CT, X-rays and views itself.

    Raises:
        InputError: where they are named besides, or for a file that is no trial.
    """
    if ct is not None or xray or options.get("view"):
        raise InputError("--trial names CT, X-rays and views itself: leave them out.")
    return read_trial(path)


def sequence_of(
    xray: Sequence[str], trial: Trial | None, options: Mapping[str, Any], frames: tuple[int, int] | None, step: int
) -> XRaySequence:
    """The frames to track, of sequences that are named, or of a trial's.

    Raises:
        InputError, GeometryError: for files that are no sequence, or frames that are not there.
    """
    reading = {key: options[key] for key in ("intensity",) if options.get(key) is not None}
    masks = options.get("mask") or ["auto"]
    if len(masks) > 1:
        raise InputError("--mask of a sequence is one for all of its frames and views: give one.")
    reading["mask"] = masks[0]
    views = list[View]()
    if trial is not None:
        views = [
            read_autoscoper(file, sdd=options.get("sdd"), spacing=options.get("spacing")) for file in trial.calibrations
        ]
        xray = [str(folder) for folder in trial.radiographs]
    elif options.get("view"):
        views = read_views(options["view"], options.get("sdd"), options.get("spacing"))
    else:
        names = ("sdd", "sad", "spacing", "mirrored", "channel")
        reading |= {key: options[key] for key in names if options.get(key) is not None}
    low, high = frames or (None, None)
    return open_sequence(xray, views, reading).between(low, high, step)


def keyframes_of(
    keyframes: str | None, start_pose: str | None, bodies: Sequence[Body], sequence: XRaySequence
) -> Keyframes:
    """Poses that somebody knows: from a file, or one for all bodies in the first frame; empty where there are none.

    Raises:
        InputError: for both, or files that hold none.
    """
    if keyframes is not None and start_pose is not None:
        raise InputError("The start was given by --keyframes and --start_pose: leave one of them out.")
    if keyframes is not None:
        return read_keyframes(keyframes)
    if start_pose is None:
        return {}
    pose = read_pose(start_pose)
    return {sequence.frames[0]: {body.name: pose for body in bodies}}


def first_frame(
    scan: CT | None, preset: str | None, angles: tuple[float, float] | None, device: torch.device
) -> tuple[Any, System]:
    """How the first frame is registered: with the whole CT, from what is known of its pose."""
    if scan is None:
        raise InputError(
            "Nothing tells where the bodies are in the first frame: give --keyframes or --start_pose, or a CT of all."
        )
    whole = to_volume(scan).to(device)

    def case(xrays: Sequence[Any]) -> Case:
        return read_case(whole, xrays, preset=preset, angles=angles)

    return case, default_system()
