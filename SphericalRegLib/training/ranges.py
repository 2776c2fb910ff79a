"""Whether declared ranges keep the CT in the beam; told before anything is trained, with a value that would."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.rendering import render

# Starts that leave the beam teach nothing; so many do no harm.
_MOST_BLANK = 0.1
_STARTS = 192
_PIXELS = 32
_SAMPLES = 48
_BISECTIONS = 7


def check_poses(volume: Volume, view: View, nominal: Tensor, truth: SearchRange) -> None:
    """Refuse ranges of true poses at whose corners the CT casts no shadow.

    Args:
        volume: the CT.
        view: of the X-ray system.
        nominal: (4, 4) rig_from_world in the middle.
        truth: to be checked.

    Raises:
        GeometryError: naming the option of ``sphericalreg train`` and the largest value that would do.
    """
    corners = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=6)), dtype=torch.float64)

    def fits(extent: SearchRange) -> bool:
        return _blank(volume, view, se3.about(corners * extent.twist, _repeated(nominal, 64), volume.center)) == 0

    if not fits(truth):
        raise GeometryError(
            f"At the corners of the declared poses ({_told(truth)} around the preset) the CT lies outside of the "
            f"beam: {_remedy('poses', truth, fits)}."
        )


def check_reach(volume: Volume, view: View, nominal: Tensor, truth: SearchRange, reach: SearchRange) -> None:
    """Refuse starts of which more than a tenth show nothing of the CT.

    Args:
        volume, view, nominal, truth: as for :func:`check_poses`.
        reach: how far starts lie from true poses.

    Raises:
        GeometryError: as there.
    """
    generator = torch.Generator().manual_seed(0)
    at, off = (2 * torch.rand(_STARTS, 6, generator=generator, dtype=torch.float64) - 1 for _ in range(2))
    true = se3.about(at * truth.twist, _repeated(nominal, _STARTS), volume.center)

    def fits(extent: SearchRange) -> bool:
        return _blank(volume, view, se3.about(off * extent.twist, true, volume.center)) <= _MOST_BLANK

    if not fits(reach):
        raise GeometryError(
            f"Of starts {_told(reach)} off more than {100 * _MOST_BLANK:.0f} % leave the CT outside of the beam: "
            f"{_remedy('reach', reach, fits)}."
        )


def _repeated(pose: Tensor, count: int) -> Tensor:
    return pose.double().expand(count, 4, 4)


def _blank(volume: Volume, view: View, poses: Tensor) -> float:
    """Share of the poses whose DRR is empty."""
    small = view.resized(_PIXELS, _PIXELS)
    with torch.no_grad():
        peaks = [render(volume, small, some, samples=_SAMPLES).sum(1).amax((1, 2)) for some in poses.split(64)]
    return float((torch.cat(peaks) <= 0).double().mean())


def _told(extent: SearchRange) -> str:
    return f"±{extent.rotation_deg:g}°, ±{extent.in_plane_mm:g} mm in plane, ±{extent.depth_mm:g} mm in depth"


def _remedy(option: str, extent: SearchRange, fits: Callable[[SearchRange], bool]) -> str:
    """The one number to change, if there is one."""
    for name in ("in_plane_mm", "depth_mm", "rotation_deg"):
        given = getattr(extent, name)
        if not fits(replace(extent, **{name: 1e-3})):
            continue
        low, high = 0.0, 1.0
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if fits(replace(extent, **{name: middle * given})) else (low, middle)
        return f"give --{option}.{name} {low * given:.0f} or less"
    return (
        f"narrow all of --{option}.rotation_deg, --{option}.in_plane_mm and --{option}.depth_mm, or check --sdd, --sad"
    )
