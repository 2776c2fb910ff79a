"""A track as tables: one row for each frame and body, and one for each frame and joint; gaps stay empty."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.tracking.frame_record import as_record
from SphericalRegLib.tracking.kinematics import Joint, JointMotion
from SphericalRegLib.tracking.track import BodyResult, FrameResult, Track

_POSE = tuple(f"r{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3))
_PLACE = ("x_mm", "y_mm", "z_mm")
_KNOWN = ("rotation_95_deg", "plane_95_mm", "depth_95_mm")
_OTHER = ("cost", "sharpness", "least_shown", "origin", "reasons")

#: Of a frame in which nothing could be compared.
NOT_TRACKED = "not tracked"

#: What the columns mean, for files and reports.
MEANINGS = {
    "frame": "number in the sequence, as its files count",
    "verdict": "accepted, accepted in the plane only, rejected, or not tracked (nothing could be compared)",
    "r11 to r33": "rotation of rig_from_world, by rows; empty where nothing was compared",
    "x_mm, y_mm, z_mm": "the body's isocenter in the rig, mm",
    "rotation_95_deg, plane_95_mm, depth_95_mm": "half widths of the 95 % intervals; empty where not known",
    "cost": "share of the image structure near the body that is unexplained, 0 to 1",
    "sharpness": "that cost over the lowest one 8 mm aside: small is sure",
    "least_shown": "share of the body that the view shows that shows least of it",
    "origin": "where the frame was started from",
    "reasons": "what speaks against the pose",
}


def as_csv(track: Track) -> str:
    """The text of ``track.csv``; units stand in the names."""
    rows = [["frame", "body", "verdict", *_POSE, *_PLACE, *_KNOWN, *_OTHER]]
    for frame in track.frames:
        for place, name in enumerate(track.names):
            if not frame.bodies:
                empty = [""] * (len(_POSE) + len(_PLACE) + len(_KNOWN) + 3)
                rows.append([str(frame.frame), name, NOT_TRACKED, *empty, frame.origin, frame.problem])
                continue
            rows.append([str(frame.frame), name, *_cells(frame, frame.bodies[place], track.centers[place])])
    return _text(rows)


def joints_as_csv(track: Track, joints: Mapping[Joint, Sequence[JointMotion | None]]) -> str:
    """The text of ``joints.csv``: angles and shifts about and along a joint's three axes, in their order."""
    rows = [
        ["frame", "proximal", "distal", "order"]
        + [f"angle{n}_deg" for n in (1, 2, 3)]
        + [f"shift{n}_mm" for n in (1, 2, 3)]
    ]
    for joint, motions in joints.items():
        for number, motion in zip(track.numbers, motions, strict=True):
            values = ["" for _ in range(6)]
            if motion is not None:
                values = [_digits(value) for value in (*motion.angles_deg, *motion.shifts_mm)]
            rows.append([str(number), joint.proximal, joint.distal, joint.order, *values])
    return _text(rows)


def as_content(track: Track) -> dict[str, Any]:
    """What ``track.json`` holds: all that is known, to the last digit."""
    return {
        "bodies": [
            {"name": name, "isocenter_world_ras_mm": center.tolist()}
            for name, center in zip(track.names, track.centers, strict=True)
        ],
        "meanings": MEANINGS,
        "settings": dict(track.settings),
        "frames": [as_record(frame) for frame in track.frames],
    }


def _cells(frame: FrameResult, body: BodyResult, center: Tensor) -> list[str]:
    known = body.half_widths
    isocenter = se3.transform_points(body.pose, center[None])[0]
    return [
        body.verdict.words,
        *(_digits(value) for value in body.pose[:3, :3].flatten().tolist()),
        *(_digits(value) for value in isocenter.tolist()),
        *(_digits(value) for value in (known.rotation_deg, known.plane_mm, known.depth_mm)),
        _digits(body.cost),
        _digits(body.sharpness),
        _digits(min(body.shown)),
        frame.origin,
        " ".join(body.verdict.reasons),
    ]


def _digits(value: float) -> str:
    """Enough digits for a micrometer; empty for what is not known."""
    return f"{value:.6f}" if math.isfinite(value) else ""


def _text(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
