"""The part of an X-ray that shows a volume: a small bone then fills the pixels of every level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay

# Pixels: less than this is no picture, and the X-ray stays whole.
_SMALLEST = 16


def cropped_around(xray: XRay, volume: Volume, pose: Tensor, margin_mm: float) -> XRay:
    """The part of an X-ray within ``margin_mm`` (at the isocenter) of the CT's box as projected at ``pose``, (4, 4) or
    several, (P, 4, 4), of which the first gives the magnification.

    The geometry stays exact. Where hardly anything would be left the X-ray is returned whole.
    """
    return cropped_around_all(xray, [(volume, pose)], margin_mm)


def cropped_around_all(xray: XRay, placed: Sequence[tuple[Volume, Tensor]], margin_mm: float) -> XRay:
    """As :func:`cropped_around`, of several volumes, each with its pose (4, 4) or poses (P, 4, 4)."""
    view = xray.view
    lows, highs = list[Tensor](), list[Tensor]()
    for volume, pose in placed:
        poses = pose.reshape(-1, 4, 4)
        pixels = view.project(volume.corners(), poses).reshape(-1, 2)
        camera = se3.transform_points(view.camera_from_world(poses[0]), volume.center[None])
        magnified = margin_mm * view.sdd / max(1.0, float(camera[0, 2]))
        reach = magnified / torch.tensor([view.spacing[1], view.spacing[0]], dtype=torch.float64)
        lows.append(pixels.amin(0) - reach)
        highs.append(pixels.amax(0) + reach)
    low, high = torch.stack(lows).amin(0), torch.stack(highs).amax(0)
    left, top = max(0, int(low[0])), max(0, int(low[1]))
    right, bottom = min(view.width, int(high[0]) + 2), min(view.height, int(high[1]) + 2)
    if right - left < _SMALLEST or bottom - top < _SMALLEST:
        return xray
    cut = (slice(top, bottom), slice(left, right))
    cropped = view.cropped(top, left, bottom - top, right - left)
    return replace(xray, image=xray.image[cut], mask=xray.mask[cut], view=cropped)
