"""Reading one X-ray from DICOM or a picture: its geometry, its tone, and the pixels that count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import plausibility
from SphericalRegLib.geometry.nominal import NominalGeometry
from SphericalRegLib.geometry.tolerance import EXACT, GeometryTolerance, Tolerance
from SphericalRegLib.geometry.view import View, mirrored_view
from SphericalRegLib.imaging.mask import judged_mask
from SphericalRegLib.imaging.tone import TONES, Tone, to_attenuation
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.dicom.distances import AS_GIVEN
from SphericalRegLib.io.dicom.file import damage_named, is_dicom
from SphericalRegLib.io.dicom.geometry import view_from_dicom
from SphericalRegLib.io.dicom.xray import read_dicom_xray
from SphericalRegLib.io.mask_file import read_mask
from SphericalRegLib.io.xray_file import read_picture

#: In ``XRay.conversion`` where neither the file nor the caller said whether bone is bright.
TONE_UNTOLD = "the file does not tell"

#: What ``mask`` may be besides a file.
MASKINGS = ("auto", "none")


def read_xray(
    path: str | Path,
    view: View | None = None,
    frame: int | None = None,
    *,
    intensity: Literal["auto"] | Tone = "auto",
    i0: float | None = None,
    channel: int | None = None,
    sdd: float | None = None,
    sad: float | None = None,
    spacing: tuple[float, float] | None = None,
    principal_point: tuple[float, float] | None = None,
    primary_deg: float | None = None,
    secondary_deg: float | None = None,
    mirrored: bool | None = None,
    mask: str | Path = "auto",
    geometry_tolerance: GeometryTolerance | None = None,
) -> XRay:
    """Read one X-ray image from DICOM (XA, RF, CR, DX, RTIMAGE), PNG, TIFF, NRRD or MHA.

    Args:
        path: the file.
        view: its geometry, in place of whatever the file says; excludes the geometry keywords below.
        frame: counted from 0; required where the file holds several.
        intensity: what the values are. "intensity": proportional to the X-rays that arrived (raw detector), "inverted":
            bone dark, but logarithmic or made for display; "attenuation": bone bright. "auto" goes by DICOM's tags;
            other formats tell nothing and are taken as "attenuation".
        i0: the intensity with nothing in the beam, for "intensity"; the largest value by default.
        channel: which channel of a color picture.
        sdd, sad, spacing, principal_point, primary_deg, secondary_deg, mirrored: geometry that DICOM's tags lack or
            have wrong, as in ``view_from_dicom``. Formats without tags need ``sdd`` and ``spacing`` (or a view).
        mask: which pixels can be compared: "auto", as tags and :func:`~SphericalRegLib.imaging.mask.estimate_mask` find
            them; "none", all of them, whatever the tags say; or the path of an image of the X-ray's size (PNG, TIFF,
            NRRD, MHA) that is not zero where they can.
        geometry_tolerance: how well the view is known, whoever tells it; widens the intervals of a pose.

    Raises:
        InputError: for files that are no single gray X-ray; the message names the value and the remedy.
        GeometryError: for geometry that is missing, impossible, or of another size than the image.
    """
    path = Path(path)
    if intensity not in ("auto", *TONES):
        raise InputError(f"intensity={intensity!r} is none of auto, {', '.join(TONES)}.")
    options: dict[str, Any] = {
        "sdd": sdd,
        "sad": sad,
        "spacing": spacing,
        "principal_point": principal_point,
        "primary_deg": primary_deg,
        "secondary_deg": secondary_deg,
        "mirrored": mirrored,
    }
    given = [name for name, value in options.items() if value is not None]
    if view is not None and given:
        raise InputError(f"A view and {', '.join(given)} were given for {path}: leave one of them out.")
    geometry: NominalGeometry | None = None
    if is_dicom(path):
        source = read_dicom_xray(path, frame)
        values, usable, frame, notes = source.values, source.usable, source.frame, source.notes
        tone, reason = source.tone, source.tone_reason
        if view is None:
            with damage_named(path):
                geometry = view_from_dicom(source.dataset, frame=frame, name=path.stem, **options)
            view, notes = geometry.view, geometry.notes + notes
    else:
        _refuse_dicom_without_preamble(path)
        values, frame = read_picture(path, frame, channel)
        usable = np.ones(values.shape, bool)
        tone, reason, notes = "attenuation", TONE_UNTOLD, ()
        if view is None:
            view = _plain_view(path, values.shape, options)
            notes = plausibility.doubts(view, AS_GIVEN, AS_GIVEN, AS_GIVEN)
    if (view.height, view.width) != values.shape:
        raise GeometryError(
            f"{path} has {values.shape[0]} rows and {values.shape[1]} columns, its geometry is for {view.height} and "
            f"{view.width}: give the geometry of this image, or View.resized if one is a scaled copy."
        )
    if view.tolerance == EXACT or geometry_tolerance is not None:
        tolerance = _tolerance(view, geometry, given, geometry_tolerance or GeometryTolerance())
        # a view of the caller's stays the same object
        view = view if tolerance == view.tolerance else replace(view, tolerance=tolerance)
    xray = xray_of_values(
        values, view, path, frame, usable=usable, tone=tone, reason=reason, intensity=intensity, i0=i0, mask=mask
    )
    angles = _angles(geometry, primary_deg, secondary_deg)
    return replace(xray, start_angles=angles, geometry=geometry, notes=notes + xray.notes)


def xray_of_values(
    values: np.ndarray,
    view: View,
    path: str | Path,
    frame: int,
    *,
    usable: np.ndarray | None = None,
    tone: Tone = "attenuation",
    reason: str = TONE_UNTOLD,
    intensity: Literal["auto"] | Tone = "auto",
    i0: float | None = None,
    mask: str | Path = "auto",
) -> XRay:
    """An X-ray out of gray values that are in memory already.

    Args:
        values: (H, W), of the view's size.
        view: its geometry.
        path: where they came from.
        frame: which of several, from 0.
        usable: (H, W) bool, as far as a file's tags tell; all of it by default.
        tone, reason: what a file says that values are, and where; for ``intensity="auto"``.
        intensity, i0, mask: as of :func:`read_xray`.

    Raises:
        InputError: for a mask that cannot be read.
    """
    if intensity != "auto":
        tone, reason = intensity, "as chosen"
    image = to_attenuation(values, tone, i0)
    notes: tuple[str, ...] = ()
    if mask == "auto":
        usable, notes = judged_mask(image, np.ones(values.shape, bool) if usable is None else usable)
    elif mask == "none":
        usable = np.ones(values.shape, bool)
    else:
        usable = read_mask(mask, values.shape)
    conversion = f"{SENTENCES[tone]} ({reason})"
    return XRay(image, view, usable, path=str(path), frame=frame, conversion=conversion, notes=notes)


def _refuse_dicom_without_preamble(path: Path) -> None:
    """Raise InputError for DICOM that old software wrote without its first 132 bytes: ITK would drop its tags."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        start = file.read(4)
    # the first tag of such a file, of group 0002 or 0008 in little endian, and an element below 0x20
    if len(start) == 4 and start[0] in (2, 8) and start[1] == 0 and start[2] < 0x20 and start[3] == 0:
        raise InputError(
            f"{path} looks like DICOM without its preamble (128 bytes and DICM): write it again as a DICOM file, for "
            "example with dcmconv of DCMTK, or give the original."
        )


def _plain_view(path: Path, shape: tuple[int, ...], options: dict[str, Any]) -> View:
    """The view of a file that holds no geometry, from keywords alone."""
    if options["sdd"] is None or options["spacing"] is None:
        raise GeometryError(
            f"{path} does not hold its projection geometry: give its view (a calibration file), or sdd= (source-to-"
            "detector distance, mm) and spacing= (row and column distance of pixels on the detector, mm)."
        )
    view = View.from_spacing(
        shape[0], shape[1], options["sdd"], options["spacing"], options["principal_point"], options["sad"], path.stem
    )
    return mirrored_view(view) if options["mirrored"] else view


def _tolerance(view: View, geometry: NominalGeometry | None, typed: list[str], stated: GeometryTolerance) -> Tolerance:
    """How well the view's numbers are known."""
    calculated = geometry is not None and geometry.spacing_from_depth
    return stated.of(view.sdd, view.spacing, sdd_typed="sdd" in typed, spacing_typed="spacing" in typed or calculated)


def _angles(
    geometry: NominalGeometry | None, primary_deg: float | None, secondary_deg: float | None
) -> tuple[float, float] | None:
    if geometry is not None:
        primary_deg, secondary_deg = geometry.primary_deg, geometry.secondary_deg
    return None if primary_deg is None else (primary_deg, secondary_deg or 0.0)


#: In words, how values of each kind become an image that is bright where dense.
SENTENCES: dict[Tone, str] = {
    "intensity": "intensity, converted with the logarithm",
    "inverted": "stored low where dense, inverted",
    "attenuation": "stored high where dense, taken as it is",
}
