"""The C-arm's numbers as a panel shows them. Checking needs no torch; what makes a setting imports it when called."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from SphericalRegLib.geometry.carm_setting import CArmSetting

# mm: no C-arm or X-ray room is smaller or larger.
_SDD_RANGE = (200.0, 5000.0)
# Pixels along a side.
_MOST_PIXELS = 4096


@dataclass(frozen=True)
class CArmFields:
    """A :class:`~SphericalRegLib.geometry.carm_setting.CArmSetting` with its detector in mm, as the panel saves it.

    Attributes:
        primary_angle, secondary_angle, rotation: degrees.
        sdd, sad: distances of detector and isocenter from the source, mm.
        detector_width, detector_height: mm.
        row_spacing, column_spacing: distance of pixel centers, mm.
        off_center_columns, off_center_rows: from the image's middle to where the central ray hits, pixels.
        table_left, table_front, table_head: shift of the patient, mm.
        mirrored, parallel: see there.
    """

    primary_angle: float = 180.0
    secondary_angle: float = 0.0
    rotation: float = 0.0
    sdd: float = 1200.0
    sad: float = 800.0
    detector_width: float = 409.6
    detector_height: float = 409.6
    row_spacing: float = 0.8
    column_spacing: float = 0.8
    off_center_columns: float = 0.0
    off_center_rows: float = 0.0
    table_left: float = 0.0
    table_front: float = 0.0
    table_head: float = 0.0
    mirrored: bool = False
    parallel: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns); of a detector or pixel of 0 mm one pixel."""
        rows = self.detector_height / self.row_spacing if self.row_spacing > 0 else 1.0
        columns = self.detector_width / self.column_spacing if self.column_spacing > 0 else 1.0
        return max(1, round(rows)), max(1, round(columns))

    def setting(self) -> CArmSetting:
        """What the numbers mean; not checked, see :func:`carm_problem`."""
        from SphericalRegLib.geometry.carm_setting import CArmSetting

        rows, columns = self.size
        return CArmSetting(
            self.primary_angle,
            self.secondary_angle,
            self.rotation,
            self.sdd,
            self.sad,
            rows,
            columns,
            self.row_spacing,
            self.column_spacing,
            self.off_center_columns,
            self.off_center_rows,
            self.table_left,
            self.table_front,
            self.table_head,
            self.mirrored,
            self.parallel,
        )


def carm_fields(setting: CArmSetting) -> CArmFields:
    """The inverse of :meth:`CArmFields.setting`."""
    return CArmFields(
        setting.primary_deg,
        setting.secondary_deg,
        setting.rotation_deg,
        setting.sdd,
        setting.sad,
        setting.columns * setting.column_spacing,
        setting.rows * setting.row_spacing,
        setting.row_spacing,
        setting.column_spacing,
        setting.off_center_columns,
        setting.off_center_rows,
        setting.table_left,
        setting.table_front,
        setting.table_head,
        setting.mirrored,
        setting.parallel,
    )


def carm_problem(fields: CArmFields) -> str:
    """What no C-arm can do, in words with the remedy; empty where a picture can be drawn."""
    low, high = _SDD_RANGE
    if not low <= fields.sdd <= high:
        return f"The detector is {fields.sdd:g} mm from the source: give {low:g} to {high:g} mm."
    if not 0 < fields.sad < fields.sdd:
        return (
            f"The isocenter is {fields.sad:g} mm from the source: it must lie before the detector, {fields.sdd:g} mm."
        )
    if not (fields.row_spacing > 0 and fields.column_spacing > 0):
        return f"A pixel of {fields.row_spacing:g} × {fields.column_spacing:g} mm is none: give its size in mm."
    if not (fields.detector_width > 0 and fields.detector_height > 0):
        return f"A detector of {fields.detector_width:g} × {fields.detector_height:g} mm is none: give its size in mm."
    rows, columns = fields.size
    if max(rows, columns) > _MOST_PIXELS:
        return f"The picture would have {columns} × {rows} pixels, more than {_MOST_PIXELS}: give larger pixels."
    if abs(fields.secondary_angle) > 90 or not math.isfinite(fields.primary_angle):
        return f"The angle to the head is {fields.secondary_angle:g}°: it lies between -90° and 90°."
    return ""
