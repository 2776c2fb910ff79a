"""How X-rays are read: options that commands with X-rays have, documented once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from SphericalRegLib.cli.reading.inputs import IntensityName, mask_files, read_xrays
from SphericalRegLib.geometry.tolerance import GeometryTolerance
from SphericalRegLib.imaging.xray import XRay


class XRayReading(TypedDict, total=False):
    """How X-rays are read.

    Args:
        view: calibration, where DICOM does not tell or for several X-rays: our JSON, or Autoscoper's text files. A pose
            in it is where the registration starts, unless another start is given.
        sdd: source-to-detector distance in mm, instead of DICOM's.
        sad: source-to-isocenter distance in mm, instead of DICOM's.
        spacing: distance of pixel centers on the detector in mm, rows then columns, instead of DICOM's.
        frame: of a multi-frame X-ray, counted from 0.
        channel: of a color picture, counted from 0.
        intensity: what the X-ray's values are: "intensity" (raw), "inverted" (bone dark), "attenuation" (bone bright);
            "auto", the default, goes by DICOM's tags.
        mirrored: whether the X-ray is a mirror image of what the source sees; by default as its file says.
        mask: which pixels are compared: "auto", those that are neither collimated, filled in, burnt out nor metal;
            "none", all of them; or an image of the X-ray's size that is not zero where usable. One for all X-rays, or
            one for each.
    """

    view: list[str] | None
    sdd: float | None
    sad: float | None
    spacing: tuple[float, float] | None
    frame: int | None
    channel: int | None
    intensity: IntensityName
    mirrored: bool
    mask: list[str]


def read_images(
    files: Sequence[str], reading: Mapping[str, Any], geometry_tolerance: GeometryTolerance | None = None
) -> list[XRay]:
    """The X-rays with their views, as the options say.

    Args:
        files: one X-ray or several.
        reading: options of :class:`XRayReading`; other keys count for nothing.
        geometry_tolerance: how well the views are known.

    Raises:
        InputError, GeometryError: as :func:`~SphericalRegLib.cli.reading.inputs.read_xrays`.
    """
    return read_xrays(
        files,
        reading.get("view"),
        reading.get("frame"),
        reading.get("intensity", "auto"),
        channel=reading.get("channel"),
        sdd=reading.get("sdd"),
        sad=reading.get("sad"),
        spacing=reading.get("spacing"),
        masks=reading.get("mask"),
        mirrored=reading.get("mirrored"),
        geometry_tolerance=geometry_tolerance,
    )


def files_of(reading: Mapping[str, Any]) -> list[str]:
    """The files that the options name."""
    return [*(reading.get("view") or []), *mask_files(reading.get("mask"))]
