"""Where a registration begins, for each method of a panel; in words too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.app.geometry_fields import ANGLES, AUTOMATIC
from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import carm
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization.given import start_poses
from SphericalRegLib.initialization.landmarks import match_by_name, pose_from_landmarks


def starts_for(
    method: str,
    volume: Volume,
    xrays: Sequence[XRay],
    *,
    preset: str = AUTOMATIC,
    current: Tensor | None = None,
    points: Mapping[str, Any] | None = None,
    pixels: Sequence[Mapping[str, Any]] = (),
) -> tuple[Tensor, str]:
    """Poses (S, 4, 4) rig_from_world to start from, and in words where they come from.

    Args:
        method: one of ``methods.METHODS``.
        volume: of the CT.
        xrays: the views; ``geometry`` of the first holds the angles for the preset "angles".
        preset: a name in ``carm.PRESETS``, "angles", or "automatic": the angles where they are known, else AP and PA.
        current: (4, 4) rig_from_world, for "current pose".
        points: {name: (x, y, z)} world mm, for "landmarks".
        pixels: for each view {name: (u, v)}, for "landmarks".

    Raises:
        InputError: for a method whose start is missing; the message says what to do.
        GeometryError: for angles or poses that cannot be used.
    """
    if method == "current pose":
        if current is None:
            raise InputError("There is no current pose: choose a pose transform in Register, or another method.")
        return start_poses(xrays, volume.center, pose=current), "the current pose"
    if method == "landmarks":
        return _from_landmarks(points or {}, pixels, xrays)
    if preset in carm.PRESETS:
        return start_poses(xrays, volume.center, preset=preset), f"the preset view {preset}"
    geometry = xrays[0].geometry
    known = geometry is not None and geometry.primary_deg is not None
    if preset == ANGLES and not known:
        raise InputError("The preset view is 'angles', but there are none: type the C-arm's angles, or choose a view.")
    if preset not in (ANGLES, AUTOMATIC):
        raise InputError(
            f"There is no preset view {preset!r}: choose {AUTOMATIC}, {', '.join(carm.PRESETS)}, {ANGLES}."
        )
    if known and geometry is not None:
        words = f"C-arm angles {geometry.primary_deg:g}°, {geometry.secondary_deg or 0:g}°"
    else:
        words = "nothing known: AP and PA were tried"
    return start_poses(xrays, volume.center), words


def _from_landmarks(
    points: Mapping[str, Any], pixels: Sequence[Mapping[str, Any]], xrays: Sequence[XRay]
) -> tuple[Tensor, str]:
    if not points:
        raise InputError("There are no landmarks in the CT: place at least 4, under Inputs.")
    if not any(pixels):
        raise InputError("There are no landmarks in the X-ray: place them by the same names, under Inputs.")
    pairs = [(xray.view, match_by_name(points, seen)) for xray, seen in zip(xrays, pixels, strict=True) if seen]
    found = pose_from_landmarks(
        [world for _, (_, world, _) in pairs],
        [image for _, (_, _, image) in pairs],
        [view for view, _ in pairs],
        names=[names for _, (names, _, _) in pairs],
    )
    outliers = [
        name
        for (_, (names, _, _)), inlier in zip(pairs, found.inliers, strict=True)
        for name, good in zip(names, inlier.tolist(), strict=True)
        if not good
    ]
    left_out = f", without {', '.join(outliers)}, which do not fit" if outliers else ""
    count = int(torch.stack([inlier.sum() for inlier in found.inliers]).sum())
    return found.pose[None], f"{count} landmarks, {found.rms_px:.2f} px rms{left_out}"
