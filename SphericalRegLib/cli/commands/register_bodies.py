"""``sphericalreg register --bodies``: several bones of a CT and the rest of it in one moment, each at its own pose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from SphericalRegLib.app.jobs.steps import Message
from SphericalRegLib.app.jobs.track_job import TrackInputs, TrackJob
from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.reading.bodies import checked_names, scan_bodies
from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.bodies import Body
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.sequences.given import one_frame
from SphericalRegLib.io.transform_file import write_transform
from SphericalRegLib.registration import Case, Conditions, System, default_system
from SphericalRegLib.registration.result import Progress, Verdict
from SphericalRegLib.reporting.outcome import as_json, finite
from SphericalRegLib.reporting.track_report import track_html
from SphericalRegLib.tracking.expectation import Motion
from SphericalRegLib.tracking.tables import as_content
from SphericalRegLib.tracking.track import BodyResult, Track
from SphericalRegLib.tracking.tracker import Plan
from SphericalRegLib.whole_file import write_whole

ACCEPTED, REJECTED, PLANE_ONLY = 0, 3, 4


def refuse_options(given: Mapping[str, object], usual: Mapping[str, object]) -> None:
    """See that no option is given that several bodies have no use for.

    Args:
        given: {option: value}.
        usual: its values where it is not given.

    Raises:
        InputError: with the first one that is.
    """
    for name, value in given.items():
        if value != usual[name]:
            raise InputError(f"--{name} is for one body: leave it or --bodies out.")


def register_bodies(
    scan: CT,
    xrays: Sequence[XRay],
    written: Sequence[str],
    case_of: Callable[[Volume, Sequence[XRay]], Case],
    system: System,
    conditions: Conditions,
    device: torch.device,
    folder: Path,
    console: Console,
) -> Track:
    """Register, and write pose_BODY.tfm, result.json and report.html into a folder.

    Args:
        scan: with a label map.
        xrays: the views.
        written: bodies as of :func:`~SphericalRegLib.cli.reading.bodies.named_bones`.
        case_of: what is known of the whole CT's pose: one that is given is where all bodies start, else the whole CT
            is registered first.
        system: whose stages and judge count.
        conditions: kernel, seed and tolerances.
        device: what computes.
        folder: that is there.
        console: for progress.
    """
    bodies = tuple(
        Body(body.name, body.volume.to(device), body.excess)
        for body in checked_names(scan_bodies(scan, written, rest=True))
    )
    whole = to_volume(scan).to(device)
    start = case_of(whole, xrays).poses
    first = None if start is not None else (lambda seen: case_of(whole, seen), default_system())
    keyframes = {} if start is None else {0: {body.name: start for body in bodies}}
    notes = tuple(f"{Path(scan.path).name}: {note}" for note in scan.notes)
    sequence = one_frame(xrays)
    job = TrackJob(TrackInputs(bodies, sequence, system, keyframes, first, Plan(Motion()), conditions, notes=notes))
    with console.bar("Registering", None, "step") as bar:
        for event in job:
            bar.update()
            if isinstance(event, Message):
                console.say(event.text)
            elif isinstance(event, Progress):
                bar.set_postfix_str(f"whole CT, {event.stage} px, cost {event.cost:.3f}")
    found = job.result()
    (frame,) = found.frames
    if frame.problem:
        raise InputError(frame.problem)
    for body, result in zip(bodies, frame.bodies, strict=True):
        write_transform(folder / f"pose_{body.name}.tfm", result.pose)
    write_whole(folder / "result.json", as_json(finite(as_content(found))))
    write_whole(folder / "report.html", track_html(found, sequence, bodies, {}))
    return found


def tell_bodies(found: Track, output: str, console: Console) -> int:
    """The verdicts on the console, and the exit code: of the body of which least is known."""
    (frame,) = found.frames
    for name, body in zip(found.names, frame.bodies, strict=True):
        console.say(f"{name}: {body.verdict.words}; known (95 %): {_known(body)}.")
        for reason in (*body.verdict.reasons, *body.verdict.remarks):
            console.say(f"  {reason}")
    console.say(f"Report: {Path(output).resolve() / 'report.html'}")
    return exit_code([body.verdict for body in frame.bodies])


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """Of several verdicts: that of the one of which least is known."""
    if all(verdict.accepted for verdict in verdicts):
        return ACCEPTED
    return PLANE_ONLY if all(verdict.accepted or verdict.plane_only for verdict in verdicts) else REJECTED


def _known(body: BodyResult) -> str:
    known = body.half_widths
    values: list[tuple[str, float, Any]] = [
        ("rotation", known.rotation_deg, "°"),
        ("in the plane", known.plane_mm, " mm"),
        ("depth", known.depth_mm, " mm"),
    ]
    return ", ".join(
        f"{name} ±{value:.2g}{unit}" if value < float("inf") else f"{name} not known" for name, value, unit in values
    )
