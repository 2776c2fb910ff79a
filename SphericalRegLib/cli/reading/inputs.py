"""The files that commands share: CT, X-rays with their calibration, and where to start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.tolerance import GeometryTolerance
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import Case, Marks
from SphericalRegLib.io.calibration_files import read_autoscoper, read_json
from SphericalRegLib.io.landmarks.files import read_landmarks
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.io.xray import MASKINGS, read_xray
from SphericalRegLib.networks.model import Model

Preset = Literal["AP", "PA", "left lateral", "right lateral"]
IntensityName = Literal["auto", "intensity", "inverted", "attenuation"]


def read_views(files: Sequence[str], sdd: float | None, spacing: tuple[float, float] | None) -> list[View]:
    """The views in calibration files, in order: our JSON (one or several), else Autoscoper's text.

    Raises:
        InputError: for files that cannot be read, or distances for a file that tells them itself.
    """
    views: list[View] = []
    for file in files:
        if Path(file).suffix.lower() == ".json":
            if sdd is not None or spacing is not None:
                raise InputError(f"{file} tells --sdd and --spacing itself: leave them out.")
            views += read_json(file).views
        else:
            views.append(read_autoscoper(file, sdd=sdd, spacing=spacing))
    return views


def read_xrays(
    files: Sequence[str],
    calibrations: Sequence[str] | None,
    frame: int | None,
    intensity: IntensityName,
    *,
    channel: int | None = None,
    sdd: float | None,
    sad: float | None,
    spacing: tuple[float, float] | None,
    masks: Sequence[str] | None = None,
    mirrored: bool | None = None,
    geometry_tolerance: GeometryTolerance | None = None,
) -> list[XRay]:
    """The X-rays with their views.

    Args:
        files: one X-ray or several.
        calibrations: files of their views, or None where each tells its own.
        frame, intensity, channel, sdd, sad, spacing: as of :func:`~SphericalRegLib.io.xray.read_xray`.
        masks: "auto", "none" or an image of the usable pixels; one for all or one for each.
        mirrored: whether it is a mirror image of what the source sees; None: as its file says.
        geometry_tolerance: how well the views are known.

    Raises:
        InputError: for unusable files, several X-rays of which nobody knows how they lie to one another, or another
            number of views or masks than X-rays.
    """
    if not files:
        raise InputError("There is no X-ray: name one or several with --xray.")
    masks = list(masks or ["auto"])
    if len(masks) not in (1, len(files)):
        raise InputError(
            f"There are {len(masks)} of --mask for {len(files)} X-rays: give one for each, or one for all."
        )
    masks *= len(files) // len(masks)
    pixels: dict[str, Any] = {
        "intensity": intensity,
        "channel": channel,
        "geometry_tolerance": geometry_tolerance,
    }
    if calibrations:
        if sad is not None:
            raise InputError("--sad is for X-rays without a calibration file: leave it or --view out.")
        if mirrored is not None:
            raise InputError("--mirrored is for X-rays without a calibration file: leave it or --view out.")
        views = read_views(calibrations, sdd, spacing)
        if len(views) != len(files):
            raise InputError(f"There are {len(views)} views in --view for {len(files)} X-rays: give one for each.")
        return [
            read_xray(f, view, frame, mask=mask, **pixels) for f, view, mask in zip(files, views, masks, strict=True)
        ]
    if len(files) > 1:
        raise InputError(
            f"There are {len(files)} X-rays, but nothing tells how their views lie to one another: name a calibration "
            "of all of them with --view."
        )
    options: dict[str, Any] = {"sdd": sdd, "sad": sad, "spacing": spacing, "mirrored": mirrored}
    return [read_xray(files[0], None, frame, mask=masks[0], **pixels, **options)]


def mask_files(masks: Sequence[str] | None) -> list[str]:
    """Those of ``--mask`` that are files."""
    return [mask for mask in masks or [] if mask not in MASKINGS]


def read_case(
    volume: Volume,
    xrays: Sequence[XRay],
    *,
    start_pose: str | None = None,
    preset: str | None = None,
    angles: tuple[float, float] | None = None,
    landmarks: Sequence[str] | None = None,
    whole: Volume | None = None,
    model: Model | None = None,
) -> Case:
    """What is to be registered, and what the options tell of its pose.

    Args:
        volume: the CT's attenuation, or that of chosen bones.
        xrays: the views.
        start_pose: file of a pose.
        preset: name of a view.
        angles: of the C-arm.
        landmarks: their files.
        whole: the whole CT, where ``volume`` is of chosen bones.
        model: a trained one.

    Raises:
        InputError: for more than one kind of start, or files that cannot be used.
    """
    options = {"--start_pose": start_pose, "--preset": preset, "--angles": angles, "--landmarks": landmarks}
    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"The start was given by {' and '.join(given)}: leave all but one out.")
    marks = None
    if landmarks is not None:
        marks = Marks(*read_landmarks(landmarks, [xray.path for xray in xrays], [xray.frame for xray in xrays]))
    return Case(
        volume,
        xrays,
        whole,
        poses=None if start_pose is None else read_pose(start_pose),
        poses_origin=f"the pose in {start_pose}",
        preset=preset,
        angles=angles,
        landmarks=marks,
        model=model,
    )
