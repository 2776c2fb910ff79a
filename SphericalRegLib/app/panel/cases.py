"""What is known of the pose, for each method of a panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from SphericalRegLib.app.panel.geometry_fields import ANGLES, AUTOMATIC
from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import carm
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.networks.model import Model
from SphericalRegLib.registration import Case, Marks


def case_for(
    method: str,
    volume: Volume,
    xrays: Sequence[XRay],
    *,
    whole: Volume | None = None,
    model: Model | None = None,
    preset: str = AUTOMATIC,
    current: Tensor | None = None,
    points: Mapping[str, Any] | None = None,
    pixels: Sequence[Mapping[str, Any]] = (),
) -> Case:
    """The case of a method.

    Args:
        method: one of ``methods.METHODS``.
        volume: of the CT, or of chosen bones.
        xrays: the views; ``geometry`` of the first holds the angles for the preset "angles".
        whole: the whole CT, where ``volume`` is of chosen bones.
        model: a trained one, or None.
        preset: a name in ``carm.PRESETS``, "angles", or "automatic": the angles where they are known, else AP and PA.
        current: (4, 4) rig_from_world, for "current pose".
        points: {name: (x, y, z)} world mm, for "landmarks".
        pixels: for each view {name: (u, v)}, for "landmarks".

    Raises:
        InputError: for a method whose start is missing; the message says what to do.
    """
    if method == "current pose":
        if current is None:
            raise InputError("There is no current pose: choose a pose transform in Register, or another method.")
        return Case(volume, xrays, whole, poses=current, poses_origin="the current pose", model=model)
    if method == "landmarks":
        if not points:
            raise InputError("There are no landmarks in the CT: place at least 4, under Inputs.")
        if not any(pixels):
            raise InputError("There are no landmarks in the X-ray: place them by the same names, under Inputs.")
        return Case(volume, xrays, whole, landmarks=Marks([points] * len(pixels), pixels), model=model)
    if preset in carm.PRESETS:
        return Case(volume, xrays, whole, preset=preset, model=model)
    geometry = xrays[0].geometry if xrays else None
    if preset == ANGLES and (geometry is None or geometry.primary_deg is None):
        raise InputError("The preset view is 'angles', but there are none: type the C-arm's angles, or choose a view.")
    if preset not in (ANGLES, AUTOMATIC):
        raise InputError(
            f"There is no preset view {preset!r}: choose {AUTOMATIC}, {', '.join(carm.PRESETS)}, {ANGLES}."
        )
    return Case(volume, xrays, whole, model=model)
