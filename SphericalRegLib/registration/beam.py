"""Whether a CT lies in the beam at all: before anything is spent on a pose from which nothing can be seen."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.rendering import render


def check_beam(volume: Volume, xrays: Sequence[XRay], starts: Tensor, kernel: str = "auto") -> None:
    """See that at one start at least the CT lies in the beam of every view.

    Args:
        volume: the CT.
        xrays: the views.
        starts: (S, 4, 4) rig_from_world.
        kernel: of the renderer.

    Raises:
        GeometryError: with where the CT lies instead.
    """
    corners = volume.corners()
    for xray in xrays:
        camera = se3.transform_points(xray.view.camera_from_world(starts), corners)
        if bool((camera[..., 2].amax(-1) <= 0).all()):
            raise GeometryError(
                f"At the start the CT lies behind the X-ray source of {xray.view.name}: check the start pose and "
                "whether it maps world (CT) to camera, in mm."
            )
        image = render(volume, xray.view.resized(16, 16), starts, samples=64, kernel=kernel)
        if not bool((image > 0).any()):
            middle = se3.transform_points(xray.view.camera_from_world(starts), volume.center[None])
            raise GeometryError(
                f"At the start the CT does not overlap the beam of {xray.view.name}: its isocenter is at "
                f"{[round(x) for x in middle[0, 0].tolist()]} mm in camera coordinates, the detector at z = "
                f"{xray.view.sdd:.0f} mm. Give another start pose, preset or angles."
            )
