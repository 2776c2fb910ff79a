"""What of a projection geometry no X-ray room has: likely in another unit, or another quantity."""

from __future__ import annotations

from SphericalRegLib.geometry.view import View

# mm. Portable C-arms and mammography begin near 600 mm, chest stands end near 3 m.
_SDD_RANGE = (300.0, 5000.0)
# mm on the detector: intraoral sensors have 0.02, portal imagers and reduced images 1 to 4.
_SPACING_RANGE = (0.01, 4.0)
# mm: an intraoral sensor is 20 mm high, no single detector is larger than 0.6 m.
_FIELD_RANGE = (20.0, 600.0)
_LARGEST_MAGNIFICATION = 3.0


def doubts(view: View, sdd_from: str, sad_from: str, spacing_from: str) -> tuple[str, ...]:
    """Sentences that name each implausible number, where it came from, and the remedy; none for a usual X-ray.

    Args:
        view: the geometry as read.
        sdd_from, sad_from, spacing_from: where its numbers came from, in words.
    """
    notes = []
    low, high = _SDD_RANGE
    if not low <= view.sdd <= high:
        notes.append(
            f"The source-to-detector distance is {view.sdd:g} mm ({sdd_from}), which no X-ray room has{_unit(view.sdd)}"
            ": give sdd in mm, usually 900 to 1500."
        )
    row, column = view.spacing
    smallest, largest = _SPACING_RANGE
    if not (smallest <= row <= largest and smallest <= column <= largest):
        notes.append(
            f"The pixels are {row:g} × {column:g} mm ({spacing_from}), which no detector has: give spacing (row, "
            "column) in mm on the detector."
        )
    height, width = row * view.height, column * view.width
    least, most = _FIELD_RANGE
    if not (least <= height <= most and least <= width <= most):
        notes.append(
            f"The image is {height:g} × {width:g} mm on the detector ({view.height} × {view.width} pixels, "
            f"{spacing_from}), not within {least:g} to {most:g} mm: check spacing."
        )
    if view.sad is not None and view.sdd / view.sad > _LARGEST_MAGNIFICATION:
        notes.append(
            f"The source-to-isocenter distance is {view.sad:g} mm ({sad_from}), which magnifies "
            f"{view.sdd / view.sad:.3g} times: check sad and sdd."
        )
    u, v = float(view.intrinsics[0, 2]), float(view.intrinsics[1, 2])
    if not (-0.5 <= u <= view.width - 0.5 and -0.5 <= v <= view.height - 0.5):
        notes.append(
            f"The central ray hits column {u:g}, row {v:g}, outside of the image's {view.width} columns and "
            f"{view.height} rows: check principal_point."
        )
    return tuple(notes)


def _unit(sdd: float) -> str:
    """Which other unit would make a distance one that occurs."""
    for factor, unit in ((1000.0, "m"), (10.0, "cm")):
        if 500.0 <= sdd * factor <= 2500.0:
            return f" (it may be in {unit})"
    return ""
