"""The report of a track: tables, curves and pictures in one HTML file, and the files beside it."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.imaging.bodies import Body
from SphericalRegLib.io.sequences.contract import XRaySequence
from SphericalRegLib.io.tra_file import write_tra
from SphericalRegLib.io.transform_file import write_transform
from SphericalRegLib.reporting.outcome import DISCLAIMER, as_json, finite
from SphericalRegLib.reporting.report_style import STYLE
from SphericalRegLib.reporting.track_curves import curve_picture, displacement_curves, joint_curves
from SphericalRegLib.reporting.track_overlay import COLORS, overlay
from SphericalRegLib.tracking.kinematics import Joint, JointMotion
from SphericalRegLib.tracking.tables import NOT_TRACKED, as_content, as_csv, joints_as_csv
from SphericalRegLib.tracking.track import BodyResult, Track
from SphericalRegLib.whole_file import write_whole

# Pictures of a filmstrip, and pixels of their longer side.
_STRIP, _LONGER = 6, 420

Joints = Mapping[Joint, Sequence[JointMotion | None]]


def write_track(
    folder: Path, track: Track, sequence: XRaySequence, bodies: Sequence[Body], joints: Joints, transforms: bool = False
) -> None:
    """Write track.csv, track.json, joints.csv, one .tra for each body and report.html.

    Args:
        folder: that is there.
        track: what is told.
        sequence: for pictures.
        bodies: for their contours.
        joints: of its bodies.
        transforms: whether each pose is also written as an ITK transform, ``BODY_000012.tfm``.

    Raises:
        InputError: where something cannot be written.
    """
    write_whole(folder / "track.csv", as_csv(track))
    write_whole(folder / "track.json", as_json(finite(as_content(track))))
    if joints:
        write_whole(folder / "joints.csv", joints_as_csv(track, joints))
    for name in track.names:
        write_tra(folder / f"{name}.tra", track.poses(name))
        for number, pose in zip(track.numbers, track.poses(name), strict=True):
            if transforms and pose is not None:
                write_transform(folder / f"{name}_{number:06d}.tfm", pose)
    write_whole(folder / "report.html", track_html(track, sequence, bodies, joints))


def track_html(track: Track, sequence: XRaySequence, bodies: Sequence[Body], joints: Joints) -> str:
    """The whole page."""
    parts = [
        _headline(track),
        _filmstrip(track, sequence, bodies),
        *(_curves(track, name) for name in track.names),
        *(_joint(track, joint, motions) for joint, motions in joints.items()),
        _calibrations(track),
        _table(track),
    ]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>SphericalReg track</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f'<body><p class="notice">{DISCLAIMER}</p>{"".join(parts)}<p class="notice">{DISCLAIMER}</p></body></html>\n'
    )


def _headline(track: Track) -> str:
    total = len(track.frames)
    rows = []
    for place, name in enumerate(track.names):
        words = [_words(frame.bodies[place] if frame.bodies else None) for frame in track.frames]
        counts = {word: words.count(word) for word in dict.fromkeys(words)}
        color = "rgb({},{},{})".format(*COLORS[place % len(COLORS)])
        rows.append(
            f'<tr><td><span style="color:{color}">■</span> {html.escape(name)}</td>'
            f"<td>{', '.join(f'{count} {word}' for word, count in counts.items())}</td></tr>"
        )
    tracked = sum(frame.tracked for frame in track.frames)
    kind = "good" if tracked == total else "partly" if tracked else "bad"
    return (
        f'<h1>Track</h1><div class="verdict {kind}"><strong>{tracked} of {total} frames tracked</strong>'
        "<p>A frame counts as tracked where nothing but how exactly a pose is known speaks against one of its bodies. "
        "Others are gaps: nothing fills them. Look at the pictures before you rely on it.</p></div>"
        f"<table><tr><th>body</th><th>frames</th></tr>{''.join(rows)}</table>"
    )


def _filmstrip(track: Track, sequence: XRaySequence, bodies: Sequence[Body]) -> str:
    places = sorted({round(n) for n in np.linspace(0, len(track.frames) - 1, min(_STRIP, len(track.frames)))})
    cells = []
    for place in places:
        result = track.frames[place]
        try:
            xrays = sequence.xrays(result.frame)
        except (InputError, GeometryError):
            # the table says why
            continue
        for xray in xrays:
            picture = np.ascontiguousarray(overlay(xray, bodies, result, _LONGER)[..., ::-1])
            data = base64.b64encode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()).decode()
            words = "tracked" if result.tracked else "not tracked"
            cells.append(
                f'<figure><img alt="frame {result.frame}" src="data:image/jpeg;base64,{data}"><figcaption><b>Frame '
                f"{result.frame}</b> {html.escape(xray.view.name)}, {words}</figcaption></figure>"
            )
    return (
        "<h2>Frames</h2><p>Contours of the bodies at their poses, in the colors above; red where a pose is not "
        f"trusted.</p><div class='grid'>{''.join(cells)}</div>"
    )


def _curves(track: Track, name: str) -> str:
    turns, shifts = displacement_curves(track, name)
    picture = curve_picture(track.numbers, {"rotation, °": turns, "shift of the isocenter, mm": shifts})
    return (
        f"<h2>{html.escape(name)}</h2><p>Against its first tracked pose, along the axes of the rig; the bands are 95 % "
        f"intervals, gaps are frames without a trusted pose.</p>{_embedded(picture, name)}"
    )


def _joint(track: Track, joint: Joint, motions: Sequence[JointMotion | None]) -> str:
    angles, shifts = joint_curves(joint, motions)
    picture = curve_picture(track.numbers, {"angle, °": angles, "shift, mm": shifts})
    return (
        f"<h2>{html.escape(joint.name)}</h2><p>Angles in the order {joint.order}, each about an axis that the ones "
        f"before have moved (Grood and Suntay), and shifts along the same axes.</p>{_embedded(picture, joint.name)}"
    )


def _calibrations(track: Track) -> str:
    """Of each view what was refined, its median over frames, and what hides it; empty where nothing was."""
    views = sorted({view.name for frame in track.frames for view in frame.refined})
    rows = []
    for name in views:
        found = [view for frame in track.frames for view in frame.refined if view.name == name]
        values = np.array([[view.focal_factor, *view.center_mm] for view in found])
        widths = np.array([[view.focal_half_width, *view.center_half_widths_mm] for view in found])
        middle, half = np.median(values, 0), np.median(widths, 0)
        confused = sorted({words for view in found for words in view.confused})
        cells = [
            name,
            f"{middle[0]:.4f} ± {half[0]:.4f}",
            *(f"{value:.2f} ± {width:.2f}" for value, width in zip(middle[1:], half[1:], strict=True)),
            "; ".join(confused) or "nothing",
        ]
        rows.append(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>")
    if not rows:
        return ""
    return (
        "<h2>Calibration</h2><p>Refined with the bodies in each frame; medians over frames, with 95 % intervals of one "
        "frame from noise and what was believed before. What images cannot tell apart is as doubtful as it was.</p>"
        "<table><tr><th>view</th><th>focal length, times</th><th>center along columns, mm</th><th>along rows, mm</th>"
        f"<th>not told apart</th></tr>{''.join(rows)}</table>"
    )


def _table(track: Track) -> str:
    rows = []
    for frame in track.frames:
        for place, name in enumerate(track.names):
            body = frame.bodies[place] if frame.bodies else None
            reasons = frame.problem if body is None else " ".join((*body.verdict.reasons, *body.verdict.remarks))
            known = "" if body is None else _known(body)
            cost = "" if body is None else f"{body.cost:.2f}"
            rows.append(
                f"<tr><td>{frame.frame}</td><td>{html.escape(name)}</td><td>{_words(body)}</td><td>{known}</td>"
                f"<td>{cost}</td><td>{html.escape(reasons)}</td></tr>"
            )
    return (
        "<details><summary>Every frame and body</summary><table class='facts'><tr><th>frame</th><th>body</th>"
        "<th>verdict</th><th>95 %: rotation, plane, depth</th><th>cost</th><th>why</th></tr>"
        f"{''.join(rows)}</table></details>"
    )


def _words(body: BodyResult | None) -> str:
    if body is None:
        return NOT_TRACKED
    if body.tracked and not body.verdict.accepted and not body.verdict.plane_only:
        return "tracked, not exact enough"
    return body.verdict.words


def _known(body: BodyResult) -> str:
    known = body.half_widths
    values = (known.rotation_deg, "°"), (known.plane_mm, " mm"), (known.depth_mm, " mm")
    return ", ".join(f"± {value:.2g}{unit}" if value < float("inf") else "not known" for value, unit in values)


def _embedded(png: bytes, alt: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<img class="wide" alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
