"""The files that commands share: CT, X-rays with their calibration, and where to start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import carm
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization.given import start_poses
from SphericalRegLib.initialization.landmarks import match_by_name, pose_from_landmarks
from SphericalRegLib.io.calibration_files import read_autoscoper, read_json
from SphericalRegLib.io.landmarks.files import read_landmarks
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.io.xray import read_xray

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
) -> list[XRay]:
    """The X-rays with their views.

    Raises:
        InputError: for unusable files, several X-rays of which nobody knows how they lie to one another, or another
            number of views than X-rays.
    """
    if not files:
        raise InputError("There is no X-ray: name one or several with --xray.")
    if calibrations:
        if sad is not None:
            raise InputError("--sad is for X-rays without a calibration file: leave it or --view out.")
        views = read_views(calibrations, sdd, spacing)
        if len(views) != len(files):
            raise InputError(f"There are {len(views)} views in --view for {len(files)} X-rays: give one for each.")
        return [
            read_xray(f, view, frame, intensity=intensity, channel=channel)
            for f, view in zip(files, views, strict=True)
        ]
    if len(files) > 1:
        raise InputError(
            f"There are {len(files)} X-rays, but nothing tells how their views lie to one another: name a calibration "
            "of all of them with --view."
        )
    options: dict[str, Any] = {"sdd": sdd, "sad": sad, "spacing": spacing}
    return [read_xray(files[0], None, frame, intensity=intensity, channel=channel, **options)]


def read_starts(
    xrays: Sequence[XRay],
    volume: Volume,
    *,
    start_pose: str | None,
    preset: str | None,
    angles: tuple[float, float] | None,
    landmarks: Sequence[str] | None,
) -> tuple[Tensor, str]:
    """Poses (S, 4, 4) to start from, and in words where they come from.

    Raises:
        InputError: for more than one kind of start, or one that cannot be used.
    """
    options = {"--start-pose": start_pose, "--preset": preset, "--angles": angles, "--landmarks": landmarks}
    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"The start was given by {' and '.join(given)}: leave all but one out.")
    pose: Tensor | None = None
    origin = f"as given by {given[0]}" if given else _origin_without_choice(xrays[0])
    if start_pose is not None:
        pose = read_pose(start_pose)
        origin = f"the pose in {start_pose}"
    elif landmarks is not None:
        pose, origin = _from_landmarks(landmarks, xrays)
    elif angles is not None:
        origin = f"C-arm angles {angles[0]:g}°, {angles[1]:g}° (--angles)"
    elif preset is not None:
        origin = f"{preset} (--preset)"
    return start_poses(xrays, volume.center, pose=pose, preset=preset, angles=angles), origin


def _origin_without_choice(xray: XRay) -> str:
    if xray.geometry is not None and xray.geometry.primary_deg is not None:
        return f"C-arm angles {xray.geometry.primary_deg:g}°, {xray.geometry.secondary_deg or 0:g}° from DICOM"
    return f"nothing known: {' and '.join(list(carm.PRESETS)[:2])} were tried"


def _from_landmarks(files: Sequence[str], xrays: Sequence[XRay]) -> tuple[Tensor, str]:
    points, pixels = read_landmarks(files, [xray.path for xray in xrays], [xray.frame for xray in xrays])
    matched = [match_by_name(p, q) for p, q in zip(points, pixels, strict=True)]
    found = pose_from_landmarks(
        [world for _, world, _ in matched],
        [image for _, _, image in matched],
        [xray.view for xray in xrays],
        names=[names for names, _, _ in matched],
    )
    outliers = [
        name
        for (names, _, _), inlier in zip(matched, found.inliers, strict=True)
        for name, good in zip(names, inlier.tolist(), strict=True)
        if not good
    ]
    left_out = f", without {', '.join(outliers)}, which do not fit" if outliers else ""
    count = int(torch.stack([inlier.sum() for inlier in found.inliers]).sum())
    return found.pose, f"{count} landmarks, {found.rms_px:.2f} px rms{left_out}"
