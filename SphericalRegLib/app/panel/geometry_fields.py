"""A view's geometry as a panel shows it: a handful of numbers, filled from DICOM, checked as they are typed.

Checking needs no torch; what makes views and reads headers imports it when called.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from SphericalRegLib.errors import GeometryError

if TYPE_CHECKING:
    import pydicom

    from SphericalRegLib.geometry.nominal import NominalGeometry
    from SphericalRegLib.geometry.view import View

# Where nobody knows it: the usual place of the isocenter, as a share of the detector's distance.
_USUAL_SAD_SHARE = 0.7
# mm: no C-arm or X-ray room is smaller or larger.
_SDD_RANGE = (200.0, 5000.0)
# mm: detector pixels outside of this are likely in another unit.
_SPACING_RANGE = (0.01, 10.0)

#: Preset views beside the names in ``carm.PRESETS``: both tried; the two angles as typed.
AUTOMATIC, ANGLES = "automatic", "angles"


@dataclass(frozen=True)
class ViewFields:
    """One X-ray's geometry as it stands in the panel's fields; 0 is an empty field where 0 makes no sense.

    The parameters that the panel saves bear the same names (:mod:`packs`), and those of a new field must too.

    Attributes:
        sdd: source-to-detector distance, mm.
        sad: source-to-isocenter distance, mm; may stay empty with one view.
        row_spacing, column_spacing: distance of pixel centers on the detector, mm.
        off_center_columns, off_center_rows: from the image's middle to where the central ray hits, pixels.
        primary_angle, secondary_angle: where the detector is, as DICOM's positioner angles, degrees.
        rotation: of the stored image about the beam, degrees.
        mirrored: whether the stored image is a mirror image of what the source sees.
        angles_known: whether the angles mean something.
        tone: what the image's values are, one of ``imaging.tone.TONES``.
    """

    sdd: float = 0.0
    sad: float = 0.0
    row_spacing: float = 0.0
    column_spacing: float = 0.0
    off_center_columns: float = 0.0
    off_center_rows: float = 0.0
    primary_angle: float = 0.0
    secondary_angle: float = 0.0
    rotation: float = 0.0
    mirrored: bool = False
    angles_known: bool = False
    tone: str = "attenuation"


#: Fields that are typed together, and told of in one place, by what a panel calls them.
GROUPS = {
    "sdd": ("sdd",),
    "sad": ("sad",),
    "spacing": ("row_spacing", "column_spacing"),
    "off_center": ("off_center_columns", "off_center_rows"),
    "mirrored": ("mirrored",),
    "angles": ("angles_known", "primary_angle", "secondary_angle", "rotation"),
    "tone": ("tone",),
}


def group_of(field: str) -> str:
    """The group that a field belongs to."""
    return next(group for group, names in GROUPS.items() if field in names)


def problems(fields: ViewFields, size: tuple[int, int] | None = None, several: bool = False) -> dict[str, str]:
    """What is missing or wrong, in words, by field; empty where a registration can use it.

    Args:
        fields: of one view.
        size: (rows, columns) of its image, where one is chosen.
        several: whether it is one of several views, which then must say how they lie to one another.
    """
    found = {}
    low, high = _SDD_RANGE
    if not fields.sdd > 0:
        found["sdd"] = "Missing: source-to-detector distance, usually 900 to 1500 mm."
    elif not low <= fields.sdd <= high:
        found["sdd"] = f"{fields.sdd:g} mm is no C-arm's distance: give {low:g} to {high:g} mm."
    smallest, largest = _SPACING_RANGE
    for name, value in (("row_spacing", fields.row_spacing), ("column_spacing", fields.column_spacing)):
        if not value > 0:
            found[name] = "Missing: distance of pixel centers on the detector, mm."
        elif not smallest <= value <= largest:
            found[name] = f"{value:g} mm is no detector's pixel: give {smallest:g} to {largest:g} mm."
    if fields.sad > 0 and fields.sdd > 0 and not fields.sad < fields.sdd:
        found["sad"] = f"Must be less than the distance to the detector, {fields.sdd:g} mm."
    elif several and not fields.sad > 0:
        found["sad"] = "Missing: two views need the distance from source to isocenter."
    elif fields.sad < 0 or not math.isfinite(fields.sad):
        found["sad"] = f"{fields.sad:g} mm is no distance."
    if size is not None:
        rows, columns = size
        for name, off, extent in (
            ("off_center_columns", fields.off_center_columns, columns),
            ("off_center_rows", fields.off_center_rows, rows),
        ):
            # told once: the two are one place
            if abs(off) > extent and "off_center_columns" not in found:
                found[name] = "The central ray would miss the detector by more than half its size: check the sign."
    if abs(fields.secondary_angle) > 90:
        found["secondary_angle"] = f"The secondary angle is {fields.secondary_angle:g}°: it lies between -90° and 90°."
    elif several and not fields.angles_known:
        found["angles_known"] = "Missing: two views need the C-arm's angles of both, or a calibration file."
    return found


def fields_from_dicom(dataset: pydicom.Dataset, frame: int = 0) -> tuple[ViewFields, list[str]]:
    """The fields as far as a header tells, and in words what it does not tell and what it tells is doubtful.

    The tone is that of the values as ITK, and so 3D Slicer, hands them over.

    Args:
        dataset: header; pixels are not needed.
        frame: counted from 0.
    """
    from SphericalRegLib.io.dicom.geometry import as_far_as_told
    from SphericalRegLib.io.dicom.tone_tags import tone_as_itk_reads

    tone, told = tone_as_itk_reads(dataset, frame), as_far_as_told(dataset, frame)
    if told.geometry is None:
        return ViewFields(tone=tone), [*told.missing, *told.notes]
    fields = replace(_fields(told.geometry), tone=tone)
    if told.sdd_missing:
        fields = replace(fields, sdd=0.0, sad=0.0)
    if told.spacing_missing:
        # the central ray's place is counted in pixels
        fields = replace(fields, row_spacing=0.0, column_spacing=0.0, off_center_columns=0.0, off_center_rows=0.0)
    return fields, [*told.missing, *told.notes]


def _fields(geometry: NominalGeometry) -> ViewFields:
    view = geometry.view
    k = view.intrinsics
    row_spacing, column_spacing = view.spacing
    return ViewFields(
        sdd=view.sdd,
        sad=view.sad or 0.0,
        row_spacing=row_spacing,
        column_spacing=column_spacing,
        off_center_columns=float(k[0, 2]) - (view.width - 1) / 2,
        off_center_rows=float(k[1, 2]) - (view.height - 1) / 2,
        primary_angle=geometry.primary_deg or 0.0,
        secondary_angle=geometry.secondary_deg or 0.0,
        rotation=geometry.rotation_deg,
        mirrored=view.mirrored,
        angles_known=geometry.primary_deg is not None,
    )


def view_of(fields: ViewFields, size: tuple[int, int], name: str) -> View:
    """The view alone, its rig being its camera.

    Args:
        fields: complete, see :func:`problems`.
        size: (rows, columns) of the image.
        name: what the user calls it.

    Raises:
        GeometryError: for what is missing or wrong.
    """
    from SphericalRegLib.geometry.view import View, mirrored_view

    if found := problems(fields, size):
        raise GeometryError(f"The geometry of {name} is not complete. " + " ".join(found.values()))
    rows, columns = size
    middle = ((columns - 1) / 2 + fields.off_center_columns, (rows - 1) / 2 + fields.off_center_rows)
    spacing = fields.row_spacing, fields.column_spacing
    view = View.from_spacing(rows, columns, fields.sdd, spacing, middle, fields.sad or None, name)
    return mirrored_view(view) if fields.mirrored else view


def views_of(fields: Sequence[ViewFields], sizes: Sequence[tuple[int, int]], names: Sequence[str]) -> list[View]:
    """The views in one rig, which is the first one's camera; the others lie to it as their angles say.

    All turn about one isocenter (an isocentric C-arm); where they do not, use a calibration file.

    Raises:
        GeometryError: for what is missing or wrong.
    """
    import torch

    from SphericalRegLib.geometry import se3

    views = [view_of(f, size, name) for f, size, name in zip(fields, sizes, names, strict=True)]
    if len(views) < 2:
        return views
    for one, size, name in zip(fields, sizes, names, strict=True):
        if found := problems(one, size, several=True):
            raise GeometryError(f"The geometry of {name} is not complete. " + " ".join(found.values()))
    # the isocenter cancels out
    isocenter = torch.zeros(3, dtype=torch.float64)
    cameras = [nominal(one, view).pose(isocenter) for one, view in zip(fields, views, strict=True)]
    rig = se3.inverse(cameras[0])
    return [replace(view, camera_from_rig=camera @ rig) for view, camera in zip(views, cameras, strict=True)]


def nominal(fields: ViewFields, view: View) -> NominalGeometry:
    """The geometry with the C-arm's angles, as if a DICOM header had told it; an unknown distance is the usual one."""
    from SphericalRegLib.geometry.nominal import NominalGeometry

    known = fields.angles_known
    placed = view if view.sad is not None else replace(view, sad=_USUAL_SAD_SHARE * view.sdd)
    return NominalGeometry(
        placed,
        fields.primary_angle if known else None,
        fields.secondary_angle if known else None,
        fields.rotation,
    )
