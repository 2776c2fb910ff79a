"""The C-arm's angles out of a DICOM X-ray's header, frame by frame (PS3.3 C.8.7.5.1)."""

from __future__ import annotations

from typing import NamedTuple

import pydicom

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import carm
from SphericalRegLib.io.dicom import tags
from SphericalRegLib.io.dicom.tags import named

# Primary angles of the views that radiographs name instead of angles. AP: the beam goes from front to back.
_VIEW_POSITIONS = {"AP": 180.0, "PA": 0.0, "LL": 90.0, "RL": -90.0}
# ViewCodeSequence (DX; CID 4010), in SNOMED CT and in the SNOMED RT codes that older files use.
_VIEW_CODES = {
    "399348003": "AP",
    "R-10206": "AP",
    "272479007": "PA",
    "R-10214": "PA",
    "399173006": "LL",
    "R-10236": "LL",
    "399198007": "RL",
    "R-10232": "RL",
}


class PositionerAngles(NamedTuple):
    """Degrees as DICOM defines them or None where the header has none, where they came from, and what is doubtful."""

    primary_deg: float | None
    secondary_deg: float | None
    origin: str
    notes: tuple[str, ...] = ()


def positioner_angles(dataset: pydicom.Dataset, frame: int) -> PositionerAngles:
    """Angles of one frame; where the positioner has none, those that the view's name stands for.

    Raises:
        GeometryError: for angles that are no numbers, and increments that fit neither one nor all frames.
    """
    primary = tags.number(dataset, "PositionerPrimaryAngle", frame)
    if primary is None:
        return _by_name(dataset)
    secondary = tags.number(dataset, "PositionerSecondaryAngle", frame) or 0.0
    words = tags.origin(dataset, "PositionerPrimaryAngle", frame)
    notes = []
    steps = [_step(dataset, keyword, frame) for keyword in ("PositionerPrimaryAngle", "PositionerSecondaryAngle")]
    if steps != [0.0, 0.0]:
        if tags.text(dataset, "PositionerMotion") == "STATIC":
            notes.append(
                f"{named('PositionerMotion')} is STATIC, but frame {frame} has angle increments ({steps[0]:g}°, "
                f"{steps[1]:g}°): they are not used, all frames have the first one's angles."
            )
            steps = [0.0, 0.0]
        else:
            words += f" and {named('PositionerPrimaryAngleIncrement')}"
            if frame == 0:
                notes.append(
                    f"{named('PositionerPrimaryAngleIncrement')} of the first frame is not 0 ({steps[0]:g}°, "
                    f"{steps[1]:g}°), though increments count from the first frame: check the angles."
                )
    if abs(primary) > 180:
        notes.append(f"{named('PositionerPrimaryAngle')} is {primary:g}°, outside of ±180°: check the angles.")
    primary, secondary = primary + steps[0], secondary + steps[1]
    if abs(secondary) > 90:
        notes.append(f"{named('PositionerSecondaryAngle')} is {secondary:g}°, outside of ±90°: check the angles.")
    if not -180 < primary <= 180:
        primary = carm.wrapped(primary)
    return PositionerAngles(primary, secondary, words, tuple(notes))


def _step(dataset: pydicom.Dataset, keyword: str, frame: int) -> float:
    """What a classic image adds to the first frame's angle: degrees from the first frame to this one.

    One value is the step from each frame to the next; otherwise there is one for each frame, counted from the first
    frame (PS3.3 C.8.7.5.1.3). In functional groups each frame has its own angle, and no increments.
    """
    increments = tags.values(dataset, f"{keyword}Increment", None)
    place = tags.element(dataset, keyword, frame)
    in_functional_group = place is not None and place[1] != ""
    if increments is None or in_functional_group:
        return 0.0
    count = tags.frame_count(dataset)
    if len(increments) == 1:
        return frame * increments[0]
    if len(increments) == count and frame < count:
        return increments[frame]
    raise GeometryError(
        f"{named(keyword + 'Increment')} has {len(increments)} values for {count} frames, of which frame {frame} (from "
        "0) was asked for: there must be one for all or one for each. Give the frame's angles (primary_deg, "
        "secondary_deg), or a calibration of its view."
    )


def _by_name(dataset: pydicom.Dataset) -> PositionerAngles:
    """Angles of a radiograph whose view has a name or a code."""
    name = tags.text(dataset, "ViewPosition")
    if name in _VIEW_POSITIONS:
        return PositionerAngles(_VIEW_POSITIONS[name], 0.0, f"{named('ViewPosition')} {name}")
    for item in dataset.get("ViewCodeSequence") or []:
        coded = _VIEW_CODES.get(str(item.get("CodeValue") or "").strip())
        if coded is not None:
            return PositionerAngles(_VIEW_POSITIONS[coded], 0.0, f"{named('ViewCodeSequence')} {coded}")
    return PositionerAngles(None, None, "")
